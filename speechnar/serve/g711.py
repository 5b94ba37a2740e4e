"""Telephone audio: mu-law and A-law bytes as 16-bit samples.

Source: ITU-T Recommendation G.711, tables 1 and 2.
"""

from __future__ import annotations

import numpy as np

RATE = 8000
"""Hz of telephone audio."""


def _mu_law() -> np.ndarray:
    code = ~np.arange(256) & 255
    magnitude = ((((code & 15) << 3) + 132) << (code >> 4 & 7)) - 132
    return np.where(code & 128, -magnitude, magnitude).astype(np.int16)


def _a_law() -> np.ndarray:
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 7, (code & 15) << 4
    magnitude = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 128, magnitude, -magnitude).astype(np.int16)


MU_LAW, A_LAW = _mu_law(), _a_law()
"""The sample of each byte, (256,) int16."""


def decode(data: bytes, table: np.ndarray) -> np.ndarray:
    """Return the (T_wav,) int16 samples of bytes by one of the tables."""
    return table[np.frombuffer(data, np.uint8)]
