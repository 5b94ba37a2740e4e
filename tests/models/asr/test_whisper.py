"""Whisper around a draft: its features against librosa, padding, gradients, and a decoder that goes on from a text."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest
import torch

from speechnar.config import ConfigError
from speechnar.models.asr.whisper import PROMPT, Whisper, WhisperConfig, WhisperFeatures

CONFIG = WhisperConfig(
    n_symbols=7, n_tokens=11, n_mels=6, d_model=16, d_ff=16, n_heads=4, n_layers=2, decoder_layers=2, max_frames=40,
    max_tokens=12, d_draft=8, draft_layers=2, dropout=0.0,
)  # fmt: skip


@pytest.fixture(params=[0, 1], ids=["states of 20 ms", "states of 40 ms"])
def model(request: pytest.FixtureRequest) -> Whisper:
    torch.manual_seed(0)
    model = Whisper(dataclasses.replace(CONFIG, halved_layers=request.param)).eval()
    draft, decoder = model.draft, model.decoder
    for weight in (draft.head.out.weight, draft.head.condition.weight, decoder.prompt, decoder.positions):
        torch.nn.init.normal_(weight, std=0.1)
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
def test_positions_are_sines_then_cosines_from_one_radian_a_frame_to_a_ten_thousandth(model: Whisper) -> None:
    for layer in (*model.encoder.conv1.parameters(), *model.encoder.conv2.parameters()):
        layer.zero_()
    seen = []
    model.encoder.blocks[0].register_forward_hook(lambda block, given, made: seen.append(given[0]))
    model.encoder(torch.zeros(1, 10, 6), None)
    rates = 10000 ** (-np.arange(8) / 7)
    angles = np.arange(5)[:, None] * rates
    np.testing.assert_allclose(seen[0][0].numpy(), np.hstack([np.sin(angles), np.cos(angles)]), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("lengths", [(24, 13), (24, 6), (24, 1), (23, 24)])
def test_a_batch_gives_what_each_utterance_gives_alone(model: Whisper, lengths: tuple[int, int]) -> None:
    mel, tokens = torch.randn(2, 24, 6), torch.randint(11, (2, 5))
    mel_lengths = torch.tensor(lengths)
    states = model.encoder(mel, mel_lengths)
    state_lengths = model.encoder.state_lengths(mel_lengths)
    drafts = model.draft(states, state_lengths)
    logits = model.decoder(tokens, model.decoder.memory(states), state_lengths)
    for row, length in enumerate(lengths):
        its = model.encoder(mel[row : row + 1, :length], None)
        alone = model.draft(its, None)
        frames = int(alone.lengths)
        assert frames == int(drafts.lengths[row]) == (length + 3) // 4
        torch.testing.assert_close(drafts.logits[row, :frames], alone.logits[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(drafts.intermediate[0][row, :frames], alone.intermediate[0][0], atol=1e-5, rtol=0)
        said = model.decoder(tokens[row : row + 1], model.decoder.memory(its), None)
        torch.testing.assert_close(logits[row], said[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_what_the_decoder_says_of_a_place_depends_on_nothing_after_it(model: Whisper) -> None:
    memory = model.decoder.memory(torch.randn(1, 9, 16))
    tokens = torch.randint(11, (1, 8))
    whole = model.decoder(tokens, memory, None)
    assert whole.shape == (1, 9, 11)
    for length in range(9):
        torch.testing.assert_close(model.decoder(tokens[:, :length], memory, None), whole[:, : length + 1])


@torch.no_grad()
def test_the_decoder_goes_on_from_a_past_as_from_the_text_itself(model: Whisper) -> None:
    decoder = model.decoder
    memory = decoder.memory(torch.randn(1, 9, 16))
    text, rows = torch.randint(11, (1, 3)), torch.randint(11, (4, 5))
    prompt = torch.cat([decoder.prompt[None], decoder.embedding(text)], dim=1)
    _, past = decoder.hidden(prompt, memory.unbind(1), None)
    assert past.shape == (4, 1, 4, PROMPT + 3, 4)
    hidden, present = decoder.hidden(decoder.embedding(rows), memory.unbind(1), None, past)
    assert present.shape == (4, 4, 4, 5, 4)
    for row in range(4):
        whole = decoder(torch.cat([text, rows[row : row + 1]], dim=1), memory, None)
        torch.testing.assert_close(hidden[row] @ decoder.embedding.weight.T, whole[0, 4:], atol=1e-5, rtol=0)


def test_gradient_reaches_every_weight(model: Whisper) -> None:
    mel_lengths = torch.tensor([24, 15])
    states = model.encoder(torch.randn(2, 24, 6), mel_lengths)
    state_lengths = model.encoder.state_lengths(mel_lengths)
    drafts = model.draft(states, state_lengths)
    logits = model.decoder(torch.arange(11).expand(2, -1), model.decoder.memory(states), state_lengths)
    (drafts.logits.square().mean() + drafts.intermediate[0].square().mean() + logits.square().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@torch.no_grad()
def test_the_upper_layers_run_on_averages_of_pairs_to_begin_with() -> None:
    torch.manual_seed(0)
    plain, merged = Whisper(CONFIG).eval(), Whisper(dataclasses.replace(CONFIG, halved_layers=1)).eval()
    merged.encoder.load_state_dict(plain.encoder.state_dict(), strict=False)
    seen = []
    plain.encoder.blocks[0].register_forward_hook(lambda block, given, made: seen.append(made))
    merged.encoder.blocks[1].register_forward_pre_hook(lambda block, given: seen.append(given[0]))
    mel = torch.randn(1, 20, 6)
    assert plain.encoder(mel, None).shape[1] == 10
    assert merged.encoder(mel, None).shape[1] == 5
    torch.testing.assert_close(seen[1], (seen[0][:, ::2] + seen[0][:, 1::2]) / 2, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_decoder_hears_means_of_states() -> None:
    torch.manual_seed(0)
    plain, model = (
        Whisper(CONFIG).eval().decoder,
        Whisper(dataclasses.replace(CONFIG, averaged_states=2)).eval().decoder,
    )
    model.load_state_dict(plain.state_dict())
    states, tokens = torch.randn(2, 13, 16), torch.randint(11, (2, 5))
    means = (states[:, 0:12:2] + states[:, 1:12:2]) / 2
    memory = model.memory(states)
    torch.testing.assert_close(memory, plain.memory(means))
    expected = plain(tokens[1:], plain.memory(means[1:, :3]), None)
    torch.testing.assert_close(model(tokens, memory, torch.tensor([13, 7]))[1:], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sizes", [{"averaged_states": 0}, {"averaged_states": 2, "halved_layers": 1}])
def test_states_are_averaged_in_pairs_and_once(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="averaged_states is"):
        dataclasses.replace(CONFIG, **sizes)


@pytest.mark.parametrize("layers", [-1, 3])
def test_no_more_layers_are_halved_than_there_are(layers: int) -> None:
    with pytest.raises(ConfigError, match="halved_layers is"):
        dataclasses.replace(CONFIG, halved_layers=layers)
