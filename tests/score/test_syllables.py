from __future__ import annotations

import pytest

from speechnar.score.arpabet import to_phones
from speechnar.score.syllables import join_typed, read_lyric


@pytest.mark.parametrize(
    ("typed", "sung"),
    [
        ("la", ["la"]), ("1. Ah,", ["Ah,"]), ("2.\xa0And", ["And"]), ("confesse__", ["confesse"]), ("_", []), ("–", []),
        ("", []), ("“Full", ["Full"]), ("ripe,”", ["ripe,"]), ("’tis", ["'tis"]), ("rocks––––", ["rocks"]), ("b c",
        ["b", "c"]), ("y ‿ a", ["y", "a"]), ("y \ue551  a", ["y", "a"]), ("(Oh,", ["Oh,"]), ("bhron\n,*\n", ["bhron"]),
        ("ing,\xa0‒\xa0", ["ing,"]), ("3", ["3"]), ("to-night", ["to", "night"]), ("e\u0301", ["é"]),
    ],
)  # fmt: skip
def test_lyrics_are_cleaned(typed: str, sung: list[str]) -> None:
    assert [s.text for s in read_lyric(typed).syllables] == sung


def joined(*lyrics: tuple[str, str] | str) -> str:
    pairs = [(x, "single") if isinstance(x, str) else x for x in lyrics]
    notes = join_typed([read_lyric(text, [syllabic]) for text, syllabic in pairs])
    shown = ""
    for syllables in notes:
        for s in syllables:
            starts = s.syllabic in ("single", "begin")
            shown += (" " if starts else "-") + s.text
    return shown.strip()


@pytest.mark.parametrize(
    ("lyrics", "words"),
    [
        ((("Hal", "begin"), ("le", "middle"), ("lu", "end"), "amen"), "Hal-le-lu amen"),
        (("Be- ", "fore"), "Be-fore"),
        (("Be", "-fore"), "Be-fore"),
        ((("ter", "begin"), "-\xa0day."), "ter-day."),
        ((("ta", "begin"), ("ta", "end"), "-\xa0\xa0res"), "ta-ta-res"),
        ((("thorn", "single"), "–\xa0though"), "thorn though"),  # a dash, not a hyphen
        ((("qui", "begin"), ("–\xa0nox,", "end")), "qui-nox,"),
        (("Hope -", "I"), "Hope I"),
        (("wood,--", "The"), "wood, The"),
        ((("forgot", "begin"), "its", "end"), "forgot its end"),
        ((("lone", "end"), ("some", "end")), "lone some"),
        ((("man", "begin"), ("y‿a", "end"), "time"), "man-y a time"),
    ],
)
def test_words_are_joined_where_hyphens_say_so(lyrics: tuple, words: str) -> None:
    assert joined(*lyrics) == words


def test_every_word_begins_and_ends() -> None:
    notes = join_typed(
        [read_lyric(t, [s]) for t, s in (("a", "middle"), ("b", "begin"), ("c", "single"), ("d", "begin"))]
    )
    assert [s.syllabic for (s,) in notes] == ["single"] * 4


@pytest.mark.parametrize(
    ("typed", "text", "phones"),
    [
        ("hello[hh ah0 l ow1]", "hello", "h ə l ˈoʊ"),
        ("[en/ah l]", "", "ʌ l"),
        ("x[ɡ ˈɑ t͡ʃ]", "x", "ɡ ˈɑ t͡ʃ"),
        ("[the]", "the", ""),  # an editor's brackets
    ],
)
def test_phonetic_hints(typed: str, text: str, phones: str) -> None:
    (syllable,) = read_lyric(typed).syllables
    assert (syllable.text, " ".join(syllable.phones)) == (text, phones)


def test_a_hint_with_unknown_phones_is_doubted() -> None:
    typed = read_lyric("a[k y0u]")
    assert [s.text for s in typed.syllables] == ["a"] and "[k y0u]" in typed.doubt


def test_every_arpabet_phone_is_one_of_the_voice() -> None:
    # CMUdict's 39, from its published list
    cmu = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
    assert len(cmu) == 39 and all(to_phones([p]) for p in cmu)
    assert to_phones(["ER1", "R", "y", "NG"]) == ("ˈɚ", "ɹ", "j", "ŋ")
    assert to_phones(["qq"]) is None and to_phones([]) is None
