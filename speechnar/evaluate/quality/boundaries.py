"""Distance of an aligner's boundaries from those of a reference.

A boundary is where one token ends and the next begins; that of `<s>` and the first phone counts, and so do those around
spaces and punctuation. Aligners agree on where a sound begins only up to a constant: a teacher whose durations came
from a recognizer's attention may put every boundary a few hundredths of a second late. So the errors are also given
with the offset, their median, taken out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from lhotse.cut import Cut

from speechnar.audio import AudioConfig
from speechnar.data.durations import SILENT, boundaries_of
from speechnar.data.manifest import DataError


@dataclass(frozen=True)
class BoundaryErrors:
    """Errors in ms, later is positive, of the boundaries of all utterances.

    Attributes:
        errors: (N,) ms.
        beside_silence: (N,) whether a space, punctuation or the silence of an end is beside the boundary.
    """

    errors: np.ndarray
    beside_silence: np.ndarray

    @property
    def offset(self) -> float:
        """Return the median error, ms."""
        return float(np.median(self.errors))

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return rows of metrics: as measured; without the offset, also apart beside silence and elsewhere."""
        straight = self.errors - self.offset
        chosen = {
            "all": self.errors,
            "all, offset removed": straight,
            "between phones": straight[~self.beside_silence],
            "beside silence": straight[self.beside_silence],
        }
        return {name: _metrics(errors) for name, errors in chosen.items()}


def _metrics(errors: np.ndarray) -> dict[str, float]:
    size = np.abs(errors)
    shares = {f"within {ms} ms, %": 100 * float((size <= ms + 1e-6).mean()) if len(size) else np.nan for ms in (25, 50)}
    mean, median = (float(f(size)) if len(size) else np.nan for f in (np.mean, np.median))
    return {"boundaries": float(len(size)), "mean error, ms": mean, "median error, ms": median} | shares


def compare(
    cuts: Iterable[Cut], references: Iterable[Cut], audio: AudioConfig, reference_audio: AudioConfig
) -> BoundaryErrors:
    """Return the boundary errors of the utterances that both manifests have.

    Args:
        audio, reference_audio: whose frames the durations of each count.

    Raises:
        DataError: an utterance is not aligned or has other phones than its reference, or none is in both.
    """
    known = {cut.id: cut for cut in references}
    errors, beside = [], []
    for cut in cuts:
        reference = known.get(cut.id)
        if reference is None:
            continue
        ends, true_ends = boundaries_of(cut, audio), boundaries_of(reference, reference_audio)
        phones = cut.supervisions[0].custom["phones"]
        if phones != reference.supervisions[0].custom["phones"]:
            raise DataError(f"utterance {cut.id} has other phones than its reference: align the same phones")
        silent = np.array([True, *(phone in SILENT for phone in phones), True])
        errors.append(1000 * (ends - true_ends))
        beside.append(silent[:-1] | silent[1:])
    if not errors:
        raise DataError("the two manifests have no utterance in common: compare alignments of one corpus")
    return BoundaryErrors(np.concatenate(errors), np.concatenate(beside))
