from __future__ import annotations

import numpy as np
import pytest

from speechnar.runtime import Controls, SpeechError, Timing, Timings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speed": 7}, r"speed should be from 0.25 to 4 \(1 is normal, 2 twice as fast\) but is 7"),
        ({"speed": 0}, "speed should be from 0.25 to 4 .* but is 0"),
        ({"speed": float("nan")}, "speed should be from .* but is nan"),
        ({"pitch": [0, 1, -30]}, "pitch should be from -24 to 24 .* but is -30"),
        ({"pitch_range": -0.5}, "pitch_range should be from 0 to 3 .* but is -0.5"),
        ({"energy": 21}, "energy should be from -40 to 20 .* but is 21"),
        ({"pitch": "high"}, "pitch should be a number, or one for each phone, but is 'high'"),
        ({"pitch": [[1.0]]}, r"pitch should be a number, or one for each phone, but is \[\[1.0\]\]"),
        ({"seed": -1}, "seed should be a whole number, 0 or more, but is -1"),
        ({"seed": 0.5}, "seed should be a whole number, 0 or more, but is 0.5"),
    ],
)
def test_values_out_of_range_are_named_with_the_range(given: dict, message: str) -> None:
    with pytest.raises(SpeechError, match=message):
        Controls(**given)


def test_the_ends_of_a_range_belong_to_it() -> None:
    Controls(speed=[0.25, 4], pitch=(-24, 24), pitch_range=np.array([0, 3]), energy=[-40, 20])


def test_a_number_holds_for_every_token() -> None:
    np.testing.assert_array_equal(Controls(speed=2).of_tokens("speed", 0, 3), [[2, 2, 2, 2, 2]])


def test_a_sequence_is_cut_by_sentence_and_its_ends_hold_for_the_silence_around() -> None:
    controls = Controls(pitch=[1, 2, 3, 4, 5])
    assert controls.per_phone and not Controls().per_phone
    np.testing.assert_array_equal(controls.of_tokens("pitch", 0, 2), [[1, 1, 2, 2]])
    np.testing.assert_array_equal(controls.of_tokens("pitch", 2, 3), [[3, 3, 4, 5, 5]])


def test_a_sequence_has_one_value_for_each_phone() -> None:
    controls = Controls(energy=[0, 0, 0], speed=1.5)
    controls.check_length(3)
    with pytest.raises(SpeechError, match="energy has 3 values but the text has 4 phones"):
        controls.check_length(4)


def test_timings_join_in_order() -> None:
    a = Timings((Timing("A", 0, 1),), (Timing("a", 0, 1),), (Timing("ə", 0, 0.5), Timing(".", 0.5, 1)))
    b = Timings((Timing("B", 1, 2),), (), (Timing("b", 1, 2),))
    joined = Timings.joined([a, b])
    assert joined.sentences == (Timing("A", 0, 1), Timing("B", 1, 2))
    assert joined.words == a.words
    assert joined.phones == a.phones + b.phones
