"""Tune the weights of a language model: decode stored log-probabilities with each choice of weights."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from speechnar.decode.beam import PrefixBeamConfig, nbest
from speechnar.decode.result import DecodeError
from speechnar.decode.scorer import Scorer, ScorerOptions
from speechnar.lm.arpa import load_lm
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class DevSet:
    """Utterances that are decoded with each choice of weights.

    Attributes:
        files: `UTT.npy` of each: (T, V) natural log-probabilities, as float16 or float32.
        texts: the transcript of each.
        vocabulary: the tokens of the columns.
        lm: the file of a language model.
    """

    files: tuple[Path, ...]
    texts: tuple[str, ...]
    vocabulary: Vocabulary
    lm: Path


@dataclass(frozen=True)
class Trial:
    """One choice of weights, and the word error rate with it, a fraction."""

    lm_weight: float
    word_bonus: float
    unknown_score: float
    wer: float


def load_dev_set(log_probs: Path, texts: Path, vocabulary: Vocabulary, lm: Path) -> DevSet:
    """Pair `UTT.npy` of a folder with the lines of a TSV: the utterance's name first, its text last.

    Raises:
        DecodeError: a line has no file, or there is no line.
    """
    rows = [line.split("\t") for line in texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    files = tuple(log_probs / f"{row[0]}.npy" for row in rows)
    if missing := [file for file in files if not file.exists()]:
        raise DecodeError(f"{len(missing)} of {len(files)} utterances have no log-probabilities, such as {missing[0]}")
    if not files:
        raise DecodeError(f"{texts} has no utterance")
    return DevSet(files, tuple(row[-1] for row in rows), vocabulary, lm)


def tune(
    dev: DevSet,
    lm_weights: Sequence[float],
    word_bonuses: Sequence[float],
    unknown_scores: Sequence[float],
    beam: PrefixBeamConfig | None = None,
    jobs: int = 1,
) -> list[Trial]:
    """Decode a dev set with every choice of weights, which `ScorerOptions` describes.

    Args:
        jobs: number of processes.

    Returns:
        The trials, from the fewest errors to the most.
    """
    import jiwer
    from tqdm import tqdm

    choices = list(product(lm_weights, word_bonuses, unknown_scores))
    scorers = [ScorerOptions(*choice) for choice in choices]
    decode = partial(_texts, vocabulary=dev.vocabulary, lm=dev.lm, beam=beam or PrefixBeamConfig(), scorers=scorers)
    with ProcessPoolExecutor(jobs) as pool:
        decoded = list(tqdm(pool.map(decode, dev.files), total=len(dev.files), unit="utterance", disable=None))
    references = list(dev.texts)
    trials = [Trial(*choice, jiwer.wer(references, list(texts))) for choice, texts in zip(choices, zip(*decoded))]
    return sorted(trials, key=lambda trial: trial.wer)


_lm = functools.cache(load_lm)  # once a process


def _texts(
    file: Path, vocabulary: Vocabulary, lm: Path, beam: PrefixBeamConfig, scorers: Sequence[ScorerOptions]
) -> list[str]:
    """Return the text of an utterance with each choice of weights."""
    log_probs = np.load(file, allow_pickle=False).astype(np.float32)
    found = []
    for options in scorers:
        best = nbest(log_probs, vocabulary, Scorer(vocabulary, _lm(lm), options=options), beam)[0]
        found.append(vocabulary.decode(best.tokens))
    return found
