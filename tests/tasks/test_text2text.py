"""Text models learn a few pairs by heart, and `speechnar translate` writes them."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
import torch

from speechnar import config as config_files
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.data.difficulty import conditional_entropy
from speechnar.decode.methods import DecodeOptions
from speechnar.decode.result import DecodeError
from speechnar.infer.translate import Translator
from speechnar.layers.transformer import TransformerConfig
from speechnar.models.folder import ModelError
from speechnar.models.specs import MODELS, configs_of
from speechnar.tasks.text2text import TextConfig, train_text2text
from speechnar.text.tokenizer import load_tokenizer, train_tokenizer
from speechnar.train.loop import LoopConfig

PAIRS = [("ab", "ba"), ("a", "b b"), ("abab b", "b ab"), ("b", "aa"), ("ba ab", "aab"), ("bb", "a")]
SMALL = TransformerConfig(d_model=32, n_heads=4, d_ff=64, encoder_layers=1, decoder_layers=1, dropout=0.0)
LOOP = LoopConfig(
    max_steps=250, log_every=50, validate_every=250, warmup_steps=10, learning_rate=0.01, precision="no",
    ema_decay=0.0, threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs")
    (path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
    train_tokenizer([text for pair in PAIRS for text in pair], path / "tokenizer")
    return path


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in configs_of("text2text")}
VARIANTS |= {"groups": ("transformer", {"group": 2}), "growing": ("transformer", {"group": 2, "curriculum": (1,)})}
VARIANTS |= {"fertility": ("glat", {"fertility": 3})}


def trained(folder: Path, name: str, loop: LoopConfig = LOOP, init: Path | None = None) -> Path:
    model_name, changes = VARIANTS[name]
    model = MODELS[model_name].config(transformer=SMALL, **changes)
    longer = {
        "cmlm": 2,
        "glat": 2,
        "fertility": 2,
        "text_levenshtein": 5,
        "growing": 2,
    }  # which see only a part of each target in a step
    loop = dataclasses.replace(loop, max_steps=longer.get(name, 1) * loop.max_steps)
    config = TextConfig(Choice(model_name, model), loop, batch_tokens=200, max_tokens=20)
    out = folder / name
    if not (out / "model.safetensors").exists():
        train_text2text(config, folder / "tokenizer", folder / "pairs.tsv", folder / "pairs.tsv", out, init)
    return out


@pytest.mark.parametrize("name", VARIANTS)
def test_every_text_model_learns_pairs_by_heart(folder: Path, name: str) -> None:
    method = "semi_autoregressive" if name in ("groups", "growing") else MODELS[VARIANTS[name][0]].decoders[0]
    iterations = {"cmlm": 4, "text_levenshtein": 10}.get(name, 1)
    options = DecodeOptions(method, iterations, beam=2, ctc_weight=0.0)
    translator = Translator(trained(folder, name), options, False)
    found = translator.translate([source for source, _ in PAIRS], batch=4)
    assert found == [target for _, target in PAIRS]


def test_the_command_writes_a_line_for_each_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained(folder, "transformer")
    text = "ab\n\nzz \x07!\nb a\tb\x0b\n" + "ab " * 500 + "\n" + "b"
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": io.BytesIO(text.encode())})())
    assert main(["translate", str(model)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.split("\n")
    assert len(lines) == 6 and lines[0] == "ba" and lines[1] == "" and lines[2] == "zz \x07!" and lines[5] == "aa"
    assert lines[3] and len(lines[4].split()) > 10
    assert "lines with no character that the model knows, kept as they are: 1" in printed.err

    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("ab\nb\n", encoding="utf-8")
    assert main(["translate", str(model), "-f", str(source), "-o", str(out), "--beam", "1"]) == 0
    assert out.read_text(encoding="utf-8") == "ba\naa\n"
    assert main(["translate", str(model), "-f", str(source), "-o", str(source)]) == 1
    source.write_bytes(b"ab\n\xff")
    assert main(["translate", str(model), "-f", str(source)]) == 1
    assert "is not UTF-8 (byte 3)" in capsys.readouterr().err


def test_a_language_model_has_a_say_in_the_search_of_ctc(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, sources, lm = trained(folder, "text_ctc"), tmp_path / "in.txt", tmp_path / "lm"
    sources.write_text("".join(f"{source}\n" for source, _ in PAIRS), encoding="utf-8")
    (tmp_path / "text.txt").write_text("bb bb\n", encoding="utf-8")
    train = ["lm", "train", str(tmp_path / "text.txt"), "--order", "2", "-o"]
    assert main([*train, str(tmp_path / "lm.arpa")]) == 1
    assert "is no ARPA file: give a name with another ending" in capsys.readouterr().err
    assert main([*train, str(lm)]) == 0
    found = []
    for weight in ("0", "20"):
        out = tmp_path / f"{weight}.txt"
        options = ["--lm", str(lm), "--lm-weight", weight, "--word-bonus", "0", "-o", str(out)]
        assert main(["translate", str(model), "-f", str(sources), *options]) == 0
        found.append(out.read_text(encoding="utf-8").splitlines())
    assert found[0] == [target for _, target in PAIRS]
    assert found[1] != found[0]
    assert main(["translate", str(trained(folder, "transformer")), "-f", str(sources), "--lm", str(lm)]) == 1
    assert "which cannot decode by beam" in capsys.readouterr().err


def test_an_autoregressive_model_chooses_among_lengths(folder: Path) -> None:
    options = DecodeOptions("mask_predict", 4, length_beam=3)
    translator = Translator(trained(folder, "cmlm"), options, False, trained(folder, "transformer"))
    assert translator.translate([source for source, _ in PAIRS]) == [target for _, target in PAIRS]
    translator.options = dataclasses.replace(options, deduplicated=True)
    assert translator.translate(["b", "ba ab"]) == ["a", "ab"]  # of aa and aab
    with pytest.raises(ModelError, match="rescoring needs an autoregressive one"):
        Translator(trained(folder, "cmlm"), options, False, trained(folder, "cmlm"))
    with pytest.raises(ModelError, match="a length beam of 1 leaves it none: give a length beam of 2 or more"):
        Translator(trained(folder, "cmlm"), DecodeOptions("mask_predict", 4), False, trained(folder, "transformer"))
    assert Translator(trained(folder, "groups")).options.method == "semi_autoregressive"
    with pytest.raises(DecodeError, match="predicts 2 tokens at once: decode it by semi_autoregressive"):
        Translator(trained(folder, "groups"), DecodeOptions("autoregressive"), False).translate(["ab"])
    with pytest.raises(ModelError, match="cannot decode by mask_predict: it decodes by autoregressive"):
        Translator(trained(folder, "transformer"), options, False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("number", "shown"), [(16, False), (17, True)])
def test_many_lines_have_a_progress_bar_on_a_terminal(
    folder: Path, number: int, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator(trained(folder, "transformer"), DecodeOptions("autoregressive", ctc_weight=0.0), False)
    for screen, expected in ((Terminal(), shown), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", screen)
        translator.translate(["b"] * number, batch=1)
        assert (f"/{number}" in screen.getvalue()) == expected


def test_a_model_starts_from_the_weights_of_another(folder: Path, tmp_path: Path) -> None:
    start = trained(folder, "transformer")
    short = dataclasses.replace(LOOP, max_steps=1, learning_rate=0.0)
    config = TextConfig(
        Choice("glat", MODELS["glat"].config(transformer=SMALL)), short, batch_tokens=200, max_tokens=20
    )
    train_text2text(config, folder / "tokenizer", folder / "pairs.tsv", folder / "pairs.tsv", tmp_path / "out", start)
    from safetensors.torch import load_file

    first, then = (load_file(path / "model.safetensors") for path in (start, tmp_path / "out"))
    assert all(torch.equal(then[name], weight) for name, weight in first.items())


def test_a_model_that_does_not_read_text_is_refused(tmp_path: Path) -> None:
    config_files.save(TextConfig(Choice("glat", MODELS["glat"].config())), tmp_path / "config.yaml")
    assert main(["translate", str(tmp_path)]) == 1


def test_distill_writes_the_targets_of_the_teacher(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = trained(folder, "transformer")
    given = [("ab", "bb"), *PAIRS, ("ab", "a"), ("a", "bb a")]  # sources with several targets
    (tmp_path / "in.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in given), encoding="utf-8")
    assert main(["distill", str(teacher), str(tmp_path / "in.tsv"), str(tmp_path / "out.tsv")]) == 0
    made = [tuple(line.split("\t")) for line in (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()]
    assert made == PAIRS
    first, second = capsys.readouterr().out.splitlines()
    assert first == "6 targets; 12.5 % of the words differ"  # "bb" of the first targets' eight words
    split = load_tokenizer(teacher).split
    before, after = (
        conditional_entropy([(split(a), split(b)) for a, b in pairs]) for pairs in (given[:1] + PAIRS[1:], PAIRS)
    )
    assert second == f"conditional entropy, nats: {before:.3f} before, {after:.3f} after"
    assert main(["distill", str(trained(folder, "groups")), str(tmp_path / "in.tsv"), str(tmp_path / "out.tsv")]) == 0
    assert "6 targets" in capsys.readouterr().out
    assert main(["distill", str(teacher), str(tmp_path / "in.tsv"), str(tmp_path / "o.tsv"), "--workers", "1"]) == 1
    assert "only voices have --workers, and" in capsys.readouterr().err
    (tmp_path / "latin.tsv").write_bytes(b"a\t\xe9\n")
    assert main(["distill", str(teacher), str(tmp_path / "latin.tsv"), str(tmp_path / "out.tsv")]) == 1
    assert "latin.tsv is not UTF-8 (byte 2): convert it" in capsys.readouterr().err
    assert main(["distill", str(teacher), str(tmp_path / "in.tsv"), str(tmp_path / "in.tsv")]) == 1
