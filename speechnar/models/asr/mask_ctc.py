"""Mask-CTC: a CTC encoder, and a decoder that predicts the tokens, and their number, where CTC's confidence is low.

Source: Mask-CTC (Higuchi et al. 2020), section 3; Improved Mask-CTC (Higuchi et al. 2021), section 3.2, dynamic length
    prediction. Masks of training are in `speechnar.nar.masking`, decoding is in `speechnar.decode.mask_ctc`.
Differs: the decoder finds encoder frames by the token position that CTC gives them
    (`speechnar.layers.cross_attention`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.cross_attention import Memory
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.old_names import accept_old_names
from speechnar.layers.token_decoder import OLD_NAMES, TokenDecoder
from speechnar.losses.ctc import SMOOTHING, Targets, aligned_positions
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import WITHOUT_BLANKS, check_objective, text_loss
from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import insert_masks, merge_masks, random_masks
from speechnar.nar.schedules import Schedule, check_share

EMPTY_MASKS = 0.1
"""Share of the tokens before which a mask that hides no token is put, for dynamic length prediction."""


@dataclass(frozen=True)
class MaskCTCConfig:
    """Sizes of the encoder and the decoder.

    `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        longest_run: the largest number of tokens that one mask may stand for.
        least_masked: smallest share of the tokens of a text that is masked, in [0, 1], over the training.
        objective: one of `speechnar.losses.objectives` without "axe"; but for "cross_entropy", of a text that is masked
            as a whole.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    longest_run: int = 20
    least_masked: Schedule = Schedule(0.0, 0.0)
    objective: str = "cross_entropy"

    def __post_init__(self) -> None:
        check_objective(self.objective, WITHOUT_BLANKS)
        check_share("least_masked", self.least_masked)


@dataclass(frozen=True)
class DecoderOutput:
    """logits (B, N, V) of symbols; count_logits (B, N, longest_run + 1) of the number of tokens of a mask."""

    logits: Tensor
    count_logits: Tensor


class MaskCTC(nn.Module):
    """`forward` encodes features, `memory` prepares cross-attention for all iterations, `decode` fills masks."""

    def __init__(self, config: MaskCTCConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = TokenDecoder(config.decoder, config.encoder.conformer.d_model, config.n_symbols)
        self.count_out = nn.Linear(config.decoder.d_model, config.longest_run + 1)
        accept_old_names(self, OLD_NAMES)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def memory(self, encoder_out: EncoderOutput, blank_id: int, positions: Tensor | None = None) -> Memory:
        """Return the input of the decoder's cross-attention; see `TokenDecoder.memory`."""
        return self.decoder.memory(encoder_out, blank_id, positions)

    def decode(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> DecoderOutput:
        """Predict the symbol at each position of tokens (B, N) with masks, and the number of tokens of each mask."""
        hidden = self.decoder.all_at_once(self.decoder.embedding(tokens), token_lengths, memory)
        return DecoderOutput(self.decoder.out(hidden).float(), self.count_out(hidden).float())


def masked_terms(model: MaskCTC, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return the loss terms of the decoder, in nats for each mask.

    Returns:
        `decoder`, by the config's objective: the cross-entropy of masked tokens, with smoothed targets, or a loss of
        the whole text, in nats a token; `counts`, the cross-entropy of the numbers
        of tokens that merged masks hide.
    """
    tokens, token_lengths = targets.tokens, targets.token_lengths
    mask_id = targets.symbols.mask_id
    memory = model.memory(encoder_out, targets.symbols.blank_id, aligned_positions(encoder_out, targets))
    if model.config.objective == "cross_entropy":
        least = model.config.least_masked.at(targets.progress)
        hidden = random_masks(tokens, token_lengths, mask_id, least=least)
        masks = (hidden == mask_id) & length_mask(token_lengths, tokens.shape[1])
        logits = model.decode(memory, hidden, token_lengths).logits
        decoder = Mean(F.cross_entropy(logits[masks], tokens[masks], label_smoothing=SMOOTHING), masks.sum())
    else:
        logits = model.decode(memory, torch.full_like(tokens, mask_id), token_lengths).logits
        objective, blank_id = model.config.objective, targets.symbols.blank_id
        decoder = text_loss(objective, logits, token_lengths, tokens, token_lengths, blank_id)

    hidden = random_masks(tokens, token_lengths, mask_id)
    merged, lengths, counts = insert_masks(*merge_masks(hidden, token_lengths, mask_id), EMPTY_MASKS, mask_id)
    masks = (merged == mask_id) & length_mask(lengths, merged.shape[1])
    logits = model.decode(memory, merged, lengths).count_logits
    hidden_tokens = counts[masks].clamp(max=logits.shape[2] - 1)
    return {"decoder": decoder, "counts": Mean(F.cross_entropy(logits[masks], hidden_tokens), masks.sum())}
