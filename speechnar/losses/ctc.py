"""Losses on CTC distributions. Each is a sum over frames and utterances, in nats, divided by the tokens of the batch.

Source: CTC: Graves et al. 2006, section 4. Label smoothing: Kim et al. 2018, section 2.3 (uniform distribution).
    Distillation: Hinton et al. 2015, section 2, of each frame, at temperature 1.
    Consistency regularization: CR-CTC (Yao et al. 2024), section 3.1, equations 3 and 4.
Differs: the smoothing distribution leaves out the blank, which CTC needs between its peaks, and nothing else: symbols
    that are never a target keep a little probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from speechnar.decode.forced_alignment import align
from speechnar.decode.result import DecodeError
from speechnar.layers.cross_attention import path_positions
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.losses.mean import Mean
from speechnar.nar.lengths import length_mask
from speechnar.text.symbols import Vocabulary

SMOOTHING = 0.1
"""Label smoothing of the targets of token decoders: the log-probabilities of an overconfident decoder would outweigh
CTC's where the two are added."""


@dataclass(frozen=True)
class Targets:
    """The transcripts that a recognizer learns from.

    Attributes:
        tokens: (B, T_text) int64; token_lengths: (B,).
        symbols: the table that `tokens` are numbers in.
        views: 2 where the second half of the batch are the utterances of the first half, augmented another way; else 1.
        smoothing: whether the term `smoothing` is wanted.
        progress: share of the training that is done, in [0, 1], for curricula.
        teacher: (B, T, V) natural log-probabilities of a teacher's CTC for the same frames, without gradient; or None.
    """

    tokens: Tensor
    token_lengths: Tensor
    symbols: Vocabulary
    views: int = 1
    smoothing: bool = False
    progress: float = 1.0
    teacher: Tensor | None = None


