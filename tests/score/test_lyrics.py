from __future__ import annotations

import pytest

from speechnar.score.lyrics import fit_vowels, split_syllables, sung_syllables
from speechnar.score.notes import Note, make_part
from speechnar.score.syllables import join_typed, read_lyric
from speechnar.score.ustx import read_continued

DICTIONARY = {  # as CMUdict has them, in our symbols
    "beautiful": "b j ˈu t ə f ə l", "day": "d ˈeɪ", "extra": "ˈɛ k s t ɹ ə", "singer": "s ˈɪ ŋ ɚ",
    "fire": "f ˈaɪ ɚ", "heaven": "h ˈɛ v ə n", "every": "ˈɛ v ɚ i", "blessed": "b l ˈɛ s t", "cruel": "k ɹ ˈu l",
    "many": "m ˈɛ n i", "a": "ə", "mystery": "m ˈɪ s t ɹ i", "ax": "ˈæ k s", "foo": "f ˈu", "bar": "b ˈɑ ɹ",
    "foobar": "f ˈu", "hello": "h ə l ˈoʊ", "three": "θ ɹ ˈi", "known": "n ˈoʊ n", "power": "p ˈaʊ ɚ", "la": "l ˈɑ",
    "the": "ð ə", "eternal": "ɪ t ˈɚ n ə l", "ah": "ˈɑ", "pst": "p s t",
}  # fmt: skip
ASKED: list[list[str]] = []


def pronounce(words):
    ASKED.append(list(words))
    return [DICTIONARY.get(w.lower(), "k ˈɑ").split() for w in words]


def sing(text: str, lexicon=None):
    """Sing words on notes of a second; hyphens join, `_` continues, `,` is a rest."""
    typed, places, now = [], [], 0.0
    for token in text.split(" "):
        if token != ",":
            typed.append(read_lyric("" if token == "_" else token))
            places.append(now)
        now += 1
    notes = [Note(onset, 1.0, 60.0, said) for onset, said in zip(places, join_typed(typed))]
    part, _ = make_part("Voice", notes, bars=[(float(n), str(n + 1)) for n in range(20)])
    return part, *sung_syllables(part, lexicon, pronounce)


def shown(text: str, **named) -> str:
    return " | ".join(" ".join(s.phones) for s in sing(text, **named)[1])


@pytest.mark.parametrize(
    ("lyrics", "phones"),
    [
        ("beau- ti- ful day", "b j ˈu | t ə | f ə l | d ˈeɪ"),
        ("ex- tra", "ˈɛ k | s t ɹ ə"),  # no word begins with k s t ɹ
        ("sing- er", "s ˈɪ ŋ | ɚ"),  # nor with ŋ
        ("fire", "f ˈaɪ ɚ"),
        ("fi- re", "f ˈaɪ | ɚ"),
        ("heav'n", "h ˈɛ v ə n"),
        ("heav- en", "h ˈɛ | v ə n"),
        ("ev'- ry", "ˈɛ v | ɹ i"),
        ("ev- er- y", "ˈɛ | v ɚ | i"),
        ("mys- te- ry", "m ˈɪ | s t ə | ɹ i"),
        ("bless- ed", "b l ˈɛ | s ɪ d"),
        ("bless'd", "b l ˈɛ s t"),
        ("cru- el", "k ɹ ˈu | ə l"),
        ("th'e- ter- nal", "ð ɪ | t ˈɚ | n ə l"),
        ("man- y‿a day", "m ˈɛ | n i ə | d ˈeɪ"),
        ("3", "θ ɹ ˈi"),
        ("“Day,”", "d ˈeɪ"),
    ],
)
def test_the_vowels_of_a_word_are_dealt_to_its_syllables(lyrics: str, phones: str) -> None:
    part, _, warnings = sing(lyrics)
    assert shown(lyrics) == phones and not warnings


def test_words_are_pronounced_whole_in_their_phrase() -> None:
    ASKED.clear()
    sing("hel- lo day , the day")
    assert ASKED == [["hello", "day"], ["the", "day"]]


