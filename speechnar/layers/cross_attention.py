"""The encoder's output as token decoders listen to it: each frame at the place, in tokens, that CTC gives it.

A decoder asks "what is the token at place n?" and so has only to look at the frames of about that place, which its
attention is told to do from the beginning. With the frames numbered as they come, it would first have to learn how long
tokens are, for which small corpora are too little.

Source: attention's bias by distance: ALiBi (Press et al. 2022), section 3.
Differs: the distance is between a token and where CTC hears it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.layers.token_decoder import KeyValues
from speechnar.nar.lengths import length_mask

STEEPEST = 4.0
"""The first head's slope, in nats for each token; each next head's is a quarter of it."""


@dataclass(frozen=True)
class Memory:
    """What a decoder listens to.

    Attributes:
        layers: keys and values for each of its layers.
        places: (B, T) of the frames, `token_places`; infinity for padding.
    """

    layers: tuple[KeyValues, ...]
    places: Tensor

    def nearness(self, number: int) -> Tensor:
        """What attention of the first `number` tokens to the frames begins with.

        Returns:
            (B, n_heads, number, T), to be added to the attention's logits: 0 at a token's own place, less the further
            a frame is away, as steeply as the head's slope says; minus infinity for padding.
        """
        keys = self.layers[0].keys
        heads = keys.shape[1]
        tokens = torch.arange(number, device=keys.device)
        away = (self.places[:, None, :] - tokens[:, None]).abs()[:, None]
        slopes = STEEPEST * 2.0 ** (-2 * torch.arange(heads, device=keys.device))
        return (-slopes[:, None, None] * away).to(keys.dtype)

    def repeated(self, number: int) -> Memory:
        """That of a batch of one, for a batch of `number`."""
        return Memory(tuple(kv.repeated(number) for kv in self.layers), self.places.expand(number, -1))

    def each(self, number: int) -> Memory:
        """That of each row, `number` times one after another."""
        if number == 1:
            return self
        rows = torch.arange(len(self.places), device=self.places.device).repeat_interleave(number)
        return Memory(tuple(kv.of(rows) for kv in self.layers), self.places[rows])


def listen(
    hidden: Tensor, heard: EncoderOutput, blank_id: int, blocks: nn.ModuleList, places: Tensor | None = None
) -> Memory:
    """The memory of `blocks`, `DecoderBlock`s, for `hidden`, their width of what the encoder heard, (B, T, d_model).

    Args:
        places: of the frames in other texts than CTC's best path, (B, T), or (texts, T) for a batch of one.
    """
    if places is None:
        places = token_places(heard.log_probs, blank_id)
    hidden = hidden + positions_at(places, hidden.shape[2]).to(hidden.dtype)
    if heard.lengths is not None:
        places = places.where(length_mask(heard.lengths, places.shape[1]), torch.inf)
    return Memory(tuple(block.memory(hidden) for block in blocks), places)  # type: ignore[operator]


def token_places(log_probs: Tensor, blank_id: int) -> Tensor:
    """Which token of CTC's best path each frame belongs to: 0, 1, ...; blanks are halfway to the next one.

    Args:
        log_probs: (B, T, V).

    Returns:
        (B, T) float32; -0.5 before the first token.
    """
    path = log_probs.argmax(2)
    changed = torch.ones_like(path, dtype=torch.bool)
    changed[:, 1:] = path[:, 1:] != path[:, :-1]
    spoken = path != blank_id
    return (changed & spoken).cumsum(1) - torch.where(spoken, 1.0, 0.5)


def places_in(places: Tensor, path: list[int], texts: list[list[int]]) -> Tensor:
    """The places that the frames of a path have in other texts, which differ from it in a few tokens.

    What a text has in common with the path at both ends stays where it is; what is between is stretched.

    Args:
        places: (T,) of `token_places`; path: the tokens that these are places in.

    Returns:
        (texts, T) float32, rounded to halves.
    """
    bends = torch.tensor([_bends(path, text) for text in texts], device=places.device)
    first, last, others = bends[:, :, None].unbind(1)
    slopes = (others - first) / (last - first).clamp(min=1)
    between = ((first + (places - first) * slopes) * 2).round() / 2
    return torch.where(places <= first, places, torch.where(places >= last, places + others - last, between))


def _bends(path: list[int], text: list[int]) -> tuple[float, float, float]:
    """The blank after what both begin with; that before what both end with, in the path and in the text."""
    shorter = min(len(path), len(text))
    same = [a == b for a, b in zip(path, text)]
    begin = same.index(False) if False in same else shorter
    end = 0
    while end < shorter - begin and path[-1 - end] == text[-1 - end]:
        end += 1
    return begin - 0.5, len(path) - end - 0.5, len(text) - end - 0.5


def positions_at(places: Tensor, channels: int) -> Tensor:
    """Return sinusoids (B, T, channels) of places (B, T): those of `token_decoder.positions` at whole places."""
    rates = 10000 ** (-torch.arange(0, channels, 2, device=places.device) / channels)
    angles = places[:, :, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=2)
