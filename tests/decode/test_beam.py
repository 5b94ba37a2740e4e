"""The beam search against the sum over all alignments of all texts, with and without a language model."""

from __future__ import annotations

import gc
import itertools
import math

import numpy as np
import pytest

from speechnar.decode.beam import PrefixBeamConfig, beam_search, nbest
from speechnar.decode.greedy import greedy
from speechnar.decode.result import DecodeError
from speechnar.decode.scorer import Scorer, ScorerOptions
from speechnar.lm.ngram import NgramModel, Table
from speechnar.text.symbols import Vocabulary

LETTERS = Vocabulary(["▁", "a", "<blank>", "b"])
SUBWORDS = Vocabulary(["<blank>", "▁a", "b", "▁b"])
EXHAUSTIVE = PrefixBeamConfig(beam=10_000, token_threshold=math.inf, beam_threshold=math.inf, blank_skip_threshold=2.0)
WEIGHTS = ScorerOptions(lm_weight=0.7, word_bonus=0.4, unknown_score=-1.5, hot_bonus=2.0)


def random_log_probs(n_frames: int, n_tokens: int, seed: int) -> np.ndarray:
    logits = 1.5 * np.random.default_rng(seed).standard_normal((n_frames, n_tokens))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def weights_of_texts(log_probs: np.ndarray, blank_id: int) -> dict[tuple[int, ...], float]:
    """The summed probability of all alignments, for each sequence of vocabulary."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        tokens = tuple(token for token, _ in itertools.groupby(path) if token != blank_id)
        weight = math.exp(sum(log_probs[n, token] for n, token in enumerate(path)))
        found[tokens] = found.get(tokens, 0.0) + weight
    return found


def text_of(tokens: tuple[int, ...], vocabulary: Vocabulary) -> list[str]:
    return "".join(vocabulary.symbols[n] for n in tokens).replace("▁", " ").split()


def toy_model() -> NgramModel:
    """A bigram model over a, ab, b with made-up numbers; `ba` and others are unknown."""
    words = ["</s>", "<s>", "<unk>", "a", "ab", "b"]
    unigrams = Table(
        np.arange(6)[:, None],
        np.log([0.1, 1e-9, 0.05, 0.4, 0.25, 0.2]),
        np.log([1.0, 0.5, 0.9, 0.6, 0.7, 0.8]),
    )
    pairs = np.array([[1, 3], [3, 0], [3, 5], [4, 3], [5, 4]])
    bigrams = Table(pairs, np.log([0.6, 0.3, 0.35, 0.5, 0.25]), np.zeros(5))
    return NgramModel.of_tables(words, [unigrams, bigrams])


def bigram(words: list[str], before: str, word: str) -> float:
    """The toy model's probability, written down a second time."""
    table = {("<s>", "a"): 0.6, ("a", "</s>"): 0.3, ("a", "b"): 0.35, ("ab", "a"): 0.5, ("b", "ab"): 0.25}
    single = {"</s>": 0.1, "<unk>": 0.05, "a": 0.4, "ab": 0.25, "b": 0.2}
    backoff = {"<s>": 0.5, "<unk>": 0.9, "a": 0.6, "ab": 0.7, "b": 0.8}
    return math.log(table[before, word] if (before, word) in table else backoff[before] * single[word])


def lm_score(text: list[str]) -> float:
    score, before = 0.0, "<s>"
    for word in text:
        known = word if word in ("a", "ab", "b") else "<unk>"
        unknown = WEIGHTS.unknown_score * len(word) if known == "<unk>" else 0.0
        score += WEIGHTS.lm_weight * (bigram(text, before, known) + unknown) + WEIGHTS.word_bonus
        before = known
    return score + WEIGHTS.lm_weight * bigram(text, before, "</s>")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("vocabulary", [LETTERS, SUBWORDS], ids=["letters", "subwords"])
def test_every_text_gets_the_sum_of_its_alignments(vocabulary: Vocabulary, seed: int) -> None:
    log_probs = random_log_probs(5, 4, seed)
    expected = weights_of_texts(log_probs, vocabulary.blank_id)
    found = {c.tokens: c.score for c in nbest(log_probs, vocabulary, config=EXHAUSTIVE)}
    assert found == pytest.approx({tokens: math.log(weight) for tokens, weight in expected.items()})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("vocabulary", [LETTERS, SUBWORDS], ids=["letters", "subwords"])
