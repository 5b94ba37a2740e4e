"""FastSpeech 2 in small: padding, gradients, learning, and which control reaches what."""

from __future__ import annotations

import pytest
import torch
from tiny_fastspeech2 import CONFIG, batch
from torch import Tensor

from speechnar.losses.acoustic import fastspeech2_loss
from speechnar.models.tts.fastspeech2 import FastSpeech2, Prosody

PROSODY_REACH = 2 * 2  # layers times half a kernel of 2 * 3 - 1
DECODER_REACH = 1 + 2 * 1  # the prosody's embedding, then the layers


@pytest.fixture
def model() -> FastSpeech2:
    torch.manual_seed(0)
    model = FastSpeech2(CONFIG).eval()
    model.set_statistics(mel_mean=[-4.0, -3, -2, -1, 0], mel_std=[2.0] * 5, log_f0_mean=5.0, log_f0_std=0.25)
    return model


def test_shapes(model: FastSpeech2) -> None:
    output = model(**batch())
    assert output.mel.shape == (2, 15, 5) and output.log_durations.shape == (2, 5)
    assert {v.shape for v in vars(output.prosody).values()} == {(2, 15)}


def test_padding_has_no_effect(model: FastSpeech2) -> None:
    given = batch()
    together = model(**given)
    given["tokens"][0, 4:], given["f0"][0, 9:], given["energy"][0, 9:] = 6, 300.0, 50.0
    for output in (together, model(**given)):
        for row, (n_tokens, n_frames) in enumerate([(4, 9), (5, 15)]):
            cut = {name: t[row : row + 1] for name, t in batch().items()}
            cut = {n: t[:, :n_tokens] if n in ("tokens", "durations") else t for n, t in cut.items()}
            cut = {n: t[:, :n_frames] if n in ("f0", "energy") else t for n, t in cut.items()}
            alone = model(**cut)
            close = {"atol": 1e-5, "rtol": 0}
            torch.testing.assert_close(output.mel[row, :n_frames], alone.mel[0], **close)
            torch.testing.assert_close(output.log_durations[row, :n_tokens], alone.log_durations[0], **close)
            for name, values in vars(alone.prosody).items():
                torch.testing.assert_close(getattr(output.prosody, name)[row, :n_frames], values[0], **close)


def loss_of(model: FastSpeech2, given: dict[str, Tensor], mel: Tensor) -> Tensor:
    prosody = model.normalized(given["f0"], given["energy"])
    lengths = (given["token_lengths"], given["mel_lengths"])
    terms = fastspeech2_loss(model(**given), mel, prosody, given["durations"], lengths)
    return torch.stack([term.value for term in terms.values()]).sum()


def test_gradient_reaches_every_parameter(model: FastSpeech2) -> None:
    loss_of(model, batch(), torch.randn(2, 15, 5)).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_one_batch_is_learned(model: FastSpeech2) -> None:
    given, mel = batch(), torch.randn(2, 15, 5, generator=torch.Generator().manual_seed(2)) * 2 - 2
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = loss_of(model, given, mel)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


def test_recorded_prosody_is_normalized_where_voiced(model: FastSpeech2) -> None:
    model.set_statistics(energy_mean=-1.0, energy_std=2.0)
    f0 = torch.tensor([[0.0, 5.25]]).exp() * torch.tensor([0.0, 1.0])
    prosody = model.normalized(f0, torch.tensor([[3.0, -5.0]]))
    assert prosody.log_f0[0].tolist() == pytest.approx([0.0, 1.0], abs=1e-5)
    assert prosody.voiced[0].tolist() == [0, 1]
    assert prosody.energy[0].tolist() == [2, -2]


def test_a_token_made_longer_moves_f0_elsewhere_in_time_alone(model: FastSpeech2) -> None:
    hidden, _ = model.encode(torch.tensor([[1, 3, 4, 5, 2]]), None)
    durations = torch.tensor([[6, 6, 6, 6, 6]])
    longer = durations + torch.tensor([[0, 0, 3, 0, 0]])
    before = model.predict_prosody(model.frames(hidden, durations, 30), None)
    after = model.predict_prosody(model.frames(hidden, longer, 33), None)
    start, end = 12 - PROSODY_REACH, 18 + PROSODY_REACH
    for name, values in vars(before).items():
        changed = getattr(after, name)
        torch.testing.assert_close(changed[:, :start], values[:, :start], atol=1e-5, rtol=0)
        torch.testing.assert_close(changed[:, end + 3 :], values[:, end:], atol=1e-5, rtol=0)
    assert not torch.allclose(after.log_f0[:, 12:18], before.log_f0[:, 12:18])


@pytest.mark.parametrize("control", ["log_f0", "voiced", "energy"])
def test_prosody_of_a_frame_changes_the_mel_around_it_alone(model: FastSpeech2, control: str) -> None:
    torch.manual_seed(3)
    frames, prosody = torch.randn(1, 21, 16), Prosody(torch.randn(1, 21), torch.ones(1, 21), torch.randn(1, 21))
    before = model.decode(frames, prosody, None)
    values = getattr(prosody, control)
    values[0, 10] = values[0, 10] + 1 if control != "voiced" else 0
    moved = (model.decode(frames, prosody, None) - before).abs().amax(2)[0] > 1e-6
    assert moved[10]
    assert not moved[: 10 - DECODER_REACH].any() and not moved[11 + DECODER_REACH :].any()


def test_f0_of_unvoiced_frames_is_not_heard(model: FastSpeech2) -> None:
    torch.manual_seed(3)
    frames, zero = torch.randn(1, 9, 16), torch.zeros(1, 9)
    quiet = model.decode(frames, Prosody(zero, zero, zero), None)
    assert torch.equal(model.decode(frames, Prosody(zero + 7, zero, zero), None), quiet)
