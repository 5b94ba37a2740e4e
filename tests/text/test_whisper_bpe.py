"""Byte-pair encoding by a list of pieces alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from speechnar.text.symbols import TextError
from speechnar.text.whisper_bpe import Pieces

MERGES = [("▁", "a"), ("b", "a"), ("▁a", "b"), ("a", "b"), ("ba", "b"), ("▁ab", "ba")]
PIECES = Pieces(("▁", "a", "b", *(x + y for x, y in MERGES), "</s>"))


def by_merges(word: str) -> list[str]:
    """As Sennrich et al. have it: the earliest merge wherever it applies, until none does."""
    parts = ["▁", *word]
    for pair in MERGES:  # a merge makes no pair of an earlier one in this list
        place = 0
        while place + 1 < len(parts):
            if (parts[place], parts[place + 1]) == pair:
                parts[place : place + 2] = ["".join(pair)]
            place += 1
    return parts


def test_words_are_merged_in_the_order_of_the_merges() -> None:
    rng = random.Random(0)
    for size in range(1, 9):
        for _ in range(40):
            word = "".join(rng.choice("ab") for _ in range(size))
            assert [PIECES.pieces[n] for n in PIECES.encode(word)] == by_merges(word), word


def test_a_piece_says_what_it_is_merged_from() -> None:
    assert [PIECES.pieces[n] for n in PIECES.merges("▁abba")] == ["▁a", "ba", "▁ab", "▁abba"]
    assert PIECES.merges("b") == []


def test_text_comes_back() -> None:
    text = "abba b aab babab"
    assert PIECES.decode(PIECES.encode(text)) == text
    assert PIECES.decode([*PIECES.encode("ab a"), PIECES.end_id, *PIECES.encode("b")]) == "ab a"
    assert PIECES.encode("  ") == []


def test_a_letter_that_is_no_piece_is_named() -> None:
    with pytest.raises(TextError, match="'c' in 'ac' is no piece"):
        PIECES.encode("ab ac")


def test_pieces_of_a_draft_follow_its_blank() -> None:
    symbols = ("<blank>", "▁", "a", "▁a", "<pad>", "<s>", "</s>")
    pieces = Pieces.of_symbols(symbols)
    assert [symbols[n + 1] for n in pieces.encode("aa")] == ["▁a", "a"]


def test_a_file_of_pieces_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "pieces.txt"
    with pytest.raises(TextError, match="cannot be read"):
        Pieces.load(path)
    path.write_text("▁\na\n", encoding="utf-8")
    with pytest.raises(TextError, match="should be '</s>'"):
        Pieces.load(path)
    path.write_text("▁\na\na\n</s>\n", encoding="utf-8")
    with pytest.raises(TextError, match="more than once"):
        Pieces.load(path)
    path.write_text("\n".join(PIECES.pieces) + "\n", encoding="utf-8")
    assert Pieces.load(path).pieces == PIECES.pieces
