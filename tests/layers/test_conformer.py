"""The Conformer, its features and its CTC head: padding changes nothing, every weight learns, and switches switch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speechnar.audio import AudioConfig, log_mel
from speechnar.layers.conformer import ConformerConfig, RotaryAttention, rotary_turns, rotated
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig
from speechnar.layers.log_mel import LogMel

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=10, f_min=0.0, f_max=4000.0)


def encoder(subsampling: int = 4, layers: tuple[int, ...] = (1, 2), conditioned: bool = True) -> CTCEncoder:
    torch.manual_seed(0)
    conformer = ConformerConfig(8, 2, 3, 16, 5, subsampling, 4, dropout=0.0)
    made = CTCEncoder(CTCEncoderConfig(conformer, layers, conditioned), AUDIO, 7).eval()
    made.mel_mean.fill_(-3.0)
    made.mel_std.fill_(2.0)
    return made


@pytest.mark.parametrize("subsampling", [2, 4, 8])
def test_padding_has_no_effect(subsampling: int) -> None:
    model = encoder(subsampling)
    wav = torch.randn(3, 3210)
    lengths = torch.tensor([3210, 1999, 640])
    for row, length in enumerate(lengths):
        wav[row, length:] = 5.0
    mel, mel_lengths = model.features(wav, lengths)
    assert mel_lengths is not None
    for row, length in enumerate(mel_lengths):
        mel[row, length:] = 100.0
    batch = model(mel, mel_lengths)
    for row, length in enumerate(lengths):
        alone = model(*model.features(wav[row : row + 1, :length], None))
        frames = -(-(int(length) // 80) // subsampling)
        assert alone.log_probs.shape == (1, frames, 7) and int(batch.lengths[row]) == frames
        made = [(x.log_probs, x.hidden, *x.intermediate) for x in (alone, batch)]
        for one, many in zip(*made):
            torch.testing.assert_close(many[row : row + 1, :frames], one, atol=1e-5, rtol=0)


def test_gradient_reaches_every_parameter() -> None:
    model = encoder()
    output = model(torch.randn(2, 30, 10), torch.tensor([30, 21]))
    (output.log_probs * torch.randn_like(output.log_probs)).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_intermediate_layers_speak_and_are_heard_only_if_conditioned() -> None:
    mel = torch.randn(1, 20, 10)
    plain, inter, conditioned = encoder(layers=(), conditioned=False), encoder(conditioned=False), encoder()
    conditioned.load_state_dict(inter.state_dict(), strict=False)
    plain.load_state_dict(inter.state_dict())
    assert [len(m(mel, None).intermediate) for m in (plain, inter, conditioned)] == [0, 2, 2]
    torch.testing.assert_close(plain(mel, None).log_probs, inter(mel, None).log_probs)
    torch.testing.assert_close(inter(mel, None).intermediate[0], conditioned(mel, None).intermediate[0])
    assert not torch.allclose(inter(mel, None).log_probs, conditioned(mel, None).log_probs, atol=1e-3)
    # what goes on is exactly the block's output and the distribution that was given back
    got: list[torch.Tensor] = []
    conditioned.conformer.blocks[1].register_forward_pre_hook(lambda _, given: got.append(given[0]))
    inter.conformer.blocks[1].register_forward_pre_hook(lambda _, given: got.append(given[0]))
    probabilities = conditioned(mel, None).intermediate[0].exp()
    inter(mel, None)
    torch.testing.assert_close(got[0] - got[1], conditioned.head.condition(probabilities), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("layers", "conditioned", "sentence"),
    [((3,), False, "intermediate_layers has 3 but should be from 1 to 2"), ((), True, "needs intermediate_layers")],
)
def test_layers_that_cannot_be_are_refused(layers: tuple[int, ...], conditioned: bool, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        encoder(layers=layers, conditioned=conditioned)


def test_rotation_sees_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 6).double()
    turns = rotary_turns(torch.zeros(1, 12, 1), 6).double()
    products = [
        (rotated(query, turns[:, i : i + 1]) * rotated(key, turns[:, j : j + 1])).sum() for i, j in ((3, 5), (9, 11))
    ]
    torch.testing.assert_close(*products, atol=1e-5, rtol=0)
    other = (rotated(query, turns[:, 3:4]) * rotated(key, turns[:, 8:9])).sum()
    assert abs(float(other - products[0])) > 1e-3


def test_attention_knows_order() -> None:
    torch.manual_seed(0)
    layer, x = RotaryAttention(8, 2), torch.randn(1, 6, 8)
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    turns = rotary_turns(x, 4)
    assert not torch.allclose(layer(x, turns, None)[:, order], layer(x[:, order], turns, None), atol=1e-3)


def test_log_mel_is_that_of_the_package_but_at_the_ends() -> None:
    wav = 0.1 * torch.randn(2, 8050)
    mel, lengths = LogMel(AUDIO)(wav, torch.tensor([8050, 8000]))
    assert mel.shape == (2, 100, 10) and lengths is not None and lengths.tolist() == [100, 100]
    for row in range(2):
        np.testing.assert_allclose(mel[row, 1:-1], log_mel(wav[row].numpy(), AUDIO)[1:-1], atol=1e-3)


def test_frames_that_are_no_odd_number_of_hops_are_refused() -> None:
    with pytest.raises(ValueError, match="n_fft 256 and win_length 240 should both be an odd number of hops of 80"):
        LogMel(AudioConfig(8000, 256, 80, 240, 10))
