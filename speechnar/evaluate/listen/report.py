"""Report of a listening test: screening of raters, means with intervals, paired comparisons, plots and tables.

Ratings of one rater are not independent, so raters are what the bootstrap draws, and a comparison of two systems is one
of each rater's means. P-values of several comparisons are corrected together.

Source: ITU-R BS.1534-3, section 4.1.2 (raters whose hidden reference is below 90 in more than 15 % of trials);
    Holm 1979, "A simple sequentially rejective multiple test procedure".
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechnar.evaluate.listen import plan
from speechnar.evaluate.listen.plan import CATCH, RATED, REFERENCE, ListenError, ListeningTest, Trial
from speechnar.evaluate.listen.store import DATABASE, Rating, Store
from speechnar.evaluate.stats.plot import Panel, plot_intervals
from speechnar.evaluate.stats.record import write_json
from speechnar.evaluate.stats.statistics import Difference, Interval, bootstrap_interval, paired_difference
from speechnar.evaluate.stats.table import format_interval, format_p, format_table
from speechnar.files import atomic_write

CATCH_SHARE = 2 / 3  # of the catch trials that a rater must pass
REFERENCE_SCORE, REFERENCE_SHARE = 90, 0.15  # BS.1534-3
STRAIGHT_LINE = 8  # equal answers, without any other, that show a rater does not listen


@dataclass(frozen=True)
class Answer:
    """A rating with the trial that was rated."""

    rating: Rating
    trial: Trial


@dataclass(frozen=True)
class RaterCheck:
    """The result of screening one rater.

    Attributes:
        rater: number, from 0.
        answered: trials answered, practice aside.
        asked: trials asked, practice aside.
        why_not: why the rater's answers do not count; empty if they do.
    """

    rater: int
    answered: int
    asked: int
    why_not: str


@dataclass(frozen=True)
class Metric:
    """The mean score of a system, or in CMOS and ABX of a pair of systems.

    Attributes:
        name: of the system, or `A / B`.
        ratings, raters: numbers of both.
        mean: MOS 1 to 5; CMOS -3 to 3, above 0 where B is better; ABX the share of right answers; MUSHRA 0 to 100.
    """

    name: str
    ratings: int
    raters: int
    mean: Interval


@dataclass(frozen=True)
class RatingComparison:
    """A paired comparison.

    Attributes:
        name: `A / B`.
        raters: number of those who rated both.
        difference: B minus A; in ABX the share of right answers minus that of guessing.
        p_holm: the difference's p-value, corrected for the number of comparisons.
    """

    name: str
    raters: int
    difference: Difference
    p_holm: float


@dataclass(frozen=True)
class Report:
    """All results of a listening test."""

    title: str
    method: str
    raters: tuple[RaterCheck, ...]
    metrics: tuple[Metric, ...]
    comparisons: tuple[RatingComparison, ...]


def make_report(folder: Path, out: Path) -> Report:
    """Write `ratings.csv`, `report.json`, `report.png` and `report.svg` into `out`.

    Raises:
        ListenError: there is no test or no rating in `folder`, or no rater passed the screening.
        FileError: a file cannot be written.
    """
    test = plan.load(folder)
    if not (folder / DATABASE).is_file():
        raise ListenError(f"{folder} has no ratings yet: serve it with `speechnar evaluate listen serve`")
    store = Store(folder)
    try:
        answers = _answers(test, store.ratings())
    finally:
        store.close()
    if not answers:
        raise ListenError(f"{folder} has no ratings yet; wait until somebody has answered")
    checks = tuple(_check(test, rater, its) for rater, its in answers.items())
    kept = {check.rater for check in checks if not check.why_not}
    _write_csv(out / "ratings.csv", test, answers, kept)
    if not kept:
        raise ListenError(
            f"none of {len(checks)} raters passed the screening, the first because of this: {checks[0].why_not}; "
            f"{out / 'ratings.csv'} has all answers"
        )
    rated = [answer for rater in sorted(kept) for answer in answers[rater] if answer.trial.kind == RATED]
    metrics, comparisons = _found(test, rated)
    report = Report(test.title, test.method, checks, metrics, comparisons)
    write_json(out / "report.json", vars(report))
    for ending in ("png", "svg"):
        _plot(report, out / f"report.{ending}")
    return report


def _answers(test: ListeningTest, ratings: Iterable[Rating]) -> dict[int, list[Answer]]:
    """Return the answers by rater, in the order of the trials."""
    found: dict[int, list[Answer]] = {}
    trials: tuple[Trial, ...] = ()
    for rating in ratings:
        if rating.rater not in found:
            trials = plan.plan(test, rating.rater)
            found[rating.rater] = []
        found[rating.rater].append(Answer(rating, trials[rating.trial]))
    return found


def _check(test: ListeningTest, rater: int, answers: list[Answer]) -> RaterCheck:
    asked = sum(trial.kind != plan.TRAINING for trial in plan.plan(test, rater))
    counted = [answer for answer in answers if answer.trial.kind != plan.TRAINING]
    return RaterCheck(rater, len(counted), asked, "; ".join(_objections(test.method, counted)))


def _objections(method: str, answers: list[Answer]) -> Iterable[str]:
    """Return the reasons why answers, practice aside, are not those of an attentive rater."""
    rated = [answer for answer in answers if answer.trial.kind == RATED]
    if not rated:
        yield "rated nothing"
        return
    catch = [plan.passed(a.trial, a.rating.scores, method) for a in answers if a.trial.kind == CATCH]
    if sum(catch) < CATCH_SHARE * len(catch):
        yield f"failed {len(catch) - sum(catch)} of {len(catch)} catch trials"
    if method == "mushra":
        hidden = [a.rating.scores[a.trial.systems[1:].index(REFERENCE)] for a in rated]
        low = sum(score < REFERENCE_SCORE for score in hidden)
        if low > REFERENCE_SHARE * len(hidden):
            yield f"rated the hidden reference below {REFERENCE_SCORE} in {low} of {len(hidden)} trials"
    scores = [score for answer in rated for score in answer.rating.scores]
    if len(scores) >= STRAIGHT_LINE and len(set(scores)) == 1:
        yield f"gave the answer {scores[0]} every time"


@dataclass(frozen=True)
class _Score:
    """A score of a system or a pair, and the rater who gave it."""

    rater: int
    name: str
    value: float


def _scores(test: ListeningTest, answer: Answer) -> list[_Score]:
    """Yield the scores of an answer by system or pair; a pair is put in the order of the test's systems."""
    systems, scores, rater = answer.trial.systems, answer.rating.scores, answer.rating.rater
    if test.method == "mos":
        return [_Score(rater, systems[0], scores[0])]
    if test.method == "mushra":
        return [_Score(rater, system, score) for system, score in zip(systems[1:], scores)]
    a, b = sorted(systems[:2], key=test.systems.index)
    if test.method == "cmos":
        return [_Score(rater, _pair(a, b), scores[0] if systems == (a, b) else -scores[0])]
    return [_Score(rater, _pair(a, b), float(plan.passed(answer.trial, scores, "abx")))]


