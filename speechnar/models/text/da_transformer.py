"""The Directed Acyclic Transformer: a graph of tokens in one pass, whose paths are the possible targets.

Source: Huang et al. 2022, "Directed Acyclic Transformer for Non-Autoregressive Machine Translation", sections 3 and 4:
    the graph, training with glancing, lookahead decoding (`speechnar.decode.directed_graph`). The sum over paths is in
    `speechnar.nar.directed_graph`.
Differs: the vertices begin as a uniform copy of the encoder's output, not as positions alone, so that they can start
    from the weights of another text model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechnar.layers.transformer import Encoded, SourceMemory, TextModel, TransformerConfig, uniform_copy
from speechnar.losses.mean import Mean
from speechnar.losses.pairs import Pairs
from speechnar.nar.directed_graph import best_path, path_sum
from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import random_places
from speechnar.nar.schedules import Schedule, check_share


@dataclass(frozen=True)
class DATransformerConfig:
    """Sizes of the Transformer. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        stretch: vertices for each source token; a target has at most as many tokens as there are vertices.
        transition_heads: distributions that are mixed to that of the edges of a vertex; d_model is a multiple of it.
        glancing: ratio of the tokens glanced at to those predicted wrong, in [0, 1], over the training.
    """

    n_symbols: int = 0
    transformer: TransformerConfig = TransformerConfig()
    stretch: int = 4
    transition_heads: int = 4
    glancing: Schedule = Schedule(0.5, 0.1)

    def __post_init__(self) -> None:
        check_share("glancing", self.glancing)
        if self.stretch < 1:
            raise ValueError(f"stretch is {self.stretch} but should be 1 or more")
        if self.transition_heads < 1 or self.transformer.d_model % self.transition_heads:
            width = self.transformer.d_model
            raise ValueError(f"d_model {width} is not a multiple of transition_heads {self.transition_heads}")


@dataclass(frozen=True)
class Graph:
    """A directed acyclic graph of tokens.

    Attributes:
        log_probs: (B, T, V) float32 natural logarithms of the tokens at each vertex; padding of any value.
        transitions: (B, T, T) float32 natural logarithms of the edges, from dimension 1 to 2; -inf where there is none.
        lengths: (B,) vertices.
    """

    log_probs: Tensor
    transitions: Tensor
    lengths: Tensor


class DATransformer(TextModel):
    """`forward` encodes, `graph` decodes."""

    def __init__(self, config: DATransformerConfig) -> None:
        super().__init__(config.transformer, config.n_symbols)
        self.config = config
        d = config.transformer.d_model
        self.edge_query = nn.Linear(d, d)
        self.edge_key = nn.Linear(d, d)
        self.edge_gate = nn.Linear(d, config.transition_heads)

    def graph(self, encoded: Encoded) -> Graph:
        """Return the graph of each source."""
        return self._graph(self.transformer.memory(encoded))

    def _graph(self, memory: SourceMemory, told: Tensor | None = None, given: Tensor | None = None) -> Graph:
        """Return the graphs; the vertices that are True in `given` (B, T) see their token in `told` (B, T)."""
        lengths = memory.encoded.lengths * self.config.stretch
        x = uniform_copy(memory.encoded, lengths, memory.encoded.hidden.shape[1] * self.config.stretch)
        if told is not None and given is not None:
            x = torch.where(given[:, :, None], self.transformer.embed(told).to(x.dtype), x)
        hidden = self.transformer.decode_all(x, lengths, memory)
        return Graph(self.transformer.logits(hidden).log_softmax(2), self._transitions(hidden, lengths), lengths)

    def _transitions(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        heads = self.config.transition_heads
        queries, keys = (
            layer(hidden).unflatten(2, (heads, -1)).transpose(1, 2) for layer in (self.edge_query, self.edge_key)
        )
        logits = (queries @ keys.transpose(2, 3)).float() / math.sqrt(queries.shape[3])
        size = hidden.shape[1]
        later = torch.ones(size, size, dtype=torch.bool, device=hidden.device).triu(1)
        allowed = later & length_mask(lengths, size)[:, None, None, :]
        ends = ~allowed.any(3, keepdim=True)  # the last vertex and padding have no edge
        log_probs = logits.masked_fill(~allowed, -torch.inf).masked_fill(ends, 0.0).log_softmax(3)
        gates = self.edge_gate(hidden).float().log_softmax(2).transpose(1, 2)[:, :, :, None]
        mixed = (log_probs.masked_fill(~allowed, -1e9) + gates).logsumexp(1)
        return mixed.masked_fill(~allowed[:, 0], -torch.inf)


def graph_terms(model: DATransformer, pairs: Pairs) -> dict[str, Mean]:
    """Return `graph`: minus the log-probability of a target over all paths, in nats, a mean over tokens.

    A pair with more tokens than vertices counts as 0.
    """
    tokens, token_lengths = pairs.tokens, pairs.token_lengths
    memory = model.transformer.memory(model(pairs.source, pairs.source_lengths))
    with torch.no_grad():
        ratio = model.config.glancing.at(pairs.progress)
        told, given = _glanced(model._graph(memory), tokens, token_lengths, ratio)
    graph = model._graph(memory, told, given)
    total = path_sum(_emissions(graph, tokens), graph.transitions, graph.lengths, token_lengths)
    fits = token_lengths <= graph.lengths
    loss = -total.where(fits, 0.0).sum() / token_lengths.sum()
    return {"graph": Mean(loss, token_lengths.sum())}


def _emissions(graph: Graph, tokens: Tensor) -> Tensor:
    """Return (B, T, N) log-probabilities of the target's tokens at each vertex."""
    return graph.log_probs.gather(2, tokens[:, None, :].expand(-1, graph.log_probs.shape[1], -1))


def _glanced(graph: Graph, tokens: Tensor, token_lengths: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """Return the tokens of the best path at its vertices, (B, T), and which vertices see theirs, (B, T) bool."""
    path = best_path(_emissions(graph, tokens), graph.transitions, graph.lengths, token_lengths)
    real = length_mask(token_lengths, tokens.shape[1])
    wrong = ((graph.log_probs.argmax(2).gather(1, path) != tokens) & real).sum(1)
    chosen = random_places(real, (ratio * wrong + 0.5).floor().long())
    told = torch.zeros_like(graph.log_probs[:, :, 0], dtype=tokens.dtype)
    given = torch.zeros_like(told, dtype=torch.bool)
    rows = torch.arange(len(tokens), device=tokens.device)[:, None].expand_as(path)
    told[rows[chosen], path[chosen]] = tokens[chosen]
    given[rows[chosen], path[chosen]] = True
    return told, given
