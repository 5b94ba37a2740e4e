"""Phonemize a corpus with the front end that the runtime speaks with."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from lhotse.cut import Cut

from speechnar.data.manifest import DataError, mapped
from speechnar.text.languages.front_end import parse_language
from speechnar.text.lexicon import load_lexicon
from speechnar.text.phonemize import Phonemizer
from speechnar.text.symbols import ENGLISH as ENGLISH_PHONES
from speechnar.text.symbols import WORD_BREAK, TextError

ENGLISH = "en-us"


def phones_of(text: str, lexicon: Path | None = None, language: str = ENGLISH) -> list[str]:
    """Return the phones, pauses and word breaks of a text; its sentences follow each other with a word break between.

    Raises:
        TextError: there is nothing in it that can be spoken, the lexicon cannot be read, or there is no such language.
    """
    phones: list[str] = []
    for sentence in phonemizer(lexicon, language)(text):
        phones += [WORD_BREAK, *sentence.phones] if phones else sentence.phones
    return phones


@functools.cache
def phonemizer(lexicon: Path | None, language: str) -> Phonemizer:
    """Return the front end of a language, made at the first call.

    Raises:
        TextError: the lexicon cannot be read, or there is no such language, or it is not installed.
    """
    english = parse_language(language) == ("en", False)
    own = load_lexicon(lexicon, ENGLISH_PHONES if english else None) if lexicon else None
    return Phonemizer(own, language=language)


def phonemize_cuts(
    cuts: Sequence[Cut], lexicon: Path | None = None, jobs: int = 1, language: str = ENGLISH
) -> list[Cut]:
    """Return the same cuts with the language and the custom field `phones` in every supervision.

    Raises:
        DataError: an utterance has no text, or one that cannot be spoken.
        TextError: the lexicon cannot be read, or there is no such language, or it is not installed.
    """
    phonemizer(lexicon, language)  # reads the lexicon, so that its mistakes are not those of an utterance
    work = functools.partial(_of_cut, lexicon=lexicon, language=language)
    failed = []
    for cut, phones in zip(cuts, mapped(work, cuts, jobs, "phonemize")):
        if isinstance(phones, str):
            failed.append(f"{cut.id}: {phones}")
        else:
            for supervision, its in zip(cut.supervisions, phones):
                supervision.language = language
                supervision.custom = (supervision.custom or {}) | {"phones": its}
    if failed:
        counts = f"{len(failed)} of {len(cuts)} utterances cannot be spoken; the first is {failed[0]}"
        raise DataError(f"{counts}: drop them with `speechnar corpus check --fix`")
    return list(cuts)


def _of_cut(cut: Cut, lexicon: Path | None, language: str) -> list[list[str]] | str:
    """Return the phones of each supervision, or why there are none."""
    try:
        return [phones_of(supervision.text or "", lexicon, language) for supervision in cut.supervisions]
    except TextError as error:
        return str(error)
