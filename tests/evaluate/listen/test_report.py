"""Reports of simulated raters whose opinion is known."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from speechnar import cli, config
from speechnar.evaluate.listen import plan
from speechnar.evaluate.listen.plan import ANCHOR, CATCH, RATED, REFERENCE, WRECK, ListenError, Trial
from speechnar.evaluate.listen.report import Report, holm, make_report, table
from speechnar.evaluate.listen.store import Rating, Store

Opinion = Callable[[Trial, int], list[int]]


@pytest.fixture
def report(tests, tmp_path: Path) -> Callable[..., Report]:
    """The report of raters, each of whom answers by an opinion: a function of a trial and of its place."""

    def of(method: str, opinions: list[Opinion], **changes: object) -> Report:
        folder = shutil.copytree(tests[method][0], tmp_path / method)
        test = replace(tests[method][1], **changes)
        config.save(test, folder / "test.json")
        store = Store(folder)
        for number, opinion in enumerate(opinions):
            assert store.add_rater(f"key {number}", most=1000) == number
            for place, trial in enumerate(plan.plan(test, number)):
                scores = tuple(opinion(trial, place))
                store.add_rating(Rating(number, place, f"{number} {place}", scores, 1.0))
        store.close()
        return make_report(folder, tmp_path / "report")

    return of


def mos(scores: dict[str, int]) -> Opinion:
    return lambda trial, place: [{WRECK: 1, **scores}[trial.systems[0]]]


def test_mos_means_are_those_of_the_ratings_and_the_better_system_is_found(report, tmp_path: Path) -> None:
    # both hear each system twice: alpha 4 and 5, beta 2 and 2, in as many ratings each
    found = report("mos", [mos({"alpha": 4, "beta": 2}), mos({"alpha": 5, "beta": 2})] * 6)
    assert [check.why_not for check in found.raters] == [""] * 12
    alpha, beta = found.metrics
    assert (alpha.name, alpha.mean.value, alpha.ratings, alpha.raters) == ("alpha", 4.5, 24, 12)
    assert 4 < alpha.mean.low < 4.5 < alpha.mean.high < 5
    assert (beta.mean.value, beta.mean.low, beta.mean.high) == (2, 2, 2)
    (comparison,) = found.comparisons
    assert (comparison.name, comparison.difference.value, comparison.raters) == ("alpha / beta", -2.5, 12)
    assert comparison.difference.high < 0 and comparison.difference.p < 0.01
    written = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert [metric["mean"]["value"] for metric in written["metrics"]] == [4.5, 2]
    assert (tmp_path / "report" / "report.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "report" / "report.svg").read_text(encoding="utf-8")
    assert "12 of 12 raters count" in table(found)
    assert re.search(r"alpha +4.50 .* +24 +12\n", table(found)) and re.search(r"alpha / beta +-2.50 ", table(found))


def test_equal_systems_are_not_told_apart(report) -> None:
    opinions = [mos({"alpha": 3 + n % 2, "beta": 3 + n // 2 % 2}) for n in range(8)]
    (comparison,) = report("mos", opinions).comparisons
    assert comparison.difference.value == 0 and comparison.difference.p > 0.5


def test_every_score_is_a_line_of_the_csv(report, tmp_path: Path) -> None:
    report("mushra", [lambda trial, place: [100 if s == REFERENCE else 7 for s in trial.systems[1:]]] * 2)
    with open(tmp_path / "report" / "ratings.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 8 * 4
    first = rows[0]
    assert (first["rater"], first["counts"], first["kind"], first["seconds"]) == ("0", "1", "training", "1.0")
    assert {row["score"] for row in rows if row["rated"] == REFERENCE} == {"100"}
    assert {row["rated"] for row in rows if row["kind"] == "rated"} == {"alpha", "beta", REFERENCE, ANCHOR}


def test_cmos_is_of_the_second_system_whichever_was_played_first(report) -> None:
    def prefers_beta(trial: Trial, place: int) -> list[int]:
        if WRECK in trial.systems:
            return [3 if trial.systems[0] == WRECK else -3]
        return [2 - place % 2 if trial.systems[1] == "beta" else place % 2 - 2]

    found = report("cmos", [prefers_beta] * 6)
    (metric,) = found.metrics
    assert metric.name == "alpha / beta" and 1 < metric.mean.value < 2
    assert found.comparisons[0].difference.value == pytest.approx(metric.mean.value)
    assert found.comparisons[0].difference.p < 0.05


def test_abx_counts_right_answers_against_guessing(report) -> None:
    def hears(trial: Trial, place: int) -> list[int]:
        return [trial.systems.index(trial.systems[2])]

    found = report("abx", [hears] * 4)
    assert found.metrics[0].mean.value == 1 and found.comparisons[0].difference.value == 0.5


def test_mushra_has_figures_of_reference_and_anchor(report) -> None:
    scores = {"alpha": 60, "beta": 70, REFERENCE: 100, ANCHOR: 20, WRECK: 0}
    found = report("mushra", [lambda trial, place: [scores[system] for system in trial.systems[1:]]] * 3)
    assert {metric.name: metric.mean.value for metric in found.metrics} == {
        name: score for name, score in scores.items() if name != WRECK
    }
    assert [comparison.difference.value for comparison in found.comparisons] == [10]


def test_raters_who_do_not_listen_are_left_out(report) -> None:
    good = mos({"alpha": 4, "beta": 3})

    def fails(trial: Trial, place: int) -> list[int]:
        return [5] if trial.kind == CATCH else good(trial, place)

    def same(trial: Trial, place: int) -> list[int]:
        return [1]

    found = report("mos", [good, fails, same, good], rounds=2)  # 8 rated trials
    assert [check.why_not for check in found.raters] == [
        "",
        "failed 2 of 2 catch trials",
        "gave the answer 1 every time",
        "",
    ]
    assert [metric.mean.value for metric in found.metrics] == [4, 3]
    assert "rater 1 left out: failed 2 of 2 catch trials" in table(found)


def test_raters_who_do_not_find_the_hidden_reference_are_left_out(report) -> None:
    def hears(low: int) -> Opinion:
        """Rates the reference below 90 in `low` of the four rated trials."""
        seen: list[Trial] = []

        def opinion(trial: Trial, place: int) -> list[int]:
            seen.extend([trial] if trial.kind == RATED else [])
            reference = 89 if trial.kind == RATED and len(seen) <= low else 90
            return [reference if system == REFERENCE else 30 for system in trial.systems[1:]]

        return opinion

    found = report("mushra", [hears(0), hears(1), hears(0)])
    assert [check.why_not for check in found.raters] == [
        "",
        "rated the hidden reference below 90 in 1 of 4 trials",
        "",
    ]


def test_a_title_is_no_formula(report, tmp_path: Path) -> None:
    found = report("mos", [mos({"alpha": 4, "beta": 2})] * 2, title="<b>$\\frac$")
    assert table(found).startswith("<b>$\\frac$ (MOS)")
    assert (tmp_path / "report" / "report.svg").stat().st_size


def test_holm_corrects_as_worked_by_hand() -> None:
    """0.01 x 3; 0.03 x 2; 0.04 x 1 is less than the one before, which it then takes."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.03, math.nan, 0.02])[::2] == pytest.approx([0.04, 0.04])
    assert holm([]) == []


def test_too_few_ratings_make_no_report(tests, report, tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="has no ratings yet: serve it"):
        make_report(tests["mos"][0], tmp_path / "out")
    Store(shutil.copytree(tests["mos"][0], tmp_path / "empty")).close()
    with pytest.raises(ListenError, match="wait until somebody has answered"):
        make_report(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(ListenError, match="none of 1 raters passed .* failed 2 of 2 catch trials"):
        report("mos", [lambda trial, place: [4]])
    assert (tmp_path / "report" / "ratings.csv").is_file()


def test_the_command_prints_the_table_and_names_the_files(report, tmp_path: Path, capsys) -> None:
    report("mos", [mos({"alpha": 4, "beta": 2})] * 2)
    assert cli.main(["evaluate", "listen", "report", str(tmp_path / "mos")]) == 0
    said = capsys.readouterr().out
    assert "2 of 2 raters count" in said and "ratings.csv" in said
    assert re.search(r"alpha +4.00 +- +4 +2", said)  # no interval of so few raters
    assert (tmp_path / "mos" / "report" / "report.svg").is_file()
