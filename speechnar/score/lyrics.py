"""Lyrics to phones on notes.

    notes      C4        D4        E4   E4
    lyrics     beau-     ti-       ful  day
    word       b j ˈu t ə f ə l         d ˈeɪ       pronounced whole, in its phrase
    on notes   b j ˈu    t ə       f ə l          consonants go with the vowel after them, as far as a word can begin so

A word is pronounced whole, so that the lexicon knows it and its stress is right, and its vowels are dealt to its
syllables. Where the numbers differ, what singers do is tried first: a vowel and the schwa after it are one ("fire",
"heav'n"), a schwa is dropped ("ev'ry") or put in ("ev-er-y", "bless-ed"). Else each syllable is pronounced by itself,
with a warning.

Source: the maximal onset principle (Kahn, Syllable-based generalizations in English phonology, 1976) with the onsets of
American English; OpenUtau's conventions for phonetic hints.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from speechnar.score.notes import Note, Part, ScoreWarning, Syllable
from speechnar.text.g2p import pronouncer, with_s
from speechnar.text.normalize import normalize
from speechnar.text.symbols import CONSONANTS, PAUSES, WORD_BREAK, stress_of

_CLUSTERS = frozenset(
    "pl bl kl ɡl fl sl pɹ bɹ tɹ dɹ kɹ ɡɹ fɹ θɹ ʃɹ tw dw kw ɡw sw sp st sk sm sn sf pj bj kj ɡj fj vj mj hj "
    "spl spɹ stɹ skɹ skw spj skj".split()
)
"""Two or three consonants with which an American English word can begin; so can one, other than ŋ."""
_POETIC = {"o'er": "ore", "e'er": "air", "ne'er": "nair", "e'en": "een", "th'": "the "}
"""Beginnings whose apostrophe stands for more than an e, as they sound; "heav'n" and "turban'd" lack an e."""
_PRONOUNS = frozenset("i you he she it we they who that there how what where".split())  # of `he'd`
_SONORANTS = ("ɹ", "l", "n", "m")
_SCHWAS = ("ə", "ɚ")
Pronounce = Callable[[Sequence[str]], Sequence[Sequence[str]]]


@dataclass(frozen=True)
class SungSyllable:
    """The phones of one note and of the notes that continue its vowel.

    Attributes:
        first, last: places in the part's notes: the note on which the vowel begins, and the last that continues it.
        phones: in order; more vowels than one where a word has more than it has notes ("fire") or words are elided.
        vowel: place in `phones` of the first vowel, which begins with the note; the consonants before it are sung
            before. It equals the number of phones where none is a vowel.
        held: place of the vowel that is held: the stressed one, else the first.
        word: the word as written, or the words with `_` between.
        ends_word: whether the word ends with this syllable.
    """

    first: int
    last: int
    phones: tuple[str, ...]
    vowel: int
    held: int
    word: str
    ends_word: bool


@dataclass(frozen=True)
class _Word:
    """Syllables of one word and the places of their notes; an elided note has several words' syllables."""

    places: tuple[int, ...]
    syllables: tuple[Syllable, ...]

    @property
    def text(self) -> str:
        return "".join(s.text for s in self.syllables)


