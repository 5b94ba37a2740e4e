"""N-best rescoring by the decoders of Mask-CTC and of its twin, compared with a search over all possible texts."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from speechnar.audio import AudioConfig
from speechnar.decode.greedy import best_path
from speechnar.decode.interface import Verdict
from speechnar.decode.methods import DecodeOptions
from speechnar.decode.rescoring import likelihood
from speechnar.decode.result import DecodeError
from speechnar.infer.decode import decode_batch
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.cross_attention import positions_in, token_positions
from speechnar.layers.ctc_encoder import CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.asr.mask_ctc import MaskCTC, MaskCTCConfig
from speechnar.models.autoregressive.aed import AED, AEDConfig
from speechnar.text.symbols import BLANK, BOS, EOS, MASK, PAD, SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=6, f_min=0.0, f_max=4000.0)
SYMBOLS = SymbolTable((BLANK, "a", "b", "c", MASK, PAD, BOS, EOS))
SPOKEN = 4  # the blank and three letters
ENCODER = CTCEncoderConfig(ConformerConfig(8, 2, 2, 8, 3, 2, 4, dropout=0.0))
DECODER = DecoderConfig(8, 2, 2, 8, dropout=0.0)


def recognizer() -> MaskCTC:
    torch.manual_seed(0)
    model = MaskCTC(MaskCTCConfig(len(SYMBOLS), ENCODER, DECODER), AUDIO).eval()
    with torch.no_grad():
        model.decoder.out.weight.mul_(8)  # opinions that matter
    return model


def twin(group: int = 1) -> AED:
    torch.manual_seed(0)
    model = AED(AEDConfig(len(SYMBOLS), ENCODER, DECODER, group), AUDIO).eval()
    with torch.no_grad():
        model.decoder.out.weight.mul_(3)
        model.decoder.out.bias[[1, 2, 3, SYMBOLS.eos_id]] += 3  # what is written
    return model


def random_encoder_out(model: MaskCTC | AED, seed: int) -> EncoderOutput:
    torch.manual_seed(seed)
    encoder_out = model(torch.randn(1, 6, 6), None)
    log_probs = torch.full((1, 3, len(SYMBOLS)), -30.0)
    log_probs[:, :, :SPOKEN] = 2 * torch.randn(1, 3, SPOKEN)
    return EncoderOutput(encoder_out.hidden, None, log_probs.log_softmax(2), ())


def all_texts(encoder_out: EncoderOutput) -> dict[tuple[int, ...], float]:
    """Return every text of up to 3 letters with its log-probability by CTC."""
    found = {}
    for length in range(4):
        for ids in itertools.product(range(1, SPOKEN), repeat=length):
            lengths = torch.tensor([3]), torch.tensor([length])
            ctc = -F.ctc_loss(encoder_out.log_probs[0], torch.tensor(ids, dtype=torch.long), *lengths, reduction="sum")
            found[ids] = float(ctc)
    return found


def spelled(ids: tuple[int, ...]) -> str:
    return "".join(SYMBOLS.symbols[n] for n in ids)


def best_of_all(model: MaskCTC, encoder_out: EncoderOutput, weight: float, passes: int) -> str:
    found = []
    places = token_positions(encoder_out.log_probs, SYMBOLS.blank_id)[0]
    path = best_path(encoder_out.log_probs[0].numpy(), SYMBOLS).tokens.tolist()
    for ids, ctc in all_texts(encoder_out).items():
        decoder = 0.0
        for offset in range(min(passes, len(ids))):
            read = [SYMBOLS.mask_id if n % passes == offset else token for n, token in enumerate(ids)]
            memory = model.memory(encoder_out, SYMBOLS.blank_id, positions_in(places, path, [list(ids)]))
            logits = model.decode(memory, torch.tensor([read]), torch.tensor([len(ids)])).logits[0]
            decoder += sum(float(logits[n, ids[n]] - max(logits[n])) for n in range(offset, len(ids), passes))
        found.append((weight * ctc + (1 - weight) * decoder, spelled(ids)))
    return max(found)[1]


def best_for_the_twin(model: AED, encoder_out: EncoderOutput, weight: float) -> str:
    """Return the best of all texts, each of whose tokens is predicted in a call of its own."""
    found = []
    memory = model.memory(encoder_out, SYMBOLS.blank_id)
    for ids, ctc in all_texts(encoder_out).items():
        read, decoder = [SYMBOLS.bos_id], 0.0
        for token in (*ids, SYMBOLS.eos_id):
            decoder += float(model.decode(memory, torch.tensor([read]))[0, -1].log_softmax(0)[token])
            read.append(token)
        found.append((weight * ctc + (1 - weight) * decoder, spelled(ids)))
    return max(found)[1]


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_with_drafts_enough_the_best_of_all_texts_is_chosen(weight: float, passes: int) -> None:
    model = recognizer()
    options = DecodeOptions("rescoring", beam=100, ctc_weight=weight, masking_passes=passes, nbest_threshold=100.0)
    with torch.no_grad():
        for seed in range(6):
            encoder_out = random_encoder_out(model, seed)
            assert decode_batch(model, encoder_out, SYMBOLS, options) == [
                best_of_all(model, encoder_out, weight, passes)
            ]


def test_the_twin_and_ctc_choose_the_best_of_all_texts() -> None:
    model = twin()
    found: dict[float, list[str]] = {0.0: [], 0.5: [], 1.0: []}
    with torch.no_grad():
        for seed in range(8):
            encoder_out = random_encoder_out(model, seed)
            for weight, texts in found.items():
                options = DecodeOptions("autoregressive_rescoring", beam=100, ctc_weight=weight, nbest_threshold=100.0)
                texts += decode_batch(model, encoder_out, SYMBOLS, options)
                assert texts[-1] == best_for_the_twin(model, encoder_out, weight)
    assert found[0.0] != found[0.5] != found[1.0]


def test_a_text_and_its_end_are_as_likely_as_the_product_of_their_tokens() -> None:
    class Halves:
        """A decoder that gives the n-th token the probability 1 / (n + 1), 2 where it is even."""

        def read(self, rows: np.ndarray) -> Verdict:
            assert rows.tolist() == [[1, 2, 9], [3, 9, 9], [9, 9, 9]]
            log_probs = -np.log(np.arange(2, 2 + rows.shape[1])) + np.where(rows % 2 == 0, np.log(2), 0.0)
            return Verdict(rows, log_probs, log_probs)

        def keep(self, row: int, n: int, *tokens: int) -> None:
            raise AssertionError("rescoring writes no text")

    found = likelihood([(1, 2), (3,), ()], Halves(), 9)
    np.testing.assert_allclose(np.exp(found), [1 / 2 * 2 / 3 * 1 / 4, 1 / 2 * 1 / 3, 1 / 2])


def test_a_twin_that_writes_groups_cannot_rescore() -> None:
    model = twin(group=2)
    with torch.no_grad(), pytest.raises(DecodeError, match="2 tokens at once: decode it by semi_autoregressive"):
        decode_batch(model, random_encoder_out(model, 0), SYMBOLS, DecodeOptions("autoregressive_rescoring"))


def test_weights_and_the_margin_matter() -> None:
    model = recognizer()
    texts = []
    with torch.no_grad():
        for weight, threshold in ((0.0, 100.0), (1.0, 100.0), (0.0, 0.0)):
            options = DecodeOptions("rescoring", beam=100, ctc_weight=weight, nbest_threshold=threshold)
            texts.append([decode_batch(model, random_encoder_out(model, n), SYMBOLS, options)[0] for n in range(6)])
        alone = DecodeOptions("beam", beam=100, nbest_threshold=100.0)
        ctc = [decode_batch(model, random_encoder_out(model, n), SYMBOLS, alone)[0] for n in range(6)]
    assert texts[0] != texts[1] and texts[1] == ctc
    assert texts[2] == ctc  # no draft is near enough to the first one


def test_a_batch_is_what_its_utterances_are() -> None:
    model = recognizer()
    options = DecodeOptions("rescoring", beam=20, ctc_weight=0.3)
    with torch.no_grad():
        outputs = [random_encoder_out(model, seed) for seed in range(3)]
        hidden, log_probs = (torch.cat([getattr(h, name) for h in outputs]) for name in ("hidden", "log_probs"))
        lengths = torch.tensor([3, 3, 2])
        batch = decode_batch(model, EncoderOutput(hidden, lengths, log_probs, ()), SYMBOLS, options)
        outputs[2] = EncoderOutput(hidden[2:, :2], None, log_probs[2:, :2], ())
        assert batch == [text for encoder_out in outputs for text in decode_batch(model, encoder_out, SYMBOLS, options)]


def test_temperature_is_that_of_another_ctc() -> None:
    model = recognizer()
    changed = 0
    with torch.no_grad():
        for seed in range(12):
            encoder_out = random_encoder_out(model, seed)
            flat = dataclasses.replace(encoder_out, log_probs=(0.3 * encoder_out.log_probs).log_softmax(2))
            texts = [
                decode_batch(
                    model, given, SYMBOLS, DecodeOptions("rescoring", beam=100, ctc_weight=0.5, temperature=1 / s)
                )
                for given, s in ((encoder_out, 0.3), (flat, 1.0), (encoder_out, 1.0))
            ]
            assert texts[0] == texts[1]
            changed += texts[0] != texts[2]
    assert changed


@pytest.mark.parametrize(
    ("name", "value", "rule"), [("masking_passes", 0, "1 or more"), ("temperature", 0.0, "above 0")]
)
def test_options_that_cannot_be_are_refused(name: str, value: float, rule: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value} but should be {rule}"):
        DecodeOptions("rescoring", **{name: value})  # type: ignore[arg-type]
