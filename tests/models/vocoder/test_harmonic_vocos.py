"""Harmonic Vocos in small: chunks equal the whole, pitch is exact, every weight learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speechnar.audio import AudioConfig
from speechnar.models.vocoder.harmonic_vocos import ADDED, HarmonicVocos, HarmonicVocosConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=256, hop_length=80, win_length=256, n_mels=6, f_min=0.0, f_max=4000.0)
CONFIG = HarmonicVocosConfig(d_model=8, d_ff=16, kernel_size=5, n_layers=2)


@pytest.fixture
def model() -> HarmonicVocos:
    torch.manual_seed(0)
    return HarmonicVocos(CONFIG, AUDIO).eval()


def with_all_parts(model: HarmonicVocos) -> HarmonicVocos:
    """Give the parts that begin at zero weights of their own."""
    torch.manual_seed(2)
    for name in ADDED:
        torch.nn.init.normal_(model.get_parameter(name), std=0.3)
    return model


def inputs(model: HarmonicVocos, frames: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    f0 = 150 + 50 * torch.sin(torch.arange(frames) / 7)[None]
    f0[:, 11:16] = 0
    return torch.randn(1, frames, 6), f0, torch.randn(1, frames, model.n_noise), torch.tensor([0.3])


def test_shapes(model: HarmonicVocos) -> None:
    output = model(*inputs(model, 20))
    assert output.wav.shape == (1, 20 * 80) and output.phases.shape == (1, 21)
    assert output.wav.isfinite().all()
    assert model.n_noise == 2 * (3 * 80 // 2 + 1)


@torch.no_grad()
@pytest.mark.parametrize("kernel_size, overlap", [(5, 3), (5, 5), (1, 3), (3, 5)])
def test_a_chunk_with_context_equals_the_whole(kernel_size: int, overlap: int) -> None:
    torch.manual_seed(0)
    model = with_all_parts(HarmonicVocos(HarmonicVocosConfig(8, 16, kernel_size, 2, overlap), AUDIO).eval())
    mel, f0, noise, phase = inputs(model, 60)
    whole = model(mel, f0, noise, phase)
    for first, last in ((0, 20), (20, 40), (40, 60)):
        start, end = max(0, first - model.context), min(60, last + model.context)
        chunk = model(mel[:, start:end], f0[:, start:end], noise[:, start:end], whole.phases[:, start])
        made = chunk.wav[:, (first - start) * 80 : (last - start) * 80]
        wanted = whole.wav[:, first * 80 : last * 80]
        decibels = 10 * torch.log10((made - wanted).square().sum() / wanted.square().sum())
        assert decibels < -60


@torch.no_grad()
def test_the_network_sees_the_phase_of_its_source(model: HarmonicVocos) -> None:
    mel, f0, noise, phase = inputs(model, 20)
    hidden: list[torch.Tensor] = []
    model.backbone.register_forward_hook(lambda module, given, output: hidden.append(output))
    for _ in range(2):
        for start in (phase, phase + 0.5):
            model(mel, f0, noise, start)
        with_all_parts(model)
    blind, other_blind, seeing, other_seeing = hidden
    assert torch.equal(blind, other_blind)
    voiced = (f0 > 0)[0]
    assert ((seeing - other_seeing).abs().amax(2)[0] > 1e-3)[voiced].all()


@torch.no_grad()
def test_a_state_without_the_added_parts_is_read_with_zeros(model: HarmonicVocos) -> None:
    given = inputs(model, 20)
    wanted = model(*given).wav
    old = {name: tensor for name, tensor in model.state_dict().items() if name not in ADDED}
    other = with_all_parts(HarmonicVocos(CONFIG, AUDIO).eval())
    other.load_state_dict(old)
    torch.testing.assert_close(other(*given).wav, wanted)
    del old["head.weight"]
    with pytest.raises(RuntimeError, match="head.weight"):
        other.load_state_dict(old)


@torch.no_grad()
def test_a_steady_f0_is_heard_at_its_multiples_alone(model: HarmonicVocos) -> None:
    frames = 100
    f0, zero = torch.full((1, frames), 200.0), torch.zeros(1, frames, model.n_noise)
    wav = model(torch.zeros(1, frames, 6), f0, zero, torch.zeros(1)).wav[0].numpy()[1600:-1600]  # 120 periods of 40
    power = np.abs(np.fft.rfft(wav * np.hanning(len(wav)))) ** 2
    hertz = np.fft.rfftfreq(len(wav), 1 / 8000)
    near = np.abs(hertz / 200 - np.rint(hertz / 200)) * 200 < 10
    harmonic = near & (hertz > 100)
    assert power[harmonic].sum() / power.sum() > 0.99
    for k in range(1, 19):
        here = power[np.abs(hertz - 200 * k) < 10].sum()
        assert here > 100 * power[np.abs(hertz - 200 * k - 100) < 10].sum()


@torch.no_grad()
def test_unvoiced_frames_are_noise_alone(model: HarmonicVocos) -> None:
    mel, f0, noise, phase = inputs(model, 20)
    assert not model(mel, 0 * f0, 0 * noise, phase).wav.any()
    assert model(mel, 0 * f0, noise, phase).wav.any()


def test_gradient_reaches_every_parameter(model: HarmonicVocos) -> None:
    model(*inputs(model, 20)).wav.square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_one_batch_is_learned(model: HarmonicVocos) -> None:
    given = inputs(model, 20)
    with torch.no_grad():
        wanted = 3 * model(*given).wav.roll(5, dims=1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(50):
        loss = (model(*given).wav - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
