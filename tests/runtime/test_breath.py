from __future__ import annotations

import math

import numpy as np
import pytest

from speechnar.audio import LOG_FLOOR
from speechnar.runtime.breath import BEFORE_PHRASE, LEVEL, LONGEST, SOFT, breath_frames, breath_mel

HOP = 0.0125
NOISE = np.log(np.array([0.1, 0.4, 0.2, 0.01], np.float32))


def level(mel: np.ndarray) -> np.ndarray:
    return np.logaddexp.reduce(mel, axis=1) * 20 / math.log(10)


@pytest.mark.parametrize("rest", [0.1, 0.2, 0.3, 0.6, 5.0])
def test_a_breath_leaves_silence_on_both_sides(rest: float) -> None:
    seconds = breath_frames(rest, HOP) * HOP
    assert seconds <= LONGEST + HOP and seconds < rest - BEFORE_PHRASE
    assert (seconds > 0) == (rest >= 0.3)


def test_a_breath_is_the_noise_of_the_singer_30_db_below_the_phrase() -> None:
    mel = breath_mel(NOISE, 30, loudest=1.0)
    assert mel.shape == (30, 4)
    assert level(mel).max() == pytest.approx(20 / math.log(10) + LEVEL, abs=0.1)
    assert mel[20] - mel[20].max() == pytest.approx(NOISE - NOISE.max(), abs=1e-5)
    assert level(mel)[0] < level(mel)[20] - 0.9 * SOFT and level(mel)[-1] < level(mel)[20] - 0.4 * SOFT


def test_a_breath_of_a_silent_phrase_is_silent() -> None:
    assert (breath_mel(NOISE, 10, loudest=-50.0) == np.float32(math.log(LOG_FLOOR))).all()
