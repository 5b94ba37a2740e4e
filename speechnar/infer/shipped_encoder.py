"""Run the encoder of a recognizer folder, such as the one in the wheel, on its own."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from speechnar.models.folder import ModelError
from speechnar.runtime.recognizer_folder import RecognizerInfo, find_recognizer

STATES = ("states", "/encoder/norm/LayerNormalization_output_0")
"""Names of the encoder's output: from format 10 on, and inside of the graph in earlier formats."""

SHORTEST = 8000
"""Samples that a graph is given at least; what is shorter is padded with silence."""


class ShippedEncoder:
    """The encoder of a recognizer as it ships: its weights are 8-bit and 4-bit integers.

    Args:
        recognizer: the name of a recognizer in the wheel, or a recognizer folder.

    Attributes:
        state_hop: samples between two states.

    Raises:
        SpeechError: there is no such recognizer.
        ModelError: the recognizer has no Whisper encoder.
    """

    def __init__(self, recognizer: str | Path) -> None:
        folder = find_recognizer(recognizer)
        path = folder / "model.onnx.gz"
        graph = onnx.load_from_string(gzip.decompress(path.read_bytes()))
        made = {name for node in graph.graph.node for name in node.output}
        self._states = next((name for name in STATES if name in made), "")
        if not self._states:
            raise ModelError(f"the recognizer {recognizer} has no Whisper encoder: take another, such as english_base")
        info = RecognizerInfo.load(folder)
        assert info.decoder  # which every recognizer with these states has
        states_per_frame = info.decoder.memory_per_frame * info.decoder.averaged_states
        self.state_hop = round(info.frame_seconds * info.sample_rate / states_per_frame)
        del graph.graph.output[:]
        graph.graph.output.append(onnx.helper.make_tensor_value_info(self._states, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.enable_mem_pattern = False
        options.log_severity_level = 4
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, wav: Tensor) -> Tensor:
        """Return the states (T, d_model) of samples (T_wav,), with those of the silence that the graph appends."""
        samples = wav.numpy().astype(np.float32)
        samples = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
        (states,) = self._session.run([self._states], {"wav": samples[None]})
        return torch.from_numpy(states[0])
