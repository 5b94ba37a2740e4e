"""The training verbs, from their command lines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from speechnar.cli import build_parser, main

TRAIN = ["--features", "f", "--train", "t.jsonl.gz", "--dev", "d.jsonl.gz", "--out", "o"]


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        (["features", "train.jsonl.gz", "out", "--audio", "audio.yaml"], "lhotse"),
        (["train", "acoustic", "config.yaml", *TRAIN], "speechnar.tasks.acoustic"),
        (["train", "vocoder", "config.yaml", *TRAIN], "speechnar.tasks.vocoder"),
        (["train", "recognizer", "config.yaml", "--tokenizer", "u", *TRAIN[2:]], "speechnar.tasks.recognizer"),
        (["tokenizer", "train.jsonl.gz", "out"], "speechnar.data.manifest"),
        (["decode", "model", "test.jsonl.gz", "out.txt"], "speechnar.infer.decode"),
        (["train", "aligner", "config.yaml", *TRAIN[2:]], "speechnar.tasks.aligner"),
        (["train", "joint", "config.yaml", *TRAIN], "speechnar.tasks.joint"),
        (["align", "aligner", "train.jsonl.gz", "out.jsonl.gz", "--audio", "audio.yaml"], "speechnar.infer.align"),
        (["gta-mels", "acoustic", "train.jsonl.gz", "out", "--features", "f"], "speechnar.infer.gta_mels"),
    ],
)
def test_without_torch_the_cure_is_named(
    verb: list[str], missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(verb) == 1
    assert capsys.readouterr().err == f"speechnar: {verb[0]} needs {missing}: pip install 'speechnar[train]'\n"


def test_former_names_work_and_are_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "speechnar.infer.gta_mels", None)
    assert main(["predict", "acoustic", "train.jsonl.gz", "out", "--features", "f"]) == 1
    assert capsys.readouterr().err.startswith("speechnar: the verb predict is now called gta-mels\n")
    assert main(["units", "nowhere.jsonl.gz", "out"]) == 1
    assert capsys.readouterr().err.startswith(
        "speechnar: the verb units is now called tokenizer\nspeechnar: there is no"
    )
    args = build_parser().parse_args(["align", "a", "c", "o", "--audio", "a.yaml", "--lag", "55"])
    assert args.boundary_offset == 55.0
    assert capsys.readouterr().err == "speechnar: --lag is now called --boundary-offset\n"
    args = build_parser().parse_args(["train", "recognizer", "c.yaml", "--units", "u", *TRAIN[2:]])
    assert args.tokenizer == Path("u")
    assert capsys.readouterr().err == "speechnar: --units is now called --tokenizer\n"
    args = build_parser().parse_args(["train", "vocoder", "c.yaml", *TRAIN, "--predicted", "mels"])
    assert args.gta_mels == Path("mels")
    assert capsys.readouterr().err == "speechnar: --predicted is now called --gta-mels\n"


def test_numbers_below_one_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("batch_seconds: 12\n", encoding="utf-8")
    assert main(["train", "acoustic", str(config), *TRAIN, "--max-steps", "0"]) == 1
    assert capsys.readouterr().err == "speechnar: --max-steps is 0 but should be 1 or more\n"


def test_missing_manifest_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audio = tmp_path / "audio.yaml"
    audio.write_text("sample_rate: 24000\n", encoding="utf-8")
    assert main(["features", "t.jsonl.gz", str(tmp_path / "out"), "--audio", str(audio)]) == 1
    assert "there is no manifest at t.jsonl.gz" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_train_needs_a_model() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train"])
    assert stop.value.code == 2


CONFIGS = sorted(
    path for path in Path(__file__).parents[2].glob("*/*/conf/*.yaml") if path.stem not in ("base", "parts")
)


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_configs_of_recipes_and_examples_load(path: Path) -> None:
    from speechnar import config
    from speechnar.audio import AudioConfig
    from speechnar.export import RecognizerCard, VoiceCard
    from speechnar.infer.encoder_cache import Variant
    from speechnar.tasks.acoustic import AcousticConfig
    from speechnar.tasks.aligner import AlignerTraining
    from speechnar.tasks.fine_tuning import FineTuningConfig
    from speechnar.tasks.flow import FlowConfig
    from speechnar.tasks.image import ImageTraining
    from speechnar.tasks.joint import JointConfig
    from speechnar.tasks.pretraining import PretrainingConfig
    from speechnar.tasks.recognizer import RecognitionConfig
    from speechnar.tasks.speculative import SpeculativeConfig
    from speechnar.tasks.text2text import TextConfig
    from speechnar.tasks.vocoder import VocoderConfig
    from speechnar.tasks.vqvae import VQVAETraining

    kinds = {"acoustic": AcousticConfig, "audio": AudioConfig, "voice": VoiceCard, "vocoder": VocoderConfig}
    kinds |= {"card": RecognizerCard, "aligner": AlignerTraining, "joint": JointConfig}
    kinds |= {"draft": SpeculativeConfig, "fine": FineTuningConfig, "variant": Variant}
    kinds |= {"vqvae": VQVAETraining, "maskgit": ImageTraining, "image": ImageTraining}
    kinds |= {"best": PretrainingConfig, "flow": FlowConfig, "prosody": FlowConfig}
    kinds |= dict.fromkeys(("ctc", "mask", "ar", "cr"), RecognitionConfig)
    of_recipe = dict.fromkeys(("tatoeba", "multi30k", "g2p"), TextConfig) | {"nar_asr": RecognitionConfig}
    config.load(of_recipe.get(path.parents[1].name) or kinds[path.stem.split("_")[0]], path)
