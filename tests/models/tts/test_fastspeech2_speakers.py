"""FastSpeech 2 of several speakers: whose voice it is, and nobody else's."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from tiny_fastspeech2 import CONFIG, batch
from torch import Tensor

from speechnar.models.tts.fastspeech2 import FastSpeech2, adapted_weights

NAMES = ("ann", "bob", "eve")
MEANS, DEVIATIONS = [5.3, 4.7, 5.5], [0.2, 0.1, 0.4]


@pytest.fixture
def model() -> FastSpeech2:
    torch.manual_seed(0)
    model = FastSpeech2(dataclasses.replace(CONFIG, speakers=NAMES)).eval()
    model.set_statistics(mel_std=[2.0] * 5, log_f0_mean=MEANS, log_f0_std=DEVIATIONS)
    model.set_statistics(common_log_f0_mean=5.2, common_log_f0_std=0.35)
    assert model.speaker is not None
    torch.nn.init.normal_(model.speaker.weight)
    return model


def outputs(model: FastSpeech2, speakers: list, given: dict[str, Tensor]) -> list[Tensor]:
    output = model(**given, speakers=torch.tensor(speakers))
    return [output.mel, output.log_durations, *vars(output.prosody).values()]


def test_a_speaker_is_heard_in_its_own_rows_alone(model: FastSpeech2) -> None:
    before, after = outputs(model, [0, 1], batch()), outputs(model, [0, 2], batch())
    for first, second in zip(before, after):
        assert torch.equal(first[0], second[0])
        assert not torch.allclose(first[1], second[1], atol=1e-3)


def test_padding_has_no_effect(model: FastSpeech2) -> None:
    given = batch()
    together = outputs(model, [2, 1], given)
    cut = {name: tensor[:1] for name, tensor in given.items()}
    cut = {name: t[:, : {"tokens": 4, "durations": 4}.get(name, 9)] if t.dim() > 1 else t for name, t in cut.items()}
    for padded, alone in zip(together, outputs(model, [2], cut)):
        torch.testing.assert_close(padded[:1, : alone.shape[1]], alone, atol=1e-5, rtol=0)


def test_f0_is_normalized_by_its_speaker(model: FastSpeech2) -> None:
    f0 = torch.tensor([[math.exp(5.3), 0.0], [math.exp(4.9), math.exp(4.7)]])
    prosody = model.normalized(f0, torch.zeros(2, 2), torch.tensor([0, 1]))
    torch.testing.assert_close(prosody.log_f0, torch.tensor([[0.0, 0.0], [2.0, 0.0]]), atol=1e-4, rtol=0)


def test_speakers_start_as_one(model: FastSpeech2) -> None:
    one = FastSpeech2(CONFIG).eval()
    many = FastSpeech2(dataclasses.replace(CONFIG, speakers=NAMES)).eval()
    weights = {name: t for name, t in one.state_dict().items() if not name.startswith("log_f0")}
    assert set(many.load_state_dict(weights, strict=False).missing_keys) == {
        "speaker.weight", "log_f0_mean", "log_f0_std", "common_log_f0_mean", "common_log_f0_std"
    }  # fmt: skip
    for first, second in zip(outputs(one, [0, 0], batch()), outputs(many, [1, 2], batch())):
        assert torch.equal(first, second)


def test_the_decoder_reads_the_same_hz_alike_whoever_speaks(model: FastSpeech2) -> None:
    generator = torch.Generator().manual_seed(1)
    f0 = (80 + 200 * torch.rand(1, 9, generator=generator)) * (torch.arange(9) % 4 > 0)
    energy, frames = torch.randn(1, 9, generator=generator), torch.randn(1, 9, CONFIG.d_model, generator=generator)
    given = f0.expand(3, 9), energy.expand(3, 9), torch.arange(3)
    prosody = model.normalized(*given)
    mels = model.decode(frames.expand(3, -1, -1), prosody, None, given[2])
    read = torch.stack([torch.where(f0 > 0, (f0.clamp(min=1).log() - 5.2) / 0.35, 0), f0 > 0, energy], 2)
    by_hand = model.mel_out(model.decoder(frames + model.prosody_embedding(read, None), None)) * 2  # mel_std
    torch.testing.assert_close(mels, by_hand.expand(3, -1, -1), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(prosody.log_f0[0], prosody.log_f0[1], atol=0.1)


def test_every_speaker_of_a_batch_is_trained_and_no_other(model: FastSpeech2) -> None:
    torch.stack([values.square().mean() for values in outputs(model, [0, 2], batch())]).sum().backward()
    assert model.speaker is not None and model.speaker.weight.grad is not None
    assert model.speaker.weight.grad.any(dim=1).tolist() == [True, False, True]


def test_without_a_speaker_it_does_not_guess(model: FastSpeech2) -> None:
    with pytest.raises(ValueError, match="a model of 3 speakers should be given `speakers`"):
        model(**batch())


def test_weights_of_a_blend_stand_for_indices(model: FastSpeech2) -> None:
    by_index, by_weight = outputs(model, [2, 1], batch()), outputs(model, [[0.0, 0, 1], [0, 1, 0]], batch())
    for first, second in zip(by_index, by_weight):
        torch.testing.assert_close(first, second)


def test_a_model_of_one_starts_as_the_mean_of_the_speakers(model: FastSpeech2) -> None:
    one = FastSpeech2(CONFIG).eval()
    statistics = frozenset(name for name, _ in one.named_buffers())
    weights, remarks = adapted_weights(one, model, statistics)
    assert remarks == ["the mean of the speakers ann, bob, eve"]
    one.load_state_dict(
        {n: t for n, t in weights.items() if n in one.state_dict() and n not in statistics}, strict=False
    )
    tokens = batch()["tokens"]
    mean = torch.full((2, 3), 1 / 3)
    for ours, theirs in zip(one.encode(tokens, None), model.encode(tokens, None, mean)):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
