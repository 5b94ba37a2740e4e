"""A decoder that edits the draft of CTC: it says which tokens to delete, how many to insert where, and which ones.

Source: Levenshtein Transformer (Gu et al. 2019), section 3; training by imitation of the fewest edits
    (`speechnar.nar.edits`), section 3.3. Decoding is in `speechnar.decode.levenshtein`.
Differs: the three policies learn from what they will be given: deletion from CTC's best path, insertion from that path
    without the tokens that should be deleted, or from the target without a random part of its tokens, and the choice of
    tokens from the target with all or some of its tokens masked.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.cross_attention import Memory
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.edit_heads import EditHeads
from speechnar.layers.old_names import accept_old_names
from speechnar.layers.token_decoder import TokenDecoder
from speechnar.losses.ctc import Targets
from speechnar.losses.edits import edit_losses, with_tokens_dropped
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import WITHOUT_BLANKS, check_objective
from speechnar.nar.edits import edits
from speechnar.nar.lengths import length_mask
from speechnar.nar.schedules import Schedule, check_share


@dataclass(frozen=True)
class LevenshteinConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        longest_run: the largest number of tokens that are inserted at one gap in one step.
        random_share: share of the utterances, over the training, whose insertions are learned from the target with
            tokens left out, and not from CTC's best path.
        objective: of the tokens that are filled in: one of `speechnar.losses.objectives` without "axe".
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    longest_run: int = 8
    random_share: Schedule = Schedule(0.5, 0.5)
    objective: str = "cross_entropy"

    def __post_init__(self) -> None:
        check_objective(self.objective, WITHOUT_BLANKS)
        check_share("random_share", self.random_share)


class Levenshtein(nn.Module):
    """`forward` encodes features, `memory` prepares cross-attention; one method for each of the three policies."""

    def __init__(self, config: LevenshteinConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = TokenDecoder(config.decoder, config.encoder.conformer.d_model, config.n_symbols)
        self.edge = nn.Parameter(0.02 * torch.randn(config.decoder.d_model))
        self.heads = EditHeads(config.decoder.d_model, config.longest_run)
        accept_old_names(self, {"delete_out.": "heads.delete_out.", "insert_out.": "heads.insert_out."})

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def memory(self, encoder_out: EncoderOutput, blank_id: int, positions: Tensor | None = None) -> Memory:
        """Return the input of the decoder's cross-attention; see `TokenDecoder.memory`."""
        return self.decoder.memory(encoder_out, blank_id, positions)

    def deletions(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N) logits: above 0 to delete a token of (B, N)."""
        return self.heads.deletions(self._hidden(memory, tokens, token_lengths))

    def insertions(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N + 1, longest_run + 1) logits of the number of tokens to insert before each token, and last."""
        hidden = self._hidden(memory, tokens, token_lengths)
        edge = self.edge.to(hidden.dtype)
        hidden = torch.where(length_mask(token_lengths, hidden.shape[1])[:, :, None], hidden, edge)
        edges = edge.expand(len(hidden), 1, -1)
        return self.heads.insertions(torch.cat([edges, hidden], 1), torch.cat([hidden, edges], 1))

    def choices(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N, V) logits of the token at each position of (B, N) tokens with masks."""
        return self.decoder.out(self._hidden(memory, tokens, token_lengths)).float()

    def _hidden(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        return self.decoder.all_at_once(self.decoder.embedding(tokens), token_lengths, memory)


def edit_terms(model: Levenshtein, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return the losses of `speechnar.losses.edits`: deletion is learned from CTC's best path."""
    tokens, lengths, symbols = targets.tokens, targets.token_lengths, targets.symbols
    memory = model.memory(encoder_out, symbols.blank_id)
    texts = [row[:n] for row, n in zip(tokens.tolist(), lengths.tolist())]
    drafts = _best_paths(encoder_out, symbols.blank_id)
    partial, share = [], model.config.random_share.at(targets.progress)
    for draft, text in zip(drafts, texts):
        if float(torch.rand(())) < share:
            partial.append(with_tokens_dropped(text))
        else:
            partial.append([token for token, out in zip(draft, edits(draft, text).deleted) if not out])
    return edit_losses(model, memory, drafts, partial, tokens, lengths, symbols, model.config.objective)


def _best_paths(encoder_out: EncoderOutput, blank_id: int) -> list[list[int]]:
    """Return the tokens of CTC's best path of each utterance."""
    assert encoder_out.lengths is not None
    found = []
    for path, length in zip(encoder_out.log_probs.argmax(2), encoder_out.lengths.tolist()):
        merged = path[:length].unique_consecutive()
        found.append(merged[merged != blank_id].tolist())
    return found
