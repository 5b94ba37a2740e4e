"""Graphs of a Whisper recognizer: features, encoder and CTC branch; what the decoder hears; and the decoder."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.export.attention import Attention, CrossAttention
from speechnar.layers.blocks import AttentionBlock
from speechnar.layers.decoder_block import DecoderBlock
from speechnar.models.asr.whisper import HOP_LENGTH, SAMPLE_RATE, SILENCE, Decoder, Whisper

WHISPER_SECONDS = 13.0
"""The longest window of long audio: the decoder was trained on 15 s at most."""


SMALLEST_GELU = 0.17
"""The magnitude of GELU's smallest output: the largest output is a row's magnitude wherever it is above this."""


class PerRowScaling(nn.Module):
    """A linear layer with per-row activation scaling: rows are divided by their magnitude, outputs multiplied by it.

    Whisper has single rows with an input a hundred times larger than those of other rows. Inputs of integer products
    share one scale, by which the other rows would become zero.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to outputs (B, T, d_in) of GELU."""
        largest = x.amax(2, keepdim=True).clamp(min=SMALLEST_GELU)
        return F.linear(x * (1 / largest), self.layer.weight) * largest + self.layer.bias


def scale_rows(blocks: nn.ModuleList) -> None:
    """Put a `PerRowScaling` around the layers with such rows, those after an activation; in place."""
    for block in blocks:
        block.contract = PerRowScaling(cast(nn.Linear, block.contract))


class UnfoldedConv(nn.Module):
    """A convolution of width 3 as a matrix product, which graphs have in integers: a third of the time.

    Args:
        scale_rows: whether its inputs are outputs of GELU, with single rows much larger than others.
    """

    def __init__(self, conv: nn.Conv1d, scale_rows: bool) -> None:
        super().__init__()
        self.stride = conv.stride[0]
        layer = nn.Linear(3 * conv.in_channels, conv.out_channels)
        layer.weight.data = conv.weight.data.transpose(1, 2).flatten(1)
        layer.bias.data = cast(Tensor, conv.bias).data
        self.layer = PerRowScaling(layer) if scale_rows else layer

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (B, C_in, T) to (B, C_out, ceil(T / stride))."""
        time = x.shape[2]
        padded = F.pad(x.transpose(1, 2), (0, 0, 1, 1))
        taps = [padded[:, n : n + time : self.stride] for n in range(3)]
        return cast(Tensor, self.layer(torch.cat(taps, 2))).transpose(1, 2)


class FusedAttention(nn.Module):
    """`SelfAttention` without padding as one node of the graph, a fifth faster than separate nodes."""

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads

    def forward(self, qkv: Tensor, mask: None) -> Tensor:
        return cast(Tensor, Attention.apply(*qkv.chunk(3, dim=2), None, self.n_heads))


