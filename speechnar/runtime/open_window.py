"""The audio that a stream holds: samples are added at its end and dropped at its start."""

from __future__ import annotations

import numpy as np

MOMENT = 4  # frames over which the quietest moment is sought
QUIET = 8.0  # times the power of the quietest moment, which is taken for noise: up to this, audio is noise as well
LOUD = 0.95  # the quantile of the frames' power that is taken for speech
SILENT = (3e-3, 3e-2)  # times the power of speech: below the first, audio is quiet, and above the second never


class OpenWindow:
    """The samples of a stream from a place on, in an array of fixed size.

    Args:
        size: samples that the array holds.
        frame: samples of a frame of the encoder; a window begins with a frame of the stream.

    Attributes:
        start, end: samples from the beginning of the stream.
    """

    def __init__(self, size: int, frame: int) -> None:
        self._array, self._at, self._frame = np.empty(size, np.float32), 0, frame
        self.start = self.end = 0

    @property
    def samples(self) -> np.ndarray:
        return self._array[self._at : self._at + self.end - self.start]

    def since(self, start: int) -> np.ndarray:
        return self.samples[start - self.start :]

    def append(self, wav: np.ndarray) -> None:
        """Add samples at the end, and drop the first ones if there are more than the array holds."""
        self.drop(self.end + len(wav) - len(self._array) + self._frame)
        if self._at + len(self.samples) + len(wav) > len(self._array):
            self._array[: len(self.samples)], self._at = self.samples.copy(), 0
        begin = self._at + len(self.samples)
        self._array[begin : begin + len(wav)] = wav
        self.end += len(wav)

    def quiet(self, size: int) -> bool:
        """Return whether so many samples at the end are as quiet as the quietest moment of all that are held."""
        frames = self.samples[len(self.samples) % self._frame :].reshape(-1, self._frame)
        power = np.square(frames).mean(axis=1)
        moments = np.convolve(power, np.full(MOMENT, 1 / MOMENT), "valid")
        most = np.clip(QUIET * moments.min(initial=np.inf), *(share * np.quantile(power, LOUD) for share in SILENT))
        return bool(power[-max(1, size // self._frame) :].max() <= most)

    def drop(self, start: int) -> None:
        """Forget the frames before a place of the stream."""
        moved = min(max(start - self.start, 0), len(self.samples)) // self._frame * self._frame
        self.start, self._at = self.start + moved, self._at + moved
