"""Onsets of the vowels of songs, by forced alignment with models of phones that are learned from the songs themselves.

    states    | t 1 | t 2 |  ɪ   | ŋ | k 1 | k 2 | ə ...      left to right, a Gaussian each
    frames    ................................................  log-mel and its slope, every 5 ms

The first alignment is that of the score, all of it moved to where the frames of each state are most alike. In turn, the
mean of each state and one covariance of all are estimated from the frames that it holds, and the most probable
alignment is found anew. All songs share the models, so that a note that is sung late does not make late what it is
measured by: on speech whose vowels are asked for up to 50 ms away from where they are, the onsets that are found move
by 3 % of that (benchmarks/singing_onsets.py).

Source: training by Viterbi alignment, Juang and Rabiner 1990, "The segmental K-means algorithm for estimating
parameters of hidden Markov models".
Differs: one covariance for all states, which makes 30 s of song enough. Each vowel has a mean of its own, which leans
on that of its kind, as a held vowel is not like another; means of consonants lean on those of their class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speechnar import audio
from speechnar.audio import AudioConfig
from speechnar.runtime.singing import Melody
from speechnar.score.lyrics import is_vowel
from speechnar.score.notes import Note
from speechnar.score.timing import TimedPhone
from speechnar.text.symbols import stress_of

RATE, HOP = 16000, 80  # Hz, samples: 5 ms from frame to frame
ANALYSIS = AudioConfig(RATE, 512, HOP, 400, 24, 100.0, 7600.0)
DEEPEST = 8.0  # nats below the loudest band: what is softer is silence
SLOPE = 3  # frames on each side
LATE = 0.009  # seconds by which onsets are found late, on speech with known onsets
FARTHEST = 0.3  # seconds from the time that is asked for in which a state is looked for
ITERATIONS = 5
SHIFTS = range(-20, 21, 4)  # frames by which a whole score is moved at first
LEAST = 2  # frames of a state
PRIOR = 20.0  # frames that a mean has besides its own: those of its kind or class
FORBIDDEN = 1e6  # nats
RIDGE = 0.01  # added to the variances, nats squared
GAP = 0.03  # seconds; a longer one between phones is silence
SILENCE = ""
CLASSES = {
    "voiceless stop": ("p", "t", "k", "t͡ʃ"), "voiced stop": ("b", "d", "ɡ", "d͡ʒ"), "nasal": ("m", "n", "ŋ"),
    "voiceless fricative": ("f", "θ", "s", "ʃ", "h"), "voiced fricative": ("v", "ð", "z", "ʒ"),
    "approximant": ("l", "ɹ", "w", "j"), "silence": (SILENCE,),
}  # fmt: skip
_CLASS = {phone: name for name, phones in CLASSES.items() for phone in phones}

State = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Sounds:
    """The features of one song, and the states that are aligned with them.

    Attributes:
        features: (T, n) of `features_of`.
        states: (S,) the phone and the place in it of each.
        edges: (S + 1,) frames between which the states are, from 0 to T.
        firsts: place in `states` of each phone's first state.
    """

    features: np.ndarray
    states: tuple[State, ...]
    edges: np.ndarray
    firsts: tuple[int, ...]


def class_of(phone: str) -> str:
    """Return the class of a phone: `vowel`, or one of `CLASSES`."""
    return "vowel" if phone and is_vowel(phone) else _CLASS.get(phone, "voiced stop")


def vowel_onsets(songs: Sequence[tuple[Melody, np.ndarray, float]]) -> list[list[tuple[Note, float]]]:
    """Return for each song the notes whose vowel has a sharp onset, with that onset in seconds from the score's start.

    A vowel has one after a consonant that is no approximant and after silence; after another vowel it has none.

    Args:
        songs: melody, features of the audio, and seconds from the start of the score to that of the audio.
    """
    sounds = [sounds_of(melody.phones, features, start) for melody, features, start in songs]
    found = []
    for (melody, _, start), song, edges in zip(songs, sounds, align(sounds)):
        pairs = []
        for n, phone in enumerate(melody.phones):
            before = melody.phones[n - 1] if n else None
            silent = before is None or phone.onset - before.end > GAP
            clear = silent or class_of(stress_of(before.phone)[1]) not in ("vowel", "approximant")  # type: ignore[union-attr]
            note = melody.part.notes[phone.note]
            if is_vowel(phone.phone) and clear and abs(phone.onset - note.onset) < 0.01:  # the first of its syllable
                pairs.append((note, start + edges[song.firsts[n]] * HOP / RATE - LATE))
        found.append(pairs)
    return found


def features_of(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return log-mel and its slope of (T_wav,) float32 audio: (T, 48), every 5 ms."""
    mel = audio.log_mel(audio.resample(wav, sample_rate, RATE), ANALYSIS)
    mel = np.maximum(mel, mel.max(initial=-20.0) - DEEPEST)
    padded = np.pad(mel, ((SLOPE, SLOPE), (0, 0)), mode="edge")
    return np.concatenate([mel, padded[2 * SLOPE :] - padded[: -2 * SLOPE]], axis=1)


