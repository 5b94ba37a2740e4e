from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from speechnar.score.notes import Note
from speechnar.score.pitch import (
    FLUCTUATION,
    GRID,
    OVERSHOOT,
    PREPARATION,
    PitchOptions,
    f0_curve,
    fluctuation_curve,
    hz,
    moved_curve,
    second_order,
    step_curve,
    transposition,
    vibrato_curve,
)

PLAIN = PitchOptions(vibrato=0, expression=0)


@pytest.mark.parametrize("system", [OVERSHOOT, PREPARATION, (30.0, 1.0)])
def test_the_step_response_is_that_of_scipy(system: tuple[float, float]) -> None:
    omega, zeta = system
    _, expected = signal.step(([omega**2], [1, 2 * zeta * omega, omega**2]), T=np.arange(400) * GRID)
    np.testing.assert_allclose(np.cumsum(second_order(omega, zeta))[:399], expected[1:], atol=1e-3)


def test_the_overshoot_is_as_high_as_the_damping_says() -> None:
    omega, zeta = OVERSHOOT
    response = np.cumsum(second_order(omega, zeta))
    assert response.max() - 1 == pytest.approx(np.exp(-np.pi * zeta / np.sqrt(1 - zeta**2)), abs=2e-3)  # 13 %
    assert GRID * response.argmax() == pytest.approx(np.pi / (omega * np.sqrt(1 - zeta**2)), abs=2e-3)


def test_steps_are_prepared_and_overshot_as_lsim_has_it() -> None:
    times = GRID * np.arange(2000)
    steps = np.where(times < 1.0, 0.0, 200.0)
    tops = [([w**2], [1, 2 * z * w, w**2]) for w, z in (OVERSHOOT, PREPARATION)]
    _, once, _ = signal.lsim(tops[0], steps, times, interp=False)
    _, back, _ = signal.lsim(tops[1], once[::-1] - 200.0, times, interp=False)
    expected = back[::-1] + 200.0
    moved = moved_curve(steps)
    np.testing.assert_allclose(moved[600:1700], expected[600:1700], atol=1.0)
    assert moved[:1000].min() < -5 and moved.max() > 210  # down before the step up, and above after it
    np.testing.assert_allclose(moved[[0, -1]], [0, 200], atol=1e-6)


def test_without_expression_steps_are_smooth() -> None:
    moved = moved_curve(np.repeat([0.0, 200.0], 1000), 0.0)
    assert moved.min() > -1e-6 and moved.max() < 200 + 1e-6 and (np.diff(moved) > -1e-9).all()


def test_more_expression_overshoots_more() -> None:
    steps = np.repeat([0.0, 200.0], 1000)
    highest = [moved_curve(steps, e).max() for e in (0.0, 0.5, 1.0, 1.5, 2.0)]
    assert (np.diff(highest) > 1).all()


def test_rests_are_bridged_and_pitches_hold_to_their_middle() -> None:
    notes = [Note(0, 1, 60.0), Note(2, 1, 62.5)]
    np.testing.assert_array_equal(step_curve(notes, np.array([-1, 0.5, 1.49, 1.51, 2.5, 9])), [6000] * 3 + [6250] * 3)


def test_a_held_note_has_its_frequency() -> None:
    np.testing.assert_allclose(f0_curve([Note(0, 2, 69.0)], 100, 0.0125, PLAIN), 440.0, rtol=1e-9)
    np.testing.assert_allclose(hz([57, 69, 81]), [220, 440, 880])
    moved = f0_curve([Note(0, 2, 69.0)], 10, 0.0125, PitchOptions(vibrato=0, expression=0, transpose=-12))
    np.testing.assert_allclose(moved, 220.0, rtol=1e-9)


def test_vibrato_begins_after_a_quarter_of_long_notes_only() -> None:
    times = GRID * np.arange(5000)
    notes = [Note(0, 0.5, 60.0), Note(0.5, 4.0, 60.0), Note(4.5, 0.4, 60.0)]
    curve = vibrato_curve(notes, times, np.random.default_rng(0))
    assert not curve[:1500].any() and not curve[4500:].any()
    middle = curve[2000:4000]
    assert 59 < middle.max() <= 60 and -60 <= middle.min() < -59  # 60 cents from 2 s on
    crossings = np.flatnonzero(np.diff(np.sign(middle)) > 0)
    assert 5.0 <= 1 / (GRID * np.diff(crossings).mean()) <= 6.5


