"""IBM model 1 against the table of a textbook, and the entropy of corpora whose alignment is plain."""

from __future__ import annotations

import math
import random

import pytest

from speechnar.data.difficulty import conditional_entropy, links_of, translation_probabilities

HOUSE = [("das Haus".split(), "the house".split()), ("das Buch".split(), "the book".split()),
         ("ein Buch".split(), "a book".split())]  # fmt: skip
# Koehn 2010, "Statistical machine translation", figure 4.4: t(e | f) after each iteration, with no empty word
TABLE = {
    ("das", "the"): [0.25, 0.5, 0.6364, 0.7479],
    ("das", "book"): [0.25, 0.25, 0.1818, 0.1208],
    ("das", "house"): [0.25, 0.25, 0.1818, 0.1313],
    ("Buch", "the"): [0.25, 0.25, 0.1818, 0.1208],
    ("Buch", "book"): [0.25, 0.5, 0.6364, 0.7479],
    ("Buch", "a"): [0.25, 0.25, 0.1818, 0.1313],
    ("ein", "book"): [0.25, 0.5, 0.4286, 0.3466],
    ("ein", "a"): [0.25, 0.5, 0.5714, 0.6534],
    ("Haus", "the"): [0.25, 0.5, 0.4286, 0.3466],
    ("Haus", "house"): [0.25, 0.5, 0.5714, 0.6534],
}


@pytest.mark.parametrize("iterations", range(4))
def test_probabilities_are_those_of_the_textbook(iterations: int) -> None:
    links = links_of(HOUSE, with_none=False)
    found = translation_probabilities(links, iterations)
    words = [(source, target) for pair in HOUSE for target in pair[1] for source in pair[0]]
    assert len(words) == len(found) == 12
    for pair, probability in zip(words, found):
        assert probability == pytest.approx(TABLE[pair][iterations], abs=5e-5), pair


def test_the_entropy_of_words_that_stand_alone() -> None:
    """`a` has two translations, one of them three times as often; `b` has one: (H(3/4, 1/4) + 0) / 2.

    The empty word could take some; it is never more probable than a word that stands in fewer sentences.
    """
    pairs = [(["a"], ["x"])] * 3 + [(["a"], ["y"])] + [(["b"], ["z"])] * 2
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / 2
    assert conditional_entropy(pairs) == pytest.approx(expected)


def test_one_translation_for_each_word_has_no_entropy() -> None:
    words = ["ab", "bc", "ca", "abc", "b", "a", "c", "cb"]
    assert conditional_entropy([(list(word), list(word.upper())) for word in words]) == pytest.approx(0)


def test_three_translations_drawn_at_random_have_nearly_the_entropy_of_three() -> None:
    rng = random.Random(0)
    sources = [[rng.choice("abcdefgh") for _ in range(4)] for _ in range(200)]
    one = [(source, [word.upper() for word in source]) for source in sources]
    three = [(source, [word.upper() + rng.choice("123") for word in source]) for source in sources]
    assert conditional_entropy(one) == pytest.approx(0)
    assert conditional_entropy(three) == pytest.approx(math.log(3), abs=0.05)


def test_nothing_to_align() -> None:
    assert math.isnan(conditional_entropy([([], ["x"])])) and math.isnan(conditional_entropy([]))
