"""Draw tokens from distributions: at many positions at once, and one after another.

Source: drawing by Gumbel noise, Gumbel 1954; Maddison et al. 2014, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from speechnar.decode.interface import CausalReader, DecoderInput, State
from speechnar.decode.result import DecodeError


def draw(log_probs: np.ndarray, temperature: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a token from each distribution.

    Args:
        log_probs: (..., V) natural logarithms.
        temperature: divides the log-probabilities; 0 takes the most probable token.

    Returns:
        (...) natural log-probabilities of the tokens, at temperature 1, and (...) int64 tokens.
    """
    noisy = log_probs if temperature == 0 else log_probs + temperature * gumbel(log_probs.shape, rng)
    tokens = noisy.argmax(axis=-1)
    return np.take_along_axis(log_probs, tokens[..., None], axis=-1)[..., 0], tokens


def gumbel(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return samples of the standard Gumbel distribution, float32."""
    noise: np.ndarray = -np.log(rng.standard_exponential(shape, np.float32) + 1e-20)
    return noise


@dataclass(frozen=True, eq=False)
class CausalState(State):
    """A state whose first `step` tokens are drawn; `past` is what the reader keeps of them."""

    past: Any = field(default=None, repr=False)
    reader: CausalReader | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SamplingDecoder:
    """Draw one token after another; a row of the batch is a sequence of as many tokens as there are iterations.

    Attributes:
        iterations: tokens of a sequence.
        temperature: 0 takes the most probable token.
        seed: of the draws.
    """

    iterations: int
    temperature: float = 1.0
    seed: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = CausalReader

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise DecodeError(f"temperature is {self.temperature} but should be 0 or more")

    def first(self, encoder_out: DecoderInput) -> CausalState:
        """Return the state before the first token; only the number of `lengths` counts."""
        shape = len(encoder_out.lengths), self.iterations
        lengths = np.full(shape[0], self.iterations)
        return CausalState(np.zeros(shape, np.int64), lengths, np.full(shape, -np.inf), reader=encoder_out.reader)

    def step(self, state: CausalState) -> CausalState:
        assert state.reader is not None
        tokens, scores, here = state.tokens.copy(), state.scores.copy(), state.step
        rows = np.arange(len(tokens))
        log_probs, past = state.reader.predict(tokens[:, here - 1], state.past, rows)
        rng = np.random.default_rng((self.seed, here))
        scores[:, here], tokens[:, here] = draw(log_probs, self.temperature, rng)
        return replace(state, tokens=tokens, scores=scores, past=past, done=here + 1 == self.iterations)
