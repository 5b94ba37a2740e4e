"""Correct the words of a transcript, and keep their times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from speechnar.decode.corrector import Corrector
from speechnar.decode.result import Word
from speechnar.runtime.transcript import Transcript
from speechnar.text.marked_word import plain


def corrected(transcript: Transcript, corrector: Corrector, phrases: Iterable[str] = ()) -> Transcript:
    """Return a transcript with its words corrected. Two words that stand for one divide its time evenly.

    Args:
        phrases: hot words; their words stay as they are.
    """
    kept = {plain(word) for phrase in phrases for word in phrase.split()}
    texts = [word.text for word in transcript.words]
    found = {each.place: each.words for each in corrector.corrections(texts) if plain(texts[each.place]) not in kept}
    words = []
    for place, word in enumerate(transcript.words):
        new = found.get(place, (word.text,))
        step = (word.end - word.start) / max(1, len(new))
        for n, text in enumerate(new):
            words.append(Word(text, word.start + n * step, word.start + (n + 1) * step, word.confidence))
    return dataclasses.replace(transcript, words=tuple(words))
