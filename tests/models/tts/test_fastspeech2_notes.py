"""FastSpeech 2 with notes: it starts as the model of speech, F0 follows the note, and notes reach what they should."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from tiny_fastspeech2 import CONFIG, batch

from speechnar.losses.acoustic import fastspeech2_loss
from speechnar.models.tts.fastspeech2 import FastSpeech2

SUNG = dataclasses.replace(CONFIG, notes=True)


def notes() -> torch.Tensor:
    pitch = torch.tensor([[60.0, 60, 62, 62, 0], [50, 50, 50, 57, 57]])
    return torch.stack([pitch, torch.full((2, 5), 0.5), torch.zeros(2, 5)], dim=2)


def models() -> tuple[FastSpeech2, FastSpeech2]:
    torch.manual_seed(0)
    speech, sung = FastSpeech2(CONFIG).eval(), FastSpeech2(SUNG).eval()
    sung.load_state_dict(speech.state_dict(), strict=False)
    for model in (speech, sung):
        model.set_statistics(log_f0_mean=5.0, log_f0_std=0.25)
    return speech, sung


def test_with_the_weights_of_speech_it_has_the_mel_of_speech_and_f0_moves_with_the_note() -> None:
    speech, sung = models()
    spoken, song = speech(**batch()), sung(**batch(), notes=notes())
    torch.testing.assert_close(song.mel, spoken.mel)
    torch.testing.assert_close(song.log_durations, spoken.log_durations)
    frames = [[60.0] * 6 + [62] * 3 + [0] * 6, [50.0] * 6 + [57] * 9]  # durations 2 4 0 3 and 3 1 2 4 5
    hertz = 440 * 2 ** ((torch.tensor(frames) - 69) / 12)
    moved = (song.prosody.log_f0 - spoken.prosody.log_f0) * 0.25 + 5.0
    real = torch.tensor([[True] * 9 + [False] * 6, [True] * 15])
    torch.testing.assert_close(moved.exp()[real], hertz[real], rtol=1e-4, atol=0)


def test_each_property_of_a_note_is_read() -> None:
    sung = models()[1]
    torch.nn.init.normal_(sung.note.weight)
    before = sung(**batch(), notes=notes()).mel
    for number, change in enumerate((12.0, 1.0, 1.0)):
        changed = notes()
        changed[:, :, number] += change
        assert not torch.allclose(sung(**batch(), notes=changed).mel, before)


def test_padding_of_notes_has_no_effect() -> None:
    sung = models()[1]
    torch.nn.init.normal_(sung.note.weight)
    other = notes()
    other[0, 4] = torch.tensor([90.0, 3.0, 1.0])
    a, b = (sung(**batch(), notes=given).mel[0, :9] for given in (notes(), other))
    torch.testing.assert_close(a, b)


def test_gradient_reaches_every_parameter() -> None:
    sung = models()[1]
    given = batch()
    prosody = sung.normalized(given["f0"], given["energy"])
    lengths = (given["token_lengths"], given["mel_lengths"])
    terms = fastspeech2_loss(sung(**given, notes=notes()), torch.randn(2, 15, 5), prosody, given["durations"], lengths)
    torch.stack([term.value for term in terms.values()]).sum().backward()
    assert not [name for name, p in sung.named_parameters() if p.grad is None or not p.grad.any()]


def test_without_notes_it_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="note_pitch"):
        models()[1](**batch())


def test_a_note_is_read_in_octaves_and_log_seconds() -> None:
    sung = models()[1]
    with torch.no_grad():
        sung.note.weight.zero_()
        sung.note.weight[0, 0], sung.note.weight[1, 1], sung.note.weight[2, 2] = 1.0, 1.0, 1.0
    given = torch.tensor([[[66.0, 1.0, 0.0], [78.0, math.e, 1.0]]])
    tokens = torch.tensor([[1, 2]])
    bare = sung.encode(tokens, None, notes=torch.tensor([[[66.0, 1.0, 0.0]] * 2]))[0]
    added = sung.encode(tokens, None, notes=given)[0] - bare
    torch.testing.assert_close(added[0, :, :3], torch.tensor([[0.0, 0, 0], [1, 1, 1]]), atol=1e-5, rtol=0)
