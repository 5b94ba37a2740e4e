"""FastSpeech 2: text to log-mel, every frame in parallel.

With `notes`, it sings: each token is sung on a note, whose pitch, length and slur are read with the token, and F0 is
predicted as a difference from the note's. A vowel on several notes is as many tokens, so that the place in the note is
the one in the token.

Source: FastSpeech 2 (Ren et al. 2021), section 2, figure 1. Notes: XiaoiceSing (Lu et al. 2020), sections 2.1 and 2.3,
    where F0 is a residual of the note, too.
Differs: ConvNeXt layers in place of feed-forward Transformer layers (faster, and without positions that limit the
    length), with one attention block over the tokens; F0, voicing and energy are predicted for each frame, as
    continuous values and not as bins or wavelets; each frame has features of its position within its token. As in the
    paper, `regulate` gets the data's durations in training and predicted ones in synthesis.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn

from speechnar.layers.blocks import AttentionBlock, Conv, ConvNeXt
from speechnar.layers.dropout import Dropout
from speechnar.layers.statistics import fill_buffers
from speechnar.nar.lengths import N_POSITION_FEATURES, length_mask, position_features, regulate, token_of_frame

N_NOTE_FEATURES = 3


@dataclasses.dataclass(frozen=True)
class FastSpeech2Config:
    """Widths and depths. `d_ff` and `kernel_size` hold for every ConvNeXt layer.

    `n_symbols`, `n_mels` and `speakers` (names, where there are several) come from the data: a training config leaves
    them out.
    """

    n_symbols: int = 0
    n_mels: int = 80
    d_model: int = 256
    d_ff: int = 768
    kernel_size: int = 7
    n_heads: int = 4
    encoder_layers: int = 4
    prosody_layers: int = 3
    decoder_layers: int = 7
    dropout: float = 0.1
    predictor_dropout: float = 0.3
    speakers: tuple[str, ...] = ()
    notes: bool = False


@dataclasses.dataclass(frozen=True)
class Prosody:
    """Prosody of each frame, all (B, T_mel) and normalized by the data's statistics.

    Attributes:
        log_f0: (ln Hz - mean) / std, of the speaker; any value where unvoiced.
        voiced: logits when predicted; 0 or 1 when given.
        energy: (ln RMS magnitude - mean) / std.
    """

    log_f0: Tensor
    voiced: Tensor
    energy: Tensor


@dataclasses.dataclass(frozen=True)
class FastSpeech2Output:
    """mel (B, T_mel, n_mels) ln magnitude; log_durations (B, T_text) ln(1 + frames); the predicted prosody."""

    mel: Tensor
    log_durations: Tensor
    prosody: Prosody


class FastSpeech2(nn.Module):
    """Token encoder, duration and prosody predictors, length regulation, mel decoder.

    With several speakers, each has a vector, which is added to the encoder's output, and F0 statistics, by which F0 is
    predicted. The decoder reads F0 normalized by statistics that all speakers share, so that the harmonics of a given
    F0 are in the same mel bands for every speaker. The vectors start at zero: training that starts from a model of one
    speaker begins with the same voice for all.
    `speakers` are indices in the config's names, (B,) int64, or weights of blends, (B, n_speakers) float that sum to
    1, by which vectors and F0 statistics are interpolated. A model of one speaker ignores them.
    """

    mel_mean: Tensor
    mel_std: Tensor
    log_f0_mean: Tensor
    log_f0_std: Tensor
    energy_mean: Tensor
    energy_std: Tensor
    common_log_f0_mean: Tensor
    common_log_f0_std: Tensor

    def __init__(self, config: FastSpeech2Config) -> None:
        super().__init__()
        self.config = config
        d, ff, k = config.d_model, config.d_ff, config.kernel_size
        self.embedding = nn.Embedding(config.n_symbols, d)
        self.encoder = ConvNeXt(config.encoder_layers, d, ff, k, config.dropout)
        self.attention = AttentionBlock(d, ff, config.n_heads, config.dropout)
        n_speakers = max(1, len(config.speakers))
        self.speaker = nn.Embedding(n_speakers, d) if n_speakers > 1 else None
        if self.speaker:
            nn.init.zeros_(self.speaker.weight)
        self.note = nn.Linear(N_NOTE_FEATURES, d) if config.notes else None
        if self.note:  # zero at first, so that singing begins with a model of speech
            nn.init.zeros_(self.note.weight)
            nn.init.zeros_(self.note.bias)
        self.duration = nn.Sequential(Dropout(config.predictor_dropout), nn.Linear(d, d // 2))
        self.duration_net = ConvNeXt(2, d // 2, d, 3, config.predictor_dropout)
        self.duration_out = nn.Linear(d // 2, 1)
        self.position = nn.Linear(N_POSITION_FEATURES, d)
        self.prosody_in = nn.Sequential(Dropout(config.predictor_dropout), nn.Linear(d, d))
        self.prosody_net = ConvNeXt(config.prosody_layers, d, d, 2 * k - 1, config.dropout)
        self.prosody_out = nn.Linear(d, 3)
        self.prosody_embedding = Conv(3, d, 3)
        self.decoder = ConvNeXt(config.decoder_layers, d, ff, k, config.dropout / 2)
        self.mel_out = nn.Linear(d, config.n_mels)
        sizes = {"mel": config.n_mels, "log_f0": n_speakers, "energy": 1}
        if n_speakers > 1:
            sizes["common_log_f0"] = 1
        for name, size in sizes.items():
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))

    def set_statistics(self, **moments: Tensor | float | list[float]) -> None:
        """Set `mel_mean`, `mel_std`, `log_f0_mean` (of each speaker), ... from the training data's `stats.json`."""
        fill_buffers(self, moments)

    def log_f0_moments(self, speakers: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of ln Hz, which broadcast over (B, T_mel)."""
        if self.speaker is None:
            return self.log_f0_mean, self.log_f0_std
        weights = self._weights(speakers)
        return (weights @ self.log_f0_mean)[:, None], (weights @ self.log_f0_std)[:, None]

    def read_log_f0_moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of ln Hz that the decoder's F0 is normalized by."""
        if self.speaker is None:
            return self.log_f0_mean, self.log_f0_std
        return self.common_log_f0_mean, self.common_log_f0_std

    def _weights(self, speakers: Tensor | None) -> Tensor:
        """Return the weight of each speaker, (B, n_speakers) float, that sum to 1."""
        if speakers is None:
            raise ValueError(f"a model of {len(self.config.speakers)} speakers should be given `speakers`")
        if speakers.dim() == 2:
            return speakers
        return nn.functional.one_hot(speakers, len(self.config.speakers)).to(self.log_f0_mean.dtype)

    def normalized(self, f0: Tensor, energy: Tensor, speakers: Tensor | None = None) -> Prosody:
        """Normalize the prosody of recordings: `f0` (B, T_mel) Hz, 0 = unvoiced; `energy` (B, T_mel) ln magnitude."""
        voiced = (f0 > 0).to(f0.dtype)
        mean, std = self.log_f0_moments(speakers)
        log_f0 = (f0.clamp(min=1.0).log() - mean) / std
        return Prosody(log_f0 * voiced, voiced, (energy - self.energy_mean) / self.energy_std)

    def encode(
        self, tokens: Tensor, token_mask: Tensor | None, speakers: Tensor | None = None, notes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode tokens (B, T_text) as hidden vectors (B, T_text, C), and predict log durations (B, T_text).

        `notes` is (B, T_text, 3): MIDI pitch, seconds, and 1 for a slur; a model of speech ignores it.
        """
        hidden = self.encoder(self.embedding(tokens), token_mask)
        hidden = self.attention(hidden, token_mask)
        if self.speaker is not None:
            hidden = hidden + (self._weights(speakers) @ self.speaker.weight)[:, None]
        if self.note is not None:
            pitch, seconds, slur = self._sung(notes).unbind(2)
            hidden = hidden + self.note(torch.stack([pitch / 12 - 5.5, seconds.clamp(min=0.01).log(), slur], dim=2))
        log_durations = self.duration_out(self.duration_net(self.duration(hidden), token_mask))[:, :, 0]
        return hidden, log_durations

    def frames(self, hidden: Tensor, durations: Tensor, n_frames: int | Tensor) -> Tensor:
        """Spread the tokens' hidden vectors over their frames, (B, T_mel, C), and add positions."""
        frame_tokens = token_of_frame(durations, n_frames)
        positions = self.position(position_features(durations, frame_tokens))
        return regulate(hidden, frame_tokens) + positions

    def predict_prosody(self, frames: Tensor, mask: Tensor | None, log_f0: Tensor | float = 0.0) -> Prosody:
        """Predict log F0, voicing logits and energy of each frame.

        Args:
            log_f0: (B, T_mel) normalized, to which the prediction is added: that of the notes, of `note_log_f0`.
        """
        out = self.prosody_out(self.prosody_net(self.prosody_in(frames), mask))
        return Prosody(out[:, :, 0] + log_f0, out[:, :, 1], out[:, :, 2])

    def note_log_f0(self, notes: Tensor | None, frame_tokens: Tensor, speakers: Tensor | None = None) -> Tensor | float:
        """Return the normalized log F0 of the note of each frame, (B, T_mel); 0 in a model of speech."""
        if self.note is None:
            return 0.0
        mean, std = self.log_f0_moments(speakers)
        semitones = regulate(self._sung(notes)[:, :, :1], frame_tokens)[:, :, 0] - 69
        return (semitones * (math.log(2) / 12) + math.log(440) - mean) / std

    def _sung(self, notes: Tensor | None) -> Tensor:
        if notes is None:
            raise ValueError("a model that sings should be given `notes`: prepare data with note_pitch")
        return notes

    def decode(self, frames: Tensor, prosody: Prosody, mask: Tensor | None, speakers: Tensor | None = None) -> Tensor:
        """Compute log-mel (B, T_mel, n_mels) of frames and their prosody (voicing as 0 or 1)."""
        return self.mel_of(self.decode_hidden(frames, prosody, mask, speakers))

    def decode_hidden(
        self, frames: Tensor, prosody: Prosody, mask: Tensor | None, speakers: Tensor | None = None
    ) -> Tensor:
        """Compute the decoder's last hidden vectors (B, T_mel, C), from which `mel_of` makes the log-mel."""
        log_f0 = prosody.log_f0
        if self.speaker is not None:
            mean, std = self.log_f0_moments(speakers)
            common_mean, common_std = self.read_log_f0_moments()
            log_f0 = (log_f0 * std + (mean - common_mean)) / common_std
        given = torch.stack([log_f0 * prosody.voiced, prosody.voiced, prosody.energy], dim=2)
        return self.decoder(frames + self.prosody_embedding(given, mask), mask)

    def mel_of(self, hidden: Tensor) -> Tensor:
        """Return the log-mel (B, T_mel, n_mels) of the decoder's last hidden vectors (B, T_mel, C)."""
        return self.mel_out(hidden).float() * self.mel_std + self.mel_mean

    def read_mel(self, hidden: Tensor) -> Tensor:
        """Return what a flow-matching decoder reads: hidden vectors and normalized mel, (B, T_mel, C + n_mels)."""
        return torch.cat([hidden, self.mel_out(hidden)], dim=2)

    def forward(
        self, tokens: Tensor, token_lengths: Tensor, durations: Tensor, mel_lengths: Tensor, f0: Tensor, energy: Tensor,
        speakers: Tensor | None = None, notes: Tensor | None = None,
    ) -> FastSpeech2Output:  # fmt: skip
        """Compute, for training, the mel for given durations and prosody, and the predictions of both.

        Args:
            tokens, durations: (B, T_text), 0-padded; durations are frames that sum to `mel_lengths`.
            f0, energy: (B, T_mel) as `normalized` takes them.
            notes: as `encode` takes them.
        """
        token_mask = length_mask(token_lengths, tokens.shape[1])
        mask = length_mask(mel_lengths, f0.shape[1])
        hidden, log_durations = self.encode(tokens, token_mask, speakers, notes)
        frames = self.frames(hidden, durations, f0.shape[1])
        note_log_f0 = self.note_log_f0(notes, token_of_frame(durations, f0.shape[1]), speakers)
        predicted = self.predict_prosody(frames, mask, note_log_f0)
        mel = self.decode(frames, self.normalized(f0, energy, speakers), mask, speakers)
        return FastSpeech2Output(mel, log_durations, predicted)


def adapted_weights(
    model: FastSpeech2, source: FastSpeech2, kept: frozenset[str]
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the weights of `source`, changed to suit `model`, and remarks for the user.

    The vectors of speakers are taken by name; a model of one speaker starts from their mean. If `model` keeps all of
    its own F0 statistics, the weights that read F0 are rewritten for them, so that the harmonics of a given F0 stay in
    place, whoever speaks.

    Args:
        kept: names of buffers of `model` that will not be taken from `source`.
    """
    weights, remarks = source.state_dict(), []
    if source.speaker and model.speaker:
        theirs, ours = source.config.speakers, model.config.speakers
        vectors = model.speaker.weight.detach().clone()
        for number, name in enumerate(ours):
            if name in theirs:
                vectors[number] = weights["speaker.weight"][theirs.index(name)]
        weights["speaker.weight"] = vectors
        new = [name for name in ours if name not in theirs]
        remarks += [f"speakers new: {', '.join(new)}"] if new else []
    elif source.speaker:  # what is added to the encoder's output may as well be added to its last bias
        mean = weights.pop("speaker.weight").mean(dim=0)
        weights["attention.contract.bias"] = weights["attention.contract.bias"] + mean
        remarks.append(f"the mean of the speakers {', '.join(source.config.speakers)}")
    if {name for name, _ in model.named_buffers() if "log_f0" in name} <= kept:
        weights["prosody_embedding.conv.weight"] = _for_f0_statistics_of(model, source)
    return weights, remarks


def _for_f0_statistics_of(model: FastSpeech2, source: FastSpeech2) -> Tensor:
    """Return the kernel (C, 3, kernel) that reads F0, voicing and energy in `source`, for F0 normalized by `model`."""
    weight = source.prosody_embedding.conv.weight.detach().clone()
    by_f0 = weight[:, 0].clone()
    (mean, std), (their_mean, their_std) = model.read_log_f0_moments(), source.read_log_f0_moments()
    weight[:, 0] = by_f0 * (std / their_std)
    weight[:, 1] += by_f0 * ((mean - their_mean) / their_std)  # F0 is 0 where unvoiced
    return weight
