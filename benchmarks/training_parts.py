#!/usr/bin/env python3
"""Time the parts of training that are written here for CPUs, forward and backward, beside those of torch.

    python benchmarks/training_parts.py [--threads 1] [--repeats 20]

Dropout of 2,048 vectors of 512; CTC of 60 texts of up to 14 tokens, by 36 frames over 40, 1,000 and 4,000 symbols, from
logits. Times are medians in milliseconds; a ratio above 1 says that torch takes longer.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from speechnar.evaluate.stats.table import format_table
from speechnar.layers.dropout import Dropout
from speechnar.losses.ctc import ctc_loss

BATCH, FRAMES, TOKENS = 60, 36, 14


def seconds_of(loss: Callable[[], Tensor], leaf: Tensor, repeats: int) -> float:
    """Return the median time of a loss and its gradient."""
    taken = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        torch.autograd.grad(loss(), leaf)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[2:])


def dropouts(dtype: torch.dtype) -> tuple[Callable[[], Tensor], Callable[[], Tensor], Tensor]:
    """Return a loss by this package's dropout, by torch's, and the tensor that both drop out of."""
    x = torch.randn(2048, 512).to(dtype).requires_grad_()
    own, torchs = Dropout(0.1), torch.nn.Dropout(0.1)
    return lambda: own(x).sum(), lambda: torchs(x).sum(), x


def ctcs(symbols: int) -> tuple[Callable[[], Tensor], Callable[[], Tensor], Tensor]:
    """Return a loss by this package's CTC, by torch's, and the logits of both."""
    logits = torch.randn(BATCH, FRAMES, symbols, requires_grad=True)
    lengths, counts = torch.full((BATCH,), FRAMES), torch.randint(1, TOKENS + 1, (BATCH,))
    tokens = torch.randint(1, symbols, (BATCH, TOKENS))

    def torchs() -> Tensor:
        frames_first = logits.log_softmax(2).transpose(0, 1)
        return F.ctc_loss(frames_first, tokens, lengths, counts, 0, reduction="sum", zero_infinity=True)

    return lambda: ctc_loss(logits.log_softmax(2), lengths, tokens, counts, 0), torchs, logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    parts = {
        f"dropout, {str(dtype).removeprefix('torch.')}": dropouts(dtype) for dtype in (torch.float32, torch.bfloat16)
    }
    parts |= {f"CTC, {symbols:,} symbols, float32": ctcs(symbols) for symbols in (40, 1000, 4000)}
    rows = [["part", "here, ms", "torch, ms", "torch / here"]]
    for name, (own, torchs, leaf) in parts.items():
        times = [1000 * seconds_of(loss, leaf, args.repeats) for loss in (own, torchs)]
        rows.append([name, *(f"{each:.2f}" for each in times), f"{times[1] / times[0]:.1f}"])
    print(f"torch {torch.__version__}, {args.threads} threads, {platform.machine()}")
    print(format_table(rows))


if __name__ == "__main__":
    main()
