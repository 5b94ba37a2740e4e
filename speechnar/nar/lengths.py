"""Lengths, masks and length regulation.

Source: FastSpeech (Ren et al. 2019), section 3.2, the length regulator.
Differs: the token of each frame is found by comparing the frame with the ends of all tokens, which is one
    tensor operation for a whole batch and exports to ONNX; and each frame also gets its position within its token.
"""

from __future__ import annotations

import torch
from torch import Tensor

N_POSITION_FEATURES = 4


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """Return the mask (B, size) of lengths (B,): True = real."""
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]


def token_of_frame(durations: Tensor, n_frames: int | Tensor) -> Tensor:
    """Return the token that each frame belongs to.

    Args:
        durations: (B, T_text) frames, int64, 0 for padding.
        n_frames: T_mel; frames after a sequence's own end are given its last column.

    Returns:
        (B, T_mel) int64 in [0, T_text).
    """
    ends = durations.cumsum(1)
    frames = torch.arange(n_frames, device=durations.device)  # type: ignore[arg-type]  # in an export it is a tensor
    passed = (frames[None, :, None] >= ends[:, None, :]).sum(2)
    return passed.clamp(max=durations.shape[1] - 1)


def regulate(hidden: Tensor, frame_tokens: Tensor) -> Tensor:
    """Repeat each token's vector over its frames.

    Args:
        hidden: (B, T_text, C).
        frame_tokens: (B, T_mel) from `token_of_frame`.

    Returns:
        (B, T_mel, C).
    """
    return hidden.gather(1, frame_tokens[:, :, None].expand(-1, -1, hidden.shape[2]))


def position_features(durations: Tensor, frame_tokens: Tensor) -> Tensor:
    """Return the position of each frame within its token, (B, T_mel, 4) float32.

    The features are the fraction passed in (0, 1), the fraction left, and the log of 1 + frames since the token's
    start and until its end. Padding has finite values of no meaning.
    """
    starts = regulate((durations.cumsum(1) - durations)[:, :, None], frame_tokens)[:, :, 0]
    length = regulate(durations[:, :, None], frame_tokens)[:, :, 0].clamp(min=1)
    frames = torch.arange(frame_tokens.shape[1], device=durations.device)[None, :]
    since = (frames - starts).clamp(min=0).minimum(length - 1).float()
    length = length.float()
    fraction = (since + 0.5) / length
    return torch.stack([fraction, 1 - fraction, since.log1p(), (length - 1 - since).log1p()], dim=2)