def sung_syllables(
    part: Part, lexicon: Mapping[str, Sequence[str]] | None = None, pronounce: Pronounce | None = None
) -> tuple[list[SungSyllable], list[ScoreWarning]]:
    """Return the phones of every syllable of a part in order, one item for each note that begins one, and the doubts.

    A note without a lyric after a rest is an item of its own: the vowel before the rest, again.

    Args:
        part: as a reader returns it.
        lexicon: phones of lower-case words, which come before all others (`text.lexicon.load_lexicon`).
        pronounce: phones of the words of one phrase; gruut's when it is None.
    """
    own = {word.lower(): tuple(phones) for word, phones in (lexicon or {}).items()}
    speaker = _Speaker(own, pronounce or pronouncer())
    warnings: list[ScoreWarning] = []
    spoken: dict[int, list[tuple[list[str], _Word, bool]]] = {}
    for phrase in _phrases(part.notes):
        for word, phones in zip(phrase, speaker.phrase(phrase)):
            dealt, doubt = speaker.deal(word, phones)
            if doubt:
                warnings.append(ScoreWarning(part.name, part.notes[word.places[0]].bar, doubt))
            for n, (place, group) in enumerate(zip(word.places, dealt)):
                spoken.setdefault(place, []).append((group, word, n == len(word.places) - 1))
    result = []
    for place in sorted(spoken):
        last = _last_continued(part.notes, place)
        phones = [phone for group, _, _ in spoken[place] for phone in group]
        _, word, ends = spoken[place][-1]
        shown = "_".join(dict.fromkeys(w.text for _, w, _ in spoken[place]))
        vowel = next((n for n, phone in enumerate(phones) if is_vowel(phone)), len(phones))
        held = _held_vowel(phones)
        result.append(SungSyllable(place, last, tuple(phones), vowel, held, shown, ends))
        after = last + 1
        while held < len(phones) and after < len(part.notes) and not part.notes[after].syllables:
            if part.notes[after].slur:  # after a rest, the vowel begins anew
                last = _last_continued(part.notes, after)
                result.append(SungSyllable(after, last, (phones[held],), 0, 0, shown, ends))
                after = last
            after += 1
    return result, warnings


def _last_continued(notes: Sequence[Note], place: int) -> int:
    """Return the place of the last of the notes that continue the vowel of a note, without a rest between."""
    while place + 1 < len(notes) and notes[place + 1].slur:
        place += 1
    return place


def _held_vowel(phones: Sequence[str]) -> int:
    """Return the place of the vowel to hold: the stressed one, else the first; the end where there is none."""
    vowels = [n for n, phone in enumerate(phones) if is_vowel(phone)]
    stressed = [n for n in vowels if stress_of(phones[n])[0] == "ˈ"]
    return (stressed or vowels or [len(phones)])[0]


def is_vowel(phone: str) -> bool:
    """Return whether a phone is a vowel: neither a consonant nor a pause."""
    return phone not in CONSONANTS and phone not in PAUSES and phone != WORD_BREAK


def _phrases(notes: Sequence[Note]) -> list[list[_Word]]:
    """Return the words of a part in groups between rests, in which the part of speech of each can be guessed."""
    phrases: list[list[_Word]] = [[]]
    places: list[int] = []
    syllables: list[Syllable] = []

    def close() -> None:
        if syllables:
            phrases[-1].append(_Word(tuple(places), tuple(syllables)))
            places.clear()
            syllables.clear()

    for n, note in enumerate(notes):
        if note.rest and not syllables:
            phrases.append([])
        for syllable in note.syllables:
            if syllable.syllabic in ("single", "begin"):
                close()
            places.append(n)
            syllables.append(syllable)
            if syllable.syllabic in ("single", "end"):
                close()
    close()
    return [phrase for phrase in phrases if phrase]


