"""Cut frames into blocks that are encoded apart, each with frames before and a few behind it, and join the outputs.

    frames    |-------|-------|-------|-------|
    window 1          |history| block |ahead|            the encoder sees this, and nothing else,
    output                    |xxxxxxx|                  for these frames

An output so depends on no frame beyond its block and its look-ahead, however many layers the encoder has: the delay is
the length of both.

Source: Wang et al. 2021, "Streaming End-to-End ASR based on Blockwise Non-Autoregressive Models", section 3.1.
Differs: the history of a block are frames that are encoded again with it, where the paper keeps the states of the block
    before, which saves time and lets the encoder see further back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BlockConfig:
    """Lengths in frames of the encoder's input.

    Attributes:
        block: frames whose outputs are computed at once.
        look_ahead: frames behind the block that its outputs depend on.
        history: frames before the block that its outputs depend on.
    """

    block: int
    look_ahead: int = 0
    history: int = 0

    def __post_init__(self) -> None:
        if self.block < 1 or self.look_ahead < 0 or self.history < 0:
            raise ValueError(
                f"block is {self.block}, look_ahead {self.look_ahead} and history {self.history}, but block should be 1"
                " or more, and the others 0 or more"
            )


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a batch: N for each of B utterances, those of an utterance together.

    Attributes:
        frames: (B * N, W, C); padding of any value.
        lengths: (B * N,) real frames, at least 1.
        starts, blocks: (N,) the first frame of each window, and of its block, in the utterance.
        block: frames of a block.
        total: T, the frames that were cut.
    """

    frames: Tensor
    lengths: Tensor
    starts: Tensor
    blocks: Tensor
    block: int
    total: int

    def own(self, outputs: Tensor, subsampling: int) -> Tensor:
        """Return what outputs of the windows (B * N, W', D) hold for their blocks, (B * N, block / subsampling, D)."""
        first = (self.blocks - self.starts) // subsampling
        index = first[:, None] + torch.arange(self.block // subsampling, device=outputs.device)
        rows = torch.arange(len(first), device=outputs.device)[:, None]
        parts = outputs.unflatten(0, (-1, len(first)))[:, rows, index.clamp(max=outputs.shape[1] - 1)]
        return parts.flatten(0, 1)

    def own_lengths(self, subsampling: int) -> Tensor:
        """Return (N,) the real outputs of each block, of an utterance without padding."""
        return -(-(self.total - self.blocks).clamp(max=self.block) // subsampling)

    def joined(self, outputs: Tensor, subsampling: int) -> Tensor:
        """Return (B, T', D), T' = ceil(T / subsampling): the blocks one after another, which do not overlap."""
        blocks = self.own(outputs, subsampling).unflatten(0, (-1, len(self.starts))).flatten(1, 2)
        return blocks[:, : -(-self.total // subsampling)]


def windows_of(frames: Tensor, lengths: Tensor | None, config: BlockConfig, hop: int | None = None) -> Windows:
    """Cut frames (B, T, C) of the given lengths (B,), or without padding, into windows.

    Args:
        hop: frames from one block to the next, from 1; by default a block, so that blocks do not overlap.
    """
    total = frames.shape[1]
    hop = config.block if hop is None else hop
    blocks = torch.arange(0, max(1, total - config.block + hop), hop, device=frames.device)
    starts = (blocks - config.history).clamp(min=0)
    width = min(total, config.history + config.block + config.look_ahead)
    index = (starts[:, None] + torch.arange(width, device=frames.device)).clamp(max=total - 1)
    ends = blocks + config.block + config.look_ahead
    real = torch.full((len(frames),), total, device=frames.device) if lengths is None else lengths
    counts = (torch.minimum(real[:, None], ends) - starts).clamp(min=1).flatten()
    return Windows(frames[:, index].flatten(0, 1), counts, starts, blocks, config.block, total)
