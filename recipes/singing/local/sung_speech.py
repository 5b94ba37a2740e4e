#!/usr/bin/env python3
"""Make singing of speech: vowels are held and F0 follows notes, so that every recording becomes a song.

    python local/sung_speech.py CUTS OUT_DIR [--copies N] [--lag SECONDS]

CUTS is a manifest of speech with phones, durations, `lead` and `trail` (see `speechnar features`). OUT_DIR receives
`wav/*.flac` and `cuts.jsonl`, whose supervisions also have the notes: `note_pitch`, `note_durations` and `slurs` of
each phone.

    speech      |w|ɪ|ŋ|k|ə|l|              WORLD: F0, spectral envelope, aperiodicity every 5 ms
    song      |w|ɪɪɪɪɪɪɪɪ|ŋ|k|əəəəəəəə|l|  the middle of each vowel is stretched
    notes       |  E4      |   G4       |  from vowel to vowel; lengths are multiples of a beat, pitches are semitones
    F0            of the notes, by the rules with which the package sings

The melody is that of the speech, whose median F0 in each vowel is moved to a middle that is drawn anew for each
utterance, and rounded to semitones.

Source: speech-to-singing synthesis, Saitou et al. 2007; WORLD (Morise, Yokomori and Ozawa 2016).
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import multiprocessing
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from lhotse import CutSet, Recording, SupervisionSegment
from tqdm import tqdm

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pyworld 0.3.5 imports pkg_resources
    import pyworld

from speechnar.data.manifest import load_cuts, read_wav
from speechnar.runtime.phrases import VOICELESS
from speechnar.runtime.sung_mel import on_notes
from speechnar.score.lyrics import is_vowel
from speechnar.score.notes import Note
from speechnar.score.pitch import PitchOptions, f0_curve
from speechnar.text.symbols import PAUSES, WORD_BREAK

RATE, HOP, STEP = 24000, 300, 0.005  # Hz, samples, seconds from frame to frame of WORLD
MIDDLE = (50.0, 80.0)  # MIDI: the middle of a melody is drawn from this range
LOWEST, HIGHEST = 46.0, 85.0  # MIDI
INTERVALS = 1.3  # times those of speech
STRETCH = (1.2, 6.0)  # of vowels, for an utterance; a vowel has this times 0.7 to 1.5
LONGEST = 2.5  # seconds of a vowel
BEAT = (0.10, 0.22)  # seconds, of an utterance
EDGE = 0.05  # seconds at each end of a stretched vowel that stay as they are
MELISMA = 0.2  # share of the vowels of 0.4 s and more that have two or three notes
VIBRATO = 1.5  # times the usual, at most


@dataclasses.dataclass(frozen=True)
class Phones:
    """Phones with their times, `<s>` and `</s>` included.

    Attributes:
        symbols: N of them.
        edges: (N + 1,) seconds.
    """

    symbols: tuple[str, ...]
    edges: np.ndarray


def phones_of(custom: dict, lag: float) -> Phones:
    """Return the phones of a cut, each edge earlier by `lag` seconds, by which the durations run behind the audio."""
    frames = [custom["lead"], *custom["durations"], custom["trail"]]
    edges = np.concatenate([[0], np.cumsum(frames)]) * (HOP / RATE)
    edges[1:-1] = np.maximum(edges[1:-1] - lag, 0)
    return Phones(("<s>", *custom["phones"], "</s>"), edges)


def sung_edges(phones: Phones, rng: np.random.Generator) -> np.ndarray:
    """Return the edges of the phones of a song, (N + 1,) seconds, which are multiples of a hop."""
    lengths = np.diff(phones.edges)
    vowels = np.array([is_vowel(p) for p in phones.symbols])
    sounds = np.array([is_vowel(p) or p not in (*PAUSES, WORD_BREAK, "<s>", "</s>") for p in phones.symbols])
    stretch = np.exp(rng.uniform(*np.log(STRETCH))) * np.exp(rng.uniform(np.log(0.7), np.log(1.5), len(lengths)))
    lengths = np.where(vowels, np.minimum(lengths * np.maximum(stretch, 1), np.maximum(LONGEST, lengths)), lengths)
    lengths = np.where(sounds & ~vowels, lengths * rng.uniform(1.0, 1.3), lengths)
    beat = rng.uniform(*BEAT)
    at = np.flatnonzero(vowels)
    for first, following in zip(at, [*at[1:], None]):
        span = lengths[first:following].sum()
        if following is not None:
            lengths[first] += max(np.rint(span / beat), 1) * beat - span if span > beat else 0
    lengths = np.maximum(lengths, HOP / RATE * sounds)
    return np.rint(np.concatenate([[0], np.cumsum(lengths)]) * (RATE / HOP)) * (HOP / RATE)


def places_of(old: np.ndarray, new: np.ndarray, vowels: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the times in the speech of times in the song; the ends of vowels are as fast as they were."""
    knots_old, knots_new = [], []
    for n, vowel in enumerate(vowels):
        knots_old.append(old[n])
        knots_new.append(new[n])
        keep = min(EDGE, (old[n + 1] - old[n]) / 3, (new[n + 1] - new[n]) / 3)
        if vowel and keep > 0:
            knots_old += [old[n] + keep, old[n + 1] - keep]
            knots_new += [new[n] + keep, new[n + 1] - keep]
    return np.interp(times, [*knots_new, new[-1]], [*knots_old, old[-1]])


