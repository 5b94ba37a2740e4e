"""The encoder of all recognizers but Whisper: samples, or cached states of a frozen encoder, to vectors with CTC.

    samples -> log-mel ------------------> Conformer -> CTC
    samples -> pre-trained transformer --> Conformer -> CTC        trained together
    cached states of a frozen encoder ---> Conformer -> CTC

The config names the layers after which the shared CTC head is applied too (intermediate CTC), and says whether its
distributions there are fed to the layers above (self-conditioning).

With `blocks`, the encoder reads windows of the input and never more (`speechnar.nar.blocks`).

Source: InterCTC (Lee and Watanabe 2021), section 3. Self-conditioning is in `speechnar.layers.ctc_head`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.conformer import Conformer, ConformerConfig
from speechnar.layers.ctc_head import CTCHead
from speechnar.layers.log_mel import LogMel
from speechnar.layers.old_names import accept_old_names
from speechnar.layers.pretrained_encoder import PretrainedEncoder, PretrainedEncoderConfig
from speechnar.nar.blocks import BlockConfig, windows_of

OLD_NAMES = {"head_norm.": "head.norm.", "head.weight": "head.out.weight", "head.bias": "head.out.bias"}
OLD_NAMES |= {"back.": "head.condition."}
"""Names of the weights in models of earlier versions."""


@dataclass(frozen=True)
class CTCEncoderConfig:
    """The Conformer, and the layers of it that have CTC outputs.

    Attributes:
        intermediate_layers: numbers of the blocks, from 1, after which CTC is applied too; none for plain CTC.
        self_conditioned: whether intermediate distributions are fed to the layers above.
        d_states: width of the encoder states (`speechnar encode`) that are the input; 0 where samples are. In a
            training config any number above 0 will do: the width is taken from the data. States need
            `subsampling_channels: 0`.
        blocks: the frames that are encoded at once, in mel frames or states, for recognition while one speaks; None to
            encode utterances as a whole. `block` and `history` are multiples of the subsampling.
        pretrained: an encoder of transformers, trained with the rest, whose states are the Conformer's input; None for
            log-mel frames. It needs `subsampling_channels: 0`. With `n_layers: 0` there are only linear layers between
            its states and the symbols, as is usual.
    """

    conformer: ConformerConfig = ConformerConfig()
    intermediate_layers: tuple[int, ...] = ()
    self_conditioned: bool = False
    d_states: int = 0
    blocks: BlockConfig | None = None
    pretrained: PretrainedEncoderConfig | None = None

    def __post_init__(self) -> None:
        wrong = [layer for layer in self.intermediate_layers if not 1 <= layer < self.conformer.n_layers]
        if wrong:
            raise ValueError(
                f"intermediate_layers has {wrong[0]} but should be from 1 to {self.conformer.n_layers - 1}"
            )
        if self.self_conditioned and not self.intermediate_layers:
            raise ValueError("self_conditioned needs intermediate_layers: name the blocks whose CTC is fed back")
        if self.pretrained is not None and (self.d_states or self.blocks or self.conformer.subsampling_channels):
            raise ValueError(
                "a pre-trained encoder reads audio, whole utterances, and its states are stacked: leave d_states and"
                " blocks out, and set subsampling_channels to 0"
            )
        step = self.conformer.subsampling
        if self.blocks is not None and (self.blocks.block % step or self.blocks.history % step):
            raise ValueError(
                f"block is {self.blocks.block} and history {self.blocks.history}, but both should be multiples of"
                f" the subsampling, {step}"
            )


@dataclass(frozen=True)
class EncoderOutput:
    """The output of a CTC encoder.

    Attributes:
        hidden: (B, T, d_model).
        lengths: (B,) frames; None where there is no padding.
        log_probs: (B, T, V) float32 natural logarithms; padding of any value.
        intermediate: as `log_probs`, for each intermediate layer.
    """

    hidden: Tensor
    lengths: Tensor | None
    log_probs: Tensor
    intermediate: tuple[Tensor, ...]


class CTCEncoder(nn.Module):
    """Log-mel features or a pre-trained encoder, a Conformer and the CTC head."""

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: CTCEncoderConfig, audio: AudioConfig, n_symbols: int) -> None:
        super().__init__()
        self.config = config
        d = config.conformer.d_model
        channels = width = config.d_states or audio.n_mels
        self.log_mel: nn.Module | None = None
        self.pretrained: PretrainedEncoder | None = None
        if config.pretrained is not None:
            self.pretrained = PretrainedEncoder(config.pretrained, audio.sample_rate)
            channels, width = self.pretrained.channels, self.pretrained.width
        elif not config.d_states:
            self.log_mel = LogMel(audio)
        self.conformer = Conformer(config.conformer, width)
        self.head = CTCHead(d, n_symbols, config.self_conditioned)
        self.register_buffer("mel_mean", torch.zeros(channels))
        self.register_buffer("mel_std", torch.ones(channels))
        accept_old_names(self, OLD_NAMES)

    def raw_features(self, given: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return log-mel frames (B, T_mel, n_mels) of samples (B, T_wav); states (B, T, d_states) as they are.

        Of a pre-trained encoder, return its features.
        """
        if self.pretrained is not None:
            return self.pretrained.features(given, lengths)
        return (given, lengths) if self.log_mel is None else self.log_mel(given, lengths)

    def features(self, given: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return `raw_features`, normalized by the data's statistics."""
        mel, mel_lengths = self.raw_features(given, lengths)
        return (mel - self.mel_mean) / self.mel_std, mel_lengths

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode frames of `features`, in training augmented ones; blockwise if the config has blocks."""
        if self.config.blocks is None:
            return self.whole(mel, mel_lengths)
        step = self.config.conformer.subsampling
        windows = windows_of(mel, mel_lengths, self.config.blocks)
        found = self.whole(windows.frames, windows.lengths)
        hidden, log_probs, *intermediate = (
            windows.joined(part, step) for part in (found.hidden, found.log_probs, *found.intermediate)
        )
        lengths = None if mel_lengths is None else -(-mel_lengths // step)
        return EncoderOutput(hidden, lengths, log_probs, tuple(intermediate))

    def whole(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode frames as a whole, whether the config has blocks or not."""
        intermediate: list[Tensor] = []

        def between(number: int, hidden: Tensor) -> Tensor:
            if number not in self.config.intermediate_layers:
                return hidden
            logits = self.head(hidden)
            intermediate.append(logits.log_softmax(2))
            return self.head.conditioned(hidden, logits)

        if self.pretrained is not None:
            mel, mel_lengths = self.pretrained(mel, mel_lengths)
        hidden, lengths = self.conformer(mel, mel_lengths, between)
        return EncoderOutput(hidden, lengths, self.head(hidden).log_softmax(2), tuple(intermediate))
