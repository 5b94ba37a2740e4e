"""Named normalizers and files of rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechnar.evaluate.wer.normalizers import normalizer
from speechnar.evaluate.wer.transcripts import TranscriptError


def words(name: str, text: str) -> str:
    return " ".join(normalizer(name)(text).split())


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("none", "Don't — stop!", "Don't — stop!"),
        ("basic", "Don't — stop! It’s 5% of the dogs' 'food'.", "don't stop it's 5 of the dogs food"),
        ("basic", "Été, ﬁn; ÀÇ¿हिन्दी।", "été fin àç हिन्दी"),
        ("whisper", "Mr. Brown's gonna pay, uh, ten dollars for colour", "mister brown is going to pay $10 for color"),
        ("whisper", "kinda sorta dunno 'cause", "kinda sorta dunno cause"),
    ],
)
def test_named_normalizers(name: str, text: str, expected: str) -> None:
    assert words(name, text) == expected


def test_rules_are_taken_in_order(tmp_path: Path) -> None:
    path = tmp_path / "rules.tsv"
    rules = ["# this corpus alone", "basic", r"\bok(ay)?\b" + "\tokay", "", r"(\d) (\d)" + "\t" + r"\1\2", "um\t", ""]
    path.write_text("\r\n".join(rules), encoding="utf-8-sig")
    assert words(str(path), "OK, um, 4 2") == "okay 42"


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("a b", "line 2: 'a b' should be pattern<TAB>replacement, or one of none, basic, whisper"),
        ("(a\tb", r"line 2: '\(a\\tb' is no rule \(missing"),
        ("a\t\\1", r"line 2: .* is no rule \(invalid group reference 1"),
    ],
)
def test_a_rule_that_is_none_is_said(rule: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text(f"x\ty\n{rule}\n", encoding="utf-8")
    with pytest.raises(TranscriptError, match=sentence):
        normalizer(str(path))


def test_a_name_that_is_none_is_said() -> None:
    with pytest.raises(TranscriptError, match=r"wisper is neither a normalizer \(none, basic, whisper\) nor a file"):
        normalizer("wisper")
