"""The recipe g2p: CMUdict read and split, and error rates of guesses that are known."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from speechnar.data.pairs import read_pairs

LOCAL = Path(__file__).parents[2] / "recipes" / "g2p" / "local"
CMUDICT = """\
;;; a comment
cat K AE1 T
cat's K AE1 T S
cats K AE1 T S # the plural
either IY1 DH ER0
either(2) AY1 DH ER0
either(3) AY1 DH ER0
a.m. EY2 EH1 M
'tis T IH1 Z
x-ray EH1 K S R EY2
about AH0 B AW1 T
"""


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"g2p_{name}", LOCAL / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


prepare = loaded("prepare")
evaluate = loaded("evaluate")


def test_words_and_their_pronunciations_are_read(tmp_path: Path) -> None:
    (tmp_path / "cmudict.dict").write_text(CMUDICT)
    assert prepare.read_cmudict(tmp_path / "cmudict.dict") == {
        "cat": [("k", "ˈæ", "t")],
        "cat's": [("k", "ˈæ", "t", "s")],
        "cats": [("k", "ˈæ", "t", "s")],
        "either": [("ˈi", "ð", "ɚ"), ("ˈaɪ", "ð", "ɚ")],
        "about": [("ə", "b", "ˈaʊ", "t")],
    }
    (tmp_path / "empty").write_text("7 8\n")
    with pytest.raises(ValueError, match="is it cmudict.dict"):
        prepare.read_cmudict(tmp_path / "empty")


@pytest.mark.parametrize(
    "words",
    ["box boxes box's boxes'", "city cities city's", "horse horses horse's", "cat cats cats'", "bus buses", "fly flies"]
    + ["glass glasses", "church churches", "james james's", "tie ties", "bee bees"],
)
def test_plurals_and_possessives_share_a_stem(words: str) -> None:
    assert len(set(map(prepare.stem, words.split()))) == 1


def test_other_words_do_not_share_it() -> None:
    words = "is us a as cat bat class city sin sing the that".split()
    assert len(set(map(prepare.stem, words))) == len(words)


def test_a_word_is_in_one_set_with_its_plural(tmp_path: Path) -> None:
    names = [
        f"{a}{b}{c}" for a in ("ba", "ko", "mi", "tra", "ste") for b in ("l", "nd", "rk", "p") for c in ("o", "a", "in")
    ]
    lines = [f"{word}{ending} B AA1" for word in names for ending in ("", "s", "'s")]
    (tmp_path / "cmudict.dict").write_text("\n".join(lines))
    command = [sys.executable, str(LOCAL / "prepare.py"), str(tmp_path / "cmudict.dict"), str(tmp_path / "data")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    sets = {name: {source.replace(" ", "") for source, _ in read_pairs(tmp_path / "data" / f"{name}.tsv")}
            for name in ("train", "dev", "test") if (tmp_path / "data" / f"{name}.tsv").stat().st_size}  # fmt: skip
    assert sum(map(len, sets.values())) == 180 and "train" in sets and "test" in sets
    for name, its in sets.items():
        assert {word.removesuffix("'s").removesuffix("s") + ending for word in its for ending in ("", "s", "'s")} == its
        assert f"{name}: {len(its)} words" in told


def test_errors_against_the_nearest_pronunciation() -> None:
    assert evaluate.nearest(("k", "ˈæ", "t"), [("k", "ˈæ", "t")]) == (0, 3)
    assert evaluate.nearest(("t͡ʃ", "ˈæ"), [("k", "ˈæ", "t", "s"), ("t͡ʃ", "ˈɑ")]) == (1, 2)
    assert evaluate.nearest((), [("k", "ˈæ", "t"), ("k",)]) == (1, 1)
    references = {"cat": [("k", "ˈæ", "t")], "is": [("ˈɪ", "z"), ("ɪ", "z")], "a": [("ə",)]}
    found = evaluate.errors_of([("k", "æ", "t"), ("ɪ", "z"), ("ˈeɪ",)], references, {"a": [("ˈeɪ",)]})
    assert found.wrong.tolist() == [True, False, True] and found.wrong_in_both.tolist() == [True, False, False]
    assert found.edits.tolist() == [1, 0, 1] and found.phones.tolist() == [3, 2, 1]
    label, per, wer, interval, both, p, ms = evaluate.row("x", found, [found], 0.5).strip("| ").split(" | ")
    assert (label, per, wer, both, p, ms) == ("x", f"{100 * 2 / 6:.2f}", "66.7", "33.3", "", "0.50")
    assert interval == "[nan, nan]"  # of three words


def test_the_table_has_other_programs_and_gruut(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "exp" / "others").mkdir(parents=True)
    pairs = ["k a t\tk ˈæ t", "z o n e\tz ˈoʊ n", "m i\tm ˈi", "m i\tm ˈaɪ", "l o\tl ˈoʊ", "b a\tb ˈɑ", "t o\tt ˈu"]
    (tmp_path / "data" / "test.tsv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    (tmp_path / "exp" / "others" / "rules.tsv").write_text("\n".join(pairs[1:]).replace("z ˈ", "s ˈ"), encoding="utf-8")
    command = [sys.executable, str(LOCAL / "evaluate.py"), str(tmp_path / "data"), str(tmp_path / "exp")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0] == "6 words" and lines[4].startswith("| gruut's model")
    cells = [cell.strip() for cell in lines[5].strip("|").split("|")]
    assert cells[:3] == ["rules", f"{100 * 4 / 14:.2f}", "33.3"]  # no phone of three, and one of three wrong


def test_the_references_keep_every_pronunciation(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("i s\tˈɪ z\ni s\tɪ z\na\tə\n", encoding="utf-8")
    assert evaluate.read_references(tmp_path / "test.tsv") == {"is": [("ˈɪ", "z"), ("ɪ", "z")], "a": [("ə",)]}
    assert np.isfinite(evaluate.milliseconds(lambda words: [() for _ in words], ["a"] * 10))
