from __future__ import annotations

import pytest

from speechnar.text.sentences import split_blocks, split_sentences

PARAGRAPH = """It was the best of times, it was the worst of times, it was the age of
wisdom, it was the age of foolishness, it was the epoch of belief, it
was the season of Light.
"""


def blocks(text):
    return [block.text for block in split_blocks(text)]


def test_wrapped_lines_are_one_block():
    assert blocks(PARAGRAPH) == [" ".join(PARAGRAPH.split())]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_empty_line_ends_a_paragraph(newline):
    found = list(split_blocks(f"One.{newline}{newline} Two{newline}three.{newline}"))
    assert [(b.text, b.ends_paragraph) for b in found] == [("One.", True), ("Two three.", True)]


def test_heading_and_list_items_stand_alone():
    text = "Shopping\nMilk and\nEggs\n- 3 apples\n* butter\n1. last"
    assert blocks(text) == ["Shopping", "Milk and", "Eggs", "- 3 apples", "* butter", "1. last"]


def test_verse_that_runs_on_after_a_comma_is_joined():
    assert blocks("Whose woods these are,\nI think I know.") == ["Whose woods these are, I think I know."]


def test_long_paragraph_is_cut_between_sentences_and_loses_nothing():
    text = "Every sentence here is short. " * 500
    found = blocks(text)
    assert len(found) > 5
    assert all(len(block) <= 2000 and block.strip().endswith("short.") for block in found)
    assert "".join(found).split() == text.split()


def test_text_without_any_break_is_cut_all_the_same():
    found = blocks("x" * 5001)
    assert "".join(found) == "x" * 5001
    assert max(map(len, found)) <= 2000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("all in lower case. still two.", ["all in lower case.", "still two."]),
        ("J. R. R. Tolkien wrote it. We read it.", ["J. R. R. Tolkien wrote it.", "We read it."]),
        ("Take vitamin A. The rest is plan B. Smith left.", ["Take vitamin A.", "The rest is plan B. Smith left."]),
        ("It was I. Nobody else came.", ["It was I.", "Nobody else came."]),
        ("Stop! she cried. No? he asked.", ["Stop! she cried.", "No? he asked."]),
        ("no end", ["no end"]),
        ("", []),
    ],
)
def test_sentences(text, expected):
    assert split_sentences(text) == expected
    assert " ".join(split_sentences(text)) == text
