"""The packed model: against its tables, against ARPA's rules by hand, and as a file."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from speechnar.lm.arpa import load_lm
from speechnar.lm.kneser_ney import KneserNeyOptions, train
from speechnar.lm.ngram import CODES, LMError, NgramModel, Table

ARPA = """\
\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-99 <s> -0.3
-1.0 </s>
-0.4 the -0.2
-0.7 cat -0.1
-0.8 sat

\\2-grams:
-0.3 <s> the -0.15
-0.5 the cat -0.25
-0.6 cat sat
-0.9 sat </s>

\\3-grams:
-0.1 <s> the cat
-0.2 the cat sat

\\end\\
"""


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "toy.arpa"
    path.write_text(ARPA)
    return path


@pytest.mark.parametrize(
    ("sentence", "log10"),
    [
        ("the cat sat", [-0.3, -0.1, -0.2, -0.9]),
        # <s> cat: -0.3 - 0.7. cat the: -0.1 - 0.4. the </s>: -0.2 - 1.0
        ("cat the", [-1.0, -0.5, -1.2]),
        # <s> the sat: the trigram's backoff -0.15, the bigram's -0.2, then -0.8; the sat </s>: as sat </s>
        ("the sat", [-0.3, -1.15, -0.9]),
        # the unknown word has the rarest word's -1.0, after <s> -0.3; nothing is known after it
        ("dog the cat", [-1.3, -0.4, -0.5, -0.25 - 0.1 - 1.0]),
    ],
)
def test_arpa_is_read_and_backs_off_as_it_says(arpa: Path, sentence: str, log10: list[float]) -> None:
    model = load_lm(arpa)
    assert model.score(sentence.split()) == pytest.approx([x * math.log(10) for x in log10], rel=1e-6)


def test_a_compressed_arpa_file_is_the_same(arpa: Path, tmp_path: Path) -> None:
    packed = tmp_path / "toy.arpa.gz"
    packed.write_bytes(gzip.compress(ARPA.encode()))
    assert load_lm(packed).score(["cat"]) == load_lm(arpa).score(["cat"])


def test_a_file_gives_back_the_model(arpa: Path, tmp_path: Path) -> None:
    model = load_lm(arpa)
    model.save(tmp_path / "toy.lm")
    again = load_lm(tmp_path / "toy.lm")
    assert again.words == model.words and again.order == 3
    for sentence in ("the cat sat", "sat the dog", ""):
        assert again.score(sentence.split()) == model.score(sentence.split())


def test_codes_are_near_the_values_they_stand_for() -> None:
    rng = np.random.default_rng(0)
    words = ["</s>", "<s>", "<unk>", *(f"w{n:05}" for n in range(70_000))]
    values = rng.normal(-12, 2, len(words))
    model = NgramModel.of_tables(words, [Table(np.arange(len(words))[:, None], values, np.zeros(len(words)))])
    found = np.array([model.step((), n)[0] for n in range(0, len(words), 7)])
    assert len(model.levels[0].log_prob_codes) == CODES
    assert np.abs(found - values[::7]).mean() < 0.02


def test_the_best_word_that_begins_so_is_found() -> None:
    model = train(["the the the then they cat", "'tis the cats"], KneserNeyOptions(order=1))

    def word(text: str) -> float:
        return model.score([text])[0]

    assert model.best_beginning_with("th") == pytest.approx(word("the"))
    assert model.best_beginning_with("they") == pytest.approx(word("they"))
    assert model.best_beginning_with("'t") == pytest.approx(word("'tis"))
    assert model.best_beginning_with("thx") is None
    assert model.best_beginning_with("z") is None


@pytest.mark.parametrize("name", ["model.lm", "model.arpa"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello\n")
    with pytest.raises(LMError, match=name):
        load_lm(tmp_path / name)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Bytes are changed anywhere: the file is read, or refused by one sentence."""
    model, path = train(["the cat sat", "a dog sat"] * 50, KneserNeyOptions(order=2)), tmp_path / "model.lm"
    model.save(path)
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for place in rng.integers(0, len(whole), 60).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            NgramModel.load(path)
        except LMError as error:
            refused += "model.lm" in str(error)
    assert refused > 30


def test_a_file_of_a_newer_version_is_refused(arpa: Path, tmp_path: Path) -> None:
    load_lm(arpa).save(tmp_path / "toy.lm")
    with np.load(tmp_path / "toy.lm") as file:
        arrays = dict(file) | {"format": np.array(99)}
    np.savez(tmp_path / "newer.npz", **arrays)
    with pytest.raises(LMError, match="format 99"):
        load_lm(tmp_path / "newer.npz")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-0.5 the cat -0.25", "-0.5 the", "line 15"),
        ("-0.5 the cat -0.25", "-0.5 the dog -0.25", "no 1-gram for 'dog'"),
        ("-0.5 the cat -0.25\n", "", "'the cat sat' has no entry for its first 2 words"),
    ],
)
def test_a_broken_arpa_file_is_told(arpa: Path, old: str, new: str, message: str) -> None:
    arpa.write_text(ARPA.replace(old, new))
    with pytest.raises(LMError, match=message):
        load_lm(arpa)
