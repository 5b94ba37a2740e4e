"""Whisper's encoder with a CTC output: its features against librosa, padding invariance, gradients, conditioning."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest
import torch

from speechnar.models.whisper_ctc import WhisperCTC, WhisperCTCConfig, WhisperFeatures

CONFIG = WhisperCTCConfig(
    n_symbols=7, n_mels=6, d_model=8, d_ff=16, n_heads=2, n_layers=4, max_frames=40, lower_layers=2,
    conditioned_layers=(3,), dropout=0.0,
)  # fmt: skip


@pytest.fixture
def model() -> WhisperCTC:
    torch.manual_seed(0)
    model = WhisperCTC(CONFIG).eval()
    torch.nn.init.normal_(model.head.weight, std=0.1)
    return model


def test_features_are_log10_mel_power_within_eight_decades_of_the_peak() -> None:
    noise = np.random.default_rng(0).normal(size=16000)
    wav = (noise * np.linspace(0, 1, 16000) ** 9).astype(np.float32)
    power = librosa.feature.melspectrogram(y=wav, sr=16000, n_fft=400, hop_length=160, n_mels=80, pad_mode="reflect")
    log = np.log10(np.maximum(power[:, :-1], 1e-10))
    expected = (np.maximum(log, log.max() - 8) + 4) / 4
    made = WhisperFeatures(80)(torch.from_numpy(wav)[None])[0]
    assert made.shape == (100, 80)
    np.testing.assert_allclose(made.numpy().T, expected, atol=2e-3)


@torch.no_grad()
def test_positions_are_sines_then_cosines_from_one_radian_a_frame_to_a_ten_thousandth(model: WhisperCTC) -> None:
    for layer in (*model.conv1.parameters(), *model.conv2.parameters()):
        layer.zero_()
    seen = []
    model.blocks[0].register_forward_hook(lambda block, given, made: seen.append(given[0]))
    model.lower(torch.zeros(1, 10, 6), None)
    rates = np.array([1, 10000 ** (-1 / 3), 10000 ** (-2 / 3), 1e-4])
    angles = np.arange(5)[:, None] * rates
    np.testing.assert_allclose(seen[0][0].numpy(), np.hstack([np.sin(angles), np.cos(angles)]), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("lengths", [(24, 13), (24, 6), (24, 1), (23, 24)])
def test_a_batch_gives_what_each_utterance_gives_alone(model: WhisperCTC, lengths: tuple[int, int]) -> None:
    mel = torch.randn(2, 24, 6)
    output = model(mel, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone = model(mel[row : row + 1, :length], torch.tensor([length]))
        frames = int(alone.lengths)
        assert frames == int(output.lengths[row]) == (length + 3) // 4
        torch.testing.assert_close(output.logits[row, :frames], alone.logits[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(output.intermediate[0][row, :frames], alone.intermediate[0][0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_without_lengths_all_is_real(model: WhisperCTC) -> None:
    mel = torch.randn(1, 21, 6)
    torch.testing.assert_close(
        model.upper(model.lower(mel, None), None).logits, model(mel, torch.tensor([21])).logits, atol=1e-6, rtol=0
    )


@torch.no_grad()
def test_at_first_two_frames_are_averaged_and_nothing_is_conditioned(model: WhisperCTC) -> None:
    hidden = torch.randn(1, 6, 8)
    expected = (hidden[:, ::2] + hidden[:, 1::2]) / 2
    for block in model.blocks[2:]:
        expected = block(expected, None)
    torch.testing.assert_close(model.upper(hidden, None).logits, model.logits(expected))


def test_gradient_reaches_every_weight(model: WhisperCTC) -> None:
    torch.nn.init.normal_(model.condition.weight)
    output = model(torch.randn(2, 24, 6), torch.tensor([24, 15]))
    (output.logits.square().mean() + output.intermediate[0].square().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_conditioned_layers_are_above_the_lower_ones() -> None:
    with pytest.raises(ValueError, match="should be above lower_layers"):
        WhisperCTC(dataclasses.replace(CONFIG, conditioned_layers=(2,)))
