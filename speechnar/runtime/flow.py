"""Sample what the acoustic model of a voice leaves open: its mel, its prosody, or both.

The mel is sampled after the acoustic model, by a graph that is run once a step; the prosody within the acoustic model,
from noise that is given to it.

Source: Euler's method for the flow of Matcha-TTS (Mehta et al. 2024), section 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speechnar.audio import AudioConfig
from speechnar.runtime.frames import white_noise
from speechnar.runtime.speech import Controls
from speechnar.runtime.voice_folder import load_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROSODY_NOISE = "prosody_noise"
N_PROSODY = 3  # log duration, log F0 and energy of a token
STEPS, TEMPERATURE = 2, 1.0
MEL, PROSODY = 1, 2  # end the seed, so that these two noises and the vocoder's differ


@dataclass(frozen=True)
class Sampling:
    """The sampling of one sentence.

    Attributes:
        steps, temperature: as in `Controls`.
        seed: of the sentence.
    """

    steps: int = STEPS
    temperature: float = TEMPERATURE
    seed: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, controls: Controls, index: int) -> Sampling:
        """Return the sampling of the sentence of an index in its text."""
        temperature = TEMPERATURE if controls.temperature is None else controls.temperature
        return cls(controls.steps or STEPS, temperature, (controls.seed, index))

    def prosody_noise(self, n_tokens: int) -> np.ndarray:
        """Return noise (1, n_tokens, 3) for the acoustic model."""
        return white_noise((*self.seed, PROSODY), (1, n_tokens, N_PROSODY), self.temperature)

    def mel_residual(self, flow: InferenceSession, shape: tuple[int, ...], condition: np.ndarray) -> np.ndarray:
        """Return what is added to the mel of a shape (1, T_mel, n_mels), in its unit.

        Args:
            condition: (1, T_mel, C), an output of the acoustic model.
        """
        state = white_noise((*self.seed, MEL), shape, self.temperature)
        for number in range(self.steps):
            time, size = (np.array([value], np.float32) for value in (number / self.steps, 1 / self.steps))
            given = {"state": state, "time": time, "size": size, "condition": condition}
            state, change = flow.run(["next", "change"], given)
        return change


def load_flow(path: Path, audio: AudioConfig, threads: int | None) -> InferenceSession | None:
    """Load the graph that samples a mel; None where the voice has none.

    Raises:
        SpeechError: the file is damaged or another graph.
    """
    return load_graph(path, {"state", "time", "size", "condition"}, audio, threads) if path.is_file() else None
