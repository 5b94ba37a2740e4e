"""Groups of tokens: the mask, the training loss and decoding agree with a computation of each group alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from speechnar.audio import AudioConfig
from speechnar.decode.interface import refine
from speechnar.decode.semi_autoregressive import SemiAutoregressiveDecoder
from speechnar.infer.reader import TorchCausalReader, decoder_input
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.losses.ctc import SMOOTHING, Targets
from speechnar.models.autoregressive.aed import AED, AEDConfig, causal_terms
from speechnar.text.symbols import Vocabulary

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=6, f_min=0.0, f_max=4000.0)
VOCABULARY = Vocabulary(("<blank>", "a", "b", "c", "<mask>", "<pad>", "<s>", "</s>"))
END = VOCABULARY.eos_id


def twin(group: int, *curriculum: int) -> AED:
    torch.manual_seed(0)
    encoder = CTCEncoderConfig(ConformerConfig(8, 2, 1, 8, 3, 2, 4, dropout=0.0), (), False)
    return AED(AEDConfig(8, encoder, DecoderConfig(8, 2, 2, 8, dropout=0.0), group, curriculum), AUDIO).eval()


@torch.no_grad()
@pytest.mark.parametrize("group", [1, 2, 3, 4])
def test_the_loss_is_that_of_each_group_given_the_groups_before(group: int) -> None:
    model = twin(group)
    mel = torch.randn(2, 24, 6)
    encoder_out = model(mel, torch.tensor([24, 24]))
    texts = [[1, 2, 3, 1, 2], [3, 3]]
    tokens = torch.tensor([texts[0], texts[1] + [0] * 3])
    found = causal_terms(model, encoder_out, Targets(tokens, torch.tensor([5, 2]), VOCABULARY))["decoder"]
    total, count = 0.0, 0
    for row, text in enumerate(texts):
        alone = model(mel[row : row + 1], torch.tensor([24]))
        memory = model.memory(alone, VOCABULARY.blank_id)
        whole = [*text, END]
        for start in range(0, len(whole), group):
            given = torch.tensor([[VOCABULARY.bos_id] * group + text[:start]])
            logits = model.decode(memory, given)[0, start : start + group]
            wanted = torch.tensor(whole[start : start + group])
            total += float(F.cross_entropy(logits[: len(wanted)], wanted, reduction="sum", label_smoothing=SMOOTHING))
            count += len(wanted)
    assert found.count == count and float(found) == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize("group", [1, 2, 3])
def test_decoding_takes_the_best_tokens_of_each_group(group: int) -> None:
    model = twin(group)
    with torch.no_grad():
        model.decoder.out.weight.mul_(4.0)
        encoder_out = model(torch.randn(1, 24, 6), None)
        memory = model.memory(encoder_out, VOCABULARY.blank_id)
        text: list[int] = []
        while END not in text and len(text) < 12:
            given = torch.tensor([[VOCABULARY.bos_id] * group + text])
            logits = model.decode(memory, given)[0, -group:]
            logits[:, [0, 4, 5, 6]] = -torch.inf  # tokens in angle brackets, but for the end
            text += logits.argmax(1).tolist()
        expected = text[: text.index(END)] if END in text else text[:12]
        reader = TorchCausalReader(model, encoder_out, VOCABULARY.blank_id, VOCABULARY.bos_id)
        state = refine(SemiAutoregressiveDecoder(VOCABULARY), decoder_input(encoder_out, reader))
    assert state.sequences() == [expected] and state.done
    assert state.step == -(-min(len(expected) + 1, 12) // group)
    assert np.isfinite(state.scores).all()


@torch.no_grad()
@pytest.mark.parametrize(("progress", "group"), [(0.0, 1), (0.3, 1), (0.4, 2), (0.7, 4), (1.0, 4)])
def test_the_loss_of_a_curriculum_is_that_of_its_stage(progress: float, group: int) -> None:
    model, alone = twin(4, 1, 2), twin(group)
    encoder_out = model(torch.randn(2, 24, 6), torch.tensor([24, 20]))
    tokens, lengths = torch.tensor([[1, 2, 3, 1, 2], [3, 3, 0, 0, 0]]), torch.tensor([5, 2])
    found = causal_terms(model, encoder_out, Targets(tokens, lengths, VOCABULARY, progress=progress))["decoder"]
    wanted = causal_terms(alone, encoder_out, Targets(tokens, lengths, VOCABULARY))["decoder"]
    assert float(found) == float(wanted)
    other = causal_terms(twin(3), encoder_out, Targets(tokens, lengths, VOCABULARY))["decoder"]
    assert float(found) != pytest.approx(float(other), rel=1e-4)


@pytest.mark.parametrize("groups", [(0,), (4, 1, 0)])
def test_groups_of_no_token_are_refused(groups: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a group of 0 tokens is predicted at once"):
        twin(*groups)
