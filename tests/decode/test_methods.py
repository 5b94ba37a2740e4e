"""Every method that a model names exists and decodes; options are checked; the loop counts and ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from speechnar.audio import AudioConfig
from speechnar.decode.interface import DecoderInput, State, refine
from speechnar.decode.methods import DECODERS, DecodeOptions, with_temperature
from speechnar.decode.result import DecodeError
from speechnar.infer.decode import decode_batch
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.asr.mask_ctc import MaskCTCConfig
from speechnar.models.autoregressive.aed import AEDConfig
from speechnar.models.specs import MODELS
from speechnar.text.symbols import Vocabulary

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=6, f_min=0.0, f_max=4000.0)
VOCABULARY = Vocabulary(("<blank>", "a", "b", "<mask>", "<pad>", "<s>", "</s>"))
ENCODER = CTCEncoderConfig(ConformerConfig(8, 2, 1, 8, 3, 2, 4, dropout=0.0))
DECODER = DecoderConfig(8, 2, 1, 8, dropout=0.0)
CONFIGS = {"mask_ctc": MaskCTCConfig(7, ENCODER, DECODER), "aed": AEDConfig(7, ENCODER, DECODER)}


def test_models_name_methods_that_exist() -> None:
    specs = [spec for spec in MODELS.values() if spec.task in ("recognizer", "text2text")]
    named = {method for spec in specs for method in spec.decoders}
    assert named == set(DECODERS)


@pytest.mark.parametrize(("name", "method"), [(name, method) for name in CONFIGS for method in MODELS[name].decoders])
def test_a_batch_is_decoded_as_its_utterances_are(name: str, method: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name].build(CONFIGS[name], AUDIO).eval()
    options = DecodeOptions(method, iterations=3, beam=3, threshold=0.5)
    with torch.no_grad():
        for weight in model.encoder.head.parameters():
            weight.mul_(4)  # so that CTC finds tokens
        model.decoder.out.bias[:3] = torch.tensor([-9.0, 2.0, 2.0])  # so that the decoder writes letters
        mel, lengths = torch.randn(3, 30, 6), torch.tensor([30, 17, 8])
        batch = decode_batch(model, model(mel, lengths), VOCABULARY, options)
        alone = [
            decode_batch(model, model(mel[n : n + 1, :length], None), VOCABULARY, options)[0]
            for n, length in enumerate(lengths.tolist())
        ]
    assert batch == alone
    assert any(batch) or method == "autoregressive"  # which may end at once here


def test_a_length_beam_takes_the_best_of_all_near_lengths() -> None:
    torch.manual_seed(0)
    model = MODELS["mask_ctc"].build(CONFIGS["mask_ctc"], AUDIO).eval()
    differs = 0
    with torch.no_grad():
        for weight in (*model.encoder.head.parameters(), model.decoder.out.weight):
            weight.mul_(4)
        mel, lengths = torch.randn(4, 30, 6), torch.tensor([30, 26, 17, 8])
        encoder_out = model(mel, lengths)
        found = decode_batch(model, encoder_out, VOCABULARY, DecodeOptions("mask_predict", 1, length_beam=5))
        without = decode_batch(model, encoder_out, VOCABULARY, DecodeOptions("mask_predict", 1))
        for row, length in enumerate(lengths.tolist()):
            alone = model(mel[row : row + 1, :length], None)
            path = alone.log_probs[0].argmax(1).unique_consecutive()
            size = len(path[path != 0])
            best = (-np.inf, without[row])
            for near in (size, size + 1, size - 1, size + 2, size - 2):
                if 1 <= near <= alone.log_probs.shape[1] and size:
                    masks = torch.full((1, near), VOCABULARY.mask_id)
                    logits = model.decode(model.memory(alone, 0), masks, torch.tensor([near])).logits[0]
                    scores, tokens = logits.log_softmax(1)[:, 1:3].max(1)
                    best = max(best, (float(scores.mean()), VOCABULARY.decode((tokens + 1).tolist())))
            assert found[row] == best[1]
            differs += found[row] != without[row]
    assert differs


class Countdown:
    """A decoder whose one token falls by 1 in each step, to 0."""

    batched = True

    def __init__(self, iterations: int | None) -> None:
        self.iterations = iterations

    def first(self, encoder_out: DecoderInput) -> State:
        return State(np.array([[4]]), np.array([1]), np.zeros((1, 1)))

    def step(self, state: State) -> State:
        return replace(state, tokens=state.tokens - 1, done=bool(state.tokens[0, 0] == 1))


@pytest.mark.parametrize(("iterations", "left", "steps"), [(0, 4, 0), (2, 2, 2), (9, 0, 4), (None, 0, 4)])
def test_the_loop_ends_when_nothing_changes_or_after_so_many_steps(
    iterations: int | None, left: int, steps: int
) -> None:
    given = DecoderInput(np.zeros((1, 0, 0)), np.array([0]))
    state = refine(Countdown(iterations), given, keep_history=True)
    assert (state.sequences(), state.step) == ([[left]], steps)
    assert [tokens[0, 0] for tokens in state.history] == list(range(4, left, -1))
    assert refine(Countdown(iterations), given).history == ()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_flattens_as_a_softmax_does(temperature: float) -> None:
    log_probs = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0)).log_softmax(2)
    made = with_temperature(DecoderInput(log_probs.numpy(), np.array([5, 5])), temperature)
    np.testing.assert_allclose(made.log_probs, (log_probs / temperature).log_softmax(2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "magic"}, "'magic' but should be one of greedy, beam"),
        ({"iterations": 0}, "iterations is 0 but should be 1 or more"),
        ({"beam": 0}, "beam is 0 but should be 1 or more"),
        ({"threshold": 1.5}, "threshold is 1.5 but should be from 0 to 1"),
        ({"temperature": 0.0}, "temperature is 0.0 but should be above 0"),
        ({"length_beam": 0}, "length_beam is 0 but should be 1 or more"),
        ({"length_beam": 3}, "a length beam is of the method mask_predict, not of greedy: leave it out"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, sentence: str) -> None:
    with pytest.raises(DecodeError, match=sentence):
        DecodeOptions(**options)


def test_a_language_model_decides_between_words_that_sound_alike(tmp_path: Path) -> None:
    lm = tmp_path / "two.arpa"
    lm.write_text("\\data\\\nngram 1=4\n\n\\1-grams:\n-1 <unk>\n-1 <s>\n-0.1 a\n-2 b\n-1 </s>\n\\end\\\n")
    vocabulary = Vocabulary(("<blank>", "a", "b", " "))
    heard = np.log(np.array([[[0.02, 0.44, 0.53, 0.01]]], np.float32))  # b is a little more probable
    given = DecoderInput(heard, np.array([1]), None, None)
    for options, wanted in ((DecodeOptions("beam"), [2]), (DecodeOptions("beam", lm=str(lm)), [1])):
        state = DECODERS[options.method](options, vocabulary).first(given)
        assert state.sequences() == [wanted]
    with pytest.raises(DecodeError, match="for the method beam, not for greedy"):
        DecodeOptions("greedy", lm=str(lm))
