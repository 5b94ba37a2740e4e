"""Turn the times of phones into frames, and keep them in a manifest.

A manifest keeps an alignment in the custom fields `durations` (frames of each phone), `lead` and `trail` (frames before
and after), which sum to the frames that the audio config makes of the audio.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from lhotse.cut import Cut

from speechnar.audio import AudioConfig
from speechnar.data.manifest import DataError
from speechnar.text.symbols import PAUSES, WORD_BREAK

SILENT = (WORD_BREAK, *PAUSES)


def frames_of(cut: Cut, audio: AudioConfig) -> int:
    """Return the number of whole frames in a cut, which is that of its features."""
    return round(cut.num_samples * audio.sample_rate / cut.sampling_rate) // audio.hop_length


def to_frames(ends: np.ndarray, n_frames: int, least: Sequence[int] | np.ndarray) -> np.ndarray:
    """Round times to whole frames, the sum exactly `n_frames`.

    Args:
        ends: (N,) where each token ends, in frames but not whole ones; the last is taken to end with the audio.
        least: (N,) frames that each token gets at least.

    Returns:
        (N,) int64.

    Raises:
        DataError: `least` sums to more than there are frames.
    """
    least = np.asarray(least, dtype=np.int64)
    before = least.cumsum()
    if before[-1] > n_frames:
        raise DataError(f"{n_frames} frames are too few for {len(least)} tokens")
    rounded = np.floor(np.asarray(ends, dtype=np.float64) + 0.5).astype(np.int64).clip(0, n_frames)
    rounded[-1] = n_frames
    rounded = np.maximum.accumulate(rounded - before).clip(min=0) + before  # room for a token and those before it
    rounded = np.minimum(rounded, n_frames - (before[-1] - before))  # and for those after it
    return np.diff(rounded, prepend=0)


def set_durations(cut: Cut, durations: np.ndarray) -> Cut:
    """Give the one supervision of a cut the frames of `<s>`, its phones and `</s>`; return the cut."""
    lead, *spoken, trail = durations.tolist()
    supervision = cut.supervisions[0]
    supervision.custom = (supervision.custom or {}) | {"durations": spoken, "lead": lead, "trail": trail}
    return cut


def boundaries_of(cut: Cut, audio: AudioConfig) -> np.ndarray:
    """Return where each token but the last ends, in seconds: (T_text - 1,), `<s>` first.

    Raises:
        DataError: the cut is not aligned.
    """
    fields = (cut.supervisions[0].custom or {}) if len(cut.supervisions) == 1 else {}
    missing = [name for name in ("phones", "durations", "lead", "trail") if name not in fields]
    if missing:
        raise DataError(f"utterance {cut.id} lacks the custom field {missing[0]!r}: align the corpus first")
    frames = np.array([fields["lead"], *fields["durations"]], dtype=np.int64)
    if len(frames) != len(fields["phones"]) + 1:
        raise DataError(f"utterance {cut.id} has {len(fields['phones'])} phones but {len(frames) - 1} durations")
    return frames.cumsum() * audio.hop_length / audio.sample_rate
