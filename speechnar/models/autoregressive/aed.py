"""A hybrid CTC/attention recognizer, which predicts one token after another: the autoregressive twin of Mask-CTC.

With `group` above 1 it predicts so many tokens at once, given the groups before them:

    input      <s> <s>  s  i      a token sees its own group and those before it
    output      s   i   c  k

Source: Watanabe et al. 2017, "Hybrid CTC/Attention Architecture", sections II and III. Groups: Semi-Autoregressive
    Neural Machine Translation (Wang et al. 2018), section 3, the relaxed causal mask. Groups that
    grow in training: Liu et al. 2020 (`speechnar.nar.schedules`).
Differs: the decoder finds encoder frames by the token position that CTC gives them
    (`speechnar.layers.cross_attention`). The beam search is `speechnar.decode.autoregressive`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.cross_attention import Memory
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig, KeyValues, group_mask
from speechnar.layers.old_names import accept_old_names
from speechnar.layers.token_decoder import OLD_NAMES, TokenDecoder
from speechnar.losses.ctc import SMOOTHING, Targets
from speechnar.losses.mean import Mean
from speechnar.losses.pairs import check_groups, next_groups
from speechnar.nar.lengths import length_mask
from speechnar.nar.schedules import stage


@dataclass(frozen=True)
class AEDConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        group: tokens that are predicted at once, 1 or more; above 1, `semi_autoregressive` is the way to decode.
        curriculum: groups of the stages of training before that of `group`, such as (1, 2) before 4: from one token at
            a time to several. All stages are equally long; a group that stands twice has twice the time.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    group: int = 1
    curriculum: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_groups((*self.curriculum, self.group))


class AED(nn.Module):
    """`forward` encodes features, `decode` scores given tokens in training, `extend` reads more tokens of a text."""

    def __init__(self, config: AEDConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = TokenDecoder(config.decoder, config.encoder.conformer.d_model, config.n_symbols)
        accept_old_names(self, OLD_NAMES)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def memory(self, encoder_out: EncoderOutput, blank_id: int) -> Memory:
        """Return the input of the decoder's cross-attention; see `TokenDecoder.memory`."""
        return self.decoder.memory(encoder_out, blank_id)

    def decode(self, memory: Memory, tokens: Tensor, group: int | None = None) -> Tensor:
        """Return logits (B, N, V) of the token `group` places after each of (B, N), which begin with `group` `<s>`.

        Args:
            group: by default that of the config.
        """
        size = tokens.shape[1]
        allowed = group_mask(size, 0, group or self.config.group, tokens.device)
        hidden, _ = self.decoder(tokens, memory, memory.distance_bias(size), allowed)
        return self.decoder.out(hidden).float()

    def extend(self, memory: Memory, tokens: Tensor, past: list[KeyValues] | None) -> tuple[Tensor, list[KeyValues]]:
        """Read more tokens of texts, as many of each utterance.

        Args:
            memory: of all utterances.
            tokens: (B, N) that follow those in `past`, whole groups, those of an utterance together; a text begins with
                a group of `<s>`.
            past: keys and values of each layer for the tokens before, of B texts; None for none.

        Returns:
            Logits (B, N, V) of the token `group` places after each, and keys and values of each layer for all tokens.
        """
        batch, size = tokens.shape
        before = 0 if past is None else past[0].keys.shape[2]
        group = self.config.group
        allowed = group_mask(size, before, group, tokens.device) if size > group else None
        memory = memory.each(batch // len(memory.positions))
        bias = memory.distance_bias(before + size, before)
        hidden, present = self.decoder(tokens, memory, bias, allowed, past)
        return self.decoder.out(hidden).float(), present


def causal_terms(model: AED, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return `decoder`: the cross-entropy of each token, and of the end, given those before; smoothed targets."""
    tokens, token_lengths, symbols = targets.tokens, targets.token_lengths, targets.symbols
    group = stage((*model.config.curriculum, model.config.group), targets.progress)
    given, wanted = next_groups(tokens, token_lengths, group, symbols)
    real = length_mask(token_lengths + 1, wanted.shape[1])
    logits = model.decode(model.memory(encoder_out, symbols.blank_id), given, group)
    return {"decoder": Mean(F.cross_entropy(logits[real], wanted[real], label_smoothing=SMOOTHING), real.sum())}