def melody(phones: Phones, edges: np.ndarray, f0: np.ndarray, rng: np.random.Generator) -> list[Note]:
    """Return the notes of a song; the first of a vowel begins with it, and rests are where no phone sounds.

    Args:
        f0: (T,) Hz of the speech every `STEP`, 0 = unvoiced.
    """
    middle = rng.uniform(*MIDDLE)
    usual = np.median(f0[f0 > 0])
    at = [n for n, p in enumerate(phones.symbols) if is_vowel(p)]
    notes: list[Note] = []
    for n, following in zip(at, [*at[1:], len(phones.symbols) - 1]):
        own = f0[round(phones.edges[n] / STEP) : round(phones.edges[n + 1] / STEP)]
        level = np.median(own[own > 0]) if (own > 0).any() else usual
        pitch = float(np.clip(np.rint(middle + INTERVALS * 12 * np.log2(level / usual)), LOWEST, HIGHEST))
        rest = next((k for k in range(n, following) if phones.symbols[k] in PAUSES), following)
        length, vowel = edges[rest] - edges[n], edges[n + 1] - edges[n]
        parts = int(rng.integers(2, 4)) if vowel > 0.4 and rng.random() < MELISMA else 1
        for part in range(parts):
            begin = edges[n] + vowel * part / parts
            end = edges[n] + (length if part + 1 == parts else vowel * (part + 1) / parts)
            step = float(rng.choice([-4, -3, -2, -1, 1, 2, 3, 4])) if part else 0.0
            pitch = float(np.clip(pitch + step, LOWEST, HIGHEST))
            notes.append(Note(float(begin), float(max(end - begin, 0.01)), pitch, slur=part > 0))
    return notes


def fields_of(phones: Phones, edges: np.ndarray, notes: list[Note]) -> dict[str, Any]:
    """Return the phones with durations and notes: a vowel on several notes is as many phones, the later ones slurred.

    Returns:
        `phones`, `durations` (frames), `note_pitch` (MIDI), `note_durations` (seconds) and `slurs` (0 or 1), each a
        value for each phone, and `lead` and `trail`.
    """
    frames = np.rint(edges * (RATE / HOP)).astype(int)
    onsets = np.rint(np.array([n.onset for n in notes]) * (RATE / HOP)).astype(int)
    symbols = phones.symbols[1:-1]
    tokens = on_notes([is_vowel(p) for p in symbols], frames[1:-1].tolist(), onsets.tolist())
    sung = [notes[n] for n in tokens.notes]
    return {
        "phones": [symbols[place] for place in tokens.places],
        "durations": tokens.durations.tolist(),
        "note_pitch": [note.pitch for note in sung],
        "note_durations": [round(note.length, 4) for note in sung],
        "slurs": tokens.slurs.astype(int).tolist(),
        "lead": int(frames[1]),
        "trail": int(frames[-1] - frames[-2]),
    }


