"""Token positions of frames, worked by hand, sinusoids at such positions, and the memory of a decoder."""

from __future__ import annotations

import itertools

import pytest
import torch

from speechnar.layers.cross_attention import STEEPEST, Memory, positions_in, sinusoids_at, token_positions
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig, KeyValues, sinusoids
from speechnar.layers.token_decoder import TokenDecoder

BLANK = 2


def said(*rows: list[int]) -> torch.Tensor:
    """Log-probabilities whose best paths are these."""
    return (torch.nn.functional.one_hot(torch.tensor(rows), 4).float() * 5).log_softmax(2)


def test_frames_have_the_position_of_their_token_and_blanks_are_between() -> None:
    rows = [2, 2, 1, 1, 2, 1, 3, 2], [0, 0, 0, 0, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2, 2, 2]
    positions = token_positions(said(*rows), BLANK)
    assert positions.tolist() == [[-0.5, -0.5, 0, 0, 0.5, 1, 2, 2.5], [0.0] * 8, [-0.5] * 8]


def test_the_last_position_is_the_last_token_of_the_best_path() -> None:
    log_probs = torch.randn(5, 40, 4, generator=torch.Generator().manual_seed(0)).log_softmax(2)
    log_probs[:, -1, 1] = 1.0  # no blank at the end
    paths = log_probs.argmax(2).tolist()
    lengths = [len([token for token, _ in itertools.groupby(path) if token != BLANK]) for path in paths]
    assert (token_positions(log_probs, BLANK)[:, -1] + 1).tolist() == lengths


def test_sinusoids_at_integers_are_those_of_tokens() -> None:
    numbers = torch.tensor([[0.0, 1.0, 2.0, 3.0], [3.0, 1.0, 1.0, 0.0]])
    table = sinusoids(torch.zeros(1, 4, 6))
    torch.testing.assert_close(sinusoids_at(numbers, 6), table[numbers.long()])


def test_the_bias_favors_frames_near_the_token() -> None:
    keys = torch.zeros(1, 2, 4, 3)
    memory = Memory((KeyValues(keys, keys),), torch.tensor([[-0.5, 0.0, 3.0, torch.inf]]))
    bias = memory.distance_bias(2)
    away = torch.tensor([[0.5, 0.0, 3.0, torch.inf], [1.5, 1.0, 2.0, torch.inf]])
    torch.testing.assert_close(bias, torch.stack([-STEEPEST * away, -STEEPEST / 4 * away])[None])
    assert torch.equal(memory.repeated(3).distance_bias(2), bias.expand(3, -1, -1, -1))


@pytest.mark.parametrize("length", [5, 3])
def test_the_memory_does_not_depend_on_padding(length: int) -> None:
    torch.manual_seed(0)
    decoder = TokenDecoder(DecoderConfig(8, 2, 2, 8), 8, 4)
    hidden, log_probs = torch.randn(2, 5, 8), torch.randn(2, 5, 4).log_softmax(2)
    padded = decoder.memory(EncoderOutput(hidden, torch.tensor([5, length]), log_probs, ()), BLANK)
    alone = hidden[1:, :length]
    whole = decoder.memory(EncoderOutput(alone, None, log_probs[1:, :length], ()), BLANK)
    assert torch.equal(padded.positions[1, :length], whole.positions[0]) and padded.positions[1, length:].isinf().all()
    for layer, other in zip(padded.layers, whole.layers):
        torch.testing.assert_close(layer.keys[1:, :, :length], other.keys)
        torch.testing.assert_close(layer.values[1:, :, :length], other.values)


def test_positions_in_texts_that_differ_from_the_path() -> None:
    positions = torch.tensor([-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5])  # of 5 6 7 8 and the blanks around them
    texts = {
        (5, 6, 7, 8): [-0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5],
        (5, 9, 7, 8): [-0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5],  # another token in the same position
        (5, 6, 9, 7, 8): [-0.5, 0, 0.5, 1, 1.5, 3, 3.5, 4, 4.5],  # one more: what follows is further back
        (5, 7, 8): [-0.5, 0, 0.5, 0.5, 0.5, 1, 1.5, 2, 2.5],  # one less: its frames are between its neighbors
        (5, 9, 9, 9, 9, 8): [-0.5, 0, 0.5, 1.5, 2.5, 3.5, 4.5, 5, 5.5],  # two have become four
        (): [-0.5] * 9,
    }
    found = positions_in(positions, [5, 6, 7, 8], [list(text) for text in texts])
    assert found.tolist() == list(texts.values())
    assert positions_in(torch.tensor([-0.5, -0.5]), [], [[], [4]]).tolist() == [[-0.5, -0.5], [-0.5, -0.5]]


def test_each_row_of_a_memory_is_repeated() -> None:
    keys = torch.arange(6.0).view(2, 1, 3, 1)
    made = Memory((KeyValues(keys, keys + 1),), torch.tensor([[0.0, 1, 2], [3, 4, 5]])).each(2)
    assert made.positions[:, 0].tolist() == made.layers[0].keys[:, 0, 0, 0].tolist() == [0, 0, 3, 3]
    assert made.layers[0].values[:, 0, 0, 0].tolist() == [1, 1, 4, 4]
