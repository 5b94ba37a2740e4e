"""The quality of systems on one test set, each with its interval and a paired test against a baseline.

Source: word error rates: `speechnar.evaluate.stats.statistics`. BLEU and chrF: sacrebleu (Post 2018), with its paired
    bootstrap (Koehn 2004): these metrics are no means over sentences, which that module's bootstrap is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from speechnar.evaluate.stats.statistics import FEWEST, Interval, bootstrap_interval, paired_difference
from speechnar.evaluate.wer.error_rate import score

DRAWS = 1000
"""Resamples of the sentences, for BLEU and chrF."""


class CompareError(ValueError):
    """Report systems that cannot be compared; the message says why."""


@dataclass(frozen=True)
class Quality:
    """The quality of one system.

    Attributes:
        value: word error rate in %, or BLEU from 0 to 100, and its 95 % interval.
        p: two-sided, of the paired bootstrap against the baseline; nan for the baseline itself.
        chrf: from 0 to 100; None for transcripts.
    """

    value: Interval
    p: float = np.nan
    chrf: float | None = None


def transcript_quality(
    reference: Mapping[str, str],
    systems: Mapping[str, Mapping[str, str]],
    baseline: str,
    normalize: Callable[[str], str] = str,
    speakers: Sequence[str] | None = None,
) -> dict[str, Quality]:
    """Return the word error rates of systems.

    Args:
        reference: utterance to text; systems: by name, the same utterances to text.
        baseline: the name of the system that the others are compared with.
        normalize: what all texts go through first.
        speakers: (N,) the speaker of each utterance: whole speakers are drawn if there are `FEWEST` or more.

    Raises:
        WerError: no reference has any words.
    """
    groups = speakers if speakers is not None and len(set(speakers)) >= FEWEST else None
    scores = {name: score(name, reference, texts, normalize) for name, texts in systems.items()}
    first = scores[baseline]
    found = {}
    for name, one in scores.items():
        rate = bootstrap_interval(one.errors, one.lengths, groups)
        p = np.nan if name == baseline else paired_difference(first.errors, one.errors, one.lengths, groups).p
        found[name] = Quality(Interval(100 * rate.value, 100 * rate.low, 100 * rate.high), p)
    return found


def translation_quality(
    references: Sequence[str], systems: Mapping[str, Sequence[str]], baseline: str
) -> dict[str, Quality]:
    """Return BLEU and chrF of systems; arguments are as in `transcript_quality`, lines in place of utterances.

    Raises:
        CompareError: a system has more or fewer lines than the references.
    """
    from sacrebleu.metrics import BLEU, CHRF
    from sacrebleu.significance import PairedTest

    if not any(map(str.strip, references)):
        raise CompareError("the reference has no text: give the lines that the translations should be")
    for name, lines in systems.items():
        if len(lines) != len(references):
            raise CompareError(f"{name} has {len(lines)} lines but the reference has {len(references)}")
    ordered: list[tuple[str, Sequence[str]]] = [(baseline, list(systems[baseline]))]
    ordered += [(name, list(lines)) for name, lines in systems.items() if name != baseline]
    metrics = {"BLEU": BLEU(), "CHRF": CHRF()}
    if len(ordered) == 1:  # sacrebleu has no test of one system; tested against itself, it has its interval
        ordered.append(("", ordered[0][1]))
    test = PairedTest(ordered, metrics, [list(references)], test_type="bs", n_samples=DRAWS)
    scores: dict[str, Any] = dict(test()[1])
    bleu, chrf = (next(row for key, row in scores.items() if key.lower().startswith(kind)) for kind in ("bleu", "chrf"))
    found = {}
    for name, one, other in zip(scores["System"], bleu, chrf):
        value = Interval(one.score, max(0.0, one.mean - one.ci), min(100.0, one.mean + one.ci))
        p = np.nan if one.p_value is None else one.p_value
        if name != baseline and one.score == bleu[0].score:
            p = 1.0  # sacrebleu counts larger differences alone, of which equal systems have none
        found[name] = Quality(value, p, other.score)
    return {name: found[name] for name in systems}
