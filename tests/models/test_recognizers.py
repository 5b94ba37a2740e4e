"""The three recognizers: gradients, padding, and a beam search that finds what is best."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from speechnar.audio import AudioConfig
from speechnar.config import from_dict, to_dict
from speechnar.decode.autoregressive import AutoregressiveDecoder
from speechnar.decode.draft import VerifyConfig
from speechnar.decode.interface import Decoder, refine
from speechnar.decode.speculative import SpeculativeDecoder, greedy_draft
from speechnar.infer.reader import TorchCausalReader, decoder_input
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.losses.ctc import Targets
from speechnar.losses.objectives import OBJECTIVES
from speechnar.models.asr.ctc import CTC, CTCConfig
from speechnar.models.asr.levenshtein import Levenshtein, LevenshteinConfig
from speechnar.models.asr.mask_ctc import MaskCTC, MaskCTCConfig
from speechnar.models.autoregressive.aed import AED, AEDConfig
from speechnar.models.specs import MODELS
from speechnar.nar.schedules import Schedule
from speechnar.text.symbols import Vocabulary

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=6, f_min=0.0, f_max=4000.0)
ENCODER = CTCEncoderConfig(ConformerConfig(8, 2, 2, 8, 3, 2, 4, dropout=0.0), (1,), True)
DECODER = DecoderConfig(8, 2, 2, 8, dropout=0.0)
BLANK, BOS, EOS, MASK = 0, 1, 2, 3


VOCABULARY = Vocabulary(("<blank>", "<s>", "</s>", "<mask>", "a", "b", "c"))


def mask_ctc() -> MaskCTC:
    torch.manual_seed(0)
    return MaskCTC(MaskCTCConfig(7, ENCODER, DECODER, longest_run=3), AUDIO).eval()


def aed(symbols: int = 7) -> AED:
    torch.manual_seed(0)
    return AED(AEDConfig(symbols, ENCODER, DECODER), AUDIO).eval()


def test_gradient_reaches_every_parameter() -> None:
    mel, lengths = torch.randn(2, 20, 6), torch.tensor([20, 13])
    tokens, token_lengths = torch.tensor([[4, 3, 5], [6, 3, 0]]), torch.tensor([3, 2])
    ctc = CTC(CTCConfig(7, ENCODER), AUDIO)
    models: list[nn.Module] = [ctc, mask_ctc(), aed()]
    for model in models:
        heard = model(mel, lengths)
        outputs = [heard.log_probs]
        if isinstance(model, MaskCTC):
            made = model.decode(model.memory(heard, BLANK), tokens, token_lengths)
            outputs += [made.logits, made.count_logits]
        elif isinstance(model, AED):
            outputs.append(model.decode(model.memory(heard, BLANK), tokens))
        torch.stack([(x * torch.randn_like(x)).sum() for x in outputs]).sum().backward()
        still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert still == [], type(model).__name__


def test_padding_has_no_effect_on_the_masked_decoder() -> None:
    model = mask_ctc()
    mel, lengths = torch.randn(2, 20, 6), torch.tensor([20, 13])
    tokens = torch.tensor([[4, 3, 5, 6], [6, 3, 5, 5]])
    batch = model.decode(model.memory(model(mel, lengths), BLANK), tokens, torch.tensor([4, 2]))
    alone = model.decode(model.memory(model(mel[1:, :13], None), BLANK), tokens[1:, :2], torch.tensor([2]))
    torch.testing.assert_close(batch.logits[1:, :2], alone.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(batch.count_logits[1:, :2], alone.count_logits, atol=1e-5, rtol=0)
    assert batch.count_logits.shape == (2, 4, 4)


def test_the_masked_decoder_sees_both_sides_and_the_causal_one_what_was_before() -> None:
    mel = torch.randn(1, 20, 6)
    tokens = torch.tensor([[1, 4, 5, 6, 4]])
    other = tokens.clone()
    other[0, 2] = 6
    masked, causal = mask_ctc(), aed()
    moved = [
        (a - b).abs().sum(2)[0] > 1e-6
        for a, b in (
            [
                masked.decode(masked.memory(masked(mel, None), BLANK), t, torch.tensor([5])).logits
                for t in (tokens, other)
            ],
            [causal.decode(causal.memory(causal(mel, None), BLANK), t) for t in (tokens, other)],
        )
    ]
    assert moved[0].all() and moved[1].tolist() == [False, False, True, True, True]


def decoded(decoder: Decoder, model: AED, heard: EncoderOutput) -> list[int]:
    reader = TorchCausalReader(model, heard, BLANK, BOS)
    return refine(decoder, decoder_input(heard, reader)).sequences()[0]


def best_of_all(model: AED, heard: EncoderOutput, longest: int) -> list[int]:
    """The most probable of all sequences of up to `longest` symbols, scored by the whole decoder at once."""
    found = []
    for length in range(longest + 1):
        for ids in itertools.product([n for n in range(4) if n != EOS], repeat=length):
            log_probs = model.decode(model.memory(heard, BLANK), torch.tensor([[BOS, *ids]])).log_softmax(2)[0]
            score = sum(float(log_probs[n, symbol]) for n, symbol in enumerate((*ids, EOS)))
            found.append((score, list(ids)))
    return max(found)[1]


def test_a_wide_beam_finds_the_best_of_all_sequences() -> None:
    model = aed(4)
    with torch.no_grad():
        model.decoder.out.weight.mul_(8)
        model.decoder.out.bias[EOS] = 1.0
        for seed in range(4):
            torch.manual_seed(seed)
            heard = model(torch.randn(1, 6, 6), None)  # 3 frames, so 3 symbols at most
            found = decoded(AutoregressiveDecoder(VOCABULARY, beam=200, ctc_weight=0.0), model, heard)
            assert found == best_of_all(model, heard, 3)


def test_greedy_takes_the_best_symbol_at_each_step() -> None:
    model = aed()
    with torch.no_grad():
        model.decoder.out.weight.mul_(8)
        heard = model(torch.randn(1, 40, 6), None)
        ids: list[int] = []
        while len(ids) < 20:
            symbol = int(model.decode(model.memory(heard, BLANK), torch.tensor([[BOS, *ids]]))[0, -1].argmax())
            if symbol == EOS:
                break
            ids.append(symbol)
        assert decoded(AutoregressiveDecoder(VOCABULARY, beam=1, ctc_weight=0.0), model, heard) == ids


def test_a_verified_draft_is_what_greedy_search_writes() -> None:
    model = aed()
    texts = []
    with torch.no_grad():
        model.decoder.out.weight.mul_(8)
        for seed in range(6):
            heard = model(torch.randn(1, 40, 6, generator=torch.Generator().manual_seed(seed)), None)
            config = VerifyConfig(iterations=1000, max_length_ratio=9, extra_length=99, max_extra_tokens=99)
            verified = decoded(SpeculativeDecoder(VOCABULARY, greedy_draft(VOCABULARY), 20, config), model, heard)
            greedy = decoded(AutoregressiveDecoder(VOCABULARY, beam=1, ctc_weight=0.0), model, heard)
            assert verified[:20] == greedy[:20]
            texts.append(greedy)
    assert len(set(map(tuple, texts))) > 1


def test_ctc_decides_between_whole_hypotheses() -> None:
    finished = [(-1.0, [4, 5]), (-1.5, [5]), (-9.0, [])]
    log_probs = torch.randn(1, 4, 7, generator=torch.Generator().manual_seed(0)).log_softmax(2)
    log_probs[:, :, 5] += 3.0
    log_probs = log_probs.log_softmax(2)

    def decided(weight: float) -> list[int]:
        decoder = AutoregressiveDecoder(VOCABULARY, ctc_weight=weight)
        return decoder._choose(tuple(finished), log_probs[0].numpy())[1]

    for weight in (0.0, 0.5, 1.0):
        totals = []
        for score, ids in finished:
            lengths = torch.tensor([4]), torch.tensor([len(ids)])
            cost = F.ctc_loss(log_probs[0], torch.tensor(ids, dtype=torch.long), *lengths, BLANK, reduction="sum")
            totals.append((1 - weight) * score - weight * float(cost))
        expected = finished[totals.index(max(totals))][1]
        assert decided(weight) == expected
    assert decided(0.0) != decided(1.0)


@pytest.mark.parametrize(
    ("beam", "weight", "sentence"), [(0, 0.3, "beam is 0"), (1, 1.5, "ctc_weight is 1.5 but should be from 0 to 1")]
)
def test_options_that_cannot_be_are_refused(beam: int, weight: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        AutoregressiveDecoder(VOCABULARY, beam, weight)


def test_weights_of_levenshtein_models_under_their_former_names_are_loaded() -> None:
    model = Levenshtein(LevenshteinConfig(7, ENCODER, DECODER), AUDIO)
    weights = {name.replace("heads.", ""): weight + 1 for name, weight in model.state_dict().items()}
    assert "delete_out.weight" in weights
    model.load_state_dict(weights)
    assert torch.equal(model.heads.delete_out.weight, weights["delete_out.weight"])


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", ["paraformer", "paraformer_v2", "mask_ctc", "masked_diffusion", "levenshtein"])
def test_a_parallel_decoder_learns_by_every_objective(name: str, objective: str) -> None:
    spec = MODELS[name]
    if "paraformer" not in name and objective == "axe":
        with pytest.raises(ValueError, match="the objective is 'axe' but should be one of cross_entropy, oaxe"):
            spec.config(objective=objective)
        return
    torch.manual_seed(0)
    model = spec.build(spec.config(7, ENCODER, DECODER, objective=objective), AUDIO)
    targets = Targets(torch.tensor([[4, 6, 5], [6, 4, 0]]), torch.tensor([3, 2]), VOCABULARY)
    decoder = spec.losses[1](model, model(torch.randn(2, 40, 6), torch.tensor([40, 36])), targets)["decoder"]
    assert float(decoder) > 0 and int(decoder.count) > 0
    decoder.value.backward()
    missing = [name for name, weight in model.decoder.named_parameters() if weight.grad is None]
    assert not missing


@pytest.mark.parametrize(
    ("name", "key", "value", "schedule"),
    [
        ("paraformer", "glancing_ratio", 0.3, Schedule(0.3, 0.3)),
        ("levenshtein", "random_share", 0.4, Schedule(0.4, 0.4)),
        ("masked_diffusion", "least_masked", 0.2, Schedule(0.2, 0.2)),
        ("text_ctc", "glancing", [0.5, 0.3], Schedule(0.5, 0.3)),
        ("text_ctc", "glancing", None, None),
        ("glat", "glancing", [0.4, 0.2], Schedule(0.4, 0.2)),
        ("da_transformer", "glancing", [0.5, 0.1], Schedule(0.5, 0.1)),
    ],
)
def test_configs_of_trained_models_without_schedules_are_read(
    name: str, key: str, value: Any, schedule: Schedule | None
) -> None:
    read = from_dict(MODELS[name].config, {"n_symbols": 7, key: value})
    assert getattr(read, key.removesuffix("_ratio")) == schedule
    assert from_dict(MODELS[name].config, to_dict(read)) == read


@pytest.mark.parametrize("name", ["paraformer", "levenshtein", "masked_diffusion", "mask_ctc", "glat", "cmlm"])
def test_a_share_above_1_is_refused(name: str) -> None:
    spec = MODELS[name]
    (key,) = [field.name for field in dataclasses.fields(spec.config) if "Schedule" in str(field.type)]
    with pytest.raises(ValueError, match=f"{key} is 1.5 but should be from 0 to 1"):
        spec.config(**{key: Schedule(0.5, 1.5)})


def test_diffusion_masks_something() -> None:
    with pytest.raises(ValueError, match="least_masked is 0 but should be above 0"):
        MODELS["masked_diffusion"].config(least_masked=Schedule(0.5, 0.0))
