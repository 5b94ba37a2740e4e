"""Augment training audio and features of a recognizer. Random numbers come from torch's global generator.

Source: SpecAugment (Park et al. 2019), section 2, without time warping; the adaptive number of masks is of Park et al.
    2020. Speed perturbation: Ko et al. 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class SpecAugmentConfig:
    """Masks on the mel spectrogram.

    Attributes:
        band_masks: number of masks over mel bands.
        band_width: the largest number of mel bands under one mask.
        time_masks_per_second: number of masks over time, per second at 100 frames a second.
        time_width: the largest number of frames under one mask.
        time_ratio: the largest share of an utterance's frames under masks.
    """

    band_masks: int = 2
    band_width: int = 27
    time_masks_per_second: float = 1.0
    time_width: int = 25
    time_ratio: float = 0.3


def spec_augment(mel: Tensor, mel_lengths: Tensor, config: SpecAugmentConfig) -> Tensor:
    """Set random bands and random spans of time to 0, which is the mean.

    Args:
        mel: (B, T_mel, n_mels), normalized.
        mel_lengths: (B,) frames.
    """
    batch, time, bands = mel.shape
    device = mel.device
    hidden = torch.zeros(batch, bands, dtype=torch.bool, device=device)
    for _ in range(config.band_masks):
        width = (torch.rand(batch, device=device) * (min(config.band_width, bands) + 1)).long()
        hidden |= _span(width, torch.full_like(width, bands), bands)
    mel = mel * ~hidden[:, None]

    number = (mel_lengths * config.time_masks_per_second / 100).ceil()
    left = (mel_lengths * config.time_ratio).long()
    hidden = torch.zeros(batch, time, dtype=torch.bool, device=device)
    for done in range(int(number.max())):
        width = (torch.rand(batch, device=device) * (config.time_width + 1)).long().minimum(left) * (done < number)
        left = left - width
        hidden |= _span(width, mel_lengths, time)
    return mel * ~hidden[:, :, None]


def _span(width: Tensor, length: Tensor, size: int) -> Tensor:
    """Return (B, size) bool, True in a span of `width` at a random place in the first `length`."""
    start = (torch.rand(len(width), device=width.device) * (length - width + 1)).long()
    index = torch.arange(size, device=width.device)[None]
    return (index >= start[:, None]) & (index < (start + width)[:, None])


def change_speed(wav: Tensor, wav_lengths: Tensor, speeds: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Resample each utterance to one of `speeds`, drawn at random; its pitch changes too.

    Args:
        wav: (B, T_wav), padded with 0.
        wav_lengths: (B,) samples.
        speeds: 1 is normal, above 1 is faster; each a fraction with a denominator of 100 at most.

    Returns:
        wav, padded with 0 or cut to the longest; its lengths.
    """
    drawn = torch.randint(len(speeds), (len(wav),), device=wav.device)
    lengths = wav_lengths.clone()
    played = [wav[:0]] * len(wav)
    for number, speed in enumerate(speeds):
        rows = (drawn == number).nonzero()[:, 0]
        if not len(rows):
            continue
        faster = wav[rows] if speed == 1 else resampled(wav[rows], speed)
        lengths[rows] = (wav_lengths[rows] / speed).long().clamp(min=1, max=faster.shape[1])
        for row, samples in zip(rows.tolist(), faster):
            played[row] = samples[: int(lengths[row])]
    return torch.nn.utils.rnn.pad_sequence(played, batch_first=True), lengths


def resampled(wav: Tensor, speed: float, zeros: int = 12) -> Tensor:
    """Return (B, T_wav) at `speed` times its speed, by a Hann-windowed sinc of `zeros` zero crossings a side."""
    step, parts = _fraction(speed)
    cutoff = 0.95 * min(1.0, 1 / speed)
    reach = math.ceil(zeros / cutoff)
    # Output sample k lies at k * step / parts of the input: `parts` filters take turns and advance by `step` samples.
    offset = torch.arange(parts, dtype=torch.float64)[:, None] * step / parts
    away = torch.arange(-reach, step + reach + 1, dtype=torch.float64)[None] - offset
    window = torch.cos((math.pi / 2 * away / reach).clamp(-math.pi / 2, math.pi / 2)) ** 2
    kernel = (cutoff * torch.sinc(cutoff * away) * window).to(wav.device, wav.dtype)
    padded = F.pad(wav, (reach, reach + step))
    with torch.autocast(wav.device.type, enabled=False):  # bfloat16 has too few digits for samples
        made = F.conv1d(padded[:, None], kernel[:, None], stride=step).transpose(1, 2).flatten(1)
    return made[:, : math.ceil(wav.shape[1] * parts / step)]


