"""CTC against the sum over all alignments, and what is added to it against its definition."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from speechnar.layers.cross_attention import token_positions
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.losses.ctc import (
    Targets,
    aligned_positions,
    consistency_loss,
    ctc_loss,
    ctc_terms,
    distillation_loss,
    smoothing_loss,
)
from speechnar.text.symbols import Vocabulary

BLANK = 2


def collapsed(path: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK]


def some_log_probs(batch: int, time: int, symbols: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(batch, time, symbols, generator=generator)).log_softmax(2)


def test_ctc_is_the_sum_over_all_alignments() -> None:
    log_probs = some_log_probs(3, 5, 4)
    lengths, texts = torch.tensor([5, 4, 3]), [[0, 0, 3], [1], []]
    tokens = torch.tensor([[0, 0, 3], [1, 9, 9], [9, 9, 9]]).clamp(max=3)
    total = 0.0
    for row, text in enumerate(texts):
        probabilities = [
            math.exp(sum(float(log_probs[row, t, s]) for t, s in enumerate(path)))
            for path in itertools.product(range(4), repeat=int(lengths[row]))
            if collapsed(path) == text
        ]
        total -= math.log(sum(probabilities))
    loss = ctc_loss(log_probs, lengths, tokens, torch.tensor([3, 1, 0]), BLANK)
    assert float(loss) == pytest.approx(total / 4, rel=1e-5)


def test_a_text_that_does_not_fit_has_no_loss_and_no_gradient() -> None:
    log_probs = some_log_probs(1, 3, 4).requires_grad_()
    loss = ctc_loss(log_probs, torch.tensor([3]), torch.tensor([[0, 0, 3]]), torch.tensor([3]), BLANK)
    loss.backward()
    assert float(loss.detach()) == 0 and log_probs.grad is not None and not log_probs.grad.any()


@pytest.mark.parametrize("padding", [-1, 0, 3, 10**6])
@pytest.mark.parametrize(("symbols", "blank_id"), [(9, 0), (9, 4), (9, 8), (5, 0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_is_torchs(symbols: int, blank_id: int, padding: int, dtype: torch.dtype) -> None:
    """With texts that repeat tokens, are empty, or do not fit; 5 symbols are fewer than the texts are long."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(5, 12, symbols, generator=generator, dtype=dtype, requires_grad=True)
    lengths, counts = torch.tensor([12, 9, 7, 5, 3]), torch.tensor([6, 3, 0, 4, 3])
    tokens = torch.randint(1, symbols, (5, 6), generator=generator)
    tokens[0] = tokens[0, 0]
    tokens[4] = tokens[4, 0]  # three times the same takes five frames
    tokens = (tokens + blank_id) % symbols
    real = torch.arange(6) < counts[:, None]
    given = torch.where(real, tokens, padding)
    frames_first = logits.log_softmax(2).transpose(0, 1)
    total = torch.nn.functional.ctc_loss(
        frames_first, tokens, lengths, counts, blank_id, reduction="sum", zero_infinity=True
    )
    (expected,) = torch.autograd.grad(total / counts.sum(), logits)
    loss = ctc_loss(logits.log_softmax(2), lengths, given, counts, blank_id)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(loss, total / counts.sum())
    torch.testing.assert_close(gradient, expected)
    with torch.no_grad():
        torch.testing.assert_close(ctc_loss(logits.log_softmax(2), lengths, given, counts, blank_id), loss)


def test_smoothing_leaves_the_blank_and_padding_out() -> None:
    log_probs = some_log_probs(2, 3, 4)
    real = [(0, 0), (0, 1), (0, 2), (1, 0)]
    by_hand = -sum(float(log_probs[b, t, s]) / 3 for b, t in real for s in (0, 1, 3)) / 5
    loss = smoothing_loss(log_probs, torch.tensor([3, 1]), torch.tensor([3, 2]), BLANK)
    assert float(loss) == pytest.approx(by_hand, rel=1e-5)