class _Speaker:
    """Pronounces the words of lyrics: hints first, then the user's lexicon, then the dictionary."""

    def __init__(self, lexicon: Mapping[str, tuple[str, ...]], pronounce: Pronounce) -> None:
        self.lexicon = lexicon
        self.pronounce = pronounce

    def phrase(self, words: Sequence[_Word]) -> list[list[str]]:
        """Return the phones of each word of a phrase, spoken in it."""
        tokens = [_tokens(_spelled(word.text)) for word in words]
        flat = [re.sub(r"[^\w'.-]+|[.]+$", "", token) for group in tokens for token in group]
        found = iter(self.pronounce(flat))
        phones = []
        for word, group in zip(words, tokens):
            own = [[p for p in next(found) if p not in (WORD_BREAK, *PAUSES)] for _ in group]
            if len(own) > 1 and word.text.lower().startswith("th'"):
                own[0] = own[0][:1]
            whole = self.own(_spelled(word.text))
            phones.append(list(whole) if whole else [p for token in own for p in token])
        return phones

    def own(self, word: str) -> tuple[str, ...] | None:
        """Return the user's phones of a word or of a possessive's stem, without word breaks."""
        key = word.lower()
        phones = self.lexicon.get(key)
        if phones is None and key.endswith("'s") and key[:-2] in self.lexicon:
            phones = with_s(self.lexicon[key[:-2]])
        return tuple(p for p in phones if p != WORD_BREAK) if phones else None

    def deal(self, word: _Word, phones: Sequence[str]) -> tuple[list[list[str]], str]:
        """Return the phones of each syllable of a word, and a doubt or an empty text."""
        count = len(word.syllables)
        hinted = [s.phones for s in word.syllables]
        if any(hinted):
            if all(hinted) or count == 1:
                return [list(h) for h in hinted], ""
            if hinted[0] and not any(hinted[1:]):  # the hint of a whole word stands on its first note
                phones = hinted[0]
            else:
                alone = [list(s.phones) or self.alone(s.text) for s in word.syllables]
                return alone, ""
        if count == 1:
            return [list(phones)], "" if any(map(is_vowel, phones)) else f"the word {word.text!r} has no vowel to hold"
        vowels = sum(map(is_vowel, phones))
        whole_first = not any(s.text for s in word.syllables[1:])
        if whole_first and vowels and vowels < count:  # OpenUtau's `+` after the last syllable continues its vowel
            groups = split_syllables(list(phones))
            return [*groups[:-1], *_held(groups[-1], count - vowels + 1)], ""
        if whole_first and vowels > count:
            groups = split_syllables(list(phones))
            return [*groups[: count - 1], [p for g in groups[count - 1 :] for p in g]], ""
        fitted = fit_vowels(phones, count, [_spelled(s.text).lower() for s in word.syllables])
        if fitted is not None:
            return split_syllables(fitted), ""
        shown = "-".join(s.text for s in word.syllables)
        doubt = f"the word {shown!r} has {vowels} vowels for {count} syllables; each syllable is pronounced by itself"
        return [self.alone(s.text) for s in word.syllables], doubt

    def alone(self, text: str) -> list[str]:
        """Return the phones of a syllable by itself; a lone vowel letter is never read as the letter's name."""
        spelled = _spelled(text).lower()
        lone = {"a": ["ə"], "e": ["ɪ"], "i": ["ɪ"], "o": ["oʊ"], "u": ["u"], "y": ["i"]}
        if spelled in lone:
            return lone[spelled]
        own = self.own(spelled)
        phones = own or [p for p in self.pronounce([spelled or "ah"])[0] if p not in (WORD_BREAK, *PAUSES)]
        return list(phones) if any(map(is_vowel, phones)) else [*phones, "ə"]


def _tokens(word: str) -> list[str]:
    """Return a word as spoken: itself without poetic apostrophes, or the words of a number or a sign ("3", "&")."""
    lower = word.lower()
    for poetic, plain in _POETIC.items():
        if lower.startswith(poetic):
            word = plain + word[len(poetic) :]
    if lower.partition("'")[0] not in _PRONOUNS:
        word = re.sub(r"(?<=[^\W\daeiou])'(?=(d|n|r|ry|ring|ning|rest|nest)$|ry|r\w)", "e", word, flags=re.IGNORECASE)
    letters = re.fullmatch(r"[^\W\d_]+([' -][^\W\d_]+)*'?", word.lstrip("'"))
    return word.split() if letters else normalize(word).split() or [""]


def _spelled(text: str) -> str:
    """Return the letters and apostrophes of a lyric."""
    return re.sub(r"[^\w'&%$€£+.-]|[.,;:!?…-]+$", "", text).strip("-")


