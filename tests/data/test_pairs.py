"""Files of text pairs, and their batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from speechnar.data.manifest import DataError
from speechnar.data.pairs import PairData, read_pairs
from speechnar.text.tokenizer import train_tokenizer

PAIRS = [("ab", "ba"), ("a", "a"), ("abab b", "b baba"), ("b", "bb"), ("ba ba ba", "ab")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
    train_tokenizer([text for pair in PAIRS for text in pair], tmp_path / "tokenizer")
    return tmp_path


def test_every_pair_is_in_one_batch_of_an_epoch_and_no_batch_is_too_large(folder: Path) -> None:
    data = PairData(folder / "pairs.tsv", folder / "tokenizer", batch_tokens=14, max_tokens=20)
    for epoch in range(3):
        batches = data.batch_ids(epoch)
        assert sorted(number for batch in batches for number in batch) == list(range(len(PAIRS)))
        for numbers in batches:
            batch = data.batch(numbers)
            assert len(numbers) == 1 or max(batch.source.numel(), batch.tokens.numel()) <= 14
    assert data.batch_ids(1) == data.batch_ids(1)
    assert len({str(data.batch_ids(epoch)) for epoch in range(8)}) > 1


def test_a_batch_holds_the_tokens_of_its_pairs(folder: Path) -> None:
    data = PairData(folder / "pairs.tsv", folder / "tokenizer", 100, 20)
    batch = data.batch([2, 0])
    symbols = data.symbols
    assert symbols.decode(batch.source[0].tolist()) == "abab b"
    assert symbols.decode(batch.tokens[1, : int(batch.token_lengths[1])].tolist()) == "ba"
    assert batch.source_lengths.tolist() == [7, 3] and batch.token_lengths.tolist() == [7, 3]
    assert bool((batch.source[1, 3:] == symbols.pad_id).all())
    assert batch.tokens.dtype == torch.int64


def test_long_pairs_are_left_out_and_said_to_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = PairData(folder / "pairs.tsv", folder / "tokenizer", 100, 4)
    assert data.pairs == [("ab", "ba"), ("a", "a"), ("b", "bb")]
    assert "2 of 5 pairs have more than 4 tokens" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["no tab", "a\tb\tc", "\tb", "a\t "])
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(f"a\tb\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2: .* should be a text, a tab and its target"):
        read_pairs(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no pairs"):
        read_pairs(tmp_path / "pairs.tsv")