def _found(test: ListeningTest, rated: list[Answer]) -> tuple[tuple[Metric, ...], tuple[RatingComparison, ...]]:
    by_name: dict[str, list[_Score]] = {}
    for answer in rated:
        for score in _scores(test, answer):
            by_name.setdefault(score.name, []).append(score)
    if test.method in ("mos", "mushra"):
        names = [*test.systems, REFERENCE, plan.ANCHOR]
    else:
        names = [_pair(a, b) for a, b in plan.pairs(test)]
    metrics = tuple(_metric(name, by_name[name]) for name in names if name in by_name)
    return metrics, _comparisons(test, {name: _by_rater(scores) for name, scores in by_name.items()})


def _comparisons(test: ListeningTest, means: dict[str, dict[int, float]]) -> tuple[RatingComparison, ...]:
    """Compare each pair of systems by the means of each rater number of those who rated both."""
    found = []
    for a, b in plan.pairs(test):
        if test.method in ("mos", "mushra"):
            both = means.get(a, {}).keys() & means.get(b, {}).keys()
            first, second = [means[a][rater] for rater in both], [means[b][rater] for rater in both]
        else:
            second = list(means.get(_pair(a, b), {}).values())
            first = [0.5 if test.method == "abx" else 0.0] * len(second)
        if second:
            found.append((_pair(a, b), len(second), paired_difference(first, second)))
    corrected = holm([difference.p for _, _, difference in found])
    return tuple(RatingComparison(*three, p_holm) for three, p_holm in zip(found, corrected))


