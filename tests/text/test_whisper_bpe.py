"""Byte-pair encoding by a list of tokens alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from speechnar.text.symbols import TextError
from speechnar.text.whisper_bpe import BytePairs

MERGES = [("▁", "a"), ("b", "a"), ("▁a", "b"), ("a", "b"), ("ba", "b"), ("▁ab", "ba")]
TOKENS = BytePairs(("▁", "a", "b", *(x + y for x, y in MERGES), "</s>"))


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
            assert [TOKENS.symbols[n] for n in TOKENS.encode(word)] == by_merges(word), word


def test_the_merges_of_a_token_end_with_the_token() -> None:
    assert [TOKENS.symbols[n] for n in TOKENS.merges("▁abba")] == ["▁a", "ba", "▁ab", "▁abba"]
    assert TOKENS.merges("b") == []


def test_text_comes_back() -> None:
    text = "abba b aab babab"
    assert TOKENS.decode(TOKENS.encode(text)) == text
    assert TOKENS.decode([*TOKENS.encode("ab a"), TOKENS.eos_id, *TOKENS.encode("b")]) == "ab a"
    assert TOKENS.encode("  ") == []


def test_a_letter_in_no_token_is_named() -> None:
    with pytest.raises(TextError, match="'c' in 'ac' is in no token"):
        TOKENS.encode("ab ac")


def test_special_tokens_may_stand_among_the_others() -> None:
    symbols = ("<blank>", "▁", "a", "▁a", "<pad>", "<s>", "</s>")
    tokenizer = BytePairs(symbols)
    assert [symbols[n] for n in tokenizer.encode("aa")] == ["▁a", "a"]
    assert tokenizer.decode([0, *tokenizer.encode("aa"), 0, *tokenizer.encode("a"), tokenizer.pad_id]) == "aa a"


def test_a_file_of_tokens_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "pieces.txt"
    with pytest.raises(TextError, match="cannot be read"):
        BytePairs.load_lines(path)
    path.write_text("▁\na\n", encoding="utf-8")
    with pytest.raises(TextError, match="should be '</s>'"):
        BytePairs.load_lines(path)
    path.write_text("▁\na\na\n</s>\n", encoding="utf-8")
    with pytest.raises(TextError, match="more than once"):
        BytePairs.load_lines(path)
    path.write_text("\n".join(TOKENS.symbols) + "\n", encoding="utf-8")
    assert BytePairs.load_lines(path) == TOKENS
