"""Mask-CTC: a CTC encoder, and a decoder that fills in the tokens of which CTC is unsure, and says how many they are.

Source: Mask-CTC (Higuchi et al. 2020), section 3; Improved Mask-CTC (Higuchi et al. 2021), section 3.2, dynamic length
    prediction. How tokens are masked and filled stands in `speechnar.nar.masking`.
Differs: the decoder finds frames by the place that CTC gives them among the tokens
    (`speechnar.layers.cross_attention`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.cross_attention import Memory, listen
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.token_decoder import DecoderBlock, DecoderConfig, positions
from speechnar.losses.ctc import SMOOTHING, Targets
from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import insert_masks, merge_masks, random_masks

EMPTY_MASKS = 0.1
"""Share of the tokens before which a mask that hides no token is put, for dynamic length prediction."""


@dataclass(frozen=True)
class MaskCTCConfig:
    """Encoder and decoder.

    `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        longest_run: tokens that one mask may hide, at most.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    longest_run: int = 20


@dataclass(frozen=True)
class DecoderOutput:
    """logits (B, N, V) of the symbols; count_logits (B, N, longest_run + 1) of how many tokens a mask hides."""

    logits: Tensor
    count_logits: Tensor


class MaskCTC(nn.Module):
    """`encoder` hears; `decode` reads tokens with masks, and `listen` makes what it listens to, once for all passes."""

    def __init__(self, config: MaskCTCConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        d = config.decoder.d_model
        self.memory = nn.Linear(config.encoder.conformer.d_model, d)
        self.embedding = nn.Embedding(config.n_symbols, d)
        self.dropout = nn.Dropout(config.decoder.dropout)
        self.blocks = nn.ModuleList(DecoderBlock(config.decoder) for _ in range(config.decoder.n_layers))
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, config.n_symbols)
        self.count_out = nn.Linear(d, config.longest_run + 1)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Features (B, T_mel, n_mels) of `encoder.features` to what CTC says and the decoder listens to."""
        return self.encoder(mel, mel_lengths)

    def listen(self, heard: EncoderOutput, blank_id: int, places: Tensor | None = None) -> Memory:
        """What `decode` needs of the encoder's output; `places` are for other texts than CTC's best path."""
        return listen(self.memory(heard.hidden), heard, blank_id, self.blocks, places)

    def decode(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> DecoderOutput:
        """Tokens (B, N), some of them masks, to what they are and how many they hide; all at once."""
        mask = length_mask(token_lengths, tokens.shape[1])
        mask[:, 0] = True  # attention needs something to look at, if a sequence is empty
        x = self.embedding(tokens)
        x = self.dropout(x + positions(x))
        near = memory.nearness(tokens.shape[1])
        for block, layer in zip(self.blocks, memory.layers):
            x, _ = block(x, mask[:, None, None, :], layer, near)
        x = self.norm(x)
        return DecoderOutput(self.out(x).float(), self.count_out(x).float())


def masked_terms(model: MaskCTC, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Tensor]:
    """Return the loss terms of the decoder, in nats for each mask.

    Returns:
        `decoder`, the cross-entropy of masked tokens, with smoothed targets; `counts`, the cross-entropy of the numbers
        of tokens that merged masks hide.
    """
    tokens, token_lengths = targets.tokens, targets.token_lengths
    mask_id = targets.symbols.mask_id
    memory = model.listen(encoder_out, targets.symbols.blank_id)
    hidden = random_masks(tokens, token_lengths, mask_id)
    masks = (hidden == mask_id) & length_mask(token_lengths, tokens.shape[1])
    logits = model.decode(memory, hidden, token_lengths).logits
    decoder = F.cross_entropy(logits[masks], tokens[masks], label_smoothing=SMOOTHING)

    hidden = random_masks(tokens, token_lengths, mask_id)
    merged, lengths, counts = insert_masks(*merge_masks(hidden, token_lengths, mask_id), EMPTY_MASKS, mask_id)
    masks = (merged == mask_id) & length_mask(lengths, merged.shape[1])
    logits = model.decode(memory, merged, lengths).count_logits
    return {"decoder": decoder, "counts": F.cross_entropy(logits[masks], counts[masks].clamp(max=logits.shape[2] - 1))}
