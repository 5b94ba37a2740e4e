"""Modified Kneser-Ney against a plain reading of its equations with dictionaries, and pruning by what it costs."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from speechnar.lm.kneser_ney import KneserNeyOptions, discounts, train
from speechnar.lm.ngram import LMError, NgramModel

RNG = np.random.default_rng(3)
LETTERS = RNG.choice(list("aaaabbbccdde"), size=(60, 6), p=None)
TEXT = [" ".join(row[: 1 + n % 6]) for n, row in enumerate(LETTERS)]


def after(model: NgramModel, context: list[str], word: str) -> float:
    """Natural log-probability of a word after words; a context that begins with `<s>` begins a sentence."""
    state = model.start if context[:1] == ["<s>"] else ()
    for before in context[context[:1] == ["<s>"] :]:
        state = model.step(state, model.words.index(before))[1]
    return model.step(state, model.words.index(word))[0]


def plain_kneser_ney(text: list[str], order: int) -> Callable[[tuple[str, ...], str], float]:
    """Equations 26 and 27 of Chen and Goodman, word by word."""
    sentences = [["<s>", *line.split(), "</s>"] for line in text]
    counts: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order + 1)]
    for n in range(1, order + 1):
        for words in sentences:
            counts[n].update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    used: list[dict[tuple[str, ...], int]] = [{}]
    for n in range(1, order + 1):
        before = defaultdict(set)
        if n < order:
            for gram in counts[n + 1]:
                before[gram[1:]].add(gram[0])
        used.append({g: c if n == order or g[0] == "<s>" else len(before[g]) for g, c in counts[n].items()})
    used[1].pop(("<s>",))
    vocabulary = {g[0] for g in used[1]} | {"<unk>"}

    def taken(n: int, count: int) -> float:
        having = [sum(1 for c in used[n].values() if c == k) for k in (1, 2, 3, 4)]
        if 0 in having:
            return [0.0, 0.5, 1.0, 1.5][min(count, 3)]
        y = having[0] / (having[0] + 2 * having[1])
        values = [0.0] + [k - (k + 1) * y * having[k] / having[k - 1] for k in (1, 2, 3)]
        return min(max(values[min(count, 3)], 0.0), min(count, 3))

    def probability(context: tuple[str, ...], word: str) -> float:
        if word == "<s>":
            return 0.0
        n = len(context) + 1
        lower = probability(context[1:], word) if context else 1 / len(vocabulary)
        same = {g: c for g, c in used[n].items() if g[:-1] == context}
        if not same:
            return lower
        total = sum(same.values())
        count = same.get((*context, word), 0)
        return (count - taken(n, count)) / total + sum(taken(n, c) for c in same.values()) / total * lower

    return probability


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_the_plain_reading_of_the_equations(order: int) -> None:
    model = train(TEXT, KneserNeyOptions(order=order))
    plain = plain_kneser_ney(TEXT, order)
    for context in itertools.product(["<s>", "a", "b", "e", "<unk>"], ["a", "c", "d", "<unk>"], ["a", "b"]):
        for word in ("a", "b", "c", "d", "e", "</s>", "<unk>"):
            expected = math.log(plain(context[len(context) - order + 1 :], word))
            assert after(model, list(context), word) == pytest.approx(expected, abs=0.02)  # 8-bit codes


def test_discounts_of_a_table_worked_by_hand() -> None:
    # 8 once, 4 twice, 2 three times, 1 four times: Y = 8 / 16; 1 - 2 Y 4/8; 2 - 3 Y 2/4; 3 - 4 Y 1/2
    counts = np.repeat([1, 2, 3, 4, 9], [8, 4, 2, 1, 5])
    assert discounts(counts) == pytest.approx([0.0, 0.5, 1.25, 2.0])


@pytest.mark.parametrize(
    "options",
    [
        KneserNeyOptions(order=2),
        KneserNeyOptions(order=3, min_counts=(1, 2, 3)),
        KneserNeyOptions(order=3, prune=0.003),
        KneserNeyOptions(order=3, prune=10.0),
        KneserNeyOptions(order=3, vocabulary=3),
    ],
    ids=["whole", "counts", "entropy", "unigrams are left", "few words"],
)
def test_what_follows_any_context_sums_to_one(options: KneserNeyOptions) -> None:
    model = train(TEXT, options)
    for context in itertools.product(["<s>", *"abc", "<unk>"], "abc"):
        total = sum(math.exp(after(model, list(context), word)) for word in model.words)
        assert total == pytest.approx(1.0, abs=0.01)


def entropy_rise(whole: NgramModel, pruned: NgramModel) -> float:
    """Return the relative entropy of the pruned model to the whole one, over the text's contexts of two words."""
    tokens = [["<s>", *line.split(), "</s>"] for line in TEXT]
    contexts = Counter(tuple(words[i : i + 2]) for words in tokens for i in range(len(words) - 2))
    rise = 0.0
    for context, count in contexts.items():
        for word in whole.words:
            p, q = (after(model, list(context), word) for model in (whole, pruned))
            rise += count / contexts.total() * math.exp(p) * (p - q)
    return rise


def test_pruning_by_entropy_costs_less_than_as_many_random_n_grams() -> None:
    whole = train(TEXT, KneserNeyOptions(order=3))
    sizes, rises = [], []
    for prune in (0.0005, 0.002, 0.01):
        pruned = train(TEXT, KneserNeyOptions(order=3, prune=prune))
        sizes.append(sum(len(level.words) for level in pruned.levels))
        rises.append(entropy_rise(whole, pruned))
    by_count = train(TEXT, KneserNeyOptions(order=3, min_counts=(1, 1, 3)))
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3
    assert rises == sorted(rises)
    size = sum(len(level.words) for level in by_count.levels)
    smaller = next(rise for n, rise in zip(sizes, rises) if n <= size)
    assert smaller < entropy_rise(whole, by_count)


def test_rare_words_become_unknown() -> None:
    model = train(["a b a b", "a c a b", "d"], KneserNeyOptions(order=2, vocabulary=2))
    assert model.words == ["</s>", "<s>", "<unk>", "a", "b"]
    assert model.id_of("c") is None
    assert after(model, ["a"], "<unk>") > after(model, ["b"], "<unk>")


def test_what_cannot_be_trained_is_told() -> None:
    with pytest.raises(LMError, match="no text"):
        train(["", "  "])
    with pytest.raises(LMError, match="order"):
        KneserNeyOptions(order=0)
    with pytest.raises(LMError, match="30 words.*cannot be numbered"):
        train(["a b"], KneserNeyOptions(order=30))
