"""Predicted mean opinion scores of recordings.

A predicted score is what a network guesses that listeners would say. It tells noise and artifacts from clean speech,
and nothing of whether the right words were said well: `NO_TEST` goes with every result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from speechnar.evaluate.quality.recordings import Recording
from speechnar.evaluate.stats.metrics import Measured

SAMPLE_RATE = 16000  # Hz, of every predictor
NO_TEST = "A PREDICTED MOS IS NO LISTENING TEST: a network made these scores, nobody listened."
DNSMOS = {"ovrl": "DNSMOS OVRL", "sig": "DNSMOS SIG", "bak": "DNSMOS BAK", "p808": "DNSMOS P.808"}

Predictor = Callable[[np.ndarray], Mapping[str, float]]  # (T_wav,) float32 at 16 kHz to scores by name, 1 to 5


class MosError(ValueError):
    """Scores that cannot be predicted; the message says what to do."""


def distillmos(threads: int) -> Predictor:
    """Load the predictor of overall quality by DistillMOS."""
    from speechnar.evaluate.quality.distillmos import DistillMos

    network = DistillMos(threads)
    return lambda wav: {"DistillMOS": network(wav)}


def dnsmos(threads: int) -> Predictor:
    """Load the predictor of overall quality, speech and background (DNSMOS P.835) and of overall quality (P.808)."""
    from speechnar.evaluate.quality.dnsmos import Dnsmos

    network = Dnsmos(threads)
    return lambda wav: {DNSMOS[name]: score for name, score in dataclasses.asdict(network(wav)).items()}


PREDICTORS: dict[str, Callable[[int], Predictor]] = {"distillmos": distillmos, "dnsmos": dnsmos}


def predictors(names: Sequence[str], threads: int = 1) -> list[Predictor]:
    """Load predictors.

    Raises:
        MosError: there is none of that name, or a number of threads below 1.
        ModuleNotFoundError: its package is not installed.
    """
    unknown = [name for name in names if name not in PREDICTORS]
    if unknown:
        raise MosError(f"there is no predictor {unknown[0]!r}; take {' or '.join(PREDICTORS)}")
    if threads < 1:
        raise MosError(f"threads should be 1 or more but is {threads}")
    return [PREDICTORS[name](threads) for name in names]


def measure(system: str, recordings: Iterable[Recording], loaded: Sequence[Predictor]) -> Measured:
    """Score recordings; note why one cannot be read, and go on with the others."""
    scores: dict[str, Mapping[str, float]] = {}
    failed = {}
    for recording in recordings:
        try:
            wav = recording.read(SAMPLE_RATE)
        except ValueError as error:
            failed[recording.name] = str(error)
            continue
        scores[recording.name] = {name: score for predict in loaded for name, score in predict(wav).items()}
    return Measured(system, scores, failed)
