"""The frames of one sentence, between the acoustic model and the vocoder: when each phone sounds, and clean ends."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.runtime.speech import SpeechWarning, Timings
from speechnar.text.symbols import PAUSES

SILENCE = 40 * np.log(10) / 20  # natural log magnitude; 40 dB below a sentence's loudest frame, nothing is heard
FADE = 0.02  # seconds at the end of a sentence's audio
NORMAL_VALUES = 2**16
KNEE = 0.95  # of full scale: the limiter leaves quieter samples as they are


@dataclass(frozen=True, eq=False)
class Frames(Timings):
    """The output of the acoustic model for one sentence.

    Attributes:
        silence: frames of pause before it.
        mel: (T_mel, n_mels); f0: (T_mel,), as in `Speech`.
        seed: of the sentence's noise.
    """

    silence: int
    mel: np.ndarray
    f0: np.ndarray
    seed: tuple[int, int]


def trimmed(
    mel: np.ndarray, f0: np.ndarray, durations: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three without what `<s>` and `</s>`, the silences around a sentence, last beyond `longest` frames."""
    lead, trail = (max(0, int(durations[n]) - longest) for n in (0, -1))
    durations = np.concatenate([durations[:1] - lead, durations[1:-1], durations[-1:] - trail])
    return mel[lead : len(mel) - trail], f0[lead : len(f0) - trail], durations


def audible_durations(durations: np.ndarray, phones: Sequence[str], mel: np.ndarray) -> np.ndarray:
    """Move the silence at the end of a phone into the pause that follows it.

    Acoustic models learn from alignments that may end the last phone before a pause where the pause ends.

        phone ə |=======        |  , |        phone ə |=======|        ,   |

    Args:
        durations: (n_phones + 2,) frames of `<s>`, the phones and `</s>`; their sum is T_mel.
        mel: (T_mel, n_mels) natural log magnitude.

    Returns:
        (n_phones + 2,) frames with the same sum. A phone before a pause mark or before `</s>` ends with its last frame
        that is less than 40 dB below the loudest of the sentence, and keeps at least one frame.
    """
    level = np.log(np.exp(mel).sum(axis=1))
    audible = level > level.max() - SILENCE
    edges = np.concatenate([[0], np.cumsum(durations)])
    moved = durations.copy()
    for n, following in enumerate((*phones[1:], "</s>"), 1):
        if durations[n] and following in (*PAUSES, "</s>") and phones[n - 1] not in PAUSES:
            audible_frames = np.flatnonzero(audible[edges[n] : edges[n + 1]])
            moved[n] = audible_frames[-1] + 1 if audible_frames.size else 1
            moved[n + 1] += durations[n] - moved[n]
    return moved


def white_noise(seed: tuple[int, ...], shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Return normal values of standard deviation `scale`, float32.

    They are drawn from a fixed set of 65,536, which takes a fifth of the time of new ones.
    """
    picks = np.random.default_rng(seed).integers(0, NORMAL_VALUES, shape, dtype=np.uint16)
    return (_normal_values() * np.float32(scale)).take(picks)


@functools.cache
def _normal_values() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(NORMAL_VALUES, dtype=np.float32)


def vocode(
    run: Callable[[dict[str, np.ndarray]], Sequence[np.ndarray]],
    mel: np.ndarray,
    source: tuple[np.ndarray, np.ndarray] | None,
    *,
    hop: int,
    context: int,
    chunk: int,
    largest: int,
) -> Iterator[np.ndarray]:
    """Run a vocoder over a mel (T_mel, n_mels) in chunks; the audio does not depend on where the chunks are cut.

    Args:
        run: the vocoder. Takes "mel" (1, T, n_mels), and with a source also "f0" (1, T), "noise" (1, T, n_noise) and
            "phase" (1,), that of the first frame. Returns the wav (1, T * hop), and with a source the phase (1, T) of
            each frame.
        source: of a vocoder with a harmonic source: f0 (T_mel,) in Hz, and noise (1, T_mel, n_noise).
        hop: samples of a frame.
        context: frames on both sides of a frame that its audio depends on.
        chunk, largest: frames of the first chunk; each next chunk has twice as many, up to `largest`.

    Yields:
        (T_wav,) float32, the audio of a chunk.
    """
    phases = np.zeros((1, 1), np.float32)  # of the frames from `left` on
    start = left = 0
    while start < len(mel):
        stop = min(start + chunk, len(mel))
        before, left, right = left, max(start - context, 0), min(stop + context, len(mel))
        given = {"mel": mel[None, left:right]}
        if source is None:
            (wav,) = run(given)
        else:
            f0, noise = source
            given |= {"f0": f0[None, left:right], "noise": noise[:, left:right], "phase": phases[:, left - before]}
            wav, phases = run(given)
        yield wav[0, (start - left) * hop : (stop - left) * hop]
        start, chunk = stop, min(2 * chunk, largest)


def fade_out(wav: np.ndarray, to_come: int, sample_rate: int) -> np.ndarray:
    """Bring the end of a sentence's audio to zero, by half a cosine of 20 ms.

    Args:
        wav: (T_wav,) a chunk of the sentence.
        to_come: samples of the sentence after this chunk.
    """
    length = round(FADE * sample_rate)
    fading = min(length - to_come, len(wav))
    if fading <= 0:
        return wav
    left = np.arange(to_come + fading - 1, to_come - 1, -1)  # samples after each of the chunk's last ones
    faded = wav.copy()
    faded[-fading:] *= (0.5 - 0.5 * np.cos(np.pi * left / length)).astype(np.float32)
    return faded


def limited(wav: np.ndarray) -> np.ndarray:
    """Return audio in [-1, 1]: samples beyond 0.95 of full scale are bent towards it, others stay as they are.

    Warns:
        SpeechWarning: the audio went beyond [-1, 1].
    """
    size = np.abs(wav)
    if size.max(initial=0) <= KNEE:
        return wav
    if size.max() > 1:
        warnings.warn("the audio is too loud and was limited: lower the energy", SpeechWarning, stacklevel=2)
    bent = KNEE + (1 - KNEE) * np.tanh((size - KNEE) / (1 - KNEE))
    return np.where(size > KNEE, np.sign(wav) * bent, wav).astype(np.float32)
