"""The encoder-decoder Transformer: padding and positions."""

from __future__ import annotations

import torch

from speechnar.layers.transformer import Transformer, TransformerConfig

SMALL = TransformerConfig(d_model=8, n_heads=2, d_ff=16, encoder_layers=2, decoder_layers=2, dropout=0.0)


def transformer() -> Transformer:
    torch.manual_seed(0)
    return Transformer(SMALL, 11).eval()


def test_padding_changes_nothing() -> None:
    model = transformer()
    source, lengths = torch.randint(11, (3, 7)), torch.tensor([7, 4, 1])
    tokens, token_lengths = torch.randint(11, (3, 5)), torch.tensor([3, 5, 2])
    memory = model.memory(model.encode(source, lengths))
    batch = model.decode_all(model.embed(tokens), token_lengths, memory)
    for row, (length, size) in enumerate(zip(lengths.tolist(), token_lengths.tolist())):
        alone = model.memory(model.encode(source[row : row + 1, :length], lengths[row : row + 1]))
        one = model.decode_all(model.embed(tokens[row : row + 1, :size]), token_lengths[row : row + 1], alone)
        torch.testing.assert_close(batch[row : row + 1, :size], one, atol=1e-5, rtol=0)


def test_a_repeated_memory_is_that_of_repeated_sources() -> None:
    model = transformer()
    encoded = model.encode(torch.randint(11, (2, 4)), torch.tensor([4, 2]))
    for a, b in zip(model.memory(encoded).each(3).layers, model.memory(encoded.each(3)).layers):
        torch.testing.assert_close(a.keys, b.keys)
        torch.testing.assert_close(a.values, b.values)


def test_the_order_of_the_source_matters() -> None:
    model = transformer()
    source, lengths = torch.tensor([[1, 2, 3]]), torch.tensor([3])
    there, back = model.encode(source, lengths).hidden, model.encode(source.flip(1), lengths).hidden.flip(1)
    assert (there - back).abs().max() > 1e-2
