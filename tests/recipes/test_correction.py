"""The recipe correction: letters and confidences are learned, and nothing held out is trained on."""

from __future__ import annotations

import dataclasses
import importlib
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from speechnar.decode.corrector import Correction
from speechnar.decode.letter_channel import LETTERS

LOCAL = Path(__file__).parents[2] / "recipes" / "correction" / "local"
NAMES = ("evaluate", "texts", "learn")


@pytest.fixture(scope="module")
def recipe() -> Iterator[dict[str, ModuleType]]:
    """Import the scripts by their own names, which other recipes have too."""
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    sys.path.insert(0, str(LOCAL))
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path.remove(str(LOCAL))
    for name, module in before.items():
        del sys.modules[name]
        if module is not None:
            sys.modules[name] = module


def recognized(recipe: dict[str, ModuleType]) -> object:
    corrections = [Correction(1, ("cat",), (1.0, 2.0), 0.9), Correction(3, ("dogs",), (1.0, 0.5), 0.6)]
    return recipe["evaluate"].Recognized("anne", "the cat and dog", ["the", "cart", "and", "dog"], corrections, str)


def test_what_is_repaired_and_what_is_harmed(recipe: dict[str, ModuleType]) -> None:
    evaluate, text = recipe["evaluate"], recognized(recipe)
    for threshold, after, harmed in ((0.95, 1, 0), (0.8, 0, 0), (0.5, 1, 1)):
        found = evaluate.figures_of([text], threshold)
        assert (found.before.tolist(), found.after.tolist(), found.words) == ([1], [after], 4)
        assert (found.right, found.harmed) == (3, harmed)
    assert [(change.fewer, change.harmed) for change in evaluate.changes_of(text)] == [(1, 0), (-1, 1)]
    right, errors = evaluate.is_right(["a b c"], ["a x c d"])
    np.testing.assert_array_equal(right[0], [True, False, True])
    assert errors.tolist() == [2]


@pytest.mark.parametrize(
    ("said", "words", "place", "new", "harmed"),
    [
        ("do you value your hide", "do you value your're hide", 3, ("you're",), 0),  # `your` of "your are" was no word
        ("we did not go", "we nots go", 1, (), 0),  # wrong before
        ("right in introducing it", "right in introducing it", 1, (), 1),
        ("one counter moves", "one counter moves", 1, ("countermoves",), 2),
        ("the the cat", "the the the cat", 1, (), 0),  # one of them was too many
        ("he said that that man", "he said that that man", 2, (), 1),
        ("it is a cat", "its a cat", 0, ("it's",), 0),
        (
            "25 men",
            "twenty five men",
            1,
            ("fine",),
            1,
        ),  # of numbers, the form that is compared is not that of each word
    ],
)
def test_only_right_words_that_are_replaced_can_be_harmed(
    recipe: dict[str, ModuleType], said: str, words: str, place: int, new: tuple[str, ...], harmed: int
) -> None:
    count = 2 if new == ("countermoves",) else 1
    corrections = [Correction(place, new, (1.0,), 0.9, count)]

    def spoken_form(text: str) -> str:
        return text.replace("twenty five", "25").replace("'re", " are").replace("'s", " is")

    text = recipe["evaluate"].Recognized("anne", said, words.split(), corrections, spoken_form)
    assert recipe["evaluate"].figures_of([text], 0.5).harmed == harmed
    (change,) = recipe["evaluate"].changes_of(text)
    assert change.harmed == harmed


def test_the_threshold_harms_no_more_than_one_in_a_thousand(recipe: dict[str, ModuleType]) -> None:
    learn, text = recipe["learn"], recognized(recipe)
    changes = recipe["evaluate"].changes_of(text)
    assert learn.right_words([text]) == 3
    assert learn.best_threshold(changes, 3) == 0.9
    assert learn.best_threshold(changes, 1000) == 0.9  # the second leaves more errors
    assert learn.best_threshold([], 3) == 1.0


def test_changes_are_judged_by_those_of_other_speakers(recipe: dict[str, ModuleType]) -> None:
    """Of two speakers, of whom one has right changes alone, and the other wrong ones."""
    learn, change = recipe["learn"], recipe["evaluate"].Change
    features = (1.0, *(0.0,) * (learn.OF_AUDIO - 1))
    right, wrong = change(1, 0, 0.5, features, True), change(-1, 1, 0.5, features, True)
    texts = [recipe["evaluate"].Recognized(speaker, "a", ["a"], [], str) for speaker in ("anne", "bob")]
    first, second = learn.held_out(texts, [[right] * 50, [wrong] * 50])[::50]
    assert first.fewer == 1 and first.confidence < 0.1 and second.fewer == -1 and second.confidence > 0.9
    (unseen,) = learn.held_out(texts, [[dataclasses.replace(right, is_unknown=False)], []])
    assert unseen.confidence < 1e-6


def test_costs_are_logarithms_of_how_often_letters_were_written(recipe: dict[str, ModuleType]) -> None:
    pairs = [("book", "bok"), ("book", "book"), ("at", "ad"), ("at", "atm"), ("at", "att")] * 100
    channel = recipe["learn"].learn_letters(pairs)
    b, t, d, m = (LETTERS.index(letter) for letter in "btdm")
    number = 1400  # letters that were said
    assert channel.single == pytest.approx(-math.log(100.5 / 201), abs=1e-3)
    assert channel.double == pytest.approx(-math.log(100.5 / number), abs=1e-3)
    assert channel.insertion[m] == pytest.approx(-math.log(100.5 / number), abs=1e-3)
    assert channel.deletion[b] == pytest.approx(-math.log(0.5 / 201), abs=1e-3)
    assert channel.substitution[t][d] == pytest.approx(-math.log((100 + 30 / 27 + 0.3) / 327), abs=1e-3)
    assert channel.substitution[t][t] == 0 and channel.substitution[b][d] > 6


def test_the_regression_finds_the_odds(recipe: dict[str, ModuleType]) -> None:
    features = np.array([[1.0, 0.0]] * 100 + [[1.0, 3.0]] * 100)
    right = np.array([1.0] * 20 + [0.0] * 80 + [1.0] * 70 + [0.0] * 30)
    first, second = recipe["learn"].regression(features, right, np.ones(200))
    assert first == pytest.approx(math.log(20 / 80), abs=0.1)
    assert first + 3 * second == pytest.approx(math.log(70 / 30), abs=0.1)


def test_held_out_texts_are_left_out(tmp_path: Path) -> None:
    said = "SHE WENT TO THE VERY LAST SHOP OF ALL"
    (tmp_path / "dev.tsv").write_text(f"b-1\tother\tdraft\t{said}\tShe went.\n")
    texts = tmp_path / "texts"
    texts.mkdir()
    line = "The *old* clock is here. What do you say? He said so -- twice, I think, in 1850.\n"
    (texts / "kept.md").write_text(f"# Title\n{line}{line}")
    (texts / "held_out.txt").write_text("And she went to the very last shop of all.\n")
    command = [sys.executable, str(LOCAL / "texts.py"), "out.txt", "--texts", "texts", "--held-out", "dev.tsv"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 sentences; files that are left out: held_out.txt\n"
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert lines == ["he said so twice i think in <unk>", "the old clock is here", "what do you say"]