def test_the_language_model_scores_whole_texts(vocabulary: Vocabulary, seed: int) -> None:
    log_probs = random_log_probs(5, 4, seed)
    scorer = Scorer(vocabulary, toy_model(), options=WEIGHTS)
    expected = {
        tokens: math.log(weight) + lm_score(text_of(tokens, vocabulary))
        for tokens, weight in weights_of_texts(log_probs, vocabulary.blank_id).items()
    }
    found = nbest(log_probs, vocabulary, scorer, EXHAUSTIVE)
    assert {c.tokens: c.score for c in found} == pytest.approx(expected, rel=1e-5)
    assert found[0].tokens == max(expected, key=expected.__getitem__)


HOT = ["ab", "b a", "b a a"]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [("ab", 1), ("a", 0), ("abb", 0), ("a ab", 1), ("b", 0), ("b a", 1), ("b a a", 1), ("b a ab", 2), ("b ab", 1),
     ("b a b a", 2), ("b aa", 0), ("b a aa", 1), ("b b a", 1)],
)  # fmt: skip
@pytest.mark.parametrize("model", [False, True], ids=["alone", "with a model"])
def test_hot_phrases_earn_their_bonus_once_they_are_whole(text: str, phrases: int, model: bool) -> None:
    def score(hot_words: list[str]) -> float:
        scorer = Scorer(LETTERS, toy_model() if model else None, hot_words, WEIGHTS)
        state, total = scorer.start(), 0.0
        for letter in text.replace(" ", "▁"):
            state, factor = scorer.move(state, LETTERS.symbols.index(letter))
            total += math.log(factor)
        return total + scorer.finish(state)

    assert score(HOT) - score([]) == pytest.approx(phrases * WEIGHTS.hot_bonus, abs=1e-6)


def test_a_hot_word_outside_the_vocabulary_is_not_punished_for_it() -> None:
    def score(hot_words: list[str]) -> float:
        scorer = Scorer(LETTERS, toy_model(), hot_words, WEIGHTS)
        state, total = scorer.start(), 0.0
        for token in (3, 1):
            state, factor = scorer.move(state, token)
            total += math.log(factor)
        return total + scorer.finish(state)

    expected = WEIGHTS.hot_bonus - WEIGHTS.lm_weight * 2 * WEIGHTS.unknown_score
    assert score(["ba"]) - score([]) == pytest.approx(expected)


def test_a_hot_word_turns_an_even_choice() -> None:
    probs = np.full((4, 4), 0.02)
    probs[0, 0], probs[1, 1], probs[2, 2], probs[3, [1, 3]] = 0.94, 0.94, 0.94, (0.5, 0.46)
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True))
    assert beam_search(log_probs, LETTERS, 1.0).text == "aa"
    assert beam_search(log_probs, LETTERS, 1.0, Scorer(LETTERS, hot_words=["ab"])).text == "ab"


@pytest.mark.parametrize("seed", range(3))
def test_a_narrow_beam_with_margins_finds_the_same_where_the_model_is_sure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(60, 4, seed) / 10
    log_probs[range(60), rng.integers(0, 4, 60)] += 9
    log_probs -= np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
    found = beam_search(log_probs, LETTERS, 0.04)
    assert [(w.text, w.start, w.end) for w in found.words] == [
        (w.text, w.start, w.end) for w in greedy(log_probs, LETTERS, 0.04).words
    ]


def test_a_long_input_neither_underflows_nor_keeps_what_it_has_dropped() -> None:
    log_probs = np.tile(random_log_probs(50, 4, 0), (40, 1))
    found = nbest(log_probs, LETTERS)
    assert len(found) == PrefixBeamConfig().beam
    assert gc.isenabled()
    assert math.isfinite(found[0].score) and len(found[0].tokens) > 500


def test_no_frames_are_no_words() -> None:
    assert beam_search(np.zeros((0, 4)), LETTERS, 1.0, Scorer(LETTERS, toy_model())).words == ()


def test_what_cannot_be_searched_is_told() -> None:
    with pytest.raises(DecodeError, match="beam is 0"):
        PrefixBeamConfig(beam=0)
    with pytest.raises(DecodeError, match="frame 1 .*no token"):
        beam_search(np.array([[0.0] * 4, [-np.inf] * 4]), LETTERS, 1.0)
