"""A guesser of phones in ONNX Runtime writes what the trained model writes in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.decode.methods import DecodeOptions
from speechnar.export import export_letters
from speechnar.infer.translate import Translator
from speechnar.layers.transformer import TransformerConfig
from speechnar.models.folder import ModelConfig, ModelError, build, save_model
from speechnar.models.specs import MODELS
from speechnar.text.letters import BLANK_THRESHOLD, LetterGuesser
from speechnar.text.symbols import TextError
from speechnar.text.tokenizer import Words, train_tokenizer

WORDS = ["a", "cab", "bca" * 3, "c", "abcabcabcbbbccc"]


def folder(path: Path, name: str = "text_ctc", words: bool = True) -> Path:
    """Save an untrained model whose outputs differ from letter to letter."""
    torch.manual_seed(2)
    symbols = train_tokenizer(["a b c", "ˈæ k t͡ʃ"], path, words=words)
    sizes = TransformerConfig(d_model=16, n_heads=2, d_ff=32, encoder_layers=2, decoder_layers=1, dropout=0.5)
    config = ModelConfig(AudioConfig(), Choice(name, MODELS[name].config(len(symbols), sizes)))
    model = build(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.4)
    model.transformer.embedding.weight.data[[symbols.mask_id, symbols.pad_id, symbols.bos_id, symbols.eos_id]] = 0.0
    save_model(path, config, model, symbols)
    return path


@torch.inference_mode()
def guessed(translator: Translator, word: str) -> tuple[str, ...]:
    """Return the phones of a word by the model in torch, frame by frame."""
    symbols = translator.symbols
    letters = symbols.encode(" ".join(word))
    encoded = translator.model(torch.tensor([letters]), torch.tensor([len(letters)]))
    phones, before = [], symbols.blank_id
    for probs in translator.model.frames(encoded).log_probs[0].exp():
        others = probs.clone()
        others[symbols.blank_id] = 0.0
        token = symbols.blank_id if probs[symbols.blank_id] > BLANK_THRESHOLD else int(others.argmax())
        if token not in (before, symbols.blank_id):
            phones.append(symbols.spellings[token])
        before = token
    return tuple(phones)


def test_the_graph_guesses_what_the_model_does(tmp_path: Path) -> None:
    model = folder(tmp_path / "model")
    assert main(["export", str(model), str(tmp_path / "out" / "letters.onnx")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letters.onnx"]
    translator = Translator(model, DecodeOptions("greedy"), False)
    expected = [guessed(translator, word) for word in WORDS]
    guess = LetterGuesser(tmp_path / "out" / "letters.onnx")
    assert [guess(word) for word in WORDS] == expected
    assert len(set(expected)) >= 4 and max(map(len, expected)) > 4
    assert guess("") == guess("é7") == () and guess("é" + WORDS[1]) == expected[1]

    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "letters.onnx"), providers=["CPUExecutionProvider"])
    letters = np.array([translator.symbols.encode("c a b b a")])
    (log_probs,) = session.run(None, {"letters": letters})
    with torch.inference_mode():
        frames = translator.model.frames(translator.model(torch.from_numpy(letters), torch.tensor([5])))
    assert log_probs.shape == (1, 10, len(translator.symbols))
    np.testing.assert_allclose(log_probs, frames.log_probs, atol=0.05)  # weights of 8 bits


def test_other_models_and_tokens_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds the model cmlm, which has no graph that reads letters"):
        export_letters(folder(tmp_path / "cmlm", "cmlm"), tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="other tokens than letters and phones"):
        export_letters(folder(tmp_path / "characters", words=False), tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_a_file_without_tokens_is_refused_in_one_sentence(tmp_path: Path) -> None:
    export_letters(folder(tmp_path / "model"), tmp_path / "guess.onnx")
    graph = onnx.load(str(tmp_path / "guess.onnx"))
    del graph.metadata_props[:]
    onnx.save(graph, str(tmp_path / "bare.onnx"))
    with pytest.raises(TextError, match="does not name its tokens: make it by `speechnar export`"):
        LetterGuesser(tmp_path / "bare.onnx")("cab")


def test_words_are_tokens_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pairs.tsv").write_text("a b\tˈæ b\n", encoding="utf-8")
    assert main(["tokenizer", str(tmp_path / "pairs.tsv"), str(tmp_path / "tokens"), "--words"]) == 0
    assert capsys.readouterr().out == "8 symbols\n"
    assert Words.load(tmp_path / "tokens" / "tokens.txt").encode("ˈæ b a") == [3, 2, 1]
