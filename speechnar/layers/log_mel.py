"""Compute log-mel spectrograms in a layer, so that recognizers take samples, in training and in exported graphs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speechnar.audio import LOG_FLOOR, AudioConfig, mel_filters
from speechnar.layers.stft import HopSTFT
from speechnar.nar.lengths import length_mask


class LogMel(nn.Module):
    """Samples to natural-log mel magnitudes; padding has no effect.

    Frames are those of `speechnar.audio.log_mel`, except that audio is padded with silence and not by reflection.

    Raises:
        ValueError: `n_fft` is not an odd number of hops, 3 at least, or the window is shorter.
    """

    filters: Tensor

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        overlap, rest = divmod(audio.n_fft, audio.hop_length)
        if rest or overlap < 3 or overlap % 2 == 0 or audio.win_length != audio.n_fft:
            raise ValueError(
                f"n_fft {audio.n_fft} and win_length {audio.win_length} should both be an odd number of hops of "
                f"{audio.hop_length} samples: {3 * audio.hop_length}, say"
            )
        self.stft = HopSTFT(audio.hop_length, overlap)
        filters = torch.from_numpy(mel_filters(audio).T * audio.n_fft**0.5).contiguous()
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, wav: Tensor, wav_lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Compute frames, in float32 under autocast too.

        Args:
            wav: (B, T_wav) in [-1, 1], padding of any value; samples after the last whole hop are not used.
            wav_lengths: (B,) samples; None where there is no padding.

        Returns:
            (B, T_wav // hop_length, n_mels), padding of any value; (B,) frames, or None.
        """
        hop = self.stft.hop_length
        frames = wav.shape[1] // hop
        mel_lengths = None if wav_lengths is None else wav_lengths // hop
        with torch.autocast(wav.device.type, enabled=False):
            rows = wav[:, : frames * hop].float().view(len(wav), frames, hop)
            if mel_lengths is not None:
                rows = rows * length_mask(mel_lengths, frames)[:, :, None]
            return (self.stft.magnitudes(rows) @ self.filters).clamp(min=LOG_FLOOR).log(), mel_lengths
