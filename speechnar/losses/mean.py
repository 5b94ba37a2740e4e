"""Loss terms that are means, in a form from which the mean over several parts of a batch can be had exactly."""

from __future__ import annotations

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