def sing(wav: np.ndarray, phones: Phones, rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    """Return a song of speech and what is sung in it: the fields of `fields_of`, and `f0` of each frame.

    Args:
        wav: (T_wav,) at 24 kHz.
    """
    wav = wav.astype(np.float64)
    f0, times = pyworld.dio(wav, RATE, frame_period=1000 * STEP)  # a tenth of the time of harvest
    f0 = pyworld.stonemask(wav, f0, times, RATE)
    vowels = np.array([is_vowel(p) for p in phones.symbols])
    voiced = f0 > 0
    for n, symbol in enumerate(phones.symbols):
        inside = slice(round(phones.edges[n] / STEP), round(phones.edges[n + 1] / STEP))
        if vowels[n]:
            found = np.flatnonzero(voiced[inside])
            if found.size:
                voiced[inside][found[0] : found[-1]] = True
        elif symbol in VOICELESS:
            voiced[inside] = False
    known = np.flatnonzero(f0 > 0)
    filled = np.interp(np.arange(len(f0)), known, f0[known]) * voiced
    envelope = pyworld.cheaptrick(wav, filled, times, RATE)
    aperiodicity = pyworld.d4c(wav, filled, times, RATE)

    edges = sung_edges(phones, rng)
    n_frames = round(edges[-1] * RATE / HOP)
    song_times = STEP * np.arange(int(edges[-1] / STEP) + 1)
    places = places_of(phones.edges, edges, vowels, song_times) / STEP
    nearest = np.clip(np.rint(places).astype(int), 0, len(f0) - 1)
    notes = melody(phones, edges, f0, rng)
    options = PitchOptions(vibrato=rng.uniform(0, VIBRATO), seed=int(rng.integers(2**31)))
    curve = f0_curve(notes, len(song_times), STEP, options, -STEP / 2) * voiced[nearest]
    made = pyworld.synthesize(
        curve, np.exp(_between(np.log(envelope), places)), _between(aperiodicity, places), RATE, 1000 * STEP
    )[: n_frames * HOP]
    peak = np.abs(made).max()
    if peak > 0.95:
        made *= 0.95 / peak
    frame = np.clip(np.rint((np.arange(n_frames) + 0.5) * HOP / RATE / STEP).astype(int), 0, len(curve) - 1)
    return made.astype(np.float32), fields_of(phones, edges, notes) | {"f0": np.round(curve[frame], 1).tolist()}


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    low = np.clip(np.floor(places).astype(int), 0, len(values) - 2)
    share = np.clip(places - low, 0, 1)[:, None]
    return np.ascontiguousarray((1 - share) * values[low] + share * values[low + 1])


def song_of(cut, out: Path, copy: int, lag: float):
    """Write the song of a cut; return its cut, or None where nothing is voiced."""
    name = f"{cut.id}_{copy}"
    path = out / "wav" / f"{name}.flac"
    rng = np.random.default_rng([zlib.crc32(cut.id.encode()), copy])
    try:
        wav, custom = sing(read_wav(cut, RATE), phones_of(cut.supervisions[0].custom, lag), rng)
    except (IndexError, ValueError) as error:
        print(f"{name}: left out ({error})")
        return None
    soundfile.write(path, wav, RATE, subtype="PCM_16")
    song = Recording.from_file(path, recording_id=name).to_cut()
    song.id = name
    text, speaker = cut.supervisions[0].text, cut.supervisions[0].speaker
    song.supervisions = [
        SupervisionSegment(name, name, 0, song.duration, text=text, language="en-us", speaker=speaker, custom=custom)
    ]
    return song


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--copies", type=int, default=1, help="songs of each utterance (1)")
    parser.add_argument("--lag", type=float, default=0.0, help="seconds by which durations run behind the audio (0)")
    parser.add_argument("--longest", type=float, default=8.0, help="seconds; longer utterances are left out (8)")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    (args.out / "wav").mkdir(parents=True, exist_ok=True)
    cuts = sorted(load_cuts(args.cuts), key=lambda cut: zlib.crc32(cut.id.encode()))
    cuts = [cut for cut in cuts if cut.duration <= args.longest]
    seconds, n_songs = 0.0, 0
    with multiprocessing.Pool(args.jobs) as pool, CutSet.open_writer(args.out / "cuts.jsonl", overwrite=False) as into:
        for copy in range(args.copies):
            left = [cut for cut in cuts if f"{cut.id}_{copy}" not in into]
            work = functools.partial(song_of, out=args.out, copy=copy, lag=args.lag)
            for song in tqdm(pool.imap(work, left), "sing", len(left), unit="utt", disable=None):
                if song:
                    into.write(song, flush=True)
                    seconds, n_songs = seconds + song.duration, n_songs + 1
    print(f"{n_songs} songs, {seconds / 3600:.2f} h")


if __name__ == "__main__":
    main()
