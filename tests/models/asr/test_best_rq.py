"""The quantizer and masks of BEST-RQ by hand, what is learned, and a recognizer that starts from it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from spoken import AUDIO, make_corpus

from speechnar import config as config_files
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.losses.mean import Mean
from speechnar.models.asr.best_rq import BestRQ, BestRQConfig, Predicted, prediction_terms
from speechnar.models.asr.ctc import CTCConfig
from speechnar.models.folder import load_model
from speechnar.nar.blocks import BlockConfig
from speechnar.tasks.pretraining import PretrainingConfig
from speechnar.tasks.recognizer import RecognitionConfig, RecognitionTask
from speechnar.text.tokenizer import train_tokenizer
from speechnar.train.loop import LoopConfig

TEXTS = ["ab", "ba c", "cab", "b a", "ac", "bcb"]
ENCODER = CTCEncoderConfig(ConformerConfig(16, 2, 2, 32, 3, 2, 4, dropout=0.0))
CONFIG = BestRQConfig(ENCODER, codes=8, d_code=4, mask_probability=0.1, mask_frames=2)
LOOP = LoopConfig(max_steps=60, log_every=10, validate_every=60, warmup_steps=5, learning_rate=0.01, precision="no",
                  ema_decay=0.0, threads=1)  # fmt: skip


def model() -> BestRQ:
    torch.manual_seed(0)
    return BestRQ(CONFIG, AUDIO)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"encoder": dataclasses.replace(ENCODER, intermediate_layers=(1,))}, "neither blocks nor intermediate CTC"),
        ({"encoder": dataclasses.replace(ENCODER, blocks=BlockConfig(20, 10, 80))}, "neither blocks nor intermediate"),
        ({"mask_probability": 2.0}, "mask_probability is 2.0 but should be from 0 to 1"),
        ({"codes": 0}, "codes 0, d_code 4 and mask_frames 2 should be 1 or more"),
    ],
)
def test_what_pre_training_cannot_do_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(CONFIG, **changes)


def test_codes_are_the_nearest_after_normalization() -> None:
    made, mel = model(), torch.randn(2, 5, 16)
    codes = made.codes(mel)
    assert codes.shape == (2, 3)
    for row in range(2):
        for frame in range(3):
            stacked = torch.cat([mel[row, 2 * frame], mel[row, 2 * frame + 1] if frame < 2 else torch.zeros(16)])
            projected = stacked @ made.projection
            distances = [(projected / projected.norm() - code).norm() for code in made.codebook]
            assert int(codes[row, frame]) == min(range(8), key=distances.__getitem__)
    assert "projection" not in dict(made.named_parameters()) and "codebook" not in dict(made.named_parameters())


def test_masks_are_spans_of_real_frames_and_every_utterance_has_one() -> None:
    made = model()
    made.config = dataclasses.replace(CONFIG, mask_frames=3)
    for _ in range(20):
        masks = made.masks(torch.tensor([30, 7, 1]), 30)
        assert masks.any(1).all() and not masks[1, 7:].any() and not masks[2, 1:].any()
        text = "".join("x" if hidden else " " for hidden in masks[0, :27].tolist())
        assert all(len(span) >= 3 for span in text.rstrip("x").split())
    shares = torch.stack([made.masks(torch.tensor([1000]), 1000).float().mean() for _ in range(20)])
    assert float(shares.mean()) == pytest.approx(1 - 0.9**3, abs=0.03)


def test_the_loss_is_the_cross_entropy_of_hidden_frames() -> None:
    predicted = Predicted(
        torch.randn(1, 4, 8), torch.tensor([[1, 2, 3, 4]]), torch.tensor([[True, False, True, False]])
    )
    (term,) = prediction_terms(model(), predicted).values()
    by_hand = -sum(float(predicted.logits[0, t].log_softmax(0)[code]) for t, code in ((0, 1), (2, 3))) / 2
    assert isinstance(term, Mean) and float(term) == pytest.approx(by_hand, rel=1e-5) and int(term.count) == 2


def test_the_encoder_does_not_see_what_is_hidden_and_learns_everywhere() -> None:
    made, mel, lengths = model(), torch.randn(2, 12, 16), torch.tensor([12, 9])
    torch.manual_seed(1)
    first = made(mel, lengths)
    frames = first.hidden.repeat_interleave(2, 1)[:, :, None]
    torch.manual_seed(1)
    second = made(torch.where(frames, mel + 3, mel), lengths)
    torch.testing.assert_close(first.logits, second.logits)
    assert not torch.equal(first.targets, second.targets)
    prediction_terms(made, first)["prediction"].value.backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in made.parameters())


def test_the_verb_and_a_recognizer_that_starts_from_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cuts = make_corpus(tmp_path, TEXTS, "train")
    config_files.save(PretrainingConfig(AUDIO, Choice("best_rq", CONFIG), LOOP, batch_seconds=3.0), tmp_path / "c.yaml")
    out = tmp_path / "pretrained"
    given = ["train", "pretraining", str(tmp_path / "c.yaml"), "--train", str(cuts), "--dev", str(cuts)]
    assert main([*given, "--out", str(out)]) == 0
    log = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["pretraining/prediction"] for line in log if "pretraining/prediction" in line]
    assert losses[-1] < losses[0] and any("validation/prediction" in line for line in log)
    train_tokenizer(TEXTS, tmp_path / "tokenizer")
    config = RecognitionConfig(AUDIO, Choice("ctc", CTCConfig(0, ENCODER)), LOOP)
    capsys.readouterr()
    task = RecognitionTask(config, tmp_path / "tokenizer", cuts, cuts, init=out)
    source = load_model(out)[0].state_dict()
    taken = task.model.state_dict()
    assert all(torch.equal(taken[name], value) for name, value in source.items() if name.startswith("encoder."))
    assert "not in this model: projection, codebook, out.weight, out.bias" in capsys.readouterr().err
