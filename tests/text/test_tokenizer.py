"""Tokenizers of characters and subwords return the text they were given; tables of voices stay as they were."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from speechnar.text.symbols import SymbolTable, TextError
from speechnar.text.tokenizer import load_tokenizer, train_tokenizer

TEXTS = ["so it goes", "it  goes on", "go on so", "on it goes", "so so on"] * 3


def test_characters_and_the_boundary(tmp_path: Path) -> None:
    made = train_tokenizer(TEXTS, tmp_path)
    assert made.symbols == ("<blank>", "▁", *"eginost", "<mask>", "<pad>", "<s>", "</s>")
    assert (made.blank_id, made.mask_id, made.pad_id) == (0, 9, 10)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer == made
    assert [tokenizer.symbols[n] for n in tokenizer.encode("so  it")] == ["▁", "s", "o", "▁", "i", "t"]


@pytest.mark.parametrize("subwords", [None, 12])
def test_what_is_encoded_is_spelled_again(tmp_path: Path, subwords: int | None) -> None:
    if subwords:
        pytest.importorskip("sentencepiece")
    made = train_tokenizer(TEXTS, tmp_path, subwords)
    tokenizer = load_tokenizer(tmp_path)
    for text in ("so it goes", "on on on", "gist"):
        ids = tokenizer.encode(text)
        assert tokenizer.decode([made.blank_id, *ids, made.mask_id, made.bos_id, made.pad_id, made.eos_id, 1]) == text
    if subwords:
        assert len(made) == 12 + 5 and any(len(symbol) > 2 and symbol[0] == "▁" for symbol in made.symbols)
        assert len(tokenizer.encode("it goes")) < len("▁it▁goes")


def test_words_as_tokens(tmp_path: Path) -> None:
    made = train_tokenizer(["k æ t", "t ɑ t͡ʃ"], tmp_path, words=True)
    assert made.symbols == ("<blank>", "▁k", "▁t", "▁t͡ʃ", "▁æ", "▁ɑ", "<mask>", "<pad>", "<s>", "</s>")
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode("t͡ʃ æ  k") == [3, 4, 1] and tokenizer.decode([3, 0, 4, 1]) == "t͡ʃ æ k"
    with pytest.raises(TextError, match="'▁kæ' in the text 'kæ t' is none of the 10 tokens"):
        tokenizer.encode("kæ t")


def test_a_character_without_a_unit_is_named(tmp_path: Path) -> None:
    train_tokenizer(TEXTS, tmp_path)
    with pytest.raises(TextError, match="'z' in the text 'so zoo' is none of the 13 tokens"):
        load_tokenizer(tmp_path).encode("so zoo")


def test_too_many_subwords_are_refused_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    with pytest.raises(TextError, match="5000 subwords cannot be made of this text .* ask for fewer") as error:
        train_tokenizer(TEXTS, tmp_path, 5000)
    assert not (tmp_path / "tokens.txt").exists()
    told = re.search(r"it has (\d+) at most", str(error.value))
    assert told
    train_tokenizer(TEXTS, tmp_path, int(told[1]))
    with pytest.raises(TextError, match="ask for fewer"):
        train_tokenizer(TEXTS, tmp_path, int(told[1]) + 1)


def test_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="no text to make tokens of"):
        train_tokenizer(["", "  "], tmp_path)


def test_a_voice_s_table_has_no_blank() -> None:
    with pytest.raises(TextError, match="lacks '<blank>'"):
        _ = SymbolTable().blank_id
