from __future__ import annotations

import re

import pytest

from speechnar.text.sentences import (
    LINE_PAUSE,
    LONGEST_BREAK,
    PARAGRAPH_PAUSE,
    SENTENCE_PAUSE,
    split_blocks,
    split_sentences,
)

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
    assert [(b.text, b.pause) for b in found] == [("One.", PARAGRAPH_PAUSE), ("Two three.", PARAGRAPH_PAUSE)]


def test_heading_and_list_items_stand_alone():
    text = "Shopping\nMilk and\nEggs\n- 3 apples\n* butter\n1. last"
    assert blocks(text) == ["Shopping", "Milk and", "Eggs", "- 3 apples", "* butter", "1. last"]


def test_verse_that_runs_on_after_a_comma_is_joined():
    assert blocks("Whose woods these are,\nI think I know.") == ["Whose woods these are, I think I know."]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("A Heading\nThe text begins.", ["A Heading", "The text begins."]),
        ("milk\neggs\nbrown bread", ["milk", "eggs", "brown bread"]),
        ("Ann Lee\n12 Oak Road\nDover", ["Ann Lee", "12 Oak Road", "Dover"]),
        ("(i) one\n(ii) two", ["(i) one", "(ii) two"]),
        ("1. one\n2. two and\nmore", ["1. one", "2. two and more"]),
        ("| a | b |\n|---|---|\n| c | d |", ["| a | b |", "| c | d |"]),
        ("“Go,” he said.\n“No.”", ["“Go,” he said.", "“No.”"]),
        ("2 eggs and some salt\n3 cups of white flour", ["2 eggs and some salt", "3 cups of white flour"]),
        ("Roses are red,\nViolets are blue", ["Roses are red, Violets are blue"]),
        ("Title\n=====\nText follows.", ["Title", "Text follows."]),
        (
            "<h1>Title</h1><p>One<br>Two</p><ul><li>three</li><li>Four</li></ul>",
            ["Title", "One", "Two", "three", "Four"],
        ),
        ("> quoted text that\n> goes on", ["quoted text that goes on"]),
        ("Run this:\n```python\nx = 3\ny = 4\n```\nDone.", ["Run this:", "• x = 3", "• y = 4", "Done."]),
        ("See [x].\n\n[x]: https://example.org", ["See [x]."]),
        ("Sie sagt es\nÉcole", ["Sie sagt es", "École"]),
    ],
)
def test_lines_that_stand_alone(text, lines):
    assert [" ".join(re.sub("<[^<>]*>", " ", block).split()) for block in blocks(text)] == lines


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("the exam-\nple here", "the example here"),
        ("under-\nstand", "understand"),
        ("a well-\nknown man", "a well-known man"),
        ("my mother-in-\nlaw", "my mother-in-law"),
        ("twenty-\none of them", "twenty-one of them"),
        ("in self-\ndefense", "in self-defense"),
        ("an X-\nray of it", "an X-ray of it"),
        ("so\u00ad\nft", "soft"),
        ("the Anglo-\nSaxons came", "the Anglo-Saxons came"),
        ("pages 10-\n12", "pages 10- 12"),
        ("he ran -\nand fell", "he ran - and fell"),
    ],
)
def test_divided_words_are_joined(text, joined):
    assert blocks(text) == [joined]


@pytest.mark.parametrize(
    ("mark", "seconds"),
    [
        ('<break time="500ms"/>', 0.5),
        ("<break time='1.5s' />", 1.5),
        ("<break/>", 0.4),
        ('<break strength="x-strong"/>', 1.2),
        ('<break strength="none"/>', 0.0),
        ('<break time="2s"></break>', 2.0),
        ('<BREAK TIME="250MS">', 0.25),
        ('<break time="1s"/> <break time="2s"/>', 3.0),
        ('<break time="99s"/>', LONGEST_BREAK),
        ('<break time="soon"/>', 0.4),
    ],
)
def test_ssml_breaks(mark, seconds):
    assert [(b.text, b.pause, b.end) for b in split_blocks(f"Wait {mark} for me\nThen go.")] == [
        ("Wait", seconds, ","),
        ("for me", LINE_PAUSE, "."),
        ("Then go.", PARAGRAPH_PAUSE, "."),
    ]


def test_break_at_the_ends_of_a_text():
    found = list(split_blocks("<break time='1s'/>Go. <break time='2s'/>"))
    assert [(b.text, b.pause, b.end) for b in found] == [("Go.", 2.0, ".")]


def test_cut_paragraph_goes_on_after_a_sentence_pause():
    found = list(split_blocks("Every sentence here is short. " * 500))
    assert {b.pause for b in found[:-1]} == {SENTENCE_PAUSE}
    assert {b.end for b in found[:-1]} == {""}
    assert found[-1].pause == PARAGRAPH_PAUSE


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
