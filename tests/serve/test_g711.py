"""G.711 against libsndfile's decoder."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from speechnar.serve import g711


@pytest.mark.parametrize(("subtype", "table"), [("ULAW", g711.MU_LAW), ("ALAW", g711.A_LAW)])
def test_all_bytes_are_those_of_libsndfile(subtype: str, table: np.ndarray) -> None:
    data = bytes(range(256))
    expected, _ = soundfile.read(
        io.BytesIO(data), dtype="int16", format="RAW", subtype=subtype, samplerate=8000, channels=1
    )
    assert np.array_equal(g711.decode(data, table), expected)
