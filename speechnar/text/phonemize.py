"""Turn text into sentences of phones, one after the other, so that the first can be spoken while the rest waits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from speechnar.text.characters import LONGEST_TOKEN, TextWarning
from speechnar.text.g2p import with_s
from speechnar.text.languages.front_end import FrontEnd, front_end
from speechnar.text.markup import strip_emphasis, strip_inline
from speechnar.text.offsets import Offsets, Span
from speechnar.text.sentences import SENTENCE_PAUSE, split_blocks
from speechnar.text.symbols import ENGLISH, PAUSES, WORD_BREAK, SymbolTable, TextError

WORD_MARK = "|"

_TOKEN = re.compile(r"((?:[A-Za-z]\.)+|.*?)([,.;:?!—…]*)$")
_BATCH = 100  # words pronounced at once; in a longer "sentence" the listener should not have to wait for the rest


@dataclass(frozen=True)
class Word:
    """A word as spoken, after normalization, whose phones are `phones[start:end]` of its sentence.

    Attributes:
        text: the word; its pause mark is not part of it.
        start, end: where its phones begin and end among those of the sentence.
        span: where in the given text it is written, as offsets of characters; several words may share one place
            (`$5` is two). None where that is not known.
    """

    text: str
    start: int
    end: int
    span: Span | None = None


@dataclass(frozen=True)
class Sentence:
    """A sentence, or a part of a long one, that is spoken in one go.

    Attributes:
        text: normalized text.
        phones: phones with stress, `" "` between words, pauses (`,` `.` `?` ...).
        words: the words in order; a word that is spelled or compound has `" "` among its phones.
        pause: seconds of silence to put after it.
        source: the text as it is written, on one line and without markup: `"No. 14!"`, which `text` spells out. It is
            `text` itself where the place is not known.
        span: where in the given text it is written; None where that is not known.
    """

    text: str
    phones: tuple[str, ...]
    words: tuple[Word, ...]
    pause: float
    source: str = ""
    span: Span | None = None


@dataclass(frozen=True)
class _Spoken:
    text: str
    phones: tuple[str, ...]
    pause: str
    span: Span | None = None

    @property
    def size(self) -> int:
        return len(self.phones) + len(self.pause) + 1


class Phonemizer:
    """Normalize text, split it into sentences and look up their phones.

    Args:
        lexicon: phones of lower-case words, which come before all others (`load_lexicon`).
        max_phones: longest sentence; a longer one is cut after a clause, else between words. A longer word stays whole.
        pronounce: phones of the words of one sentence; those of the language when it is None.
        language: its code, such as `en-us` or `de`; see `languages.front_end`.
        symbols: of the voice that will speak; phones that it has none for, nor a near one, are left out.

    Raises:
        TextError: `max_phones` is below 1, or there is no such language, or it is not installed.
    """

    def __init__(
        self,
        lexicon: Mapping[str, tuple[str, ...]] | None = None,
        max_phones: int = 160,
        pronounce: Callable[[Sequence[str]], Sequence[Sequence[str]]] | None = None,
        language: str = "en-us",
        symbols: SymbolTable | None = None,
    ) -> None:
        if max_phones < 1:
            raise TextError(f"max_phones is {max_phones} but should be 1 or more")
        self.lexicon = {word.lower(): tuple(phones) for word, phones in (lexicon or {}).items()}
        self.max_phones = max_phones
        self._pronounce = pronounce
        self._front_end = front_end(language)
        self._symbols = symbols

    def __call__(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences of a text of any length, each as soon as it is read.

        Warns:
            TextWarning: words in a script that the language has no reading of are left out, or a word has more than
                `LONGEST_TOKEN` characters: one warning a text, which says what and where. A phone that the voice does
                not have is left out: one warning a phone.

        Raises:
            TextError: the text is empty, or there is nothing in it that can be spoken.
        """
        _warn(text, self._front_end)
        spoke = False
        offsets = Offsets(text, self._front_end.normalize)
        self._unknown: set[str] = set()
        for block in split_blocks(text):
            normalized = self._front_end.normalize(block.text, keep=self.lexicon)
            spans = offsets.spans(block.text, normalized.split())
            sentences = self._front_end.split_sentences(normalized)
            done = 0
            for n, sentence in enumerate(sentences, 1):
                start, done = done, done + len(sentence.split())
                shared = {spans[k] for k in (start, done) if 0 < k < len(spans) and spans[k] == spans[k - 1]}
                last = n == len(sentences)
                pause, end = (block.pause, block.end) if last else (SENTENCE_PAUSE, "")
                for piece in self._pieces(sentence, spans[start:done], pause, end):
                    spoke = True
                    yield _with_source(piece, text, shared)
        if not spoke:
            shown = text.strip()[:30]
            raise TextError(
                f"the text {shown!r} has no word to speak" if shown else "the text is empty; give some words"
            )

    def _pieces(self, sentence: str, spans: Sequence[Span | None], pause: float, end: str) -> Iterator[Sentence]:
        """Cut a sentence that is too long after the last clause that fits, else after the last word that fits."""
        held: list[_Spoken] = []
        size = 0
        for spoken in self._spoken(sentence, spans, end):
            while held and size + spoken.size > self.max_phones:
                sizes = accumulate(h.size for h in held)
                clauses = [n for n, up_to in enumerate(sizes, 1) if held[n - 1].pause and 4 * up_to > self.max_phones]
                cut = clauses[-1] if clauses else len(held)
                yield _sentence(held[:cut], 0.0)
                held = held[cut:]
                size = sum(h.size for h in held)
            held.append(spoken)
            size += spoken.size
        if held:
            yield _sentence(held, pause)

    def _spoken(self, sentence: str, spans: Sequence[Span | None], end: str) -> Iterator[_Spoken]:
        tokens = [_TOKEN.match(token) for token in sentence.split()]
        for start in range(0, len(tokens), _BATCH):
            words, pauses = zip(*(m.groups() for m in tokens[start : start + _BATCH] if m))
            ends = start + _BATCH >= len(tokens)
            last: _Spoken | None = None
            for word, phones, pause, span in zip(words, self._phones(words, pauses), pauses, spans[start:]):
                if phones:
                    if last:
                        yield last
                    last = _Spoken(word, tuple(phones), pause[:1], span)
                elif last and pause:
                    last = replace(last, pause=last.pause or pause[:1])
            if last:
                end_of_initial = "." if last.text[-1:] == "." else ""  # `Plan B.`
                yield replace(last, pause=last.pause or (end_of_initial or end if ends else ""))

    def _phones(self, words: Sequence[str], pauses: Sequence[str]) -> Sequence[Sequence[str]]:
        found = self._pronounce(words) if self._pronounce else self._front_end.pronounce(words, pauses)
        spoken = [self._own(word.lower()) or phones for word, phones in zip(words, found)]
        return [self._known(word, phones) for word, phones in zip(words, spoken)] if self._symbols else spoken

    def _known(self, word: str, phones: Sequence[str]) -> Sequence[str]:
        """Return the phones that the voice has; warn of each of the others once a text."""
        assert self._symbols is not None
        known = [phone for phone in phones if self._symbols.knows(phone)]
        for phone in phones:
            if phone not in self._unknown and not self._symbols.knows(phone):
                self._unknown.add(phone)
                warnings.warn(f"the voice has no {phone!r}, as in {word!r}: it is left out", TextWarning, stacklevel=2)
        return known

    def _own(self, word: str) -> tuple[str, ...] | None:
        """Return the user's phones of a word or of a possessive's stem."""
        if word in self.lexicon:
            return self.lexicon[word]
        stem = self.lexicon.get(word[:-2]) if word[-2:] == "'s" else None
        return with_s(stem) if stem else None


