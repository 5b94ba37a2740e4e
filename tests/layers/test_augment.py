"""Augmentation: masks within their limits, speed that moves pitch, noise at its ratio, and nothing for padding."""

from __future__ import annotations

import math

import pytest
import torch

from speechnar.layers.augment import (
    SpecAugmentConfig,
    add_noise,
    change_speed,
    colored_noise,
    resampled,
    spec_augment,
    with_noise,
)


def stretches(row: torch.Tensor) -> list[int]:
    """Lengths of the runs of True."""
    text = "".join("x" if value else " " for value in row.tolist())
    return [len(run) for run in text.split()]


def test_masks_are_stretches_of_the_given_sizes_inside_each_utterance() -> None:
    torch.manual_seed(0)
    config = SpecAugmentConfig(band_masks=1, band_width=5, time_masks_per_second=3.0, time_width=10, time_ratio=0.2)
    lengths = torch.tensor([200, 100, 40] * 20)
    mel = torch.ones(60, 200, 12)
    made = spec_augment(mel, lengths, config)
    bands, times = (made == 0).all(1), (made == 0).all(2)
    assert all(sum(stretches(row)) <= 5 and len(stretches(row)) <= 1 for row in bands)
    assert {sum(stretches(row)) for row in bands} == set(range(6))
    for row, length in zip(times, lengths.tolist()):
        assert 0 <= int(row.sum()) <= 0.2 * length
        assert not row[length:].any()
    assert times[:, :40].any(1).float().mean() > 0.5
    assert ((made == 0) == (bands[:, None] | times[:, :, None])).all()


def test_without_masks_nothing_changes() -> None:
    mel = torch.randn(2, 30, 6)
    assert torch.equal(spec_augment(mel, torch.tensor([30, 10]), SpecAugmentConfig(0, 5, 0.0, 5, 0.3)), mel)


@pytest.mark.parametrize("speed", [0.9, 1.1, 1.25])
def test_a_tone_read_faster_is_higher_and_shorter(speed: float) -> None:
    time = torch.arange(4000) / 8000
    tone = torch.sin(2 * math.pi * 300 * time)
    fast = resampled(tone[None], speed)[0]
    assert len(fast) == math.ceil(4000 / speed)
    expected = torch.sin(2 * math.pi * 300 * speed * torch.arange(len(fast)) / 8000)
    torch.testing.assert_close(fast[100:-100], expected[100:-100], atol=2e-3, rtol=0)


def test_what_would_fold_back_is_filtered_out() -> None:
    tone = torch.sin(2 * math.pi * 3800 / 8000 * torch.arange(4000))
    assert resampled(tone[None], 1.25)[0, 100:-100].abs().max() < 0.02


def test_each_utterance_has_one_of_the_speeds_and_its_own_length() -> None:
    torch.manual_seed(0)
    time = torch.arange(1000) / 8000
    lengths = torch.tensor([1000, 800] * 10)
    wav = torch.sin(2 * math.pi * 200 * time) * (torch.arange(1000) < lengths[:, None])
    made, made_lengths = change_speed(wav, lengths, (0.8, 1.0, 1.25))
    seen = set()
    for row in range(20):
        length, before = int(made_lengths[row]), int(lengths[row])
        (speed,) = [s for s in (0.8, 1.0, 1.25) if int(before / s) == length]
        seen.add(speed)
        expected = torch.sin(2 * math.pi * 200 * speed * torch.arange(length) / 8000)
        torch.testing.assert_close(made[row, 60 : length - 60], expected[60:-60], atol=5e-3, rtol=0)
        assert not made[row, length:].any()
    assert seen == {0.8, 1.0, 1.25} and made.shape[1] == int(made_lengths.max())


def test_a_speed_of_too_many_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="speed is 1.003 but should be positive, in whole hundredths"):
        resampled(torch.zeros(1, 100), 1.003)


def test_noise_has_its_ratio_to_each_utterance_and_leaves_padding() -> None:
    torch.manual_seed(0)
    wav, noise = 0.3 * torch.randn(4, 2000), torch.randn(4, 2000)
    lengths = torch.tensor([2000, 500, 1200, 700])
    snr = torch.tensor([0.0, 10.0, 20.0, math.inf])
    made = add_noise(wav, lengths, noise, snr)
    for row, length in enumerate(lengths.tolist()):
        added = made[row, :length] - wav[row, :length]
        assert not made[row, length:].any()
        if snr[row].isinf():
            assert not added.any()
        else:
            ratio = wav[row, :length].square().sum() / added.square().sum()
            assert 10 * math.log10(ratio) == pytest.approx(float(snr[row]), abs=1e-3)


def test_silence_stays_silent() -> None:
    lengths, snr = torch.tensor([50]), torch.tensor([5.0])
    assert not add_noise(torch.zeros(1, 50), lengths, torch.randn(1, 50), snr).any()
    assert torch.equal(add_noise(torch.ones(1, 50), lengths, torch.zeros(1, 50), snr), torch.ones(1, 50))


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_noise_falls_with_frequency_as_asked(slope: float) -> None:
    torch.manual_seed(0)
    noise = colored_noise(torch.zeros(200, 1024), torch.full((200,), slope))
    power = torch.fft.rfft(noise).abs().square().mean(0)
    decibel = 10 * torch.log10(power[20:40].mean() / power[160:320].mean())  # three octaves
    assert float(decibel) == pytest.approx(slope * 10 * math.log10(8), abs=1.0)


def test_a_share_of_the_utterances_gets_noise_in_the_range_of_ratios() -> None:
    torch.manual_seed(0)
    wav, lengths = torch.randn(400, 500), torch.full((400,), 500)
    assert torch.equal(with_noise(wav, lengths, 0.0, (5.0, 20.0)), wav)
    noise = with_noise(wav, lengths, 0.25, (5.0, 20.0)) - wav
    noisy = noise.abs().sum(1) > 0
    assert 0.15 < noisy.float().mean() < 0.35
    snr = 10 * (wav.square().sum(1) / noise.square().sum(1)).log10()[noisy]
    assert 4.9 < snr.min() < 7 and 18 < snr.max() < 20.1