class WhisperGraph(nn.Module):
    """wav (1, T_wav) to log_probs (1, T, V) and the encoder's states (1, T_states, d_model).

    T_states is T or 2 T, as frames are merged or are not, and what the silence after the audio adds: the decoder, but
    not the CTC branch, gets it.
    """

    def __init__(self, model: Whisper) -> None:
        super().__init__()
        self.model = model
        for name in ("conv1", "conv2"):
            conv = cast(nn.Conv1d, model.encoder.get_submodule(name))
            setattr(model.encoder, name, UnfoldedConv(conv, scale_rows=name == "conv2"))
        for block in (*model.encoder.blocks, *model.draft.blocks):
            block.attend = FusedAttention(cast(AttentionBlock, block).attend.n_heads)

    def forward(self, wav: Tensor) -> tuple[Tensor, Tensor]:
        model = self.model
        states = model.encoder(model.features(F.pad(wav, (0, round(SILENCE * SAMPLE_RATE)))), None)
        spoken = states[:, : model.encoder.state_lengths(wav.shape[1] // HOP_LENGTH)]
        return model.draft(spoken, None).logits.log_softmax(2), states


class MemoryGraph(nn.Module):
    """states (B, T_states, d_model) of B utterances to what the decoder hears: each layer's keys, then its values.

    Keys are (B, heads, T, d_head), values (B, heads, d_head, T); T is T_states, or half of it where the decoder hears
    means. They are outputs of their own, since one array of all would take more time.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.n_heads, self.averaged = decoder.n_heads, decoder.averaged
        self.memory = nn.ModuleList()
        for block in decoder.blocks:
            projection = cast(DecoderBlock, block).cross_kv
            for weight, bias in zip(projection.weight.chunk(2), projection.bias.chunk(2)):
                self.memory.append(part := nn.Linear(weight.shape[1], weight.shape[0]))
                part.weight.data, part.bias.data = weight.data, bias.data

    def forward(self, states: Tensor) -> tuple[Tensor, ...]:
        heard = self.averaged(states)
        parts = (part(heard).unflatten(2, (self.n_heads, -1)) for part in self.memory)
        return tuple(part.permute(0, 2, *((3, 1) if n % 2 else (1, 3))) for n, part in enumerate(parts))


class DecoderGraph(nn.Module):
    """The decoder's predictions for continuations of the texts of B utterances; each text may branch.

    The tokens of all utterances, N in all, are one sequence, in which a bias keeps those apart that do not belong
    together. Before them, P tokens were read, of all utterances too. Inputs are:

        tokens, positions (1, N): ids, and places in the text from 0
        wanted (R,): the tokens whose next tokens are predicted
        asked (K, 2): places in `wanted`, and ids
        bias (1, 1, N, P + N) of self-attention: 0 from each token to itself and to those before it in its own
            continuation, a large negative number to all others
        past (layers * 2, 1, P, d_model): keys and values of the tokens before
        gathered (B, M), scattered (N,): see `CrossAttention`
        memory_bias (B, 1, T, M) of cross-attention: 0, and a large negative number behind the end of shorter audio
        memory_0, memory_1, ...: the audio, of each layer in turn: keys (B, heads, T, d_head) and values (B, heads,
            d_head, T)

    Outputs are the two best tokens after each of the R tokens, the best first, and their log-probabilities, (R, 2); the
    log-probability of each id of `asked` after its token, (K,); and the keys and values of the N tokens, which may be
    added to `past`, (layers * 2, 1, N, d_model).
    A text begins with the `PROMPT` tokens, whose ids follow the vocabulary.

    Embedding and output layer share one matrix, in the graph too.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.n_tokens = decoder.embedding.num_embeddings
        self.d_head = decoder.embedding.embedding_dim // decoder.n_heads
        embedding = torch.cat([decoder.embedding.weight, decoder.prompt])
        self.embedding = nn.Parameter(embedding.T.contiguous())
        self.no_prompt = nn.Parameter(torch.zeros(len(embedding)))  # the prompt is never predicted
        self.no_prompt.data[self.n_tokens :] = -1e4

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        wanted: Tensor,
        asked: Tensor,
        bias: Tensor,
        past: Tensor,
        gathered: Tensor,
        scattered: Tensor,
        memory_bias: Tensor,
        *memory: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = self.embedding[:, tokens].permute(1, 2, 0) + self.decoder.positions[positions]
        present = []
        for n, block in enumerate(cast("list[DecoderBlock]", self.decoder.blocks)):
            queries, keys, values = block.self_qkv(block.self_norm(x)).chunk(3, dim=2)
            present += [keys, values]
            seen = torch.cat([past[2 * n], keys], 1), torch.cat([past[2 * n + 1], values], 1)
            x = x + block.self_project(Attention.apply(queries, *seen, bias, block.n_heads))
            queries, heard = block.cross_query(block.cross_norm(x)), memory[2 * n : 2 * n + 2]
            mixed = CrossAttention.apply(queries, gathered, scattered, *heard, memory_bias, block.n_heads, self.d_head)
            x = x + block.cross_project(mixed)
            x = x + block.contract(F.gelu(block.expand(block.norm(x))))
        states = self.decoder.norm(x[0, wanted])
        largest = states.abs().amax(1, keepdim=True)  # per-row scaling: utterances of one pass change each other less
        logits = (states * (1 / largest) @ self.embedding + self.no_prompt) * largest
        log_probs = logits.log_softmax(1)
        best_log_probs, best = log_probs.topk(2, dim=1)
        return best, best_log_probs, log_probs[asked[:, 0], asked[:, 1]], torch.stack(present)
