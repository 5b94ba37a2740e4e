"""Voice-to-voice distillation with a voice whose durations and F0 are known in advance."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from lhotse import CutSet
from stub import AUDIO

from speechnar import config, load_voice
from speechnar.audio import read
from speechnar.cli import main
from speechnar.infer.distill_voice import alignment_of, entropy_given, pitches_of
from speechnar.runtime import Speech
from speechnar.runtime.speech import Timing
from speechnar.text.symbols import EN_US

pytest.importorskip("ray")


def test_entropies_worked_by_hand() -> None:
    pairs = [("a", 3), ("a", 3), ("a", 4), ("a", 5), ("b", 7), ("b", 7)]
    given_a = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25))
    assert entropy_given(pairs) == pytest.approx(4 / 6 * given_a)
    assert entropy_given([]) == 0


def test_gaps_between_sentences_are_pauses() -> None:
    phones = (Timing("a", 0.1, 0.3), Timing(".", 0.3, 0.4), Timing("b", 0.6, 0.7))
    f0 = np.array([0, 100, 200, 0, 0, 0, 50, 0, 0], np.float32)
    speech = Speech((), (), phones, np.zeros(72, np.float32), 80, np.zeros((9, 1), np.float32), f0)
    found = alignment_of(speech, 8)
    assert found == {
        "phones": ["a", ".", " ", "b"], "durations": [2, 1, 2, 1], "lead": 1, "trail": 2, "f0": f0.tolist()
    }  # fmt: skip
    mean = (math.log2(100) + math.log2(200)) / 2
    assert pitches_of(found) == [("a", round(12 * mean * 1)), ("b", round(12 * math.log2(50)))]


def test_a_voice_speaks_a_corpus_that_is_trained_on(
    stub_voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, out = tmp_path / "texts.tsv", tmp_path / "out"
    texts.write_text("one\tHello, world. So it was.\nmore/two\tAnna.\nnothing\t!!!\n", encoding="utf-8")
    command = ["distill", str(stub_voice), str(texts), str(out), "--workers", "1"]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("2 utterances, ") and "nats" in printed.out
    assert "1 of 3 texts failed" in printed.err and "_failures.tsv says why" in printed.err
    cuts = {cut.id: cut for cut in CutSet.from_file(out / "cuts.jsonl.gz")}
    assert cuts.keys() == {"one", "more/two"}
    voice = load_voice(stub_voice)
    for name, text in {"one": "Hello, world. So it was.", "more/two": "Anna."}.items():
        (spoken,) = cuts[name].supervisions
        assert spoken.text == text and spoken.language == voice.info.language
        expected = voice.synthesize(text)
        wav, _ = read(out / f"{name}.flac")
        np.testing.assert_allclose(wav, expected.wav.clip(-1, 1), atol=1 / 32767)
        fields = spoken.custom
        ends = fields["lead"] + np.cumsum(fields["durations"])
        assert ends[-1] + fields["trail"] == len(fields["f0"]) == len(wav) // AUDIO.hop_length
        for phone, end, frames in zip(fields["phones"], ends, fields["durations"]):
            voiced = EN_US.index(phone) >= EN_US.index("b")
            assert set(fields["f0"][end - frames : end]) == {100.0 + EN_US.index(phone) if voiced else 0.0}
    before = (out / "one.flac").stat().st_mtime_ns
    texts.write_text("one\tHello, world. So it was.\nmore/two\tAnna.\n", encoding="utf-8")
    assert main(command) == 0 and (out / "one.flac").stat().st_mtime_ns == before
    config.save(AUDIO, tmp_path / "audio.yaml")
    features = ["features", str(out / "cuts.jsonl.gz"), str(tmp_path / "features"), "--audio"]
    assert main([*features, str(tmp_path / "audio.yaml")]) == 0
    texts.write_text("one\tHello, you.\n", encoding="utf-8")
    assert main(command) == 1
    assert "one.json is of another voice or another text: delete it, or take another folder" in capsys.readouterr().err


def test_what_is_no_teacher_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts.tsv").write_text("a\tHello.\n", encoding="utf-8")
    command = ["distill", "nobody", str(tmp_path / "texts.tsv"), str(tmp_path / "out")]
    assert main(command) == 1
    assert "there is no voice 'nobody'" in capsys.readouterr().err
    assert main([*command, "--method", "beam"]) == 1
    assert "only text models and recognizers have --method, and nobody is none: leave it out" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["distill", str(tmp_path / "empty"), *command[2:]]) == 1
    assert "empty" in capsys.readouterr().err
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["empty", "texts.tsv"]'
