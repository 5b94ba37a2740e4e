"""Guess the phones of words that a lexicon lacks, letter by letter, by the models of gruut's data packages.

Source: gruut 2.4 (MIT), `g2p.py`: the names of the features, and the labels, which are phones joined by `|`.
"""

from __future__ import annotations

import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

Phones = tuple[str, ...]


class Guesser:
    """A conditional random field from letters to phones; the file is read at the first call. Threads may share one.

    Args:
        path: `model.crf`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tagger: Any = None
        self._lock = threading.Lock()

    @lru_cache(maxsize=20_000)  # noqa: B019 - one Guesser of a language lives as long as the process
    def __call__(self, word: str) -> Phones:
        """Return the phones of a lower-case word; none for the empty word."""
        import pycrfsuite

        with self._lock:
            if self._tagger is None:
                tagger = pycrfsuite.Tagger()
                tagger.open(str(self._path))
                self._tagger = tagger
            labels = self._tagger.tag(pycrfsuite.ItemSequence(list(_features(word)))) if word else []
        phones = (phone for label in labels for phone in b64decode(label).decode().split("|"))
        return tuple(phone for phone in phones if phone != "_")


def coded(text: str) -> str:
    """Return text as the models name it: its UTF-8 bytes in base64."""
    return b64encode(text.encode()).decode("ascii")


def _features(word: str) -> Iterator[dict[str, Any]]:
    """Yield the features of each letter: itself and three neighbors on each side."""
    for n, letter in enumerate(word):
        item: dict[str, Any] = {"bias": 1.0, "grapheme": coded(letter)}
        if n == 0:
            item["begin"] = True
        if n == len(word) - 1:
            item["end"] = True
        for offset in (-3, -2, -1, 1, 2, 3):
            if 0 <= n + offset < len(word):
                item[f"grapheme{offset:+d}"] = coded(word[n + offset])
        yield item
