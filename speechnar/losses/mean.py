"""Loss terms that are means, in a form from which the mean over several parts of a batch can be had exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Mean:
    """A loss term that is a mean over something other than utterances: frames, tokens, masks.

    The term of a batch that is worked through in parts is sum(value * count) / sum(count) over the parts.

    Attributes:
        value: the mean over this part, a scalar; or (K,), K means of which the term is the mean.
        count: what `value` is a mean over, without gradient: how many, or the sum of weights; shaped as `value`.
    """

    value: Tensor
    count: Tensor

    def __float__(self) -> float:
        return float(self.value.detach().mean())

    @property
    def requires_grad(self) -> bool:
        """Return True if a gradient flows to the term."""
        return self.value.requires_grad


class Means:
    """Means of loss terms by name over the batches of a dev set."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._weights: dict[str, float] = {}

    def add(self, terms: Mapping[str, Tensor | Mean], weight: float = 1) -> None:
        """Add the terms of a batch; the mean counts them `weight` times, such as the number of the batch's tokens."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * weight
            self._weights[name] = self._weights.get(name, 0.0) + weight

    def values(self) -> dict[str, float]:
        return {name: total / self._weights[name] for name, total in self._sums.items()}
