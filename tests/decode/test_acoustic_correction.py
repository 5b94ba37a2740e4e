"""The audio decides between spellings: a word that it contradicts is never written."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from tiny_channel import TINY_CHANNEL

from speechnar.cli import main
from speechnar.decode.acoustic_correction import FEATURES, AcousticCorrector, Utterance, without_overlap
from speechnar.decode.corrector import CHANNEL, LM, Correction, Corrector
from speechnar.decode.letter_channel import LETTERS, Gate
from speechnar.text.whisper_bpe import BytePairs

TOKENIZER = BytePairs(("<blank>", "\u2581", *LETTERS))
GAIN = 5  # place of the gain among the features
BY_GAIN = tuple(4.0 if n == GAIN else 0.0 for n in range(FEATURES))  # a change is certain if the gain is 1 nat or more
AUDIO = Gate(1.0, 0.5, BY_GAIN, BY_GAIN, 0.97, 1.0)


@pytest.fixture(scope="module")
def corrector(tmp_path_factory: pytest.TempPathFactory) -> AcousticCorrector:
    folder = tmp_path_factory.mktemp("corrector")
    text = "the red cat sat\nthe red bat sat\nthe old catalog burns\nsome day he sat\nsomeday he sat\n"
    (folder / "text.txt").write_text(text * 3)
    assert main(["lm", "train", str(folder / "text.txt"), "-o", str(folder / LM), "--order", "2"]) == 0
    (folder / CHANNEL).write_text(json.dumps(dataclasses.asdict(dataclasses.replace(TINY_CHANNEL, audio=AUDIO))))
    return AcousticCorrector(Corrector(folder), TOKENIZER)


def utterance(words: Sequence[str], said: Sequence[dict[str, float]] | str, confidence: float = 0.5) -> Utterance:
    """Return words whose audio is one frame a letter: the probabilities of letters, or a text that is certain.

    The rest of the probability of a frame is spread over all other tokens. A blank is between words.
    """
    frames_of = [{char.replace(" ", "\u2581"): 0.9} for char in f" {said}"] if isinstance(said, str) else list(said)
    probs = np.empty((len(frames_of), len(TOKENIZER.symbols)))
    for row, given in zip(probs, frames_of):
        row[:] = (1 - sum(given.values())) / (len(row) - len(given))
        for char, prob in given.items():
            row[TOKENIZER.ids[char]] = prob
    frames, at = [], 0
    for word in words:
        size = len(word) + 1
        frames.append((at, min(at + size, len(probs))))
        at += size
    return Utterance(words, frames, [confidence] * len(words), np.log(probs))


def heard(text: str, **uncertain: float) -> list[dict[str, float]]:
    """Return the frames of a text that is certain but for a `*`, which has the probabilities of `uncertain`."""
    return [dict(uncertain) if char == "*" else {char.replace(" ", "\u2581"): 0.9} for char in f" {text}"]


def text_of(corrector: AcousticCorrector, text: Utterance, verified: bool = False) -> str:
    words = list(text.words)
    for each in reversed(corrector.corrections(text, verified)):
        words[each.place : each.place + each.count] = each.words
    return " ".join(words)


@pytest.mark.parametrize("letter", ["c", "b"])
def test_the_audio_chooses_between_equal_letters_and_neighbors(corrector: AcousticCorrector, letter: str) -> None:
    said = heard("the red *at sat", x=0.5, **{letter: 0.4})
    assert text_of(corrector, utterance(["the", "red", "xat", "sat"], said)) == "the red xat sat"  # no gain
    said = heard("the red *at sat", x=0.1, **{letter: 0.8})
    assert text_of(corrector, utterance(["the", "red", "xat", "sat"], said)) == f"the red {letter}at sat"


def test_a_candidate_that_the_audio_contradicts_is_not_taken(corrector: AcousticCorrector) -> None:
    text = utterance(["the", "red", "xat", "sat"], "the red xat sat")
    (found,) = [each for each in corrector.proposals(text) if each.place == 2]
    assert found.words in (("cat",), ("bat",)) and found.features[GAIN] < -3
    assert corrector.corrections(text, False) == []


def test_a_word_that_exists_becomes_no_other(corrector: AcousticCorrector) -> None:
    text = utterance(["the", "red", "cat", "sat"], "the red bat sat")
    assert [each for each in corrector.proposals(text) if each.words] == []


def test_a_short_word_is_left_out_where_ctc_is_not_certain(corrector: AcousticCorrector) -> None:
    """Three frames of silence, in which CTC has written a word that exists."""
    text = utterance(["the", "red", "he", "cat", "sat"], heard("the red*** cat sat", **{"<blank>": 0.8}))
    doubtful = dataclasses.replace(text, confidences=[0.9, 0.9, 0.5, 0.9, 0.9])
    assert text_of(corrector, doubtful) == "the red cat sat"
    assert text_of(corrector, dataclasses.replace(text, confidences=[0.9] * 5)) == "the red he cat sat"
    assert (
        text_of(corrector, utterance(["the", "red", "he", "cat", "sat"], "the red he cat sat")) == "the red he cat sat"
    )


def test_marks_and_capitals_stay(corrector: AcousticCorrector) -> None:
    said = heard("the red *at sat", x=0.1, b=0.8)
    assert text_of(corrector, utterance(["The", "red", "Xat,", "sat."], said)) == "The red Bat, sat."


def test_right_text_stays(corrector: AcousticCorrector) -> None:
    for said in ("the red cat sat", "the old catalog burns", "some day he sat"):
        assert text_of(corrector, utterance(said.split(), said)) == said
    assert corrector.corrections(utterance([], "a"), False) == []


def test_two_words_may_be_one_and_one_two(corrector: AcousticCorrector) -> None:
    doubtful = {"<blank>": 0.8, "\u2581": 0.1}  # that a word begins
    said = heard("the old cata*log burns", **doubtful)
    assert text_of(corrector, utterance(["the", "old", "cata", "log", "burns"], said)) == "the old catalog burns"
    said = "the old catalog burns"
    split = dataclasses.replace(utterance(["the", "oldcatalog", "burns"], said), frames=[(0, 4), (4, 16), (16, 22)])
    assert text_of(corrector, split) == said


def test_two_words_that_exist_are_not_joined(corrector: AcousticCorrector) -> None:
    said = heard("some*day he sat", **{"<blank>": 0.9})
    assert text_of(corrector, utterance(["some", "day", "he", "sat"], said)) == "some day he sat"


def test_verified_words_have_a_threshold_of_their_own(corrector: AcousticCorrector) -> None:
    text = utterance(["the", "red", "xat", "sat"], "the red bat sat")
    assert text_of(corrector, text) == "the red bat sat"
    assert text_of(corrector, text, verified=True) == "the red xat sat"


@pytest.mark.parametrize(
    ("word", "confidence", "stands"),
    [("Xat", 0.9, True), ("Xat", 0.96, False), ("catsat", 0.9, True), ("catsat", 0.96, False), ("xat", 0.9, False)],
)
def test_a_verified_name_or_compound_stands_unless_it_is_almost_certainly_wrong(
    corrector: AcousticCorrector, monkeypatch: pytest.MonkeyPatch, word: str, confidence: float, stands: bool
) -> None:
    change = Correction(1, ("old",), (), confidence)
    monkeypatch.setattr(AcousticCorrector, "proposals", lambda self, text: [change])
    monkeypatch.setattr(AcousticCorrector, "threshold", lambda self, verified: 0.6)
    text = utterance(["the", word], "the old")
    assert corrector.corrections(text, verified=True) == ([] if stands else [change])
    assert corrector.corrections(text, verified=False) == [change]


def test_the_gain_is_that_of_all_paths(corrector: AcousticCorrector) -> None:
    """By brute force over all paths of a word alone."""
    generator = np.random.default_rng(0)
    tokens = [TOKENIZER.ids[symbol] for symbol in ("<blank>", "\u2581", "a", "c", "b", "t")]
    log_probs = np.full((6, len(TOKENIZER.symbols)), -60.0)
    log_probs[:, tokens] = np.log(generator.dirichlet(np.ones(len(tokens)), 6))
    totals = {"\u2581cat": 0.0, "\u2581bat": 0.0, "": 0.0}
    for path in itertools.product(tokens, repeat=6):
        said = "".join(TOKENIZER.symbols[token] for token, _ in itertools.groupby(path) if token)
        if said in totals:
            totals[said] += math.exp(log_probs[range(6), path].sum())
    (found,) = corrector.proposals(Utterance(["cat"], [(0, 6)], [0.1], log_probs))
    new = "".join(f"\u2581{word}" for word in found.words)
    assert found.features[GAIN] == pytest.approx(math.log(totals[new] / totals["\u2581cat"]))


def test_words_that_ctc_cannot_write_have_no_gain(corrector: AcousticCorrector) -> None:
    text = utterance(["the", "5\u20ac", "xat", "sat"], "the red cat sat")
    assert [each.features[GAIN] for each in corrector.proposals(text) if each.place == 2] == [0.0]


def test_the_most_certain_of_overlapping_corrections_is_made() -> None:
    one, two, three = (
        Correction(0, ("a",), (), 0.6, 2),
        Correction(1, ("b",), (), 0.7),
        Correction(2, ("c",), (), 0.5),
    )
    assert without_overlap([one, two, three]) == [two, three]
