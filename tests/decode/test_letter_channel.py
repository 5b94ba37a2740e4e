"""The words near what is written are those that cost least, by every way to write one for the other."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tiny_channel import TINY_CHANNEL

from speechnar.decode.letter_channel import KEPT, LETTERS, NearWords, letters_of


def cost(said: str, written: str, before: str = "", put: str = "") -> float:
    """Return the cost of writing a word for another by brute force: every way to do it, letter by letter."""
    if not said and not written:
        return 0.0
    options = []
    if said:
        removed = 1.0 if said[0] == before else 2.0
        options.append(removed + cost(said[1:], written, said[0], put))
    if written:
        added = 1.5 if written[0] == put else 4.0
        options.append(added + cost(said, written[1:], before, written[0]))
    if said and written:
        changed = 0.0 if said[0] == written[0] else 3.0
        options.append(changed + cost(said[1:], written[1:], said[0], written[0]))
    return min(options)


def test_the_cost_of_letters_is_that_of_the_cheapest_edits() -> None:
    near = NearWords(("a", "b"), np.zeros(2), TINY_CHANNEL)
    pairs = [(said, written) for said in ("good", "a", "cool", "abc'd") for written in ("god", "goood", "b", "aab'")]
    found = near.letter_costs(letters_of([pair[1] for pair in pairs]), letters_of([pair[0] for pair in pairs]))
    assert found.tolist() == pytest.approx([cost(*pair) for pair in pairs])


def test_the_nearest_words_are_found_in_the_order_of_their_costs() -> None:
    generator = random.Random(0)
    words = sorted({"".join(generator.choices("abcd", k=generator.randint(2, 5))) for _ in range(60)})
    costs = np.array([generator.uniform(5, 12) for _ in words])
    near = NearWords(words, costs, TINY_CHANNEL)
    written = ["abcd", "ddab", "ba", "abcd"]
    found = near(written)
    assert list(found) == written[:3]
    for word, options in found.items():
        expected = sorted(words, key=lambda each: cost(each, word) + 0.6 * costs[words.index(each)])
        assert [each for _, each in options] == [each for each in expected if abs(len(each) - len(word)) <= 3][:KEPT]
        assert [price for price, _ in options] == pytest.approx([cost(each, word) for _, each in options])


def test_words_looked_up_together_or_alone_or_again_have_the_same_near_words() -> None:
    words = ["clock", "clocks", "cloak", "struggle", "house", "it's", "a"]
    near = NearWords(words, np.zeros(len(words)), TINY_CHANNEL)
    written = ["clokk", "its", "x", "strugle", "q" * 23] * 20 + [f"clo{letter}k" for letter in LETTERS]
    together = near(written)
    assert [each for _, each in together["clokk"]][:2] == ["clock", "cloak"]
    assert together["q" * 23] == []
    for word in written:
        alone = NearWords(words, np.zeros(len(words)), TINY_CHANNEL)([word])[word]
        assert together[word] == near([word])[word] == alone
    assert near([]) == {}