def test_a_syllable_knows_its_notes_its_vowels_and_its_word() -> None:
    _, syllables, _ = sing("fire _ _ , hel- lo")
    assert [(s.first, s.last, s.vowel, s.held, s.word, s.ends_word) for s in syllables] == [
        (0, 2, 1, 1, "fire", True), (4, 4, 1, 1, "hello", False), (5, 5, 1, 1, "hello", True)
    ]  # fmt: skip
    assert sing("hello")[1][0].held == 3 and sing("hello")[1][0].vowel == 1  # the stressed vowel is held


def test_where_the_numbers_differ_syllables_are_pronounced_alone_and_named() -> None:
    _, syllables, warnings = sing("day foo- bar")
    assert [s.phones for s in syllables[1:]] == [("f", "ˈu"), ("b", "ˈɑ", "ɹ")]
    assert str(warnings[0]).startswith("Voice, bar 2: the word 'foo-bar' has 1 vowels for 2 syllables")


def test_a_word_without_a_vowel_is_named() -> None:
    part, syllables, warnings = sing("pst day")
    assert syllables[0].vowel == 3 and "no vowel" in str(warnings[0])


def test_the_lexicon_comes_before_the_dictionary_and_hints_before_both() -> None:
    lexicon = {"Day": ("d", "ˈaɪ"), "heaven": ("h", "ˈi", " ", "v", "ə", "n")}
    assert shown("day heav- en day's", lexicon=lexicon) == "d ˈaɪ | h ˈi | v ə n | d ˈaɪ z"
    assert shown("day[d_uw]".replace("_", "\xa0"), lexicon=lexicon) == "d u"


def test_openutau_words_stand_on_their_first_note() -> None:
    def phones(*lyrics: str) -> str:
        notes = [Note(float(n), 1.0, 60.0, s) for n, s in enumerate(read_continued(lyrics)[0])]
        part, _ = make_part("Voice", notes)
        found, warnings = sung_syllables(part, None, pronounce)
        assert not warnings
        return " | ".join(" ".join(s.phones) for s in found)

    assert phones("hello", "+", "+~") == "h ə | l ˈoʊ"
    assert phones("hello", "+~", "+") == "h ə | l ˈoʊ"
    assert phones("hello", "day") == "h ə l ˈoʊ | d ˈeɪ"
    assert phones("hello[hh eh l ow]", "+") == "h ɛ | l oʊ"
    assert phones("beautiful", "+") == "b j ˈu | t ə f ə l"  # the last note takes what is left
    assert phones("day", "+") == "d ˈeɪ | ˈeɪ"  # and a word with no more syllables goes on


@pytest.mark.parametrize(
    ("phones", "count", "fitted"),
    [
        ("aʊ ɚ s ɛ l v z", 2, "aʊ ɹ s ɛ l v z"),  # ourselves
        ("f ɚ ɡ ɪ v ə n", 2, "f ɚ ɡ ɪ v n"),  # forgiv'n
        ("ɹ ɪ ð m", 2, "ɹ ɪ ð ə m"),
        ("p l ɛ ʒ", 3, None),
        ("k ɪ t i", 1, None),
    ],
)
def test_vowels_are_dropped_and_put_in_as_singers_do(phones: str, count: int, fitted: str | None) -> None:
    found = fit_vowels(phones.split(), count, ["x"] * count)
    assert (found and " ".join(found)) == fitted


def test_syllables_keep_every_phone_in_order() -> None:
    for spelling in DICTIONARY.values():
        groups = split_syllables(spelling.split())
        assert [p for g in groups for p in g] == spelling.split()


def test_the_packages_own_pronunciations_are_used() -> None:
    part, _ = make_part("Voice", [Note(0, 1, 60, join_typed([read_lyric("Twin-"), read_lyric("kle")])[0])])
    syllables, _ = sung_syllables(part)
    assert syllables[0].phones[:2] == ("t", "w")


def test_the_vowel_begins_anew_on_a_note_without_a_lyric_after_a_rest() -> None:
    _, syllables, _ = sing("day _ , _ _ , , _ three")
    assert [" ".join(s.phones) for s in syllables] == ["d ˈeɪ", "ˈeɪ", "ˈeɪ", "θ ɹ ˈi"]
    found = [(s.first, s.last, s.vowel) for s in syllables]
    assert found == [(0, 1, 1), (3, 4, 0), (6, 6, 0), (7, 7, 2)]  # of the part's notes, where two rests are one
