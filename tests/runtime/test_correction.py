"""A corrected transcript keeps its times."""

from __future__ import annotations

import pytest

from speechnar.decode.corrector import Correction, Corrector
from speechnar.decode.result import Word
from speechnar.runtime.correction import corrected
from speechnar.runtime.transcript import Transcript


def test_new_words_divide_the_time_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    corrections = [Correction(0, ("A,",), (), 0.7), Correction(2, ("x", "y"), (), 0.8), Correction(3, (), (), 0.9)]
    monkeypatch.setattr(Corrector, "corrections", lambda self, words: corrections if words == list("abcd") else [])
    corrector = Corrector.__new__(Corrector)
    words = tuple(Word(text, n, n + 0.5, 0.1 * n) for n, text in enumerate("abcd"))
    found = corrected(Transcript("name", 5.0, words, "en-us", "file.wav"), corrector)
    assert (found.name, found.duration, found.file, found.text) == ("name", 5.0, "file.wav", "A, b x y")
    assert found.words[1] == words[1]
    assert [(word.start, word.end) for word in found.words[2:4]] == [(2.0, 2.25), (2.25, 2.5)]
    assert [word.confidence for word in found.words] == [0.0, 0.1, 0.2, 0.2]
    kept = corrected(Transcript("name", 5.0, words), corrector, ["C d", "x"])
    assert kept.text == "A, b c d"
    empty = Transcript("name", 5.0, ())
    assert corrected(empty, corrector) == empty
