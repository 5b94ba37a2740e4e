"""Draw batches of source and target tokens from a file of text pairs: one pair a line, a tab between the two.

Batches are cut from the pairs in the order of their lengths. Lhotse's sampler, which batches speech, takes half a
minute an epoch for 170,000 pairs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from speechnar.data.batch import Batch
from speechnar.data.manifest import DataError
from speechnar.data.sampling import prefetch
from speechnar.files import utf8_lines
from speechnar.text.tokenizer import Characters, load_tokenizer


@dataclass(frozen=True)
class PairBatch(Batch):
    """Pairs padded to the longest.

    Attributes:
        source, tokens: (B, S) and (B, N) int64, without `<s>` and `</s>`; padded with `<pad>`.
        source_lengths, token_lengths: (B,) int64.
    """

    source: Tensor
    source_lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read a file of pairs, `source<TAB>target` a line.

    Raises:
        DataError: the file is empty or not UTF-8, or a line has no tab, several, or nothing on one side of it.
    """
    pairs = []
    for number, line in enumerate(utf8_lines(path.read_bytes(), path, DataError), 1):
        if line := line.removesuffix("\r"):
            source, *rest = line.split("\t")
            if len(rest) != 1 or not source.strip() or not rest[0].strip():
                raise DataError(f"{path}, line {number}: {line[:80]!r} should be a text, a tab and its target")
            pairs.append((source, rest[0]))
    if not pairs:
        raise DataError(f"{path} holds no pairs: write `source<TAB>target` lines")
    return pairs


def known_tokens(text: str, symbols: Characters) -> list[int]:
    """Return the ids of a text; what the tokenizer lacks is left out."""
    return [symbols.ids[token] for token in symbols.split(text) if token in symbols.ids]


def padded(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return rows of token ids as (B, N) int64, N at least 1, and their lengths (B,)."""
    lengths = torch.tensor([len(row) for row in rows])
    size = max(1, int(lengths.max()))
    return torch.tensor([[*row, *[pad_id] * (size - len(row))] for row in rows]), lengths


class PairData:
    """Hold the pairs of one file. Batches depend on `seed` and the epoch's number alone.

    Args:
        path: as `read_pairs` reads it.
        tokenizer_dir: the folder that `train_tokenizer` filled, from the texts of both sides.
        batch_tokens: tokens in a batch, padding included: pairs times the longest side of any.
        max_tokens: pairs with a longer side are left out, which stderr says.
        shuffle: another order every epoch; without it always the same.
        seed: of the order.

    Attributes:
        symbols: the tokenizer.
        pairs: the texts, in the file's order.

    Raises:
        DataError: there is no tokenizer, or `read_pairs` raises it, or no pair is left.
    """

    def __init__(
        self, path: Path, tokenizer_dir: Path, batch_tokens: int, max_tokens: int, shuffle: bool = True, seed: int = 0
    ) -> None:
        if not (tokenizer_dir / "tokens.txt").exists():
            raise DataError(f"there is no tokenizer in {tokenizer_dir}: make it with `speechnar tokenizer`")
        self.symbols = load_tokenizer(tokenizer_dir)
        self.pairs: list[tuple[str, str]] = []
        self._tokens: list[tuple[list[int], list[int]]] = []
        self._batch_tokens, self._shuffle, self._seed = batch_tokens, shuffle, seed
        read = read_pairs(path)
        for pair in read:
            source, target = (known_tokens(text, self.symbols) for text in pair)
            if source and target and max(len(source), len(target)) <= max_tokens:
                self.pairs.append(pair)
                self._tokens.append((source, target))
        if not self.pairs:
            raise DataError(f"no pair of {path} has at most {max_tokens} tokens on both sides: raise max_tokens")
        if left_out := len(read) - len(self.pairs):
            print(f"speechnar: {path}: {left_out} of {len(read)} pairs have more than {max_tokens} tokens on a side, or"
                  " none, and are left out", file=sys.stderr)  # fmt: skip

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, numbers: Sequence[int]) -> PairBatch:
        """Return these pairs, by their numbers from 0, in this order."""
        sources, targets = zip(*(self._tokens[number] for number in numbers))
        return PairBatch(*padded(sources, self.symbols.pad_id), *padded(targets, self.symbols.pad_id))

    def batch_ids(self, epoch: int) -> list[list[int]]:
        """Return the numbers of the pairs of each batch of an epoch, pairs of similar length together."""
        draw = random.Random(f"{self._seed} {epoch}")
        sizes = [max(len(source), len(target) + 1) for source, target in self._tokens]
        keys = [(size, draw.random() if self._shuffle else 0.0) for size in sizes]
        batches: list[list[int]] = [[]]
        for number in sorted(range(len(sizes)), key=keys.__getitem__):
            if batches[-1] and (len(batches[-1]) + 1) * sizes[number] > self._batch_tokens:
                batches.append([])
            batches[-1].append(number)
        if self._shuffle:
            draw.shuffle(batches)
        return batches

    def epoch(self, epoch: int) -> Iterator[PairBatch]:
        """Yield the batches of an epoch, prefetched by a thread."""
        return prefetch(map(self.batch, self.batch_ids(epoch)))
