"""A masked diffusion decoder: texts come out of masks, on a canvas that is longer than they are.

Source: Whisfusion (Kwok et al. 2025), section 3, on a frozen encoder. The loss is that of absorbing-state diffusion
    with the linear schedule (MDLM, Sahoo et al. 2024, equation 10; LLaDA, Nie et al. 2025, equation 3): the
    cross-entropy of the masked tokens, divided by the share that is masked. Decoding: `speechnar.decode.diffusion`.
Differs: encoder frames are found by the token position that CTC gives them (`speechnar.layers.cross_attention`), and
    the canvas is a few positions longer than the text, filled with `</s>`.
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
from speechnar.layers.token_decoder import TokenDecoder
from speechnar.losses.ctc import Targets, aligned_positions
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import WITHOUT_BLANKS, check_objective, text_loss
from speechnar.nar.lengths import length_mask
from speechnar.nar.schedules import Schedule, check_share


@dataclass(frozen=True)
class MaskedDiffusionConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        largest_margin: positions of the canvas beyond a text, at most; their number is drawn for each batch.
        least_masked: smallest share that is masked, over the training, above 0 and at most 1; it bounds the weight of a
            token.
        objective: one of `speechnar.losses.objectives` without "axe"; "cross_entropy" is the bound of diffusion, the
            others are of a canvas that is masked as a whole, for decoding in one iteration.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    largest_margin: int = 8
    least_masked: Schedule = Schedule(0.1, 0.1)
    objective: str = "cross_entropy"

    def __post_init__(self) -> None:
        check_objective(self.objective, WITHOUT_BLANKS)
        check_share("least_masked", self.least_masked)
        if min(self.least_masked.first, self.least_masked.last) == 0:
            raise ValueError(
                "least_masked is 0 but should be above 0, for the loss is divided by the share that is masked"
            )


@dataclass(frozen=True)
class DiffusionOutput:
    """logits (B, N, V) of symbols."""

    logits: Tensor


class MaskedDiffusion(nn.Module):
    """`forward` encodes features, `memory` prepares cross-attention for all steps, `decode` predicts masked tokens."""

    def __init__(self, config: MaskedDiffusionConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = TokenDecoder(config.decoder, config.encoder.conformer.d_model, config.n_symbols)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def memory(self, encoder_out: EncoderOutput, blank_id: int, positions: Tensor | None = None) -> Memory:
        """Return the input of the decoder's cross-attention; see `TokenDecoder.memory`."""
        return self.decoder.memory(encoder_out, blank_id, positions)

    def decode(self, memory: Memory, tokens: Tensor, token_lengths: Tensor) -> DiffusionOutput:
        """Predict the symbol at each position of a canvas (B, N) of tokens and masks."""
        hidden = self.decoder.all_at_once(self.decoder.embedding(tokens), token_lengths, memory)
        return DiffusionOutput(self.decoder.out(hidden).float())


def diffusion_terms(model: MaskedDiffusion, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return `decoder`, by the config's objective.

    Cross-entropy is the bound of diffusion on minus the log-probability, in nats for each position of a canvas. The
    share that is masked is drawn for each utterance, from `least_masked` to all.
    """
    symbols, least = targets.symbols, model.config.least_masked.at(targets.progress)
    margin = int(torch.randint(1, model.config.largest_margin + 1, ()))
    lengths = targets.token_lengths + margin
    canvas = F.pad(targets.tokens, (0, margin), value=symbols.eos_id)
    text = length_mask(targets.token_lengths, canvas.shape[1])
    canvas = canvas.where(text, symbols.eos_id)
    memory = model.memory(encoder_out, symbols.blank_id, aligned_positions(encoder_out, targets))
    if model.config.objective != "cross_entropy":
        logits = model.decode(memory, torch.full_like(canvas, symbols.mask_id), lengths).logits
        return {"decoder": text_loss(model.config.objective, logits, lengths, canvas, lengths, symbols.blank_id)}
    share = torch.rand(len(canvas), 1, device=canvas.device) * (1 - least) + least
    real = length_mask(lengths, canvas.shape[1])
    masks = (torch.rand(canvas.shape, device=canvas.device) < share) & real
    hidden = canvas.masked_fill(masks, symbols.mask_id)
    logits = model.decode(memory, hidden, lengths).logits
    nats = F.cross_entropy(logits[masks], canvas[masks], reduction="none")
    weighted = (nats / share.expand_as(masks)[masks]).sum() / real.sum()
    return {"decoder": Mean(weighted, real.sum())}
