"""Sums and best paths over a directed acyclic graph of tokens.

The vertices of a graph are numbered, and edges lead to larger numbers alone. A path goes from the first vertex to the
last and says one token at each vertex that it passes:

    vertices   0: I    1: am   2: come   3: coming   4: .
    path       0 ----> 1 ---------------> 3 ---------> 4        "I am coming ."

The probability of a text is the sum over all paths with as many vertices as the text has tokens.

Source: Huang et al. 2022, "Directed Acyclic Transformer for Non-Autoregressive Machine Translation", section 3.2,
    equations 4 to 8.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask

IMPOSSIBLE = -1e9
"""A log-probability of zero that stays finite, so that its gradients are zeros and not NaN."""


def path_sum(emissions: Tensor, transitions: Tensor, lengths: Tensor, token_lengths: Tensor) -> Tensor:
    """Return the log-probability of each text: the log of the sum over all paths.

    Args:
        emissions: (B, T, N) natural log-probabilities of the text's tokens at each vertex.
        transitions: (B, T, T) natural log-probabilities of going from a vertex (dimension 1) to another (dimension 2).
            Edges to the same or an earlier vertex count as impossible, whatever stands there.
        lengths: (B,) vertices, at least 1; token_lengths: (B,), at least 1.

    Returns:
        (B,) natural log; below -1e8 where there is no path, as with fewer vertices than tokens.
    """
    edges = _forward_edges(transitions)
    reached = _start(emissions)
    sums = [reached]
    for n in range(1, emissions.shape[2]):
        reached = (reached[:, :, None] + edges).logsumexp(1) + emissions[:, :, n]
        sums.append(reached)
    return _at_end(torch.stack(sums, 2), lengths, token_lengths)


def best_path(emissions: Tensor, transitions: Tensor, lengths: Tensor, token_lengths: Tensor) -> Tensor:
    """Return the vertex of each token on the most probable path.

    Args:
        emissions, transitions, lengths, token_lengths: as for `path_sum`.

    Returns:
        (B, N) int64, rising from 0 to the last vertex; padding repeats the last vertex. Of no meaning where there is no
        path.
    """
    edges = _forward_edges(transitions)
    reached = _start(emissions)
    steps = []
    for n in range(1, emissions.shape[2]):
        value, step = (reached[:, :, None] + edges).max(1)
        here = value + emissions[:, :, n]
        real = (n < token_lengths)[:, None]
        reached = here.where(real, reached)
        steps.append(step.where(real, torch.arange(step.shape[1], device=step.device)))
    vertex = lengths - 1
    path = [vertex]
    for step in reversed(steps):
        vertex = step.gather(1, vertex[:, None])[:, 0]
        path.append(vertex)
    return torch.stack(path[::-1], 1)


def _forward_edges(transitions: Tensor) -> Tensor:
    forward = torch.ones_like(transitions[0], dtype=torch.bool).triu(1)
    return transitions.masked_fill(~forward, IMPOSSIBLE).clamp(min=IMPOSSIBLE)


def _start(emissions: Tensor) -> Tensor:
    """Return (B, T) log-probabilities of paths of one vertex: the first vertex alone."""
    first = length_mask(torch.ones(len(emissions), device=emissions.device), emissions.shape[1])
    return emissions[:, :, 0].masked_fill(~first, IMPOSSIBLE)


def _at_end(sums: Tensor, lengths: Tensor, token_lengths: Tensor) -> Tensor:
    """Return (B,): of sums (B, T, N), those of the last vertex and the last token."""
    row = torch.arange(len(sums), device=sums.device)
    return sums[row, lengths - 1, token_lengths - 1]
