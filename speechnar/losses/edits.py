"""The three losses of a decoder that edits texts: which tokens to delete, how many to insert where, and which ones.

Source: Levenshtein Transformer (Gu et al. 2019), section 3.3: learning by imitation of the fewest edits
    (`speechnar.nar.edits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from speechnar.losses.ctc import SMOOTHING
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import text_loss
from speechnar.nar.edits import edits
from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import random_masks
from speechnar.text.symbols import Vocabulary


class EditPolicies(Protocol):
    """A decoder with three predictions for given tokens (B, N), all positions at once."""

    def deletions(self, memory: Any, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N) logits: above 0 to delete a token."""

    def insertions(self, memory: Any, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N + 1, longest_run + 1) logits of the number of tokens to insert before each token, and last."""

    def choices(self, memory: Any, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N, V) logits of the token at each position of tokens with masks."""


def edit_losses(
    model: EditPolicies,
    memory: Any,
    wrong: Sequence[Sequence[int]],
    partial: Sequence[Sequence[int]],
    tokens: Tensor,
    lengths: Tensor,
    symbols: Vocabulary,
    objective: str = "cross_entropy",
) -> dict[str, Mean]:
    """Return the losses of the three policies, in nats.

    Args:
        memory: what the policies read besides the tokens.
        wrong: the text of each row whose tokens may have to be deleted.
        partial: the text of each row into which tokens are inserted.
        tokens: (B, N) the targets, padding of any value; lengths: (B,).
        objective: of the tokens that are filled in, one of `speechnar.losses.objectives` without "axe"; but for
            "cross_entropy", of a text that is masked as a whole.

    Returns:
        `decoder`, by the objective, cross-entropy with smoothed targets for each mask; `deletions`, the
        cross-entropy for each token of `wrong`; `insertions`, the cross-entropy for each gap of `partial`.
    """
    texts = [row[:n] for row, n in zip(tokens.tolist(), lengths.tolist())]
    given, given_lengths = padded_rows(wrong, tokens.device)
    deleted, _ = padded_rows([edits(each, text).deleted for each, text in zip(wrong, texts)], tokens.device)
    real = length_mask(given_lengths, given.shape[1])
    logits = model.deletions(memory, given, given_lengths)
    deletions = F.binary_cross_entropy_with_logits(logits[real], deleted[real].float(), reduction="sum")

    given, given_lengths = padded_rows(partial, tokens.device)
    counts, gaps = padded_rows([edits(each, text).inserted for each, text in zip(partial, texts)], tokens.device)
    at = length_mask(gaps, counts.shape[1])
    logits = model.insertions(memory, given, given_lengths)[:, : counts.shape[1]]
    insertions = F.cross_entropy(logits[at], counts.clamp(max=logits.shape[2] - 1)[at])

    if objective == "cross_entropy":
        hidden = random_masks(tokens, lengths, symbols.mask_id)
        masks = (hidden == symbols.mask_id) & length_mask(lengths, hidden.shape[1])
        choices = model.choices(memory, hidden, lengths)
        decoder = Mean(F.cross_entropy(choices[masks], tokens[masks], label_smoothing=SMOOTHING), masks.sum())
    else:
        choices = model.choices(memory, torch.full_like(tokens, symbols.mask_id), lengths)
        decoder = text_loss(objective, choices, lengths, tokens, lengths, symbols.blank_id)
    return {
        "decoder": decoder,
        "deletions": Mean(deletions / real.sum().clamp(min=1), real.sum()),
        "insertions": Mean(insertions, at.sum()),
    }


def with_tokens_dropped(text: Sequence[int]) -> list[int]:
    """Return a text without a random part of its tokens; the share that is dropped is drawn too, from 0 to 1."""
    share = float(torch.rand(()))
    return [token for token in text if float(torch.rand(())) >= share]


def padded_rows(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return rows as (B, N), N at least 1, padded with 0, and their lengths (B,)."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    array = torch.zeros(len(rows), max(1, int(lengths.max())), dtype=torch.int64, device=device)
    for n, row in enumerate(rows):
        array[n, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return array, lengths
