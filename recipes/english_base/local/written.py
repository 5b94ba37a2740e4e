"""The words of a recording as people write them: known words, with the capitals, marks and digits that Whisper writes.

Source: sequence-level distillation (Kim and Rush 2016): what the decoder writes has fewer modes than what people write,
    so that a draft of one pass can learn it. Differs: the words are those known to be said.
"""

import re
from difflib import SequenceMatcher

from whisper_normalizer.english import EnglishTextNormalizer

I_FORMS = re.compile(r"i(?:'(?:m|ll|ve|d|s))?")
MARKS = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)
TITLES = {"mister": "Mr.", "missus": "Mrs.", "doctor": "Dr."}
_normalized = EnglishTextNormalizer()


def written(known: str, heard: str) -> str:
    """Return the known words in the writing of those that were heard, where they are the same words.

    Args:
        known: a transcript; if it has no small letter, or no capital, its case says nothing.
        heard: what Whisper wrote; words behind the end of the audio are left out.
    """
    if _normalized(known) == _normalized(heard):
        return heard
    is_plain = known == known.upper() or known == known.lower()
    truth = _small_words(known) if is_plain else known.split()
    words = heard.split()
    made: list[str] = []
    matcher = SequenceMatcher(None, [_key(word) for word in truth], [_key(word) for word in words], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            made += words[c:d]
        elif kind == "replace" and _normalized(" ".join(truth[a:b])) == _normalized(" ".join(words[c:d])):
            made += words[c:d]
        elif kind == "replace" and is_plain and b - a == d - c:
            made += [_like(*pair) for pair in zip(truth[a:b], words[c:d])]
        elif kind != "insert":
            made += truth[a:b]
    if made and is_plain:
        made[0] = made[0][:1].upper() + made[0][1:] if words[:1] and words[0][:1].isupper() else made[0]
    return " ".join(made)


def _small_words(text: str) -> list[str]:
    """Return the words of a text in small letters; letters that stand next to letters are spelled, in capitals."""
    words = text.split()
    letters = [False, *(len(word) == 1 and word.isalpha() for word in words), False]
    spelled = [letters[n + 1] and (letters[n] or letters[n + 2]) for n in range(len(words))]
    return [word.upper() if is_spelled else _small(word) for word, is_spelled in zip(words, spelled)]


def _small(word: str) -> str:
    small = word.lower()
    return small.capitalize() if I_FORMS.fullmatch(small) else small


def _key(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower()) or word


def _like(word: str, pattern: str) -> str:
    """Return a word with the marks and the first capital of another."""
    before, letters, after = MARKS.match(pattern).groups()  # type: ignore[union-attr]
    is_name = letters[:1].isupper() and not letters.isupper()
    return before + (word[:1].upper() + word[1:] if is_name else word) + after


def titled(word: str) -> str:
    """Return a word in small letters as it always is: "i" has a capital, and titles are short."""
    return _small(word) if word not in TITLES else TITLES[word]


def repaired(known: str, heard: str) -> str:
    """Return the beginning of what was heard that is the known words, if there is one: a decoder may repeat itself."""
    words = heard.split()
    beginnings = (" ".join(words[:n]) for n in range(1, len(words) + 1))
    return next((text for text in beginnings if _normalized(text) == _normalized(known)), heard)


def printed(text: str) -> str:
    """Return a printed text in ASCII, without brackets."""
    for old, new in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("—", " - "), ("–", "-")):
        text = text.replace(old, new)
    text = re.sub(r"[\[\]()]", "", re.sub(r"\s*--\s*", ", ", text))
    return " ".join(text.encode("ascii", "ignore").decode().split())
