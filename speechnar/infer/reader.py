"""The decoders of models in PyTorch, as the methods of `speechnar.decode` read with them: NumPy in, NumPy out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from speechnar.decode.interface import DecoderInput, MaskedReader, Verdict
from speechnar.decode.result import DecodeError
from speechnar.layers.cross_attention import Memory, positions_in, token_positions
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.layers.decoder_block import KeyValues


class TorchMaskedReader:
    """A `MaskedReader` of a model with a masked decoder: `memory` and `decode` as in `MaskCTC`.

    It reads one row of tokens for each utterance, or as many for each, those of an utterance in succession.

    Args:
        memory: input of cross-attention; by default that of CTC's best path.
    """

    def __init__(self, model: Any, encoder_out: EncoderOutput, blank_id: int, memory: Memory | None = None) -> None:
        self._model, self._encoder_out, self._blank_id = model, encoder_out, blank_id
        self._memory: Memory = model.memory(encoder_out, blank_id) if memory is None else memory

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        return _array(self._decode(tokens, token_lengths).logits.log_softmax(2))

    def predict_counts(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        return _array(self._decode(tokens, token_lengths).count_logits.argmax(2))

    def aligned_with(self, texts: Sequence[Sequence[int]], repeats: int) -> MaskedReader:
        log_probs = self._encoder_out.log_probs
        path = log_probs[0].argmax(1).unique_consecutive()
        positions = positions_in(
            token_positions(log_probs, self._blank_id)[0],
            path[path != self._blank_id].tolist(),
            [list(text) for text in texts],
        )
        memory = self._model.memory(self._encoder_out, self._blank_id, positions).each(repeats)
        return TorchMaskedReader(self._model, self._encoder_out, self._blank_id, memory)

    def _decode(self, tokens: np.ndarray, token_lengths: np.ndarray) -> Any:
        device = self._encoder_out.hidden.device
        memory = self._memory.each(len(tokens) // len(self._memory.positions))
        return self._model.decode(
            memory, torch.from_numpy(tokens).to(device), torch.from_numpy(token_lengths).to(device)
        )


class TorchEditReader:
    """An `EditReader` of a model with `deletions`, `insertions` and `choices`, and of what its `memory` returned."""

    def __init__(self, model: Any, memory: Any, device: torch.device) -> None:
        self._model, self._memory, self._device = model, memory, device

    def predict_deletions(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        return _array(self._model.deletions(self._memory, *self._tensors(tokens, token_lengths)).sigmoid())

    def predict_insertions(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        return _array(self._model.insertions(self._memory, *self._tensors(tokens, token_lengths)).argmax(2))

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        return _array(self._model.choices(self._memory, *self._tensors(tokens, token_lengths)).log_softmax(2))

    def _tensors(self, *arrays: np.ndarray) -> list[Tensor]:
        return [torch.from_numpy(array).to(self._device) for array in arrays]


class TorchTokenReader:
    """A `TokenReader` of a model with `predict_tokens` as in `ParaformerV2`; a `TransitionReader` of one as `CRF`."""

    def __init__(self, model: Any, encoder_out: EncoderOutput, blank_id: int) -> None:
        self._model, self._encoder_out, self._blank_id = model, encoder_out, blank_id

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        made = self._model.predict_tokens(self._encoder_out, self._blank_id)
        return _array(made.logits.log_softmax(2)), _array(made.lengths)

    def transitions(self) -> tuple[np.ndarray, np.ndarray]:
        return _array(self._model.left.weight), _array(self._model.right.weight)


class TorchFrameReader:
    """A `FrameReader` of a model with a decoder over frames: `refine` as in `AlignRefine`."""

    def __init__(self, model: Any, encoder_out: EncoderOutput) -> None:
        self._model, self._encoder_out = model, encoder_out

    def predict(self, alignment: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(alignment).to(self._encoder_out.hidden.device)
        return _array(self._model.refine(self._encoder_out, given))


class TorchCausalReader:
    """A `CausalReader`, `DraftReader` and `GroupReader` of a model with `memory` and `extend` as in `AED`.

    Args:
        encoder_out: a batch of one for a `DraftReader`.
    """

    def __init__(self, model: Any, encoder_out: EncoderOutput, blank_id: int, bos_id: int) -> None:
        self._model, self._device = model, encoder_out.hidden.device
        self._memory: Memory = model.memory(encoder_out, blank_id)
        self._past: list[KeyValues] | None = None  # of the text that is kept, and of all rows that were read behind it
        self._present: list[KeyValues] = []
        self.group: int = model.config.group
        self._pending: tuple[int, ...] = (bos_id,)  # at the end of the text, but not yet in the past

    def predict(self, tokens: np.ndarray, past: Any, rows: np.ndarray) -> tuple[np.ndarray, Any]:
        check_group(self.group)
        chosen = torch.from_numpy(rows).to(self._device)
        past = None if past is None else [keys_values.of(chosen) for keys_values in past]
        logits, present = self._model.extend(self._memory, self._tensor(tokens[:, None]), past)
        return _array(logits[:, -1].log_softmax(1)), present

    def predict_group(self, tokens: np.ndarray, past: Any) -> tuple[np.ndarray, Any]:
        logits, present = self._model.extend(self._memory, self._tensor(tokens[None]), past)
        return _array(logits[0].log_softmax(1)), present

    def read(self, rows: np.ndarray) -> Verdict:
        check_group(self.group)
        before = len(self._pending)
        pending = np.broadcast_to(np.array(self._pending, np.int64), (len(rows), before))
        tokens = self._tensor(np.hstack([pending, rows]))
        past = None if self._past is None else [keys_values.repeated(len(rows)) for keys_values in self._past]
        logits, self._present = self._model.extend(self._memory, tokens, past)
        log_probs = logits[:, before - 1 :].log_softmax(2)
        best_log_probs, best = log_probs.max(2)
        given = log_probs[:, :-1].gather(2, tokens[:, before:, None])[:, :, 0]
        return Verdict(_array(best), _array(best_log_probs), _array(given))

    def keep(self, row: int, n: int, *tokens: int) -> None:
        size = (0 if self._past is None else self._past[0].keys.shape[2]) + len(self._pending) + n
        self._past = [
            KeyValues(kv.keys[row : row + 1, :, :size], kv.values[row : row + 1, :, :size]) for kv in self._present
        ]
        self._pending = tokens

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def check_group(group: int) -> None:
    """Check that a model predicts one token at a time.

    Raises:
        DecodeError: it predicts several.
    """
    if group > 1:
        raise DecodeError(f"the model predicts {group} tokens at once: decode it by semi_autoregressive")


def decoder_input(encoder_out: EncoderOutput, reader: Any = None) -> DecoderInput:
    """Return the output of an encoder as decoders take it."""
    log_probs, lengths = encoder_out.log_probs, encoder_out.lengths
    if lengths is None:
        frames = np.full(len(log_probs), log_probs.shape[1], np.int64)
    else:
        frames = _array(lengths)
    return DecoderInput(_array(log_probs), frames, reader)


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy()
    return array
