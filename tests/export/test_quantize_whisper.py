"""Quantizing a Whisper recognizer for utterances."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cached import cached

from speechnar.cli import main
from speechnar.models.folder import load_model
from speechnar.text.whisper_bpe import DECODER_TOKENS


def test_all_matrices_but_the_stem_s_are_whole_numbers_of_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = cached(tmp_path)
    out = tmp_path / "quantized"
    assert main(["quantize", str(made.model), str(made.manifest), str(out), "--utterances", "2"]) == 0
    before, after = load_model(made.model)[0].state_dict(), load_model(out)[0].state_dict()
    shares = {"encoder": 0.12, "draft": 0.12, "decoder": 0.18, "decoder.embedding.weight": 0.09}
    quantized = set()
    for name, weight in after.items():
        if torch.equal(weight, before[name]):
            continue
        quantized.add(name)
        share = shares.get(name, shares[name.split(".")[0]])
        step = share * before[name].square().mean(1, keepdim=True).sqrt()
        numbers = weight / step
        torch.testing.assert_close(numbers, numbers.round(), atol=1e-3, rtol=0, msg=name)
    zero = {"draft.head.out.weight", "draft.head.condition.weight"}  # so the CTC branch starts
    matrices = {n for n, w in before.items() if w.dim() == 2 and n not in ("decoder.prompt", "decoder.positions")}
    assert quantized == matrices - zero
    assert (out / DECODER_TOKENS).read_bytes() == (made.model / DECODER_TOKENS).read_bytes()


def test_no_utterances_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", "model", "cuts.jsonl.gz", "out", "--utterances", "0"]) == 1
    assert "--utterances is 0 but should be 1 or more" in capsys.readouterr().err


def test_varied_audio_gives_other_multiples_of_the_same_steps(tmp_path: Path) -> None:
    made = cached(tmp_path)
    (tmp_path / "noisy.yaml").write_text("{noise_share: 1.0, snr: [0, 0]}", encoding="utf-8")
    arguments = ["quantize", str(made.model), str(made.manifest)]
    assert main([*arguments, str(tmp_path / "clean")]) == 0
    assert main([*arguments, str(tmp_path / "varied"), "--variant", str(tmp_path / "noisy.yaml")]) == 0
    clean, varied = (load_model(tmp_path / name)[0].state_dict() for name in ("clean", "varied"))
    name = "encoder.blocks.0.expand.weight"
    assert not torch.equal(clean[name], varied[name])
    exact = load_model(made.model)[0].state_dict()[name]
    step = 0.12 * exact.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(varied[name] / step, (varied[name] / step).round(), atol=1e-3, rtol=0)