def _fraction(speed: float) -> tuple[int, int]:
    percent = round(speed * 100)
    if percent < 1 or abs(percent - speed * 100) > 1e-6:
        raise ValueError(f"speed is {speed} but should be positive, in whole hundredths")
    common = math.gcd(percent, 100)
    return percent // common, 100 // common


def add_noise(wav: Tensor, wav_lengths: Tensor, noise: Tensor, snr: Tensor) -> Tensor:
    """Add noise at a given ratio of powers, measured over each utterance's own samples.

    Args:
        wav: (B, T_wav); wav_lengths: (B,) samples.
        noise: (B, T_wav).
        snr: (B,) dB; infinity adds nothing.

    Returns:
        (B, T_wav), padded with 0. Silence, and silent noise, stay as they are.
    """
    mask = length_mask(wav_lengths, wav.shape[1])
    wav, noise = wav * mask, noise * mask
    speech_power, noise_power = wav.square().sum(1), noise.square().sum(1)
    gain = (speech_power / noise_power.clamp(min=1e-10) * 10 ** (-snr / 10)).sqrt()
    return wav + gain[:, None] * noise


def with_noise(wav: Tensor, wav_lengths: Tensor, share: float, snr: tuple[float, float]) -> Tensor:
    """Add noise between white and brown to a random share of the utterances.

    Args:
        wav: (B, T_wav); wav_lengths: (B,) samples.
        share: in [0, 1], the probability that an utterance gets noise.
        snr: the smallest and the largest signal-to-noise ratio, dB.
    """
    low, high = snr
    drawn = low + (high - low) * torch.rand(len(wav), device=wav.device)
    chosen = torch.rand(len(wav), device=wav.device) < share
    noise = colored_noise(wav, 2 * torch.rand(len(wav), device=wav.device))
    return add_noise(wav, wav_lengths, noise, drawn.where(chosen, torch.inf))


def colored_noise(like: Tensor, slope: Tensor) -> Tensor:
    """Return Gaussian noise (B, T_wav) of the shape of `like` with power ~ frequency ** -slope: 0 is white, 1 pink."""
    spectrum = torch.fft.rfft(torch.randn_like(like))
    frequencies = torch.arange(spectrum.shape[1], device=like.device).clamp(min=1)[None]
    return torch.fft.irfft(spectrum * frequencies ** (-slope[:, None] / 2), n=like.shape[1])


def reverberated(wav: Tensor, seconds: float, sample_rate: int) -> Tensor:
    """Return (B, T_wav) as in a room whose sound falls by 60 dB in `seconds`, at the power of `wav`.

    The room's response is the direct sound and, behind it, noise that decays exponentially; its ratio to the direct
    sound is drawn from -3 to 12 dB in favor of the direct sound.
    """
    size = max(1, round(seconds * sample_rate))
    decay = 10 ** (-3 * torch.arange(size, device=wav.device) / size)
    tail = torch.randn(size, device=wav.device) * decay
    ratio = 10 ** ((15 * float(torch.rand(())) - 3) / 10)
    tail = tail / tail.square().sum().sqrt() / math.sqrt(ratio)
    tail[0] = 1.0
    n = wav.shape[1] + size
    made = torch.fft.irfft(torch.fft.rfft(wav, n) * torch.fft.rfft(tail, n), n)[:, : wav.shape[1]]
    gain = (wav.square().mean(1) / made.square().mean(1).clamp(min=1e-10)).sqrt()
    return made * gain[:, None]


def band_limited(wav: Tensor, band: tuple[float, float], sample_rate: int) -> Tensor:
    """Return (B, T_wav) without the frequencies outside of a band, in Hz."""
    spectrum = torch.fft.rfft(wav)
    frequencies = torch.linspace(0, sample_rate / 2, spectrum.shape[1], device=wav.device)
    inside = (frequencies >= band[0]) & (frequencies <= band[1])
    return torch.fft.irfft(spectrum * inside, n=wav.shape[1])
