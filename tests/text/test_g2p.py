from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import gruut_lang_en
import pytest

from speechnar.text.g2p import Pronouncer, with_s


@pytest.fixture(scope="module")
def pronounce():
    return Pronouncer()


def test_bisection_finds_what_a_scan_finds(pronounce):
    lexicon = sqlite3.connect(Path(gruut_lang_en.get_lang_dir()) / "lexicon.db")
    rows = lexicon.execute("SELECT word, role, phonemes FROM word_phonemes ORDER BY pron_order").fetchall()
    expected: dict[str, dict[str, tuple[str, ...]]] = {}
    for word, role, phones in rows:
        expected.setdefault(word, {}).setdefault(role, tuple(phones.split()))
    for word in [*list(expected)[::200], "a", "zzz", "am", "lead", "optimized", "p.m.", "'em", "wouldn't"]:
        assert pronounce._find(word) == expected.get(word, {}), word
    assert pronounce._find("qqqq") == {}


@pytest.mark.parametrize(
    ("stem", "ended"), [("kˈæt", "s"), ("dˈɔɡ", "z"), ("bˈʌs", "ɪz"), ("bˈi", "z"), ("t͡ʃˈɚt͡ʃ", "ɪz"), ("kˈɔf", "s")]
)
def test_plural_ending(stem, ended):
    phones = ("t͡ʃ",) if stem.endswith("t͡ʃ") else (stem[-1],)
    assert "".join(with_s(phones)[1:]) == ended


@pytest.mark.parametrize("word", ["", "'", "-", "--", "_", "'s", "🙂", "…"])
def test_what_is_no_word_has_no_phones(pronounce, word):
    assert pronounce(["a", word, "b"])[1] in ((), ("ˈɛ", "s"), ("z",), ("s",))


def test_a_capital_a_is_the_article_only_where_a_sentence_begins(pronounce):
    assert pronounce(["A"]) == [("ˈeɪ",)]
    assert pronounce(["Plan", "A"])[1] == ("ˈeɪ",)
    assert pronounce(["A", "plan"])[0] == ("ə",)
    assert pronounce(["a"]) == [("ə",)]


NAMES = {
    "Rowling": "ɹ ˈoʊ l ɪ ŋ", "Lannister": "l ˈæ n ɪ s t ɚ", "Millbrook": "m ˈɪ l b ɹ ˌʊ k", "Jaden": "d͡ʒ ˈeɪ d ə n",
    "Kayden": "k ˈeɪ d ə n", "Zayden": "z ˈeɪ d ə n", "Harlowe": "h ˈɑ ɹ l oʊ", "Hagrid": "h ˈæ ɡ ɹ ɪ d",
    "Malfoy": "m ˈæ l f ɔɪ", "Xander": "z ˈæ n d ɚ", "Brynlee": "b ɹ ˈɪ n l i", "Lindqvist": "l ˈɪ n d k v ɪ s t",
}  # fmt: skip
"""Names that the lexicon lacks, as people say them."""


@pytest.mark.parametrize("name", NAMES)
def test_names_that_the_lexicon_lacks(pronounce, name):
    assert not pronounce._roles(name.lower())
    (phones,) = pronounce([name])
    assert comparable(phones) == comparable(NAMES[name].split())


def comparable(phones):
    """Return phones without secondary stress, and with one weak vowel, in which speakers differ."""
    return [{"ə": "ɪ"}.get(phone, phone).lstrip("ˌ") for phone in phones]


def test_very_long_word_is_spoken_in_pieces(pronounce):
    (phones,) = pronounce(["ba" * 500])
    assert phones.count("b") == 500


def test_threads_agree(pronounce):
    words = "Several threads read different words from one lexicon at once without harm".split()
    expected = Pronouncer()(words)
    found = []
    threads = [threading.Thread(target=lambda: found.append(pronounce(words))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
