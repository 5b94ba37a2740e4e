"""A reduced run of the simulations that measure whether intervals and tests keep their promises."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import wer_statistics

    monkeypatch.setattr(wer_statistics, "DRAWS", 500)
    return wer_statistics


def test_the_simulation_has_the_rate_that_it_is_given(simulation: Any) -> None:
    import numpy as np

    (rates,), words, speakers = simulation.Population(2000, 20000, rate=0.1, spread=0.5).draw(np.random.default_rng(0))
    assert (rates * words).sum() / words.sum() == pytest.approx(0.1, rel=0.05)
    assert len(set(speakers)) == 2000


@pytest.mark.parametrize(("speakers", "utterances", "by_speaker"), [(80, 80, False), (10, 130, True), (30, 120, True)])
def test_intervals_hold_the_truth_as_often_as_they_say(
    speakers: int, utterances: int, by_speaker: bool, simulation: Any
) -> None:
    share = simulation.coverage(simulation.Population(speakers, utterances), by_speaker, trials=400)
    assert 0.92 <= share <= 0.98  # 400 trials of 95 % spread by 1.1 %


def test_utterances_of_few_speakers_are_no_independent_draws(simulation: Any) -> None:
    assert simulation.coverage(simulation.Population(10, 130), by_speaker=False, trials=200) < 0.88


def test_tests_seldom_find_a_difference_that_is_not_there(simulation: Any) -> None:
    alarms = simulation.false_alarms(simulation.Population(20, 40), trials=150)
    for share in (alarms.utterances, alarms.speakers, alarms.matched):
        assert 0.01 <= share <= 0.10  # 150 trials of 5 % spread by 1.8 %


def test_the_benchmark_runs_whole(
    simulation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["wer_statistics.py", "--trials", "1"])
    simulation.main()
    coverage, alarms, seconds = capsys.readouterr().out.rstrip().split("\n\n")
    assert len(coverage.splitlines()) == 9
    assert len(alarms.splitlines()) == 4
    assert seconds.startswith("evaluate wer, 2,620 utterances, two systems: ")
