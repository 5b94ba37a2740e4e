"""A part in festival's XML, and phones at the times of another score; festival itself is not needed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from speechnar.score.lyrics import is_vowel
from speechnar.score.notes import Note, Syllable, make_part
from speechnar.score.timing import TimedPhone

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_syllables_have_their_notes_in_hz_and_seconds() -> None:
    rows = [
        (0.0, 69.0, ("Twin", "begin")),
        (0.5, 81.0, None),
        (1.0, 57.0, ("kle", "end")),
        (2.0, 69.0, ("stars", "single")),
    ]
    notes = [Note(o, 0.5, p, (Syllable(*text),) if text else (), slur=not text) for o, p, text in rows]
    xml = loaded("festival_singing").xml_of(make_part("Alto", notes)[0], 0)
    body = ElementTree.fromstring(xml.partition("[]>")[2])
    assert [element.tag for element in body] == ["DURATION", "REST", "DURATION"]
    word, rest, star = body
    assert word.get("SECONDS") == "0.500+0.500,0.500" and rest.get("SECONDS") == "0.500"
    assert word[0].get("FREQ") == "440.00+880.00,220.00" and word[0].text == "Twinkle" and star[0].text == "stars"


@pytest.mark.parametrize("late", [0.0, 0.03])
def test_vowels_are_asked_for_elsewhere_and_the_rest_goes_along(late: float) -> None:
    phones = [
        TimedPhone(p, 0.1 * n, 0.1 * n + 0.1, 0, 0) for n, p in enumerate(["t", "ɑ", "n", "i", "s", "oʊ", "z"], 1)
    ]
    asked = loaded("singing_onsets").asked_for(phones, 0.02, late, np.random.default_rng(0))
    moved = np.array([b.onset - a.onset - late for a, b in zip(phones, asked) if is_vowel(a.phone)])
    assert (np.abs(moved) <= 0.02 + 1e-9).all() and np.ptp(moved) > 0.005
    assert all(a.end == pytest.approx(b.onset) for a, b in zip(asked, asked[1:]))
