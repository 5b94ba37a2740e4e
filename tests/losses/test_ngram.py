"""Losses on n-grams against counts over all sequences that parallel predictions can say."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from speechnar.losses.ngram import bag_of_ngrams_loss, edit_invariant_loss


def random_case(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64).log_softmax(2)
    tokens = torch.randint(0, 3, (2, 5), generator=generator)
    return log_probs, torch.tensor([4, 3]), tokens, torch.tensor([5, 3])


def grams(sequence: tuple[int, ...], order: int) -> Counter:
    return Counter(tuple(sequence[n : n + order]) for n in range(len(sequence) - order + 1))


def expected_bag(said: Tensor, order: int) -> Counter:
    """The mean bag over all sequences, each by its probability."""
    bag: Counter = Counter()
    for sequence in itertools.product(range(said.shape[1]), repeat=len(said)):
        probability = math.exp(sum(float(said[t, token]) for t, token in enumerate(sequence)))
        for gram, count in grams(sequence, order).items():
            bag[gram] += probability * count
    return bag


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("order", [1, 2, 3])
def test_bag_of_ngrams_is_the_expectation_over_all_sequences(seed: int, order: int) -> None:
    log_probs, lengths, tokens, token_lengths = random_case(seed)
    found = wanted = 0.0
    for row, (length, number) in enumerate(zip(lengths.tolist(), token_lengths.tolist())):
        bag, target = expected_bag(log_probs[row, :length], order), grams(tuple(tokens[row, :number].tolist()), order)
        found += sum(min(bag[gram], count) for gram, count in target.items())
        wanted += sum(target.values())
    loss = bag_of_ngrams_loss(log_probs, lengths, tokens, token_lengths, order)
    assert float(loss) == pytest.approx(1 - found / wanted)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_edit_invariant_is_the_mean_over_places(order: int) -> None:
    log_probs, lengths, tokens, token_lengths = random_case(0)
    total, number = 0.0, 0
    for row, (length, size) in enumerate(zip(lengths.tolist(), token_lengths.tolist())):
        for n in range(size - order + 1):
            said = [
                math.prod(math.exp(float(log_probs[row, t + k, tokens[row, n + k]])) for k in range(order))
                for t in range(length - order + 1)
            ]
            total -= math.log(sum(said) / len(said))
            number += 1
    loss = edit_invariant_loss(log_probs, lengths, tokens, token_lengths, order)
    assert float(loss) == pytest.approx(total / number)


def test_a_shift_costs_the_ngram_that_leaves_and_no_other() -> None:
    said = torch.tensor([[0, 1, 2, 3]])
    log_probs = (50.0 * torch.nn.functional.one_hot(said, 5)).log_softmax(2)
    tokens = torch.tensor([[1, 2, 3, 4]])
    four = torch.tensor([4])
    assert float(bag_of_ngrams_loss(log_probs, four, tokens, four, 2)) == pytest.approx(1 / 3)


@pytest.mark.parametrize("loss", [bag_of_ngrams_loss, edit_invariant_loss])
def test_gradients_and_padding(loss) -> None:  # type: ignore[no-untyped-def]
    log_probs, lengths, tokens, token_lengths = random_case(1)
    given = log_probs.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: loss(x, lengths, tokens, token_lengths, 2), given)
    value = loss(given, lengths, tokens, token_lengths, 2)
    value.backward()
    assert given.grad is not None and not given.grad[1, 3:].any()
    other = tokens.clone()
    other[1, 3:] = 99
    assert float(loss(given, lengths, other, token_lengths, 2)) == float(value)
    with pytest.raises(ValueError, match="no target of the batch has 6 tokens"):
        loss(given, lengths, tokens, token_lengths, 6)
