"""Correct the words of a transcript, and keep their times."""

from __future__ import annotations

import dataclasses

from speechnar.decode.corrector import Corrector
from speechnar.decode.result import Word
from speechnar.runtime.transcript import Transcript


def corrected(transcript: Transcript, corrector: Corrector) -> Transcript:
    """Return a transcript with its words corrected. Two words that stand for one divide its time evenly."""
    found = {each.place: each.words for each in corrector.corrections([word.text for word in transcript.words])}
    words = []
    for place, word in enumerate(transcript.words):
        new = found.get(place, (word.text,))
        step = (word.end - word.start) / max(1, len(new))
        for n, text in enumerate(new):
            words.append(Word(text, word.start + n * step, word.start + (n + 1) * step, word.confidence))
    return dataclasses.replace(transcript, words=tuple(words))