def _held(group: Sequence[str], notes: int) -> list[list[str]]:
    """Return a syllable spread over notes: its vowel again on each, its coda on the last."""
    vowel = _held_vowel(group)
    held = [*group[vowel : vowel + 1]]
    return [[*group[: vowel + 1]], *([*held] for _ in range(notes - 2)), [*held, *group[vowel + 1 :]]]


def fit_vowels(phones: Sequence[str], count: int, texts: Sequence[str]) -> list[str] | None:
    """Return the phones of a word with as many vowels as it has syllables, or None where singers have no way to it.

    Too many vowels: a schwa is dropped after a vowel or between consonants ("ev'ry"); a rhotic one becomes a consonant
    ("our-selves"). Too few: `-ed`, `-est` and `-eth` are spoken ("bless-ed"), or a schwa is put before a sonorant that
    follows a consonant or a diphthong ("ev-er-y", "fi-re", "cru-el").

    Args:
        phones: of the word, without breaks.
        count: number of syllables.
        texts: the spelling of each syllable, lower case.
    """
    fitted = list(phones)
    while sum(map(is_vowel, fitted)) > count:
        place = _droppable(fitted)
        if place is None:
            return None
        if fitted[place] == "ɚ":
            fitted[place] = "ɹ"
        else:
            del fitted[place]
    ending = re.fullmatch(r"[^aeiouy]*[eè](d|st|th)", texts[-1])
    if ending and sum(map(is_vowel, fitted)) == count - 1:
        tail = 2 if ending[1] == "st" else 1
        if not any(map(is_vowel, fitted[-tail:])):
            return [*fitted[:-tail], "ɪ", *(["d"] if ending[1] == "d" else fitted[-tail:])]
    while sum(map(is_vowel, fitted)) < count:
        insertable = _insertable(fitted)
        if insertable is None:
            return None
        fitted.insert(insertable, "ə")
    return fitted


def _droppable(phones: Sequence[str]) -> int | None:
    """Return the place of a schwa that singers leave out: after a vowel, else between consonants inside the word."""
    schwas = [n for n, p in enumerate(phones) if p in _SCHWAS and n > 0]
    after_vowel = [n for n in schwas if is_vowel(phones[n - 1])]
    inside = [
        n for n in schwas
        if n + 1 < len(phones) and not is_vowel(phones[n - 1]) and any(map(is_vowel, phones[n + 1 :]))
        and (is_vowel(phones[n + 1]) or phones[n + 1] in _SONORANTS)
    ]  # fmt: skip
    final = [n for n in schwas if n + 1 < len(phones) and phones[n + 1] in _SONORANTS and n + 2 >= len(phones)]
    return next(iter(after_vowel or inside or final), None)


def _insertable(phones: Sequence[str]) -> int | None:
    """Return where a schwa can be put: before a sonorant after a consonant or a diphthong, else before any r or l."""
    places = [n for n in range(len(phones) - 1, 0, -1) if any(map(is_vowel, phones[:n]))]
    after = [
        n for n in places
        if phones[n] in _SONORANTS and (not is_vowel(phones[n - 1]) or len(stress_of(phones[n - 1])[1]) == 2)
    ]  # fmt: skip
    vowel_first = [n for n in places if phones[n] in ("ɹ", "l") and is_vowel(phones[n - 1])]
    return next(iter(after or vowel_first), None)


def split_syllables(phones: Sequence[str]) -> list[list[str]]:
    """Return the phones of each syllable: consonants between vowels go to the second, as far as a word can begin so."""
    vowels = [n for n, phone in enumerate(phones) if is_vowel(phone)]
    cuts = [0]
    for before, vowel in zip(vowels, vowels[1:]):
        cuts.append(next(n for n in range(before + 1, vowel + 1) if _can_begin(phones[n:vowel])))
    return [list(phones[start:end]) for start, end in zip(cuts, [*cuts[1:], len(phones)])]


def _can_begin(consonants: Sequence[str]) -> bool:
    if len(consonants) < 2:
        return list(consonants) != ["ŋ"]
    return "".join(consonants) in _CLUSTERS
