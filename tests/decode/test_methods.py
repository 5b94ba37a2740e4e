"""Every method that a model names exists and decodes; options are checked; the loop counts and ends."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

from speechnar.audio import AudioConfig
from speechnar.decode.gate import mean_entropy
from speechnar.decode.interface import DecoderInput, State, refine
from speechnar.decode.methods import DECODERS, DecodeOptions, texts_of, with_temperature
from speechnar.decode.result import DecodeError
from speechnar.infer.decode import decode_batch, decoded
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


def model_with_opinions(name: str) -> Any:
    """Return an untrained model whose CTC finds tokens and whose decoder writes letters."""
    torch.manual_seed(0)
    model = MODELS[name].build(CONFIGS[name], AUDIO).eval()
    with torch.no_grad():
        for weight in model.encoder.head.parameters():
            weight.mul_(4)
        model.decoder.out.bias[:3] = torch.tensor([-9.0, 2.0, 2.0])
    return model


@pytest.mark.parametrize(("name", "method"), [(name, method) for name in CONFIGS for method in MODELS[name].decoders])
def test_a_batch_is_decoded_as_its_utterances_are(name: str, method: str) -> None:
    model = model_with_opinions(name)
    options = DecodeOptions(method, iterations=3, beam=3, threshold=0.5)
    with torch.no_grad():
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


GATED = [("mask_ctc", "mask_ctc"), ("mask_ctc", "mask_predict"), ("aed", "speculative"), ("aed", "autoregressive")]


@pytest.mark.parametrize(("name", "method"), GATED)
def test_the_entropy_gate_spares_the_decoder_where_ctc_is_certain(name: str, method: str) -> None:
    model = model_with_opinions(name)
    with torch.no_grad():
        mel, lengths = torch.randn(5, 30, 6), torch.tensor([30, 17, 26, 8, 22])
        encoder_out = model(mel, lengths)
        entropies = []
        for log_probs, length in zip(encoder_out.log_probs, encoder_out.lengths.tolist()):
            frames = [frame for frame in log_probs[:length].exp().numpy() if frame.argmax()]
            entropies.append(np.mean([scipy.stats.entropy(frame) for frame in frames]))
        gate = float(np.median(entropies)) + 1e-6  # three of five pass
        options = DecodeOptions(method, iterations=2, threshold=1.0, ctc_weight=0.0)
        decoder = DECODERS[method](options, VOCABULARY)
        without = decoded(model, encoder_out, VOCABULARY, decoder, options)
        draft = decode_batch(model, encoder_out, VOCABULARY, DecodeOptions("greedy"))
        found = decoded(model, encoder_out, VOCABULARY, decoder, replace(options, entropy_gate=gate))
        passed = [entropy < gate for entropy in entropies]
        assert sum(passed) == 3
        for row, its in enumerate(passed):
            if its:
                assert (VOCABULARY.decode(found[row][0]), found[row][1]) == (draft[row], 0)
            else:
                assert found[row][0] == without[row][0] and found[row][1] > 0
        assert [tokens for tokens, _ in without] != [tokens for tokens, _ in found]
        model.memory = None  # cannot be called
        everything = replace(options, entropy_gate=100.0)
        assert [
            VOCABULARY.decode(tokens) for tokens, _ in decoded(model, encoder_out, VOCABULARY, decoder, everything)
        ] == draft


def test_the_entropy_is_that_of_the_frames_with_tokens() -> None:
    with np.errstate(divide="ignore"):
        frames = np.log([[0.7, 0.2, 0.1, 0.0], [0.0, 1.0, 0.0, 0.0], [0.2, 0.2, 0.4, 0.2], [0.25, 0.25, 0.25, 0.25]])
    third = scipy.stats.entropy([0.2, 0.2, 0.4, 0.2])
    assert mean_entropy(frames, 0) == pytest.approx((0 + third) / 2)  # the first and the last are blanks
    assert mean_entropy(frames[:1], 0) == mean_entropy(frames[:0], 0) == 0.0


def test_the_gate_is_measured_at_the_temperature() -> None:
    """Of two symbols of which one has 0.9, the entropy is 0.325 nats; at temperature 2 it has 0.75, and 0.562 nats."""
    model = model_with_opinions("aed")
    with torch.no_grad():
        encoder_out = model(torch.randn(1, 8, 6), None)
        log_probs = torch.tensor([[[1e-30, 0.9, 0.1, *[1e-30] * 4]]]).log()
        given = replace(encoder_out, hidden=encoder_out.hidden[:, :1], log_probs=log_probs)
        decoder = DECODERS["autoregressive"](DecodeOptions("autoregressive"), VOCABULARY)
        for temperature, gate, steps in ((1.0, 0.32, 1), (1.0, 0.33, 0), (2.0, 0.56, 1), (2.0, 0.57, 0)):
            options = DecodeOptions("autoregressive", temperature=temperature, entropy_gate=gate)
            assert min(1, decoded(model, given, VOCABULARY, decoder, options)[0][1]) == steps


def test_repeats_are_left_out_of_parallel_texts_alone() -> None:
    state = State(np.array([[1, 1, 2, 2, 1], [2, 1, 1, 1, 1], [1, 1, 1, 1, 1]]), np.array([5, 2, 0]), np.zeros((3, 5)))
    assert texts_of(state, DecodeOptions("parallel")) == [[1, 1, 2, 2, 1], [2, 1], []]
    assert texts_of(state, DecodeOptions("parallel", deduplicated=True)) == [[1, 2, 1], [2, 1], []]
    model = model_with_opinions("mask_ctc")
    with torch.no_grad():
        encoder_out = model(torch.randn(3, 30, 6), torch.tensor([30, 17, 8]))
        options = DecodeOptions("mask_predict", 1)
        texts = decode_batch(model, encoder_out, VOCABULARY, options)
        found = decode_batch(model, encoder_out, VOCABULARY, replace(options, deduplicated=True))
    assert found == [re.sub(r"(.)\1+", r"\1", text) for text in texts]
    assert found != texts


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
        ({"resizing": False}, "resizing is for the method mask_ctc, not for greedy: leave it out"),
        ({"deduplicated": True}, "repeats out is for the methods mask_predict, .* crf, not for greedy: leave it out"),
        ({"entropy_gate": 1.0}, "the method greedy has no decoder beside CTC: leave the entropy gate out"),
        ({"method": "mask_ctc", "entropy_gate": -1.0}, "entropy_gate is -1.0 but should be 0 or more"),
        ({"method": "mask_ctc", "entropy_gate": math.nan}, "entropy_gate is nan but should be 0 or more"),
        ({"length_beam": 3}, "a length beam is for the method mask_predict, not for greedy: leave it out"),
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
    for method in ("beam", "rescoring", "autoregressive_rescoring"):
        for options, wanted in ((DecodeOptions(method), [2]), (DecodeOptions(method, lm=str(lm)), [1])):
            assert DECODERS[method](options, vocabulary).first(given).sequences() == [wanted]
    with pytest.raises(DecodeError, match="for the methods beam, rescoring, autoregressive_rescoring, not for greedy"):
        DecodeOptions("greedy", lm=str(lm))
