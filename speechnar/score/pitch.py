"""F0 of singing by rule: the notes of a part, and what a voice does between and on them.

    cents   preparation (down before a step up)      overshoot          vibrato on long notes
                                                    .--.
                                                   /    `---------~~~~~~~~~~~~~~
              -------------------------.          /
                                        `-.______/
                                               | the note begins

Steps between notes pass through two second-order systems, H(s) = omega^2 / (s^2 + 2 zeta omega s + omega^2): one
forward in time, which overshoots after the step, and one backward, which prepares it; together they move the step by
15 ms only. Vibrato and fine fluctuation are added. A project that draws its F0 is sung along its curve instead.

Source: Saitou, Goto, Unoki and Akagi, "Speech-to-singing synthesis: converting speaking voices to singing voices by
controlling acoustic features unique to singing voices", WASPAA 2007.
Differs: on cents instead of Hz, so that every interval has the same shape at every height; vibrato is a sine with
onset, depth and rate chosen for each note, instead of an undamped system; fine fluctuation has a standard deviation of
4 cents instead of a maximum of 5 Hz.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.score.notes import Note

OVERSHOOT = (34.8, 0.5422)  # omega in rad/s, zeta
PREPARATION = (29.2, 0.6681)
VIBRATO_NOTE = 0.5  # seconds; shorter notes have none
VIBRATO_START = 0.25  # share of the note after which it begins
VIBRATO_RAMP = 0.25  # seconds over which it grows
VIBRATO_RATE = (5.0, 6.5)  # Hz
VIBRATO_DEPTH = (20.0, 60.0)  # cents from the middle to the top; notes of 2 s and more have the most
FLUCTUATION, FLUCTUATION_CUTOFF = 4.0, 10.0  # cents (standard deviation), Hz
SEAM = 0.02  # seconds over which drawn curves are smoothed, where one note's does not meet the next
GRID = 0.001  # seconds between the points at which curves are computed
_RESPONSE = 0.6  # seconds after which both systems have settled to 1e-5


@dataclass(frozen=True)
class PitchOptions:
    """Options of singing.

    Attributes:
        vibrato: times the usual depth, 0 or more; 0 is none.
        expression: times the usual preparation, overshoot, fluctuation, vibrato and levels of dynamic marks, from 0
            (steps are smooth, and the rest is none) to 2.
        transpose: semitones, added to every note.
        seed: of the vibrato's choices and the fluctuation.
        breaths: are heard in rests and at breath marks.
    """

    vibrato: float = 1.0
    expression: float = 1.0
    transpose: float = 0.0
    seed: int = 0
    breaths: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.vibrato <= 5:
            raise ValueError(f"vibrato is {self.vibrato} but should be from 0 to 5")
        if not 0 <= self.expression <= 2:
            raise ValueError(f"expression is {self.expression} but should be from 0 to 2")
        if not -48 <= self.transpose <= 48:
            raise ValueError(f"transpose is {self.transpose} semitones but should be from -48 to 48")


def hz(pitch: np.ndarray | float) -> np.ndarray:
    """Return the frequencies in Hz of MIDI pitches; 69 is 440 Hz."""
    return 440.0 * np.exp2((np.asarray(pitch, float) - 69.0) / 12.0)


def f0_curve(
    notes: Sequence[Note], n_frames: int, hop: float, options: PitchOptions | None = None, start: float = 0.0
) -> np.ndarray:
    """Return the F0 of a part at the middle of each frame.

    Args:
        notes: in order; rests are bridged: the pitch before holds to the middle of a rest, then that after it.
        n_frames: number of frames.
        hop: seconds from frame to frame.
        options: how to sing; the usual way when None.
        start: seconds from the start of the score to that of the first frame; below 0 where consonants come first.

    Returns:
        (n_frames,) float64 Hz, above 0 everywhere; which frames are voiced is for the phones to say.

    Raises:
        ValueError: no note has a pitch.
    """
    options = options or PitchOptions()
    sung = [n for n in notes if n.pitch is not None]
    if not sung:
        raise ValueError("there is no note to sing")
    n_points = int(math.ceil(n_frames * hop / GRID)) + 1
    times = start + GRID * np.arange(n_points)
    steps = step_curve(sung, times)
    if any(note.bend for note in sung):
        cents = drawn_curve(sung, times, steps)
    else:
        cents = moved_curve(steps, options.expression)
    rng = np.random.default_rng(options.seed)
    cents += options.vibrato * options.expression * vibrato_curve(sung, times, rng)
    if options.expression:
        cents += options.expression * fluctuation_curve(n_points, rng)
    middle = hop * (np.arange(n_frames) + 0.5)
    return hz(np.interp(middle, GRID * np.arange(n_points), cents) / 100.0 + options.transpose)


def step_curve(sung: Sequence[Note], times: np.ndarray) -> np.ndarray:
    """Return the notes as cents (MIDI pitch times 100), constant between changes.

    Args:
        sung: notes with pitches, in order.
        times: (T,) seconds, in order.

    Returns:
        (T,) cents.
    """
    changes = [(a.end + b.onset) / 2 if b.onset > a.end else b.onset for a, b in zip(sung, sung[1:])]
    pitches = np.array([100.0 * (n.pitch or 0.0) for n in sung])
    return pitches[np.searchsorted(np.array(changes), times, side="right")]


def drawn_curve(sung: Sequence[Note], times: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return a curve that follows the bends of notes; notes without one are constant.

    Where a bend begins before its note, what it is apart from the note that still sounds is added to that note's.

    Args:
        sung: notes with pitches, in order.
        times: (T,) seconds at the points of the grid, in order.
        steps: (T,) cents of `step_curve`.

    Returns:
        (T,) cents, smoothed over 20 ms.
    """
    curve = steps.copy()
    for note in sung:
        if note.bend:
            at, cents = np.array(note.bend).T
            first, last = np.searchsorted(times, [note.onset + at[0], note.end])
            drawn = np.interp(times[first:last] - note.onset, at, cents) + 100.0 * (note.pitch or 0.0)
            curve[first:last] += drawn - steps[first:last]
    size = round(SEAM / GRID) | 1
    return np.convolve(np.pad(curve, size // 2, mode="edge"), np.full(size, 1 / size), mode="valid")


def second_order(omega: float, zeta: float) -> np.ndarray:
    """Return the impulse response of a second-order system at the points of the grid, scaled to a sum of 1.

    Args:
        omega: rad/s.
        zeta: damping, above 0 and at most 1, where it does not overshoot.
    """
    t = GRID * (np.arange(int(_RESPONSE / GRID)) + 0.5)
    if zeta < 1:
        damped = omega * math.sqrt(1 - zeta**2)
        response = np.exp(-zeta * omega * t) * np.sin(damped * t)
    else:
        response = t * np.exp(-omega * t)
    return response / response.sum()


def moved_curve(steps: np.ndarray, expression: float = 1.0) -> np.ndarray:
    """Return a curve of steps as a voice moves: prepared before each step and overshot after it.

    Args:
        steps: (T,) cents at the points of the grid.
        expression: 1 has Saitou's damping; 0 is critical damping, which neither prepares nor overshoots.

    Returns:
        (T,) cents.
    """
    forward = second_order(OVERSHOOT[0], _damping(OVERSHOOT[1], expression))
    backward = second_order(PREPARATION[0], _damping(PREPARATION[1], expression))
    pad = len(forward)
    extended = np.concatenate([np.full(pad, steps[0]), steps, np.full(pad, steps[-1])])
    base = extended[0]  # filtered are differences from the first note, so that rounding stays small
    once = _causal(extended - base, forward)
    twice = _causal(once[::-1] - once[-1], backward)[::-1] + once[-1]
    return twice[pad : pad + len(steps)] + base


def _causal(curve: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return a curve that is 0 before it begins, filtered by a causal response (by FFT, as songs are long)."""
    size = 1 << (len(curve) + len(response) - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(curve, size) * np.fft.rfft(response, size), size)[: len(curve)]


def _damping(zeta: float, expression: float) -> float:
    """Return the damping: critical at expression 0, the system's own at 1, for an overshoot twice as high at 2."""
    if expression <= 0:
        return 1.0
    overshoot = min(expression * math.exp(-math.pi * zeta / math.sqrt(1 - zeta**2)), 0.5)
    log = math.log(overshoot)
    return -log / math.sqrt(math.pi**2 + log**2)


def vibrato_curve(sung: Sequence[Note], times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the vibrato of long notes.

    Args:
        sung: notes with pitches, in order.
        times: (T,) seconds at the points of the grid, in order.
        rng: draws each note's rate.

    Returns:
        (T,) cents, 0 outside the last three quarters of notes longer than half a second, and on notes with a bend.
    """
    curve = np.zeros(len(times))
    for note in sung:
        rate = rng.uniform(*VIBRATO_RATE)
        if note.length <= VIBRATO_NOTE or note.bend:
            continue
        begin = note.onset + VIBRATO_START * note.length
        first, last = np.searchsorted(times, [begin, note.end])
        t = times[first:last] - begin
        grown = np.clip(np.minimum(t, note.end - begin - t) / VIBRATO_RAMP, 0.0, 1.0)
        depth = np.interp(note.length, [VIBRATO_NOTE, 2.0], VIBRATO_DEPTH)
        curve[first:last] = depth * grown * np.sin(2 * math.pi * rate * t)
    return curve


def fluctuation_curve(n_points: int, rng: np.random.Generator) -> np.ndarray:
    """Return the fine fluctuation of a voice: noise below 10 Hz with a standard deviation of 4 cents.

    Args:
        n_points: of the grid.
        rng: draws the noise.

    Returns:
        (n_points,) cents.
    """
    spectrum = np.fft.rfft(rng.standard_normal(n_points))
    spectrum[np.fft.rfftfreq(n_points, GRID) > FLUCTUATION_CUTOFF] = 0.0
    noise = np.fft.irfft(spectrum, n_points)
    spread = float(noise.std())
    return FLUCTUATION * (noise - noise.mean()) / spread if spread > 0 else np.zeros(n_points)


def transposition(notes: Sequence[Note], lowest: float, highest: float) -> int:
    """Return the semitones by which to move a part so that as much of it as can be lies in a voice's range.

    Of the shifts that leave the least time outside the range, the one nearest to none is taken; of two equally near
    ones, the lower.

    Args:
        notes: of the part.
        lowest, highest: MIDI pitches between which the voice sounds well.

    Raises:
        ValueError: `lowest` is above `highest`.
    """
    if lowest > highest:
        raise ValueError(f"the range from MIDI {lowest:g} to {highest:g} is empty")
    sung = [n for n in notes if n.pitch is not None]
    pitches = np.array([n.pitch or 0.0 for n in sung])
    lengths = np.array([n.length for n in sung])

    def outside(shift: int) -> float:
        beyond = np.maximum(lowest - pitches - shift, 0) + np.maximum(pitches + shift - highest, 0)
        return round(float((lengths * beyond).sum()), 6)

    return min(range(-48, 49), key=lambda shift: (outside(shift), abs(shift), shift))
