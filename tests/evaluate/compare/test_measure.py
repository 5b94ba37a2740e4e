"""Measuring models that are not trained: the output is that of decoding, whatever the batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from spoken import AUDIO, make_corpus

from speechnar.cli import main
from speechnar.config import Choice
from speechnar.decode.methods import DecodeOptions
from speechnar.evaluate.compare import measurements
from speechnar.evaluate.compare.measure import measure_translator
from speechnar.infer.decode import decode_corpus
from speechnar.infer.translate import Translator
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.transformer import TransformerConfig
from speechnar.models.folder import ModelConfig, build, load_model, save_model
from speechnar.models.specs import MODELS
from speechnar.text.tokenizer import load_tokenizer, train_tokenizer

TEXTS = ["ab", "ba c", "cab", "b a", "ac", "bcb"]
ENCODER = CTCEncoderConfig(ConformerConfig(16, 2, 2, 32, 3, 2, 4, dropout=0.0))
DECODER = DecoderConfig(16, 2, 1, 16, dropout=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("measured")
    make_corpus(path, TEXTS, "test")
    train_tokenizer(TEXTS, path / "tokenizer")
    return path


def untrained(folder: Path, name: str, config: object) -> Path:
    torch.manual_seed(0)
    made = ModelConfig(AUDIO, Choice(name, config))
    save_model(folder / name, made, build(made), load_tokenizer(folder / "tokenizer"))
    return folder / name


@pytest.mark.parametrize("method", ["greedy", "beam", "mask_predict", "mask_ctc"])
def test_a_batch_is_decoded_as_its_utterances(method: str, folder: Path) -> None:
    model = untrained(folder, "mask_ctc", MODELS["mask_ctc"].config(9, ENCODER, DECODER))
    read = []
    for batch in (1, 4):
        took = decode_corpus(model, folder / "test.jsonl.gz", folder / "o.txt", DecodeOptions(method, 2), batch=batch)
        read.append((folder / "o.txt").read_text(encoding="utf-8"))
        assert took.utterances == len(TEXTS)
    assert read[0] == read[1] and [line.split()[0] for line in read[0].splitlines()] == [f"test-{n}" for n in range(6)]


def test_decode_and_measure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = untrained(folder, "mask_ctc", MODELS["mask_ctc"].config(9, ENCODER, DECODER))
    decode_corpus(model, folder / "test.jsonl.gz", folder / "plain.txt", DecodeOptions("mask_predict", 3))
    out = folder / "measured.txt"
    given = ["decode", str(model), str(folder / "test.jsonl.gz"), str(out), "--method", "mask_predict"]
    assert main([*given, "--iterations", "3", "--measure"]) == 0
    assert out.read_bytes() == (folder / "plain.txt").read_bytes()
    found = measurements.read(folder / "measured.speed.json")
    network = load_model(model)[0]
    whole, encoder = (sum(weight.numel() for weight in part.parameters()) for part in (network, network.encoder))
    assert found.parameters == whole and found.decoder_parameters == whole - encoder > 0
    assert found.latency and found.decoder_latency and 0 < found.decoder_latency < found.latency
    assert found.throughput_8 and found.throughput_32 and found.iterations and found.iterations <= 3
    assert found.peak_memory and found.peak_memory > 50_000_000  # torch alone has more
    assert main([*given, "--batch", "0"]) == 1
    assert "--batch is 0 but should be 1 or more" in capsys.readouterr().err
    assert main([*given, "--batch", "8", "--measure"]) == 1
    assert "--measure takes batches of 1, 8 and 32 by itself" in capsys.readouterr().err


def test_the_command_takes_the_tricks_of_decoding(folder: Path) -> None:
    model = untrained(folder, "mask_ctc", MODELS["mask_ctc"].config(9, ENCODER, DECODER))
    cuts, out, wanted = folder / "test.jsonl.gz", folder / "tricks.txt", folder / "wanted.txt"
    tricks = {
        DecodeOptions("greedy"): ["--entropy-gate", "100"],
        DecodeOptions("mask_predict", 2, length_beam=4): ["--length-beam", "4"],
        DecodeOptions("mask_predict", 2, deduplicated=True): ["--deduplicate"],
    }
    read = []
    for options, given in tricks.items():
        decode_corpus(model, cuts, wanted, options)
        command = ["decode", str(model), str(cuts), str(out), "--method", "mask_predict", "--iterations", "2", *given]
        assert main(command) == 0
        read.append(out.read_text(encoding="utf-8"))
        assert read[-1] == wanted.read_text(encoding="utf-8")
    assert len(set(read)) == 3


def test_translate_and_measure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = TransformerConfig(d_model=8, n_heads=2, d_ff=16, encoder_layers=1, decoder_layers=1, dropout=0.0)
    model = untrained(folder, "cmlm", MODELS["cmlm"].config(9, small))
    options = DecodeOptions("mask_predict", 2)
    found = measure_translator(model, TEXTS, options)
    assert found.latency and found.throughput_8 and found.throughput_32
    translator = Translator(model, options)
    translator.translate(TEXTS, 1)
    assert translator.decoded == len(TEXTS) and found.iterations == translator.steps / len(TEXTS)
    (folder / "in.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    assert main(["translate", str(model), "-f", str(folder / "in.txt"), "--measure"]) == 1
    assert "give the output with -o" in capsys.readouterr().err
    (folder / "none.txt").write_text("\n \n", encoding="utf-8")
    out = folder / "none.out"
    assert main(["translate", str(model), "-f", str(folder / "none.txt"), "-o", str(out), "--measure"]) == 1
    assert "none.txt has no text, so nothing can be measured" in capsys.readouterr().err and not out.exists()
    groups = untrained(folder, "transformer", MODELS["transformer"].config(9, small, group=2))
    alone = measure_translator(groups, TEXTS[:2], DecodeOptions("semi_autoregressive"))
    assert alone.latency and alone.throughput_8 is None and alone.throughput_32 is None
