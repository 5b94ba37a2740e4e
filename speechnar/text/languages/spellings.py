"""Tables of the languages that gruut has a lexicon of: alphabets, names of letters, compounds, ways to write phones.

German and Spanish have a stress mark and one way to write a diphthong in gruut's second lexicon (`espeak/`) alone,
which is why theirs is taken; `_german` and `_spanish` write its phones as phoneticians do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LATIN = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Spelling:
    """The tables by which the words of a language are looked up.

    Attributes:
        alphabet: letters that the guesser was trained on; others lose their accents or are transliterated.
        variant: folder of the data package that the lexicon and the guesser are in.
        letters: phones of the names of letters; without one, that of the lexicon or of the guesser.
        links: letters between the parts of a compound; None where words are not compounded.
        rewrite: from the phones of the data to those that are spoken.
        liaison: whether a silent final consonant is spoken before a vowel.
    """

    alphabet: str = LATIN
    variant: str = ""
    letters: Mapping[str, str] | None = None
    links: tuple[str, ...] | None = None
    rewrite: Callable[[str], str] | None = None
    liaison: bool = False


_GERMAN_SOUNDS = {
    "ɑː": "aː", "ɑ": "a", "ɒ": "ɔ", "ɜ": "ɐ", "ɐː": "ɐ", "ɹ": "r", "e": "eː", "i": "iː", "w": "v", "θ": "s", "ð": "s",
    "o": "oː", "u": "uː", "y": "yː", "ø": "øː", "g": "ɡ",
}  # fmt: skip
"""Rare phones of words of other languages, and other signs for a sound, as one sign each."""


def _german(phones: str) -> str:
    """Write diphthongs and affricates as one phone, r as [ʁ] before a vowel and else as [ɐ]."""
    phones = re.sub(r"(?<!\S)([ˈˌ]?)(\S+)", lambda m: m[1] + _GERMAN_SOUNDS.get(m[2], m[2]), phones)
    for pair, one in (
        ("a ɪ", "aɪ"),
        ("a ʊ", "aʊ"),
        ("ɔ øː", "ɔʏ"),
        ("t s", "t͡s"),
        ("t ʃ", "t͡ʃ"),
        ("p f", "p͡f"),
        ("d ʒ", "d͡ʒ"),
    ):
        phones = re.sub(rf"(?<!\S)([ˈˌ]?){pair}(?!\S)", rf"\1{one}", phones)
    phones = re.sub(r"(?<!\S)[rɾ](?= [ˈˌ]?[aɑɛeɪiɔoøœʊuʏyə])", "ʁ", phones)
    return re.sub(r"(?<!\S)[rɾ](?!\S)", "ɐ", phones).replace("ɐ ɐ", "ɐ")


def _spanish(phones: str) -> str:
    """Write the trill and the diphthongs as one phone, and /u/ before a stressed vowel as [w]."""
    phones = phones.replace("ɾ ɾ", "r").replace("ɛ", "e").replace("t ʃ", "t͡ʃ")
    for first, one in (("e ɪ", "eɪ"), ("a ɪ", "aɪ"), ("o ɪ", "oɪ"), ("a ʊ", "aʊ"), ("e ʊ", "eʊ")):
        phones = re.sub(rf"(?<!\S)([ˈˌ]?){first}(?!\S)", rf"\1{one}", phones)
    return re.sub(r"(?<!\S)u(?= ˈ[aeio](?!\S))", "w", phones)


_DE_LETTERS = {
    "a": "ˈaː", "b": "b ˈeː", "c": "t͡s ˈeː", "d": "d ˈeː", "e": "ˈeː", "f": "ˈɛ f", "g": "ɡ ˈeː", "h": "h ˈaː",
    "i": "ˈiː", "j": "j ˈɔ t", "k": "k ˈaː", "l": "ˈɛ l", "m": "ˈɛ m", "n": "ˈɛ n", "o": "ˈoː",
    "p": "p ˈeː", "q": "k ˈuː", "r": "ˈɛ ɐ", "s": "ˈɛ s", "t": "t ˈeː", "u": "ˈuː", "v": "f ˈaʊ", "w": "v ˈeː",
    "x": "ˈɪ k s", "y": "ˈʏ p s iː l ɔ n", "z": "t͡s ˈɛ t", "ä": "ˈɛː", "ö": "ˈøː", "ü": "ˈyː", "ß": "ɛ s t͡s ˈɛ t",
}  # fmt: skip
_ES_LETTERS = {
    "a": "ˈa", "b": "b ˈe", "c": "θ ˈe", "d": "d ˈe", "e": "ˈe", "f": "ˈe f e", "g": "x ˈe", "h": "ˈa t͡ʃ e", "i": "ˈi",
    "j": "x ˈo t a", "k": "k ˈa", "l": "ˈe l e", "m": "ˈe m e", "n": "ˈe n e", "ñ": "ˈe ɲ e", "o": "ˈo", "p": "p ˈe",
    "q": "k ˈu", "r": "ˈe r e", "s": "ˈe s e", "t": "t ˈe", "u": "ˈu", "v": "ˈu β e", "w": "ˈu β e d ˈo β l e",
    "x": "ˈe k i s", "y": "ʝ ˈe", "z": "θ ˈe t a",
}  # fmt: skip
_FR_LETTERS = {
    "a": "a", "b": "b e", "c": "s e", "d": "d e", "e": "ø", "f": "ɛ f", "g": "ʒ e", "h": "a ʃ", "i": "i", "j": "ʒ i",
    "k": "k a", "l": "ɛ l", "m": "ɛ m", "n": "ɛ n", "o": "o", "p": "p e", "q": "k y", "r": "ɛ ʁ", "s": "ɛ s",
    "t": "t e", "u": "y", "v": "v e", "w": "d u b l ə v e", "x": "i k s", "y": "i ɡ ʁ ɛ k", "z": "z ɛ d",
}  # fmt: skip

SPELLINGS = {
    "cs": Spelling(LATIN + "áčďéěíňóřšťúůýž"),
    "de": Spelling(LATIN + "äöüß", "espeak", _DE_LETTERS, ("", "s", "es", "n", "en"), _german),
    "es": Spelling(LATIN + "áéíñóúü", "espeak", _ES_LETTERS, None, _spanish),
    "fr": Spelling(LATIN + "àâæçèéêëîïôœùûüÿ", "", _FR_LETTERS, liaison=True),
    "it": Spelling(LATIN + "àèéìíîòóùú"),
    "lb": Spelling(LATIN + "äëéèêöüôâîûç", links=("", "s")),
    "nl": Spelling(LATIN + "áäéèëêíïóöúüĳ", links=("", "s", "en", "e")),
    "pt": Spelling(LATIN + "áâãàçéêíóôõúü"),
    "ru": Spelling("абвгдеёжзийклмнопрстуфхцчшщъыьэюя"),
    "sv": Spelling(LATIN + "åäöé", links=("", "s")),
    "sw": Spelling(),
}
"""Languages that gruut has a lexicon of, each in the extra of its name: `pip install 'speechnar[de]'`."""
