"""N-best rescoring by the decoder of Mask-CTC, compared with a search over all possible texts."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
import torch.nn.functional as F

from speechnar.audio import AudioConfig
from speechnar.decode.greedy import best_path
from speechnar.decode.methods import DecodeOptions
from speechnar.infer.decode import decode_batch
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.cross_attention import positions_in, token_positions
from speechnar.layers.ctc_encoder import CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.asr.mask_ctc import MaskCTC, MaskCTCConfig
from speechnar.text.symbols import BLANK, BOS, EOS, MASK, PAD, SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=6, f_min=0.0, f_max=4000.0)
SYMBOLS = SymbolTable((BLANK, "a", "b", "c", MASK, PAD, BOS, EOS))
SPOKEN = 4  # the blank and three letters


def recognizer() -> MaskCTC:
    torch.manual_seed(0)
    encoder = CTCEncoderConfig(ConformerConfig(8, 2, 2, 8, 3, 2, 4, dropout=0.0))
    model = MaskCTC(MaskCTCConfig(len(SYMBOLS), encoder, DecoderConfig(8, 2, 2, 8, dropout=0.0)), AUDIO).eval()
    with torch.no_grad():
        model.decoder.out.weight.mul_(8)  # opinions that matter
    return model


def random_encoder_out(model: MaskCTC, seed: int) -> EncoderOutput:
    torch.manual_seed(seed)
    encoder_out = model(torch.randn(1, 6, 6), None)
    log_probs = torch.full((1, 3, len(SYMBOLS)), -30.0)
    log_probs[:, :, :SPOKEN] = 2 * torch.randn(1, 3, SPOKEN)
    return EncoderOutput(encoder_out.hidden, None, log_probs.log_softmax(2), ())


def best_of_all(model: MaskCTC, encoder_out: EncoderOutput, weight: float, passes: int) -> str:
    found = []
    places = token_positions(encoder_out.log_probs, SYMBOLS.blank_id)[0]
    path = best_path(encoder_out.log_probs[0].numpy(), SYMBOLS).tokens.tolist()
    for length in range(4):
        for ids in itertools.product(range(1, SPOKEN), repeat=length):
            lengths = torch.tensor([3]), torch.tensor([length])
            ctc = -F.ctc_loss(encoder_out.log_probs[0], torch.tensor(ids, dtype=torch.long), *lengths, reduction="sum")
            decoder = 0.0
            for offset in range(min(passes, length)):
                read = [SYMBOLS.mask_id if n % passes == offset else token for n, token in enumerate(ids)]
                memory = model.memory(encoder_out, SYMBOLS.blank_id, positions_in(places, path, [list(ids)]))
                logits = model.decode(memory, torch.tensor([read]), torch.tensor([length])).logits[0]
                decoder += sum(float(logits[n, ids[n]] - max(logits[n])) for n in range(offset, length, passes))
            found.append((weight * float(ctc) + (1 - weight) * decoder, "".join(SYMBOLS.symbols[n] for n in ids)))
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