def test_the_middle_of_notes_is_on_pitch_with_everything_on() -> None:
    notes = [Note(0.5 * n, 0.5, 60.0 + 4 * (n % 2)) for n in range(20)] + [Note(10, 3, 67.0)]
    curve = f0_curve(notes, 1300, 0.01)
    cents = 1200 * np.log2(curve / 440) + 6900
    at = 0.01 * (np.arange(1300) + 0.5)
    errors = [
        abs(cents[(at > n.onset + 0.35 * n.length) & (at < n.end - 0.35 * n.length)] - 100 * n.pitch) for n in notes
    ]
    assert np.median(np.concatenate(errors)) < 15


def test_the_fluctuation_is_below_ten_hertz_and_four_cents_wide() -> None:
    curve = fluctuation_curve(8000, np.random.default_rng(1))
    frequencies, power = signal.welch(curve, fs=1 / GRID, nperseg=4000)
    assert curve.std() == pytest.approx(FLUCTUATION) and abs(curve.mean()) < 1e-9
    assert power[frequencies > 12].sum() < 1e-3 * power.sum()
    assert not fluctuation_curve(1, np.random.default_rng(1)).any()


def test_the_same_seed_sings_the_same_and_another_does_not() -> None:
    notes = [Note(0, 2, 60.0)]
    first = f0_curve(notes, 100, 0.02, PitchOptions(seed=1))
    np.testing.assert_array_equal(first, f0_curve(notes, 100, 0.02, PitchOptions(seed=1)))
    assert abs(first - f0_curve(notes, 100, 0.02, PitchOptions(seed=2))).max() > 0.1


def test_a_start_before_zero_shifts_the_frames() -> None:
    notes = [Note(0, 1, 60.0), Note(1, 1, 64.0)]
    shifted = f0_curve(notes, 120, 0.02, PLAIN, start=-0.4)
    np.testing.assert_allclose(shifted[20:], f0_curve(notes, 100, 0.02, PLAIN), rtol=1e-6)


def test_nothing_to_sing_and_absurd_options_are_refused() -> None:
    with pytest.raises(ValueError, match="no note"):
        f0_curve([Note(0, 1, None)], 10, 0.01)
    for options in ({"vibrato": -1.0}, {"expression": 3.0}, {"transpose": 99.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            PitchOptions(**options)


@pytest.mark.parametrize(
    ("pitches", "shift"),
    [([60, 67], 0), ([72, 79], -7), ([40, 50], 15), ([50, 80], -3), ([60], 0)],
)
def test_a_part_is_moved_as_little_as_brings_it_into_the_range(pitches: list[float], shift: int) -> None:
    # the range is 55 to 72; 50 to 80 is wider than it: at -3 to +3... as much lies below as above
    notes = [Note(n, 1, float(p)) for n, p in enumerate(pitches)]
    found = transposition(notes, 55, 72)
    outside = [sum(max(55 - p - s, 0) + max(p + s - 72, 0) for p in pitches) for s in range(-48, 49)]
    assert outside[found + 48] == min(outside)
    assert abs(found) == min(abs(s) for s, o in zip(range(-48, 49), outside) if o == min(outside))
    if pitches != [50, 80]:
        assert found == shift


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        transposition([Note(0, 1, 60.0)], 70, 60)


def test_expression_is_also_that_of_the_vibrato() -> None:
    note = [Note(0.0, 3.0, 60.0)]
    spread = [np.ptp(np.log2(f0_curve(note, 240, 0.0125, PitchOptions(1.0, x)))) for x in (0.0, 1.0, 2.0)]
    assert spread[0] == pytest.approx(0.0, abs=1e-9) and spread[2] == pytest.approx(2 * spread[1], rel=0.02)
