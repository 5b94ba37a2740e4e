from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import betabinom
from torch import Tensor

from speechnar.nar.alignment import (
    AlignmentError,
    beta_binomial_prior,
    binarization_loss,
    forward_sum,
    monotonic_alignment_search,
    path_shares,
)


def paths(tokens: int, frames: int, skippable: list[bool]) -> list[tuple[int, ...]]:
    """The durations of every path, by trying all of them."""
    found = []
    for durations in itertools.product(range(frames + 1), repeat=tokens):
        out = [d == 0 for d in durations]
        allowed = all(may or not left for may, left in zip(skippable, out))
        if sum(durations) == frames and allowed and not any(a and b for a, b in zip(out, out[1:])):
            found.append(durations)
    return found


def score(log_probs: Tensor, durations: tuple[int, ...]) -> float:
    tokens = [k for k, d in enumerate(durations) for _ in range(d)]
    return sum(float(log_probs[t, k]) for t, k in enumerate(tokens))


CASES = [
    (tokens, frames, list(skippable))
    for tokens, frames in ((1, 1), (1, 3), (2, 2), (2, 4), (3, 3), (3, 5), (4, 4), (4, 6))
    for skippable in itertools.product((False, True), repeat=tokens)
    if tokens > 1 or not skippable[0]
]


@pytest.mark.parametrize("tokens, frames, skippable", CASES)
def test_all_small_cases_against_every_path(tokens: int, frames: int, skippable: list[bool]) -> None:
    generator = torch.Generator().manual_seed(100 * tokens + frames)
    log_probs = torch.randn(1, frames + 2, tokens + 1, generator=generator)  # with padding in both directions
    may_skip = torch.tensor([[*skippable, True]])
    lengths = (torch.tensor([tokens]), torch.tensor([frames]))
    scores = {d: score(log_probs[0], d) for d in paths(tokens, frames, skippable)}
    total = math.log(sum(math.exp(s) for s in scores.values()))
    assert float(forward_sum(log_probs, *lengths, may_skip)) == pytest.approx(total, abs=1e-5)
    shares = torch.zeros(frames + 2, tokens + 1)
    for path, its in scores.items():
        on = [k for k, d in enumerate(path) for _ in range(d)]
        shares[range(frames), on] += math.exp(its - total)
    torch.testing.assert_close(path_shares(log_probs, *lengths, may_skip)[0], shares, atol=1e-5, rtol=0)
    durations = monotonic_alignment_search(log_probs, *lengths, may_skip)[0].tolist()
    assert durations[tokens:] == [0]
    assert tuple(durations[:tokens]) == max(scores, key=scores.__getitem__)


def test_a_batch_equals_its_utterances() -> None:
    log_probs = torch.randn(3, 12, 5, generator=torch.Generator().manual_seed(1))
    tokens, frames = torch.tensor([5, 2, 4]), torch.tensor([12, 7, 4])
    together = forward_sum(log_probs, tokens, frames)
    durations = monotonic_alignment_search(log_probs, tokens, frames)
    assert durations.sum(1).tolist() == frames.tolist()
    for n, (k, t) in enumerate(zip(tokens.tolist(), frames.tolist())):
        alone = log_probs[n : n + 1, :t, :k], tokens[n : n + 1], frames[n : n + 1]
        assert float(together[n]) == pytest.approx(float(forward_sum(*alone)), abs=1e-4)
        assert durations[n, :k].tolist() == monotonic_alignment_search(*alone)[0].tolist()


def test_the_gradient_is_the_share_of_paths_through_each_place() -> None:
    """With equal probabilities: three tokens on four frames have three paths."""
    log_probs = torch.zeros(1, 4, 3, requires_grad=True)
    forward_sum(log_probs, torch.tensor([3]), torch.tensor([4])).sum().backward()
    assert log_probs.grad is not None
    third = 1 / 3
    expected = torch.tensor([[1, 0, 0], [third, 2 * third, 0], [0, 2 * third, third], [0, 0, 1]])
    torch.testing.assert_close(log_probs.grad[0], expected)


def test_two_thousand_frames_stay_finite() -> None:
    log_probs = (10 * torch.randn(1, 2000, 300, generator=torch.Generator().manual_seed(2))).log_softmax(2)
    log_probs.requires_grad_()
    total = forward_sum(log_probs, torch.tensor([300]), torch.tensor([2000]))
    total.sum().backward()
    assert log_probs.grad is not None
    torch.testing.assert_close(log_probs.grad.sum(2), torch.ones(1, 2000), atol=1e-3, rtol=0)
    durations = monotonic_alignment_search(log_probs.detach(), torch.tensor([300]), torch.tensor([2000]))
    assert int(durations.sum()) == 2000 and int(durations.min()) >= 1


def test_more_tokens_than_frames_are_refused_by_name() -> None:
    with pytest.raises(AlignmentError, match="utterance 1 of the batch has 2 frames for 3 tokens"):
        forward_sum(torch.zeros(2, 4, 3), torch.tensor([3, 3]), torch.tensor([4, 2]))


def test_as_few_frames_as_the_tokens_that_need_one() -> None:
    skippable = torch.tensor([[False, True, False]])
    durations = monotonic_alignment_search(torch.zeros(1, 2, 3), torch.tensor([3]), torch.tensor([2]), skippable)
    assert durations.tolist() == [[1, 0, 1]]


def test_the_prior_is_scipys_beta_binomial() -> None:
    prior = beta_binomial_prior(torch.tensor([4, 2]), torch.tensor([6, 3]), scale=0.7).exp()
    for t in range(6):
        expected = betabinom(3, 0.7 * (t + 1), 0.7 * (6 - t)).pmf(range(4))
        torch.testing.assert_close(prior[0, t], torch.tensor(expected).float())
    torch.testing.assert_close(prior.sum(2)[1], torch.tensor([1.0, 1, 1, 0, 0, 0]))


def test_binarization_takes_the_mean_of_the_path() -> None:
    log_probs = torch.tensor([[[-1.0, -9], [-2, -9], [-9, -3], [-9, -9]]])
    loss = binarization_loss(log_probs, torch.tensor([[2, 1]]), torch.tensor([3]))
    assert float(loss) == pytest.approx(2.0)
