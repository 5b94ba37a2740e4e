"""Text models in PyTorch, as the methods of `speechnar.decode` read with them: NumPy in, NumPy out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from speechnar.decode.interface import (
    CausalReader,
    Decoder,
    DecoderInput,
    EditReader,
    GraphReader,
    GroupReader,
    MaskedReader,
)
from speechnar.infer.reader import TorchEditReader, check_group
from speechnar.layers.transformer import Encoded
from speechnar.text.symbols import Vocabulary

GROWTH, EXTRA = 2, 20
"""A model that predicts no length writes at most `GROWTH` times as many tokens as the source has, and `EXTRA` more."""


def text_input(decoder: Decoder[Any], model: Any, encoded: Encoded, vocabulary: Vocabulary) -> DecoderInput:
    """Return what a decoder needs of a text model and its encoded sources."""
    lengths = _array(encoded.lengths)
    nothing = np.zeros((len(lengths), 0, 0), np.float32)
    if decoder.reader in (CausalReader, GroupReader):
        return DecoderInput(nothing, lengths * GROWTH + EXTRA, TextCausalReader(model, encoded))
    if decoder.reader is MaskedReader:
        reader = TextMaskedReader(model, encoded, vocabulary.mask_id)
        return DecoderInput(nothing, lengths, reader, _array(model.length.log_probs(encoded)))
    if decoder.reader is EditReader:  # the draft is an empty text
        draft = np.zeros((len(lengths), 0, len(vocabulary)), np.float32)
        editor = TorchEditReader(model, model.memory(encoded), encoded.hidden.device)
        return DecoderInput(draft, lengths * GROWTH + EXTRA, editor)
    if decoder.reader is GraphReader:
        graph = model.graph(encoded)
        return DecoderInput(_array(graph.log_probs), _array(graph.lengths), TextGraphReader(graph.transitions))
    frames = model.frames(encoded)
    return DecoderInput(_array(frames.log_probs), _array(frames.lengths))


class TextCausalReader:
    """A `CausalReader` and `GroupReader` of a model with `memory` and `extend`, as `AutoregressiveTransformer`."""

    def __init__(self, model: Any, encoded: Encoded) -> None:
        self._model, self._device = model, encoded.hidden.device
        self._memory = model.memory(encoded)
        self._each = self._memory
        self.group: int = model.config.group

    def predict(self, tokens: np.ndarray, past: Any, rows: np.ndarray) -> tuple[np.ndarray, Any]:
        check_group(self.group)
        if len(tokens) != len(self._each.real):
            self._each = self._memory.each(len(tokens) // len(self._memory.real))
        if past is not None:
            chosen = torch.from_numpy(rows).to(self._device)
            past = [keys_values.of(chosen) for keys_values in past]
        given = torch.from_numpy(tokens[:, None]).to(self._device)
        logits, present = self._model.extend(self._each, given, past)
        return _array(logits[:, -1].log_softmax(1)), present

    def predict_group(self, tokens: np.ndarray, past: Any) -> tuple[np.ndarray, Any]:
        logits, present = self._model.extend(self._memory, torch.from_numpy(tokens[None]).to(self._device), past)
        return _array(logits[0].log_softmax(1)), present


class TextMaskedReader:
    """A `MaskedReader` of a model with `memory` and `decode`, as `CMLM`; it predicts no counts."""

    def __init__(self, model: Any, encoded: Encoded, mask_id: int) -> None:
        self._model, self._mask_id, self._device = model, mask_id, encoded.hidden.device
        self._memory = model.memory(encoded)

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        """Return (R, N, V), for R rows: as many of each source, those of a source together."""
        if len(tokens) != len(self._memory.real):
            self._memory = self._memory.each(len(tokens) // len(self._memory.real))
        given, lengths = (torch.from_numpy(array).to(self._device) for array in (tokens, token_lengths))
        return _array(self._model.decode(self._memory, given, lengths, self._mask_id).logits.log_softmax(2))


class TextGraphReader:
    """A `GraphReader` of the transitions of a graph."""

    def __init__(self, transitions: Tensor) -> None:
        self._transitions = transitions

    def transitions(self) -> np.ndarray:
        return _array(self._transitions)


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy()
    return array
