"""Whisper's encoder and decoder with a CTC branch: CTC drafts the whole text at once, and the decoder verifies it.

    wav -> features -> encoder -> states, 50 or 25 a second -> CTC branch (25 frames a second) -> the draft, in parallel
                                                            -> memory -> decoder(the draft)    -> the best tokens

The decoder predicts the token at every position of a draft at once, so that a few iterations verify and correct the
text (`speechnar.decode.speculative`).

Source: Whisper (Radford et al. 2023), section 2.2; CTC, Graves et al. 2006; self-conditioned CTC, Nozaki and Komatsu
    2021, section 3; blockwise parallel decoding, Stern et al. 2018, section 3.
Differs: audio is padded by half a second and not to 30 s, and no frame sees other padding; the decoder may hear the
    means of pairs of states; its vocabulary is a part of Whisper's, and the four tokens that tell Whisper its task are
    fixed vectors at the start. Logits of the CTC branch are multiplied by `OUTPUT_SCALE`: see
    `speechnar.layers.ctc_head`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeVar, cast

import librosa
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.config import ConfigError
from speechnar.layers.blocks import AttentionBlock, ConvNeXtBlock, masked
from speechnar.layers.ctc_head import CTCHead
from speechnar.layers.decoder_block import DecoderBlock, DecoderConfig, KeyValues
from speechnar.layers.old_names import accept_old_names
from speechnar.nar.lengths import length_mask

SAMPLE_RATE = 16000
N_FFT, HOP_LENGTH = 400, 160
OUTPUT_SCALE = 8.0
OLD_NAMES = {"norm.": "head.norm.", "head.weight": "head.out.weight", "head.bias": "head.out.bias"}
OLD_NAMES |= {"condition.": "head.condition."}
"""Names of the weights of the CTC branch in models of earlier versions."""
Lengths = TypeVar("Lengths", Tensor, int)
PROMPT = 4  # vectors before the first token
SILENCE = 0.5
"""Seconds of silence appended to the audio for the encoder and the decoder: Whisper finds the end by it."""


@dataclasses.dataclass(frozen=True)
class WhisperConfig:
    """Sizes; the defaults are those of Whisper base.

    Attributes:
        n_symbols: outputs of the CTC branch, including the blank.
        n_tokens: size of the decoder's vocabulary; its last token ends a text.
        max_frames: the longest input, in frames of 20 ms.
        max_tokens: the longest text, in tokens.
        halved_layers: so many of the encoder's upper layers run at 25 frames a second: pairs of frames are merged below
            them, and draft and decoder get states of 40 ms in place of 20 ms.
        averaged_states: the decoder hears the means of so many states in a row, 1 or 2: with 2, cross-attention reads
            half. Always 1 where layers are halved.
        d_draft, draft_layers, dropout: width, depth and dropout of the CTC branch.
    """

    n_symbols: int
    n_tokens: int
    n_mels: int = 80
    d_model: int = 512
    d_ff: int = 2048
    n_heads: int = 8
    n_layers: int = 6
    decoder_layers: int = 6
    max_frames: int = 1500
    max_tokens: int = 220
    halved_layers: int = 0
    averaged_states: int = 1
    d_draft: int = 256
    draft_layers: int = 3
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.halved_layers <= self.n_layers:
            raise ConfigError(f"halved_layers is {self.halved_layers} but should be from 0 to {self.n_layers}")
        if self.averaged_states not in ((1,) if self.halved_layers else (1, 2)):
            raise ConfigError(
                f"averaged_states is {self.averaged_states} but should be 1 or, where no layers are halved, 2"
            )

    @property
    def state_hop(self) -> int:
        """Samples between two states."""
        return HOP_LENGTH * (4 if self.halved_layers else 2)


@dataclasses.dataclass(frozen=True)
class DraftOutput:
    """logits (B, T, n_symbols) of the last layer; intermediate, of each layer below; lengths (B,) frames of 40 ms."""

    logits: Tensor
    intermediate: tuple[Tensor, ...]
    lengths: Tensor


class WhisperFeatures(nn.Module):
    """Whisper's log-mel; the Fourier transform is a convolution, in training as in an exported graph."""

    fourier: Tensor
    filters: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        turns = torch.arange(N_FFT)[None] * torch.arange(N_FFT // 2 + 1)[:, None] % N_FFT
        angle = turns.double() * (2 * math.pi / N_FFT)
        fourier = torch.cat([angle.cos(), angle.sin()]) * torch.hann_window(N_FFT, dtype=torch.float64)
        self.register_buffer("fourier", fourier.float()[:, None], persistent=False)
        filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=n_mels)
        self.register_buffer("filters", torch.from_numpy(filters).float(), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """Compute features (B, T_wav // 160, n_mels), with a range of 8 decades, of wav (B, T_wav > 200) at 16 kHz."""
        padded = F.pad(wav[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        real, imaginary = F.conv1d(padded, self.fourier, stride=HOP_LENGTH)[:, :, :-1].chunk(2, dim=1)
        mel = (self.filters @ (real.square() + imaginary.square())).clamp(min=1e-10).log10()
        mel = mel.maximum(mel.amax((1, 2), keepdim=True) - 8)
        return ((mel + 4) / 4).transpose(1, 2)


def halved(x: Tensor) -> Tensor:
    """Return pairs of frames side by side, (B, ceil(T / 2), 2 C) of (B, T, C); behind an odd frame are zeros."""
    return torch.cat([x[:, ::2], F.pad(x, (0, 0, 0, 1))[:, 1::2]], dim=2)


def averaged(x: Tensor, number: int) -> Tensor:
    """Return the means of so many frames in a row, (B, T // number, C) of (B, T, C); the rest is left out."""
    return x if number == 1 else x[:, : x.shape[1] // number * number].unflatten(1, (-1, number)).mean(2)


class Encoder(nn.Module):
    """Whisper's encoder; its upper layers may run on merged pairs of frames."""

    rates: Tensor

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        d = config.d_model
        self.conv1 = nn.Conv1d(config.n_mels, d, 3, padding=1)
        self.conv2 = nn.Conv1d(d, d, 3, stride=2, padding=1)
        rates = torch.exp(-math.log(10000) / (d // 2 - 1) * torch.arange(d // 2))
        self.register_buffer("rates", rates, persistent=False)  # of the sinusoidal positions
        self.blocks = nn.ModuleList(AttentionBlock(d, config.d_ff, config.n_heads) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(d)
        self.merge = nn.ModuleDict()  # by the number of the block above it
        if config.halved_layers:
            merge = self.merge[str(config.n_layers - config.halved_layers)] = nn.Linear(2 * d, d)
            merge.weight.data = torch.eye(d).repeat(1, 2) / 2  # the average, to begin with
            nn.init.zeros_(merge.bias)

    def state_lengths(self, mel_lengths: Lengths) -> Lengths:
        """Return the number of states of log-mels by their frames, (B,) or one number."""
        lengths = (mel_lengths + 1) // 2
        return (lengths + 1) // 2 if self.merge else lengths

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> Tensor:
        """Encode log-mel (B, T_mel, n_mels) at 10 ms as states (B, T, d_model) at 20 ms, or at 40 ms if merged.

        T is ceil(T_mel / 2), or half of that, rounded up.
        """
        mask = None if mel_lengths is None else length_mask(mel_lengths, mel.shape[1])
        x = F.gelu(self.conv1(masked(mel, mask).transpose(1, 2))).transpose(1, 2)
        x = F.gelu(self.conv2(masked(x, mask).transpose(1, 2))).transpose(1, 2)
        mask = None if mel_lengths is None else length_mask((mel_lengths + 1) // 2, x.shape[1])
        angles = torch.arange(x.shape[1], device=x.device)[:, None] * self.rates
        x = x + torch.cat([angles.sin(), angles.cos()], dim=1)
        for number, block in enumerate(self.blocks):
            if str(number) in self.merge:
                x = self.merge[str(number)](halved(masked(x, mask)))
                mask = None if mel_lengths is None else length_mask(self.state_lengths(mel_lengths), x.shape[1])
            x = block(x, mask)
        return self.norm(x)


class Draft(nn.Module):
    """The CTC branch, at 25 frames a second; layers are conditioned on the output of the layer below."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        d = config.d_draft
        self.merges = not config.halved_layers  # else the encoder has merged pairs already
        self.merge = nn.Linear((2 if self.merges else 1) * config.d_model, d)
        self.convolutions = nn.ModuleList(
            ConvNeXtBlock(d, 2 * d, 7, config.dropout, 1 / config.draft_layers) for _ in range(config.draft_layers)
        )
        self.blocks = nn.ModuleList(
            AttentionBlock(d, 4 * d, config.n_heads // 2, config.dropout) for _ in range(config.draft_layers)
        )
        self.head = CTCHead(d, config.n_symbols, conditioned=True, scale=OUTPUT_SCALE)
        self.head.zero_weights()
        accept_old_names(self, OLD_NAMES)

    def forward(self, states: Tensor, lengths: Tensor | None) -> DraftOutput:
        """Compute logits at 40 ms of states (B, T, d_model) at 20 ms, or at 40 ms if the encoder merges frames."""
        states = masked(states, None if lengths is None else length_mask(lengths, states.shape[1]))
        x = self.merge(halved(states) if self.merges else states)
        if lengths is None:
            frames = torch.tensor([x.shape[1]]).expand(x.shape[0])
        else:
            frames = (lengths + 1) // 2 if self.merges else lengths
        mask = None if lengths is None else length_mask(frames, x.shape[1])
        logits: list[Tensor] = []
        for convolution, block in zip(self.convolutions, self.blocks):
            if logits:
                x = self.head.conditioned(x, logits[-1])
            x = block(convolution(x, mask), mask)
            logits.append(self.head(x))
        return DraftOutput(logits[-1], tuple(logits[:-1]), frames)


class Decoder(nn.Module):
    """Whisper's decoder."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        d = config.d_model
        self.prompt = nn.Parameter(torch.zeros(PROMPT, d))
        self.embedding = nn.Embedding(config.n_tokens, d)
        self.positions = nn.Parameter(torch.zeros(PROMPT + config.max_tokens, d))
        self.n_heads, self.averaged_states = config.n_heads, config.averaged_states
        sizes = DecoderConfig(d, config.n_heads, config.decoder_layers, config.d_ff, dropout=0.0)  # Whisper had none
        self.blocks = nn.ModuleList(DecoderBlock(sizes) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(d)

    def averaged(self, states: Tensor) -> Tensor:
        """Return what the decoder hears of states (B, T, d_model): (B, T // averaged_states, d_model)."""
        return averaged(states, self.averaged_states)

    def memory(self, states: Tensor) -> Tensor:
        """Return the keys and values of cross-attention to states (B, T, d_model).

        Returns:
            (B, layers * 2, heads, T // averaged_states, d_head): keys and values of each layer.
        """
        states = self.averaged(states)
        made = torch.stack([cast(DecoderBlock, block).cross_kv(states) for block in self.blocks], dim=1)
        return made.unflatten(3, (2 * self.n_heads, -1)).transpose(2, 3).unflatten(2, (2, -1)).flatten(1, 2)

    def forward(self, tokens: Tensor, memory: Tensor, memory_lengths: Tensor | None) -> Tensor:
        """Predict each token of a text, and the token after it, from the tokens before.

        Args:
            tokens: (B, N) int64, N from 0 to `max_tokens`.
            memory: (B, n_layers * 2, n_heads, T, d_head), or (1, ...) of one utterance for all texts.
            memory_lengths: (B,) states, before they are averaged; None where there is no padding.

        Returns:
            Logits (B, N + 1, n_tokens).
        """
        prompt = self.prompt.expand(tokens.shape[0], -1, -1)
        embedded = torch.cat([prompt, self.embedding(tokens)], dim=1)
        heard = None if memory_lengths is None else memory_lengths // self.averaged_states
        hidden, _ = self.hidden(embedded, memory.unbind(1), heard)
        return F.linear(hidden[:, PROMPT - 1 :], self.embedding.weight)

    def hidden(
        self, embedded: Tensor, memory: Sequence[Tensor], memory_lengths: Tensor | None, past: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the vectors that the output layer multiplies.

        Args:
            embedded: (B, N, d_model) of the prompt and the tokens, or of the tokens after `past`.
            memory: keys and values of each layer, (B, n_heads, T, d_head) each, or (1, ...) of one utterance for all
                texts.
            memory_lengths: (B,) keys and values of each; None where there is no padding.
            past: (n_layers * 2, 1, n_heads, P, d_head) keys and values of one text before them; None where it is empty.

        Returns:
            (B, N, d_model), and the self-attention keys and values of these N, (n_layers * 2, B, n_heads, N, d_head).
        """
        batch, time = embedded.shape[:2]
        before = 0 if past is None else past.shape[3]
        x = embedded + self.positions[before : before + time]
        index = torch.arange(before + time, device=x.device)
        allowed = index[None] <= index[before:, None]
        mask = None if memory_lengths is None else length_mask(memory_lengths, memory[0].shape[2])[:, None, None]
        present = []
        for n, block in enumerate(self.blocks):
            earlier = None if past is None else KeyValues(past[2 * n], past[2 * n + 1]).repeated(batch)
            x, seen = block(x, allowed, KeyValues(memory[2 * n], memory[2 * n + 1]), mask, earlier)
            present += [seen.keys[:, :, before:], seen.values[:, :, before:]]
        return self.norm(x), torch.stack(present)


class Whisper(nn.Module):
    """The recognizer with all its parts; see the module's docstring."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.config = config
        self.features = WhisperFeatures(config.n_mels)
        self.encoder = Encoder(config)
        self.draft = Draft(config)
        self.decoder = Decoder(config)
