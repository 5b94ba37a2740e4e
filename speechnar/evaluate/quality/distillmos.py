"""DistillMOS: the overall quality of speech, predicted without a reference.

The network and its weights are those of the package distillmos, and so are the metrics, but its work is cut. It hears
7.68 s at a time and fills shorter recordings up with zeros; nearly all of the time goes into convolutions that see a
few frames. What they make of zeros is known, so they run here over the sound alone.

Source: Stahl & Gamper 2025, "Distillation and pruning for scalable self-supervised representation-based speech quality
    assessment"; https://pypi.org/project/distillmos.
"""

from __future__ import annotations

import contextlib
import io
import sys
import types
from typing import Any

import numpy as np

SAMPLE_RATE = 16000
LENGTH = 122880  # samples, of a segment
APART = 16000  # samples, between the starts of two segments at most
STEP = 320  # samples, from one output of the convolutions to the next
MARGIN = 4  # outputs that depend on an end of the signal


class DistillMos:
    """The loaded network."""

    def __init__(self, threads: int = 1) -> None:
        """Load the network; `threads` is set in torch, and so for the whole process."""
        import torch

        torch.set_num_threads(threads)
        made = network_class()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights are
            self._network = made().eval()
        with torch.inference_mode():
            self._of_silence = self._network.cnn(torch.zeros(1, LENGTH))

    def __call__(self, wav: np.ndarray) -> float:
        """Predict the score, 1 to 5, of (T_wav,) float32 at 16 kHz, one sample or more."""
        beyond = max(len(wav) - LENGTH, 0)
        starts = np.linspace(0, beyond, int(np.ceil(beyond / APART)) + 1).astype(int)
        return float(np.mean([self._score(wav[start : start + LENGTH]) for start in starts]))

    def _score(self, segment: np.ndarray) -> float:
        import torch

        with torch.inference_mode():
            features = self._features(torch.from_numpy(segment / (np.abs(segment).max() + 1e-8))[None])
            return 1 + 4 * float(self._network.transformer_pool_attn(features.transpose(1, 2)))

    def _features(self, wav: Any) -> Any:
        """Return the output of the convolutions for (1, T_wav), zero-padded to LENGTH: (1, channels, LENGTH / STEP)."""
        import torch

        heard = -(-wav.shape[1] // STEP) + MARGIN
        padded = torch.nn.functional.pad(wav, (0, min((heard + MARGIN) * STEP, LENGTH) - wav.shape[1]))
        made = self._network.cnn(padded)
        if padded.shape[1] == LENGTH:
            return made
        return torch.cat([made[:, :, :heard], self._of_silence[:, :, heard:]], dim=2)


def network_class() -> Any:
    """Return the network's class.

    Its module imports torchaudio, which only distillmos's own command line uses, and which does not load beside a torch
    that was built for other hardware, such as one for CPUs alone.
    """
    absent = "torchaudio" not in sys.modules
    sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))
    try:
        import distillmos
    finally:
        if absent:
            del sys.modules["torchaudio"]
    return distillmos.ConvTransformerSQAModel