def sounds_of(phones: Sequence[TimedPhone], features: np.ndarray, start: float) -> Sounds:
    """Return the states of a song, at the times that its score asks for.

    Args:
        phones: of the song, in order.
        features: (T, n), the first frame at `start`, in seconds from the start of the score.
    """
    states: list[State] = []
    begins: list[float] = []
    firsts = []
    end = start

    def add(phone: str, count: int, onset: float, until: float) -> None:
        for n in range(count):
            states.append((phone, n))
            begins.append(onset + (until - onset) * n / count)

    for phone in phones:
        if phone.onset - end > GAP:
            add(SILENCE, 1, end, phone.onset)
        plain = stress_of(phone.phone)[1]
        firsts.append(len(states))
        two = class_of(plain).endswith("stop") or (is_vowel(plain) and len(plain) > 1)
        add(plain, 2 if two else 1, phone.onset, phone.end)
        end = phone.end
    add(SILENCE, 1, end, end + GAP)
    count = max(len(features), LEAST * len(states))
    features = np.pad(features, ((0, count - len(features)), (0, 0)), mode="edge")
    edges = np.rint((np.array([*begins, 0.0]) - start) * RATE / HOP).astype(int)
    return Sounds(features, tuple(states), _spaced(edges, count), tuple(firsts))


def _spaced(edges: np.ndarray, count: int) -> np.ndarray:
    """Return edges from 0 to `count` between which every state has its least number of frames."""
    edges = np.concatenate([[0], edges[1:-1], [count]])
    spare = LEAST * np.arange(len(edges))
    edges = np.maximum.accumulate(edges - spare) + spare  # each has its frames ...
    return np.minimum(edges, count - spare[::-1])  # ... and leaves theirs to those after it


def align(songs: Sequence[Sounds]) -> list[np.ndarray]:
    """Return the most probable edges of the states of songs, (S + 1,) frames each, by models learned from all."""
    keys: dict[tuple[object, ...], int] = {}
    groups: dict[State, int] = {}
    group: list[int] = []  # of each key
    of = []
    for n, song in enumerate(songs):
        own = []
        for k, (phone, place) in enumerate(song.states):
            vowel = class_of(phone) == "vowel"  # which is not the same on two notes
            key = keys.setdefault((phone, place, n, k) if vowel else (phone, place), len(keys))
            if key == len(group):
                group.append(groups.setdefault((phone if vowel else class_of(phone), place), len(groups)))
            own.append(key)
        of.append(np.array(own))
    frames = np.concatenate([song.features for song in songs])

    def learned(edges: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the means, (n_keys, n), and the covariance, (n, n)."""
        held = np.concatenate([np.repeat(own, np.diff(e)) for own, e in zip(of, edges)])
        means = _means(frames, held, np.array(group), len(keys), len(groups))
        rest = frames - means[held]
        return means, rest.T @ rest / len(rest) + RIDGE * np.eye(rest.shape[1])

    moved = [[_spaced(song.edges + shift, len(song.features)) for song in songs] for shift in SHIFTS]
    edges = min(moved, key=lambda some: np.linalg.slogdet(learned(some)[1])[1])
    for _ in range(ITERATIONS):
        means, covariance = learned(edges)
        whitened = np.linalg.inv(np.linalg.cholesky(covariance)).T
        found = [
            _best_edges(_near(song, _log_likelihood(song.features @ whitened, (means @ whitened)[own])))
            for song, own in zip(songs, of)
        ]
        same = all((a == b).all() for a, b in zip(found, edges))
        edges = found
        if same:
            break
    return edges


def _means(frames: np.ndarray, held: np.ndarray, group: np.ndarray, n_keys: int, n_groups: int) -> np.ndarray:
    """Return the mean of each state, (n_keys, n), leaning on that of its class."""
    sums = np.stack([np.bincount(held, column, n_keys) for column in frames.T], axis=1)
    counts = np.bincount(held, minlength=n_keys)[:, None]
    of_class = np.stack([np.bincount(group, column, n_groups) for column in sums.T], axis=1)
    class_counts = np.maximum(np.bincount(group, counts[:, 0], n_groups), 1)[:, None]
    return (sums + PRIOR * (of_class / class_counts)[group]) / (counts + PRIOR)


def _log_likelihood(frames: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return (T, S) log-likelihoods, but for a constant of each frame."""
    return frames @ means.T - 0.5 * (means**2).sum(axis=1)


def _near(song: Sounds, scores: np.ndarray) -> np.ndarray:
    """Return (T, S) scores that are far lower where a state is farther than `FARTHEST` from its place in the score."""
    reach = round(FARTHEST * RATE / HOP)
    frame = np.arange(len(scores))[:, None]
    far = (frame < song.edges[:-1] - reach) | (frame >= song.edges[1:] + reach)
    return scores - FORBIDDEN * far


def _best_edges(scores: np.ndarray) -> np.ndarray:
    """Return the edges, (S + 1,), of the best path through (T, S) scores from the first state to the last."""
    scores = np.repeat(scores, LEAST, axis=1)
    n_frames, n_states = scores.shape
    best = np.full(n_states, -np.inf)
    best[0] = scores[0, 0]
    came = np.zeros((n_frames, n_states), bool)  # from the state before
    before = np.full(n_states, -np.inf)
    for t in range(1, n_frames):
        before[1:] = best[:-1]
        np.greater(before, best, out=came[t])
        np.maximum(before, best, out=best)
        best += scores[t]
    edges = np.zeros(n_states + 1, int)
    edges[-1] = n_frames
    state = n_states - 1
    for t in range(n_frames - 1, 0, -1):
        if came[t, state]:
            edges[state] = t
            state -= 1
    return edges[::LEAST]
