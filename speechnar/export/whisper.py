"""Graphs of a Whisper recognizer: features, encoder and CTC branch in one, the decoder in another."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.layers.blocks import AttentionBlock, SelfAttention
from speechnar.models.asr.whisper import HOP_LENGTH, SAMPLE_RATE, SILENCE, Decoder, Whisper

OPSETS = {"com.microsoft": 1}  # the domain of fused attention
WHISPER_SECONDS = 13.0
"""The longest window of long audio: the decoder was trained on 15 s at most."""


class PerRowScaling(nn.Module):
    """A linear layer with per-row activation scaling: rows are divided by their magnitude, outputs multiplied by it.

    Whisper has single rows with an input a hundred times larger than those of other rows. Inputs of integer products
    share one scale, by which the other rows would become zero.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to (B, T, d_in)."""
        largest = x.abs().amax(2, keepdim=True).clamp(min=1e-6)
        return F.linear(x / largest, self.layer.weight) * largest + self.layer.bias


def scale_rows(blocks: nn.ModuleList) -> None:
    """Put a `PerRowScaling` around the layers with such rows, those after an activation; in place."""
    for block in blocks:
        block.contract = PerRowScaling(cast(nn.Linear, block.contract))


class _MultiHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, queries: Tensor, keys: Tensor, values: Tensor, n_heads: int) -> Tensor:
        return SelfAttention(n_heads)(torch.cat([queries, keys, values], dim=2), None)

    @staticmethod
    def symbolic(g: Any, queries: Any, keys: Any, values: Any, n_heads: int) -> Any:
        made = g.op("com.microsoft::MultiHeadAttention", queries, keys, values, num_heads_i=n_heads)
        return made.setType(queries.type())


class FusedAttention(nn.Module):
    """`SelfAttention` without padding as one node of the graph, a fifth faster than separate nodes."""

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads

    def forward(self, qkv: Tensor, mask: None) -> Tensor:
        return cast(Tensor, _MultiHead.apply(*qkv.chunk(3, dim=2), self.n_heads))


class WhisperGraph(nn.Module):
    """wav (1, T_wav) to log_probs (1, T, V), and the decoder's memory (1, layers * 2, heads, T_states, d_head).

    T_states is more than 2 T: the decoder, but not the CTC branch, gets the silence after the audio.
    """

    def __init__(self, model: Whisper) -> None:
        super().__init__()
        self.model = model
        for block in (*model.encoder.blocks, *model.draft.blocks):
            block.attend = FusedAttention(cast(AttentionBlock, block).attend.n_heads)

    def forward(self, wav: Tensor) -> tuple[Tensor, Tensor]:
        model = self.model
        states = model.encoder(model.features(F.pad(wav, (0, round(SILENCE * SAMPLE_RATE)))), None)
        spoken = states[:, : (wav.shape[1] // HOP_LENGTH + 1) // 2]
        return model.draft(spoken, None).logits.log_softmax(2), model.decoder.memory(states)


class DecoderGraph(nn.Module):
    """The decoder's predictions for continuations of one text.

    tokens (B, N), past (layers * 2, 1, heads, P, d_head) of the text, and the memory of each layer in turn, keys
    (1, heads, d_head, T) and values (1, heads, T, d_head), to the best token after each token and its log-probability,
    (B, N); the log-probability of the token that is there, (B, N - 1); and the keys and values to be added to `past`,
    (layers * 2, B, heads, N, d_head). A text begins with the `PROMPT` tokens, whose ids follow the vocabulary.

    Embedding and output layer share one matrix, in the graph too.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.n_tokens = decoder.embedding.num_embeddings
        embedding = torch.cat([decoder.embedding.weight, decoder.prompt])
        self.embedding = nn.Parameter(embedding.T.contiguous())
        self.no_prompt = nn.Parameter(torch.zeros(len(embedding)))  # the prompt is never predicted
        self.no_prompt.data[self.n_tokens :] = -1e4

    def forward(self, tokens: Tensor, past: Tensor, *memory: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        embedded = self.embedding[:, tokens].permute(1, 2, 0)
        known = [part if n % 2 else part.transpose(2, 3) for n, part in enumerate(memory)]
        hidden, present = self.decoder.hidden(embedded, known, None, past)
        log_probs = (hidden @ self.embedding + self.no_prompt).log_softmax(2)
        best_log_probs, best = log_probs.max(2)
        standing = tokens[:, 1:, None].clamp(max=self.n_tokens - 1)  # for the prompt any value will do
        given = log_probs[:, :-1].gather(2, standing)[:, :, 0]
        return best, best_log_probs, given, present