def ctc_terms(model: nn.Module, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return the terms of everything that has a CTC encoder, each a mean over tokens.

    Returns:
        `ctc`; `intermediate`, the mean over intermediate layers, if the encoder has any; `smoothing`, if it is wanted;
        `consistency`, if there are two views; `distillation`, if there is a teacher.
    """
    tokens, token_lengths, blank_id = targets.tokens, targets.token_lengths, targets.symbols.blank_id
    log_probs, lengths = encoder_out.log_probs, encoder_out.lengths
    assert lengths is not None
    terms = {"ctc": ctc_loss(log_probs, lengths, tokens, token_lengths, blank_id)}
    if encoder_out.intermediate:
        losses = [ctc_loss(x, lengths, tokens, token_lengths, blank_id) for x in encoder_out.intermediate]
        terms["intermediate"] = torch.stack(losses).mean()
    if targets.smoothing:
        terms["smoothing"] = smoothing_loss(log_probs, lengths, token_lengths, blank_id)
    if targets.views == 2:
        view, other = log_probs.chunk(2)
        half = len(tokens) // 2
        terms["consistency"] = consistency_loss(view, other, lengths[:half], token_lengths[:half])
    if targets.teacher is not None:
        terms["distillation"] = distillation_loss(log_probs, targets.teacher, lengths, token_lengths)
    return {name: Mean(term, token_lengths.sum()) for name, term in terms.items()}


def ctc_loss(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, blank_id: int) -> Tensor:
    """Return minus the log-probability of the tokens, over all alignments.

    Only the columns of the text's own symbols are worked on: with thousands of symbols, half of the time or less.

    Args:
        log_probs: (B, T, V) float32; lengths: (B,) frames.
        tokens: (B, T_text) in [0, V), padding of any value; token_lengths: (B,).

    Returns:
        A scalar. An utterance with fewer frames than its tokens need counts as 0, without gradient.
    """
    loss = _torch_ctc
    if 0 < tokens.shape[1] < log_probs.shape[2] - 1:
        with_blank = F.pad(tokens, (1, 0), value=blank_id).clamp(0, log_probs.shape[2] - 1)
        log_probs = log_probs.gather(2, with_blank[:, None].expand(-1, log_probs.shape[1], -1))
        # Column 0 is the blank's. A token that comes again has the column of its first place.
        tokens, blank_id = (tokens[:, :, None] == tokens[:, None]).int().argmax(2) + 1, 0
        if torch.is_grad_enabled() and log_probs.requires_grad:
            loss = _MinusLogProbability.apply
    return loss(log_probs, lengths, tokens, token_lengths, blank_id).sum() / token_lengths.sum().clamp(min=1)


def _torch_ctc(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, blank_id: int) -> Tensor:
    frames_first = log_probs.transpose(0, 1)
    return F.ctc_loss(frames_first, tokens, lengths, token_lengths, blank_id, reduction="none", zero_infinity=True)


class _MinusLogProbability(torch.autograd.Function):
    """CTC by torch, whose gradient takes the log-probabilities of a frame for all there are, which these are not."""

    @staticmethod
    def forward(ctx, log_probs, lengths, tokens, token_lengths, blank_id):  # type: ignore[no-untyped-def]
        """Return (B,) of log_probs (B, T, K); 0 where a text does not fit."""
        with torch.enable_grad():
            given = log_probs.detach().requires_grad_()
            total = _torch_ctc(given, lengths, tokens, token_lengths, blank_id)
            (gradient,) = torch.autograd.grad(total.sum(), given)  # the probability minus the posterior
        real = length_mask(lengths, log_probs.shape[1]) & (total != 0)[:, None]
        ctx.save_for_backward(torch.where(real[:, :, None], gradient - log_probs.exp(), 0))
        return total.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):  # type: ignore[no-untyped-def]
        (posteriors,) = ctx.saved_tensors
        return posteriors * gradients[0][:, None, None], None, None, None, None


def best_paths(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, blank_id: int) -> Tensor:
    """Return the most probable alignment of the tokens, (B, T) int64 symbols of the frames; blanks in padding.

    Arguments are those of `ctc_loss`. An utterance with fewer frames than its tokens need has blanks alone.
    """
    paths = torch.full(log_probs.shape[:2], blank_id)
    for row, (frames, number) in enumerate(zip(lengths.tolist(), token_lengths.tolist())):
        try:
            found = align(log_probs[row, :frames].detach().cpu().numpy(), tokens[row, :number].tolist(), blank_id)
        except DecodeError:
            continue
        for token, start, end in zip(found.tokens.tolist(), found.starts.tolist(), found.ends.tolist()):
            paths[row, start:end] = token
    return paths.to(log_probs.device)


def aligned_positions(encoder_out: EncoderOutput, targets: Targets) -> Tensor:
    """Return the target token that each frame belongs to in the best alignment, (B, T) as `token_positions`.

    A decoder that is given parts of the target finds their frames by these. By the tokens of CTC's best path, each
    token that CTC misses would shift those after it.
    """
    assert encoder_out.lengths is not None
    tokens, lengths, blank_id = targets.tokens, targets.token_lengths, targets.symbols.blank_id
    paths = best_paths(encoder_out.log_probs, encoder_out.lengths, tokens, lengths, blank_id)
    return path_positions(paths, blank_id)


def smoothing_loss(log_probs: Tensor, lengths: Tensor, token_lengths: Tensor, blank_id: int) -> Tensor:
    """Return the cross-entropy of each frame with the uniform distribution over all symbols except the blank."""
    symbols = log_probs.shape[2] - 1
    entropy = -(log_probs.sum(2) - log_probs[:, :, blank_id]) / symbols
    return (entropy * length_mask(lengths, log_probs.shape[1])).sum() / token_lengths.sum().clamp(min=1)


def distillation_loss(log_probs: Tensor, teacher: Tensor, lengths: Tensor, token_lengths: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of a CTC distribution from that of a teacher, frame by frame, a scalar.

    Args:
        log_probs, teacher: (B, T, V) float32, of the same frames and tokens.
    """
    divergence = F.kl_div(log_probs, teacher, reduction="none", log_target=True).sum(2)
    return (divergence * length_mask(lengths, log_probs.shape[1])).sum() / token_lengths.sum().clamp(min=1)


def consistency_loss(log_probs: Tensor, other: Tensor, lengths: Tensor, token_lengths: Tensor) -> Tensor:
    """Return the divergence of two views of the same utterances; the target of each is the other, without gradient.

    Args:
        log_probs, other: (B, T, V) float32, of two augmented views with the same lengths.

    Returns:
        Half the sum of the Kullback-Leibler divergences of both directions, a scalar.
    """

    def divergence(learner: Tensor, teacher: Tensor) -> Tensor:
        return F.kl_div(learner, teacher.detach(), reduction="none", log_target=True).sum(2)

    both = 0.5 * (divergence(log_probs, other) + divergence(other, log_probs))
    return (both * length_mask(lengths, log_probs.shape[1])).sum() / token_lengths.sum().clamp(min=1)
