"""Best paths against Python loops and against every alignment there is."""

from __future__ import annotations

import itertools

import pytest
import torch

from speechnar.nar.ctc import best_path, forced_alignment

BLANK = 1


def some_log_probs(batch: int, time: int, symbols: int) -> torch.Tensor:
    return (2 * torch.randn(batch, time, symbols, generator=torch.Generator().manual_seed(3))).log_softmax(2)


def test_best_path_merges_repeats_and_drops_blanks() -> None:
    log_probs = some_log_probs(6, 9, 3)
    lengths = torch.tensor([9, 7, 5, 3, 1, 9])
    log_probs[5, :, BLANK] = 5.0
    found = best_path(log_probs, lengths, BLANK)
    for row, length in enumerate(lengths.tolist()):
        path = log_probs[row, :length].argmax(1).tolist()
        expected, start = [], 0
        for symbol, run in itertools.groupby(path):
            frames = len(list(run))
            if symbol != BLANK:
                expected.append((symbol, float(log_probs[row, start : start + frames, symbol].max().exp())))
            start += frames
        n = int(found.token_lengths[row])
        assert found.tokens[row, :n].tolist() == [symbol for symbol, _ in expected]
        assert found.confidences[row, :n].tolist() == pytest.approx([c for _, c in expected], rel=1e-5)
        assert (found.tokens[row, n:] == BLANK).all() and not found.confidences[row, n:].any()


def test_nothing_said_by_all_leaves_one_column() -> None:
    log_probs = torch.tensor([[[-5.0, 0.0]]]).expand(2, 4, 2)
    found = best_path(log_probs, torch.tensor([4, 2]), BLANK)
    assert found.tokens.tolist() == [[BLANK], [BLANK]] and found.token_lengths.tolist() == [0, 0]


def test_forced_alignment_is_the_best_of_all_alignments() -> None:
    log_probs = some_log_probs(5, 6, 4)
    texts = [[0, 0, 3], [2], [], [3, 2, 3, 2], [2, 2]]
    lengths = torch.tensor([6, 5, 4, 4, 3])
    tokens = torch.tensor([text + [3] * (4 - len(text)) for text in texts])
    found = forced_alignment(log_probs, lengths, tokens, torch.tensor([len(t) for t in texts]), BLANK)
    for row, text in enumerate(texts):
        length = int(lengths[row])
        paths = [
            path
            for path in itertools.product(range(4), repeat=length)
            if [s for s, _ in itertools.groupby(path) if s != BLANK] == text
        ]
        best = max(paths, key=lambda path: sum(float(log_probs[row, t, s]) for t, s in enumerate(path)))
        places = found[row].tolist()
        assert tuple(BLANK if place < 0 else text[place] for place in places[:length]) == best
        said = [place for place, _ in itertools.groupby(places[:length]) if place >= 0]
        assert said == list(range(len(text)))
        assert places[length:] == [-1] * (6 - length)


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="utterance 1 of the batch has 2 frames, too few for its 2 tokens"):
        forced_alignment(
            some_log_probs(2, 4, 4), torch.tensor([4, 2]), torch.tensor([[0, 2], [2, 2]]), torch.tensor([2, 2]), BLANK
        )