def _with_source(sentence: Sentence, text: str, shared: Collection[Span | None]) -> Sentence:
    """Add the text that a sentence is written as, unless it shares a written word with its neighbors."""
    first, last = sentence.words[0].span, sentence.words[-1].span
    if first is None or last is None or first in shared or last in shared:
        return replace(sentence, source=sentence.text)
    raw = text[first[0] : last[1]]
    if "\n" in raw:
        raw = " ".join(block.text for block in split_blocks(raw))
    raw = re.sub(r"^[-*•]\s+", "", raw)
    return replace(sentence, source=" ".join(strip_emphasis(strip_inline(raw)).split()), span=(first[0], last[1]))


def _warn(text: str, front_end: FrontEnd) -> None:
    """Warn once of all that is left out, and of words that are too long to be words."""
    notes = []
    words = front_end.left_out(text)
    if words:
        shown = ", ".join(f"{word[:20]!r} (line {line})" for word, line in words[:3])
        more = f" and {len(words) - 3} more" if len(words) > 3 else ""
        notes.append(f"left out what has no {front_end.name} reading: {shown}{more}")
    long = re.search(rf"\S{{{LONGEST_TOKEN + 1},}}", text)
    if long:
        length = long.end() - long.start()
        notes.append(
            f"{long[0][:20]!r}... has {length} characters without a space; it is read in pieces of {LONGEST_TOKEN}, "
            "which may take long"
        )
    if notes:
        warnings.warn("; ".join(notes), TextWarning, stacklevel=3)


def _sentence(spoken: Sequence[_Spoken], pause: float) -> Sentence:
    phones: list[str] = []
    words = []
    for s in spoken:
        if phones:
            phones.append(WORD_BREAK)
        words.append(Word(s.text, len(phones), len(phones) + len(s.phones), s.span))
        phones += s.phones
        if s.pause:
            phones.append(s.pause)
    return Sentence(" ".join(s.text + s.pause for s in spoken), tuple(phones), tuple(words), pause)


def format_phones(sentence: Sentence) -> str:
    """Return one line that shows the phones and that `parse_phones` reads back: `h ɛ l ˈoʊ , | w ˈɚ l d .`"""
    return " ".join(WORD_MARK if phone == WORD_BREAK else phone for phone in sentence.phones)


def parse_phones(text: str, symbols: SymbolTable = ENGLISH) -> Sentence:
    """Read phones given directly: separated by spaces, with `|` (or a new line) between words and pauses among them.

    Args:
        symbols: those of the voice that will speak.

    Raises:
        TextError: there is no phone, or one that the voice does not know.
    """
    words: list[_Spoken] = []
    for group in text.replace("\n", WORD_MARK).split(WORD_MARK):
        phones = group.split()
        for phone in phones:
            if not symbols.knows(phone):
                raise TextError(f"{phone!r} is not a phone; put a space between phones and | between words")
        spoken = tuple(phone for phone in phones if phone not in PAUSES)
        pauses = [phone for phone in phones if phone in PAUSES]
        if spoken:
            words.append(_Spoken("".join(spoken), spoken, "".join(pauses[:1])))
        elif words and pauses:
            words[-1] = replace(words[-1], pause=words[-1].pause or pauses[0])
    if not words:
        raise TextError("there are no phones; give some as `speechnar phonemize` prints them, such as h ɛ l ˈoʊ")
    return _sentence(words, SENTENCE_PAUSE)