def test_consistency_is_half_of_both_divergences_without_padding() -> None:
    a, b = some_log_probs(2, 3, 4), some_log_probs(2, 3, 4, seed=1)
    by_hand = 0.0
    for row, t in [(0, 0), (0, 1), (0, 2), (1, 0)]:
        p, q = a[row, t].exp().tolist(), b[row, t].exp().tolist()
        by_hand += 0.5 * sum(x * math.log(x / y) + y * math.log(y / x) for x, y in zip(p, q))
    loss = consistency_loss(a, b, torch.tensor([3, 1]), torch.tensor([2, 1]))
    assert float(loss) == pytest.approx(by_hand / 3, rel=1e-4)
    assert float(consistency_loss(a, a, torch.tensor([3, 1]), torch.tensor([2, 1]))) == pytest.approx(0, abs=1e-6)


def test_each_view_learns_from_the_other_held_still() -> None:
    logits = torch.randn(2, 1, 2, 4, requires_grad=True)
    a, b = logits.log_softmax(3)
    consistency_loss(a, b, torch.tensor([2]), torch.tensor([1])).backward()
    # the gradient of KL(q || softmax(z)) in z, with q held still, is softmax(z) - q
    expected = 0.5 * torch.stack([a.exp() - b.exp(), b.exp() - a.exp()]).detach()
    torch.testing.assert_close(logits.grad, expected)


def test_cr_ctc_is_the_mean_loss_of_the_views_and_their_divergence() -> None:
    """Equations 2 to 4 of the paper by hand: the mean of both CTC losses, and 0.2 times that of both divergences."""
    a, b = some_log_probs(2, 4, 5), some_log_probs(2, 4, 5, seed=1)
    lengths, tokens, token_lengths = torch.tensor([4, 3]), torch.tensor([[0, 1], [3, 0]]), torch.tensor([2, 1])
    by_hand = 0.0
    for row in range(2):
        frames, text = int(lengths[row]), tokens[row, : token_lengths[row]].tolist()
        for view in (a, b):
            paths = (p for p in itertools.product(range(5), repeat=frames) if collapsed(p) == text)
            total = sum(math.exp(sum(float(view[row, t, s]) for t, s in enumerate(path))) for path in paths)
            by_hand -= 0.5 * math.log(total)
        for p, q in zip(a[row, :frames].exp().tolist(), b[row, :frames].exp().tolist()):
            by_hand += 0.2 * 0.5 * sum(x * math.log(x / y) + y * math.log(y / x) for x, y in zip(p, q))
    encoder_out = EncoderOutput(torch.zeros(4, 4, 1), lengths.repeat(2), torch.cat([a, b]), ())
    targets = Targets(tokens.repeat(2, 1), token_lengths.repeat(2), Vocabulary(("a", "b", "<blank>", "c", "d")), 2)
    terms = ctc_terms(torch.nn.Identity(), encoder_out, targets)
    assert terms.keys() == {"ctc", "consistency"}
    loss = float(terms["ctc"].value + 0.2 * terms["consistency"].value)
    assert loss == pytest.approx(by_hand / 3, rel=1e-5)


def test_distillation_is_the_divergence_from_the_teacher_without_padding() -> None:
    student, teacher = some_log_probs(2, 3, 4), some_log_probs(2, 3, 4, seed=1)
    by_hand = 0.0
    for row, t in [(0, 0), (0, 1), (0, 2), (1, 0)]:
        p, q = teacher[row, t].exp().tolist(), student[row, t].exp().tolist()
        by_hand += sum(x * math.log(x / y) for x, y in zip(p, q))
    loss = distillation_loss(student, teacher, torch.tensor([3, 1]), torch.tensor([2, 1]))
    assert float(loss) == pytest.approx(by_hand / 3, rel=1e-4)


def test_frames_are_numbered_by_the_tokens_of_the_target() -> None:
    """CTC's best path has lost the second of three tokens; the last frame belongs to the third all the same."""
    probs = torch.full((1, 5, 4), 0.02)
    probs[0, range(5), [1, 0, 0, 0, 3]] = 0.9
    probs[0, 2, 2] = 0.06
    heard = EncoderOutput(torch.zeros(1, 5, 2), torch.tensor([5]), probs.log(), ())
    vocabulary = Vocabulary(("<blank>", "a", "b", "c"))
    targets = Targets(torch.tensor([[1, 2, 3]]), torch.tensor([3]), vocabulary)
    assert aligned_positions(heard, targets).tolist() == [[0.0, 0.5, 1.0, 1.5, 2.0]]
    assert token_positions(heard.log_probs, 0).tolist() == [[0.0, 0.5, 0.5, 0.5, 1.0]]
