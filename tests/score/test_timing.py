from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from speechnar.score.lyrics import SungSyllable
from speechnar.score.notes import Note, Part
from speechnar.score.timing import FLOOR, MEANS, fit_durations, time_phones


def test_a_long_note_stretches_in_proportion_to_the_variances() -> None:
    # by hand: 0.5 s more than the means; variances 0.01, 0.04 and 0 + 0.01 share it 1 : 4 : 1... sixths
    fitted = fit_durations([0.1, 0.2, 0.1], [0.1, 0.2, 0.1], 1.0)
    np.testing.assert_allclose(fitted, [0.1 + 0.1, 0.2 + 0.4, 0.1 + 0.1])


@pytest.mark.parametrize("length", [0.05, 0.13, 0.2, 0.27, 0.35, 0.5, 2.0])
def test_fitted_lengths_are_the_most_probable_ones_above_the_floors(length: float) -> None:
    means, deviations = np.array([0.17, 0.1, 0.06, 0.147]), np.array([0.5, 0.025, 0.02, 0.04])
    fitted = fit_durations(means, deviations, length)
    assert fitted.sum() == pytest.approx(length)
    floors = np.minimum(FLOOR * means, means * length / means.sum())
    best = minimize(
        lambda d: (((d - means) / deviations) ** 2).sum(),
        means * length / means.sum(),
        constraints={"type": "eq", "fun": lambda d: d.sum() - length},
        bounds=[(floor, None) for floor in floors],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    np.testing.assert_allclose(fitted, best.x, atol=2e-4)


def test_lengths_do_not_jump_as_the_note_grows() -> None:
    means, deviations = [0.17, 0.147, 0.06], [0.5, 0.04, 0.02]
    curve = np.array([fit_durations(means, deviations, length) for length in np.arange(0, 1, 0.001)])
    assert np.abs(np.diff(curve, axis=0)).max() < 0.0011 and (np.diff(curve, axis=0) > -1e-9).all()
    assert (curve >= 0).all()


def syllable(first: int, phones: str, vowel: int, last: int | None = None) -> SungSyllable:
    return SungSyllable(first, first if last is None else last, tuple(phones.split()), vowel, vowel, "word", True)


def check(timed) -> None:
    for a, b in itertools.pairwise(timed):
        assert b.onset >= a.end - 1e-9
    assert all(t.end > t.onset for t in timed)


def test_the_vowel_begins_on_the_note_and_consonants_come_before_it() -> None:
    part = Part("", (Note(1.0, 1.0, 60.0), Note(2.0, 1.0, 62.0), Note(3.0, 1.0, None), Note(4.0, 0.5, 64.0)))
    timed = time_phones(part, [syllable(0, "s t ɑ ɹ", 2), syllable(1, "l i", 1), syllable(3, "t u", 1)])
    check(timed)
    by_phone = {t.phone: t for t in timed if t.phone != "t"}
    assert (by_phone["ɑ"].onset, by_phone["i"].onset, by_phone["u"].onset) == (1.0, 2.0, 4.0)
    assert by_phone["l"].end == 2.0 and by_phone["ɹ"].end == by_phone["l"].onset  # the coda ends the note
    assert by_phone["s"].onset == pytest.approx(1 - MEANS["s"] - MEANS["t"])  # there is silence before: natural length
    assert by_phone["i"].end == 3.0  # the rest is silent but for the consonant of the next note
    first_t, last_t = (t for t in timed if t.phone == "t")
    assert first_t.end == 1.0 and last_t.end == 4.0 and last_t.onset == pytest.approx(4 - MEANS["t"])
    assert by_phone["u"].end == 4.5 and {t.note for t in timed} == {0, 1, 3}


def test_a_melisma_is_one_vowel_and_a_breath_a_silence() -> None:
    part = Part("", (Note(0, 1, 60.0), Note(1, 1, 62.0, slur=True, breath=True), Note(2, 1, 62.0)))
    timed = time_phones(part, [syllable(0, "ɑ n", 0, last=1), syllable(2, "ɑ", 0)])
    assert [t.phone for t in timed] == ["ɑ", "n", "ɑ"]
    assert timed[0].onset == 0 and timed[1].end == pytest.approx(1.75) and timed[2].onset == 2
    assert timed[0].end == pytest.approx(1.75 - MEANS["n"], abs=0.01)  # the vowel takes the length


def test_a_short_note_shares_fairly() -> None:
    part = Part("", (Note(0, 0.1, 60.0), Note(0.1, 0.5, 62.0)))
    timed = time_phones(part, [syllable(0, "ɛ s t", 0), syllable(1, "s t ɹ i", 3)])
    check(timed)
    assert timed[-1].onset == pytest.approx(0.1)
    lengths = np.array([t.end - t.onset for t in timed[:-1]])
    natural = np.array([0.17, MEANS["s"], MEANS["t"], MEANS["s"], MEANS["t"], MEANS["ɹ"]])
    np.testing.assert_allclose(lengths, 0.1 * natural / natural.sum())


def test_a_rest_too_short_for_the_consonants_is_filled() -> None:
    part = Part("", (Note(0, 1, 60.0), Note(1, 0.05, None), Note(1.05, 1, 62.0)))
    timed = time_phones(part, [syllable(0, "ɑ", 0), syllable(2, "s t ɹ i", 3)])
    check(timed)
    assert all(a.end == pytest.approx(b.onset) for a, b in itertools.pairwise(timed))
    assert timed[1].end - timed[1].onset == pytest.approx(MEANS["s"], abs=0.01)


def test_syllables_without_a_vowel_are_sung_before_their_note() -> None:
    part = Part("", (Note(1, 1, 60.0), Note(2, 1, 62.0)))
    timed = time_phones(part, [syllable(0, "p s t", 3), syllable(1, "ɑ", 0)])
    check(timed)
    assert [t.phone for t in timed] == ["p", "s", "t", "ɑ"] and timed[2].end == 1.0


def test_a_model_can_give_the_durations() -> None:
    part = Part("", (Note(1, 1, 60.0),))
    timed = time_phones(part, [syllable(0, "t u", 1)], lambda phones, held: ([0.3] * len(phones), [0.1] * len(phones)))
    assert timed[0].onset == pytest.approx(0.7)
