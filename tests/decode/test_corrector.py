"""The corrector changes words that no lexicon has, where that is certain, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_channel import TINY_CHANNEL

from speechnar.cli import main
from speechnar.decode.corrector import CHANNEL, ENGLISH, LM, Corrector
from speechnar.decode.letter_channel import Channel
from speechnar.text.symbols import TextError

TEXT = """the big clock struck
the boy struggles with the clock
the boys struggle
i would not go to the house
the house of the boy is under the clock
"""


def folder_of(path: Path, channel: Channel = TINY_CHANNEL) -> Path:
    path.mkdir()
    (path / "text.txt").write_text(TEXT)
    assert main(["lm", "train", str(path / "text.txt"), "-o", str(path / LM), "--order", "2"]) == 0
    (path / CHANNEL).write_text(json.dumps(dataclasses.asdict(channel)))
    return path


@pytest.fixture(scope="module")
def corrector(tmp_path_factory: pytest.TempPathFactory) -> Corrector:
    return Corrector(folder_of(tmp_path_factory.mktemp("corrector") / "tiny"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("The boy strugles, with the “Clokk”!", "The boy struggles, with the “Clock”!"),
        ("Theboy struck.", "The boy struck."),
        ("Boys struggle with t the c clock", "Boys struggle with the clock"),
        ("Vitamin C clocks and B boys", "Vitamin C clocks and B boys"),  # capitals are no fragments
        ('the "b boys" struggle', 'the "b boys" struggle'),
        (
            "t. the, i in a boy's b c clock",
            "t. the, i in a boy's b c clock",
        ),  # not loose
        (" the\tstrugles  of\x0c t  the boy\r", " the\tstruggles  of\x0c the boy\r"),  # white space stays
        ("the house  of the boy\t", "the house  of the boy\t"),
        ("he qqqqqq the zzzzz", "he qqqqqq the zzzzz"),  # nothing is near
        ("iPhone NASA clo-ck cl0ck clokk@x.org clökk", "iPhone NASA clo-ck cl0ck clokk@x.org clökk"),
        ("sociologists oligarchs whiteness", "sociologists oligarchs whiteness"),  # of the pronouncing lexicon
    ],
)
def test_misspelled_words_are_corrected_and_others_stay(corrector: Corrector, line: str, expected: str) -> None:
    assert corrector(line) == expected


@pytest.mark.parametrize(
    ("word", "has_ending"),
    [
        ("houseless", True),
        ("strugglest", True),
        ("clockly", True),
        ("house", False),
        ("houseq", False),
        ("bigly", False),
    ],
)
def test_known_words_have_endings(corrector: Corrector, word: str, has_ending: bool) -> None:
    assert corrector.has_ending(word) == has_ending  # big is too short


@pytest.mark.parametrize("line", ["", "   ", "\x00\x07", "a\x0cb", "🎉 ﬁ 你好", "\u2028 -- …", "x" * 100_000])
def test_odd_lines_stay(corrector: Corrector, line: str) -> None:
    assert corrector(line) == line


def test_long_lines_lose_nothing(corrector: Corrector) -> None:
    assert corrector("the strugles " * 5000).split() == ["the", "struggles"] * 5000


def test_the_neighbors_decide_between_equal_letters(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a red cat sat\nthe old bat flew\n" * 3)
    assert main(["lm", "train", str(tmp_path / "text.txt"), "-o", str(tmp_path / LM), "--order", "2"]) == 0
    (tmp_path / CHANNEL).write_text(json.dumps(dataclasses.asdict(TINY_CHANNEL)))
    corrector = Corrector(tmp_path)
    for line, word in (("a red xqat sat", "cat"), ("the old xqat flew", "bat")):
        (found,) = corrector.proposals(line.split())
        assert found.words == (word,) and found.place == 2


def test_a_change_has_to_be_certain(tmp_path: Path) -> None:
    (proposal,) = Corrector(folder_of(tmp_path / "a")).proposals(["strugles"])
    assert proposal.words == ("struggles",) and proposal.features[3] == 1.0  # a g that was said twice
    assert proposal.confidence == pytest.approx(1 / (1 + np.exp(-(5.0 - 4.0 / 8))))
    strict = dataclasses.replace(TINY_CHANNEL, threshold=0.999)
    assert Corrector(folder_of(tmp_path / "b", strict))("strugles") == "strugles"


def test_a_damaged_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="there is no corrector in .*, make it by recipes/correction: .*No such file"):
        Corrector(tmp_path)
    (folder_of(tmp_path / "a") / LM).write_bytes(b"PK nothing")
    with pytest.raises(TextError, match="there is no corrector in"):
        Corrector(tmp_path / "a")


def test_the_corrector_of_the_package() -> None:
    correct = Corrector()
    said = "He struggles with his old clock, and jumps over the wall."
    assert correct("He strugles with his old clokk, and jumps overr the wall.") == said
    assert correct(said) == said
    assert sum(path.stat().st_size for path in ENGLISH.iterdir()) <= 5_000_000


def test_correcting_imports_no_torch() -> None:
    code = "import sys, speechnar.decode.corrector, speechnar.runtime.correction; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
