from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from speechnar.evaluate.listen import plan
from speechnar.evaluate.listen.plan import ANCHOR, CATCH, RATED, REFERENCE, TRAINING, WRECK, ListenError, Trial


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_the_square_is_latin_and_every_number_follows_every_other_as_often(size: int) -> None:
    rows = plan.balanced_square(size)
    for row in rows:
        assert sorted(row) == list(range(size))
    for column in zip(*rows):
        assert set(Counter(column).values()) == {len(rows) // size}
    follows = Counter(pair for row in rows for pair in zip(row, row[1:]))
    assert len(follows) == size * (size - 1)
    assert len(set(follows.values())) <= 1


def rated(test: plan.ListeningTest, number: int) -> list[Trial]:
    return [trial for trial in plan.plan(test, number) if trial.kind == RATED]


@pytest.mark.parametrize("method", ["mos", "cmos", "abx"])
def test_raters_together_hear_every_item_in_every_condition(tests, method: str) -> None:
    test = replace(tests[method][1], catch=0)
    conditions = plan.conditions(method, test.systems)
    heard = Counter()
    for number in range(len(conditions)):
        trials = rated(test, number)
        assert sorted(trial.item for trial in trials) == sorted(test.items)
        heard.update((trial.item, trial.systems) for trial in trials)
    assert heard == Counter((item, condition) for item in test.items for condition in conditions)


def test_a_rater_hears_every_system_as_often_where_the_items_allow_it(tests) -> None:
    test = tests["mos"][1]
    assert len(test.items) == 4
    for number in range(3):
        assert set(Counter(trial.systems for trial in rated(test, number)).values()) == {2}


@pytest.mark.parametrize("method", ["mos", "cmos", "mushra"])
def test_items_and_conditions_are_tied_to_no_place(tests, method: str) -> None:
    test = replace(tests[method][1], catch=0)
    conditions = plan.conditions(method, test.systems)
    for first in range(0, 6, len(conditions)):  # of any raters who together hear all
        plans = [rated(test, number) for number in range(first, first + len(conditions))]
        for trials in zip(*plans):
            assert len({trial.systems for trial in trials}) == len(conditions)
    places = Counter((trial.item, place) for number in range(40) for place, trial in enumerate(rated(test, number)))
    assert len(places) == 16 and min(places.values()) >= 2


def test_in_as_many_rounds_as_conditions_one_rater_hears_all(tests) -> None:
    test = replace(tests["cmos"][1], rounds=2)
    heard = Counter((trial.item, trial.systems) for trial in rated(test, 5))
    assert heard == Counter((item, pair) for item in test.items for pair in (("alpha", "beta"), ("beta", "alpha")))


def test_mushra_hides_reference_and_anchor_among_the_systems_in_changing_order(tests) -> None:
    test = tests["mushra"][1]
    orders = set()
    for number in range(4):
        for trial in rated(test, number):
            assert trial.systems[0] == REFERENCE
            assert sorted(trial.systems[1:]) == sorted(["alpha", "beta", REFERENCE, ANCHOR])
            orders.add(trial.systems[1:])
    assert len(orders) == 4


def test_abx_asks_for_one_of_its_two(tests) -> None:
    for trial in rated(tests["abx"][1], 0):
        a, b, x = trial.systems
        assert {a, b} == {"alpha", "beta"} and x in (a, b)


@pytest.mark.parametrize("method", ["mos", "cmos", "abx", "mushra"])
def test_practice_comes_first_and_catch_trials_are_spread(tests, method: str) -> None:
    test = tests[method][1]
    for number in range(5):
        trials = plan.plan(test, number)
        assert [trial.kind == TRAINING for trial in trials] == [True] * 2 + [False] * 6
        assert {trial.item for trial in trials[:2]} == set(test.training)
        catch = [place for place, trial in enumerate(trials) if trial.kind == CATCH]
        assert len(catch) == 2 and catch[0] in (3, 4) and catch[1] in (6, 7)  # one in each half of the rated ones
        assert all(WRECK in trials[place].systems for place in catch)
        assert trials == plan.plan(test, number)
    assert len({plan.plan(test, number) for number in range(8)}) > 1


@pytest.mark.parametrize(
    ("method", "systems", "good", "bad"),
    [
        ("mos", (WRECK,), (2,), (3,)),
        ("cmos", ("alpha", WRECK), (-1,), (0,)),
        ("cmos", (WRECK, "alpha"), (3,), (-2,)),
        ("abx", ("alpha", WRECK, WRECK), (1,), (0,)),
        ("abx", ("alpha", WRECK, "alpha"), (0,), (1,)),
        ("mushra", (REFERENCE, WRECK, REFERENCE, WRECK), (10, 90, 0), (91, 90, 0)),
        ("mushra", (REFERENCE, WRECK, REFERENCE, WRECK), (10, 90, 0), (90, 90, 90)),
    ],
)
def test_a_catch_trial_tells_who_listens(method: str, systems: tuple, good: tuple, bad: tuple) -> None:
    trial = Trial(CATCH, "item", systems)
    assert plan.passed(trial, good, method) and not plan.passed(trial, bad, method)
    assert plan.n_scores(trial, method) == len(good)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"file": "../secret.wav"}, "'../secret.wav', which is none of a test's"),
        ({"file": "/etc/passwd"}, "'/etc/passwd', which is none of a test's"),
        ({"file": 32 * "0" + ".wav"}, "lacks audio/"),
    ],
)
def test_a_test_that_names_other_files_is_refused(tests, tmp_path: Path, broken: dict, says: str) -> None:
    folder = shutil.copytree(tests["mos"][0], tmp_path / "copy")
    values = json.loads((folder / "test.json").read_text(encoding="utf-8"))
    values["stimuli"][0].update(broken)
    (folder / "test.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ListenError, match=says):
        plan.load(folder)


def test_a_folder_without_a_test_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="holds no test.json: make a test"):
        plan.load(tmp_path)


def test_a_test_is_read_as_it_was_written(tests) -> None:
    folder, test = tests["abx"]
    assert plan.load(folder) == test
