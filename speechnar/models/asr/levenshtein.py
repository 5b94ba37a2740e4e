"""A decoder that edits the draft of CTC: it says which tokens to delete, how many to insert where, and which ones.

Source: Levenshtein Transformer (Gu et al. 2019), section 3; training by imitation of the fewest edits
    (`speechnar.nar.edits`), section 3.3. Decoding is in `speechnar.decode.levenshtein`.
Differs: the three policies learn from what they will be given: deletion from CTC's best path, insertion from that path
    without the tokens that should be deleted, or from the target without a random part of its tokens, and the choice of
    tokens from the target with all or some of its tokens masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.cross_attention import Memory
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.token_decoder import TokenDecoder
from speechnar.losses.ctc import SMOOTHING, Targets
from speechnar.losses.mean import Mean
from speechnar.nar.edits import edits
from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import random_masks


@dataclass(frozen=True)
class LevenshteinConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        longest_run: the largest number of tokens that are inserted at one gap in one step.
        random_share: share of the utterances whose insertions are learned from the target with tokens left out, and
            not from CTC's best path.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    longest_run: int = 8
    random_share: float = 0.5


class Levenshtein(nn.Module):
    """`forward` encodes features, `memory` prepares cross-attention; one method for each of the three policies."""

    def __init__(self, config: LevenshteinConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        d = config.decoder.d_model
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = TokenDecoder(config.decoder, config.encoder.conformer.d_model, config.n_symbols)
        self.edge = nn.Parameter(0.02 * torch.randn(d))
        self.delete_out = nn.Linear(d, 1)
        self.insert_out = nn.Linear(2 * d, config.longest_run + 1)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def memory(self, encoder_out: EncoderOutput, blank_id: int, positions: Tensor | None = None) -> Memory:
        """Return the input of the decoder's cross-attention; see `TokenDecoder.memory`."""
        return self.decoder.memory(encoder_out, blank_id, positions)

    def deletions(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N) logits: above 0 to delete a token of (B, N)."""
        return self.delete_out(self._hidden(memory, tokens, token_lengths)).float()[:, :, 0]

    def insertions(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N + 1, longest_run + 1) logits of the number of tokens to insert before each token, and last."""
        hidden = self._hidden(memory, tokens, token_lengths)
        real = length_mask(token_lengths, tokens.shape[1])[:, :, None]
        hidden = torch.where(real, hidden, self.edge.to(hidden.dtype))
        edge = self.edge.to(hidden.dtype).expand(len(tokens), 1, -1)
        pairs = torch.cat([torch.cat([edge, hidden], 1), torch.cat([hidden, edge], 1)], 2)
        return self.insert_out(pairs).float()

    def choices(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N, V) logits of the token at each position of (B, N) tokens with masks."""
        return self.decoder.out(self._hidden(memory, tokens, token_lengths)).float()

    def _hidden(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        return self.decoder.all_at_once(self.decoder.embedding(tokens), token_lengths, memory)


def edit_terms(model: Levenshtein, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return the loss terms of the decoder, in nats.

    Returns:
        `decoder`, the cross-entropy of masked tokens, with smoothed targets, for each mask; `deletions`, the
        cross-entropy for each token of CTC's best path; `insertions`, the cross-entropy for each gap.
    """
    tokens, lengths, symbols = targets.tokens, targets.token_lengths, targets.symbols
    memory = model.memory(encoder_out, symbols.blank_id)
    texts = [row[:n] for row, n in zip(tokens.tolist(), lengths.tolist())]
    drafts = _best_paths(encoder_out, symbols.blank_id)

    found = [edits(draft, text) for draft, text in zip(drafts, texts)]
    given, given_lengths = _padded(drafts, tokens.device)
    wrong, _ = _padded([each.deleted for each in found], tokens.device)
    real = length_mask(given_lengths, given.shape[1])
    logits = model.deletions(memory, given, given_lengths)
    deletions = F.binary_cross_entropy_with_logits(logits[real], wrong[real].float(), reduction="sum")

    kept = [[token for token, out in zip(draft, each.deleted) if not out] for draft, each in zip(drafts, found)]
    for row, text in enumerate(texts):
        if float(torch.rand(())) < model.config.random_share:
            share = float(torch.rand(()))
            kept[row] = [token for token in text if float(torch.rand(())) >= share]
    given, given_lengths = _padded(kept, tokens.device)
    counts, gaps = _padded([edits(each, text).inserted for each, text in zip(kept, texts)], tokens.device)
    at = length_mask(gaps, counts.shape[1])
    logits = model.insertions(memory, given, given_lengths)[:, : counts.shape[1]]
    wanted = counts.clamp(max=model.config.longest_run)
    insertions = F.cross_entropy(logits[at], wanted[at])

    hidden = random_masks(tokens, lengths, symbols.mask_id)
    masks = (hidden == symbols.mask_id) & length_mask(lengths, hidden.shape[1])
    choices = model.choices(memory, hidden, lengths)
    decoder = F.cross_entropy(choices[masks], tokens[masks], label_smoothing=SMOOTHING)
    return {
        "decoder": Mean(decoder, masks.sum()),
        "deletions": Mean(deletions / real.sum().clamp(min=1), real.sum()),
        "insertions": Mean(insertions, at.sum()),
    }


def _best_paths(encoder_out: EncoderOutput, blank_id: int) -> list[list[int]]:
    """Return the tokens of CTC's best path of each utterance."""
    assert encoder_out.lengths is not None
    found = []
    for path, length in zip(encoder_out.log_probs.argmax(2), encoder_out.lengths.tolist()):
        merged = path[:length].unique_consecutive()
        found.append(merged[merged != blank_id].tolist())
    return found


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return rows as (B, N), N at least 1, padded with 0, and their lengths (B,)."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    array = torch.zeros(len(rows), max(1, int(lengths.max())), dtype=torch.int64, device=device)
    for n, row in enumerate(rows):
        array[n, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return array, lengths