def _pair(a: str, b: str) -> str:
    return f"{a} / {b}"


def _by_rater(scores: list[_Score]) -> dict[int, float]:
    """Return the mean of each rater."""
    values: dict[int, list[float]] = {}
    for score in scores:
        values.setdefault(score.rater, []).append(score.value)
    return {rater: sum(its) / len(its) for rater, its in values.items()}


def _metric(name: str, scores: list[_Score]) -> Metric:
    raters = [str(score.rater) for score in scores]
    mean = bootstrap_interval([score.value for score in scores], groups=raters)
    return Metric(name, len(scores), len(set(raters)), mean)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected by Holm's method, in the same order; nan, where there was no test, stays nan."""
    corrected = [math.nan] * len(p_values)
    tested = sorted((place for place, p in enumerate(p_values) if not math.isnan(p)), key=p_values.__getitem__)
    highest = 0.0
    for rank, place in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def table(report: Report) -> str:
    """Format the report as text."""
    kept = [check for check in report.raters if not check.why_not]
    lines = [f"{report.title} ({report.method.upper()}): {len(kept)} of {len(report.raters)} raters count"]
    lines += [f"  rater {check.rater} left out: {check.why_not}" for check in report.raters if check.why_not]
    unfinished = sum(check.answered < check.asked for check in kept)
    if unfinished:
        lines.append(f"  {unfinished} of those who count did not finish")
    rows = [["", "mean", "95 % interval", "ratings", "raters"]]
    for metric in report.metrics:
        mean = f"{metric.mean.value:.2f}"
        rows.append([metric.name, mean, format_interval(metric.mean), str(metric.ratings), str(metric.raters)])
    lines += ["", format_table(rows)]
    rows = [["A / B", _DIFFERENCE[report.method], "95 % interval", "p", "p (Holm)", "raters"]]
    for comparison in report.comparisons:
        difference, p_holm = comparison.difference, format_p(comparison.p_holm)
        metrics = [f"{difference.value:+.2f}", format_interval(difference), format_p(difference.p), p_holm]
        rows.append([comparison.name, *metrics, str(comparison.raters)])
    return "\n".join(lines + (["", format_table(rows)] if report.comparisons else []))


_DIFFERENCE = {"mos": "B - A", "cmos": "B over A", "abx": "over guessing", "mushra": "B - A"}


def _write_csv(path: Path, test: ListeningTest, answers: dict[int, list[Answer]], kept: set[int]) -> None:
    """Write one line for each score, of all raters and trials."""
    with atomic_write(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("rater", "counts", "trial", "kind", "item", "samples", "rated", "score", "seconds", "received"))
        for rater, its in answers.items():
            for answer in its:
                rating, trial = answer.rating, answer.trial
                of = trial.systems[1:] if test.method == "mushra" else [" / ".join(trial.systems)]
                for system, score in zip(of, rating.scores):
                    start = (rater, int(rater in kept), rating.trial, trial.kind, trial.item, " / ".join(trial.systems))
                    rows.writerow((*start, system, score, rating.seconds, rating.received))


_MEANS = {
    "mos": "mean opinion score, 1 to 5",
    "cmos": "comparison, -3 to 3: above 0, B of A / B is better",
    "abx": "share of right answers: guessing makes 0.5",
    "mushra": "MUSHRA score, 0 to 100",
}


def _plot(report: Report, path: Path) -> None:
    """Draw means, and below them differences, with intervals."""
    panels = [Panel(_MEANS[report.method], {metric.name: metric.mean for metric in report.metrics})]
    if report.comparisons:
        label = f"A / B: {_DIFFERENCE[report.method]}"
        differences = {comparison.name: comparison.difference for comparison in report.comparisons}
        panels.append(Panel(label, differences, zero=True))
    plot_intervals(path, panels)
