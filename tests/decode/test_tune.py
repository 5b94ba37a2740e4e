"""Tuning finds the weights under which a model's bad spelling becomes words; the verbs do what they say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from speechnar.cli import main
from speechnar.lm.kneser_ney import KneserNeyOptions, train
from speechnar.lm.perplexity import perplexity
from speechnar.text.symbols import SymbolTable

SYMBOLS = ("<blank>", "▁", "a", "b", "c", "<pad>", "<s>", "</s>")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two utterances in which `b` sounds a little more like `c`, a text in which it never is, and the tokens."""
    (tmp_path / "logs").mkdir()
    for name, text in (("u1", "▁ab▁ba"), ("u2", "▁ba")):
        probs = np.full((2 * len(text), len(SYMBOLS)), 0.01)
        for n, letter in enumerate(text):
            probs[2 * n, SYMBOLS.index(letter)] = 0.4
            probs[2 * n + 1, 0] = 1.0
            if letter == "b":
                probs[2 * n, SYMBOLS.index("c")] = 0.5
        log_probs = np.log(probs / probs.sum(axis=1, keepdims=True))
        np.save(tmp_path / "logs" / f"{name}.npy", log_probs.astype(np.float16))
    (tmp_path / "dev.tsv").write_text("u1\tanna\tab ba\nu2\tbert\tba\n")
    (tmp_path / "text.txt").write_text("ab ba\nba ab\nab ca ba ab\n" * 5)
    SymbolTable(SYMBOLS).save(tmp_path / "tokens.txt")
    return tmp_path


def test_the_best_weights_come_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lm = str(folder / "toy.lm")
    assert main(["lm", "train", str(folder / "text.txt"), "-o", lm, "--order", "2"]) == 0
    assert capsys.readouterr().out.startswith("6 1-grams, ")
    options = ["--texts", str(folder / "dev.tsv"), "--tokens", str(folder / "tokens.txt"), "--lm", lm]
    weights = ["--lm-weight", "0", "0.8", "--word-bonus", "0"]
    assert main(["lm", "tune", str(folder / "logs"), *options, *weights]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [["0.8", "0", "-2.5", "0.00"], ["0", "0", "-2.5", "100.00"]]


def test_an_utterance_without_log_probabilities_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "logs" / "u2.npy").unlink()
    options = ["--texts", str(folder / "dev.tsv"), "--tokens", str(folder / "tokens.txt"), "--lm", "no.lm"]
    assert main(["lm", "tune", str(folder / "logs"), *options]) == 1
    assert "1 of 2 utterances have no log-probabilities" in capsys.readouterr().err


def test_perplexity_is_that_of_a_coin_where_words_are_even(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # a, b, c and the end of a line are as frequent: 1/4 each, but for what the discount gives to <unk>
    found = perplexity(train(["a b c"] * 50, KneserNeyOptions(order=1)), ["a b", "c d"])
    assert found.words == 4 and found.unknown == 0.25
    known = perplexity(train(["a b c"] * 50, KneserNeyOptions(order=1)), ["a b c"])
    assert known.perplexity == pytest.approx(4 / (1 - 1.5 / 50 / 5), rel=0.02)
    assert math.isfinite(found.perplexity)

    lm = str(folder / "toy.lm")
    assert main(["lm", "train", str(folder / "text.txt"), "-o", lm, "--min-counts", "1", "2", "--prune", "1e-3"]) == 0
    assert main(["lm", "perplexity", str(folder / "text.txt"), "--lm", lm]) == 0
    assert "0.00 % of 40 words unknown" in capsys.readouterr().out
    assert main(["lm", "perplexity", str(folder / "dev.tsv"), "--lm", str(folder / "tokens.txt")]) == 1
    assert "is not a language model" in capsys.readouterr().err
