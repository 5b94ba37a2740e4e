"""Transcripts by utterance, read from the formats of recognizers and corpora.

| file | a line, or what it holds |
| --- | --- |
| `*.trn` | sclite: `the words (utterance)` |
| `*.tsv` | `utterance<TAB>the words` |
| `*.ctm` | `utterance channel start duration word [confidence]` |
| `*.json` | `{"utterance": "the words", ...}`, or a list of `{"id": "utterance", "text": "the words"}` |
| `*.jsonl` | `{"id": "utterance", "text": "the words"}` |
| any other | Kaldi's `text`: `utterance the words` |

UTF-8, with or without a byte order mark, and any kind of line end. Text is brought to Unicode's composed form, so that
an accent counts the same however it was typed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SHOWN = 5  # utterances that a message names
RECORD = '{"id": "utterance", "text": "the words"}'

Entry = tuple[str, str]  # an utterance and its words
Lines = Iterator[tuple[int, str]]  # numbers, from 1, and lines that are not blank


class TranscriptError(ValueError):
    """Transcripts that cannot be read or compared; the message says where and what to do."""


def read(path: str | Path) -> dict[str, str]:
    """Read utterances and their words; the file's ending tells the format.

    Returns:
        utterance to words, in the file's order; the words may be none.

    Raises:
        TranscriptError: not UTF-8, a line that is not of the format, an utterance given twice, or no utterance at all.
        OSError: the file cannot be read.
    """
    entries = READERS.get(Path(path).suffix.lower(), _kaldi)(path, decode(path))
    words: dict[str, str] = {}
    for utterance, text in entries:
        if utterance in words:
            raise TranscriptError(f"{path} has the utterance {utterance} twice; keep one of them")
        words[utterance] = unicodedata.normalize("NFC", text)
    if not words:
        raise TranscriptError(f"{path} holds no transcripts")
    return words


def read_speakers(path: str | Path, utterances: Sequence[str]) -> list[str]:
    """Read Kaldi's `utt2spk`, lines of `utterance speaker`, and return the speaker of each utterance.

    Raises:
        TranscriptError: as `read`, or an utterance that has no speaker.
    """
    speakers = read(path)
    missing = [utterance for utterance in utterances if not speakers.get(utterance)]
    if missing:
        raise TranscriptError(f"{path} has no speaker for {_named(missing)}")
    return [speakers[utterance] for utterance in utterances]


def same_utterances(reference: Mapping[str, str], hypothesis: Mapping[str, str], where: str) -> None:
    """Check that a hypothesis has exactly the reference's utterances; raise TranscriptError with those that differ."""
    missing = [utterance for utterance in reference if utterance not in hypothesis]
    unknown = [utterance for utterance in hypothesis if utterance not in reference]
    if missing:
        cure = "if nothing was heard in them, add --missing-as-empty"
        raise TranscriptError(f"{where} lacks {_named(missing)} of the reference; {cure}")
    if unknown:
        raise TranscriptError(f"{where} has {_named(unknown)}, which the reference lacks; compare the same utterances")


def _named(utterances: Sequence[str]) -> str:
    more = f" and {len(utterances) - SHOWN} more" if len(utterances) > SHOWN else ""
    return f"{len(utterances)} utterance{'s' * (len(utterances) > 1)} ({', '.join(utterances[:SHOWN])}{more})"


def decode(path: str | Path) -> str:
    """Return the text of a UTF-8 file, without byte order mark and with line feeds only.

    Raises:
        TranscriptError: another encoding.
        OSError: the file cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} is 0x{data[error.start]:02x}"
        raise TranscriptError(f"{path} is not UTF-8 ({found}); convert it, as with `iconv -t utf-8`") from None
    if "\0" in text:
        raise TranscriptError(f"{path} holds zero bytes, as UTF-16 does; convert it, as with `iconv -t utf-8`")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def lines_of(text: str) -> Lines:
    """Yield the lines that are not blank, with their numbers from 1."""
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _kaldi(path: str | Path, text: str) -> Iterator[Entry]:
    for _, line in lines_of(text):
        utterance, *words = line.split(maxsplit=1)
        yield utterance, words[0].strip() if words else ""


def _tsv(path: str | Path, text: str) -> Iterator[Entry]:
    for number, line in lines_of(text):
        utterance, tab, words = line.partition("\t")
        if not tab or not utterance.strip() or "\t" in words:
            raise TranscriptError(f"{path}, line {number}: {line!r} should be an utterance, one tab and its words")
        yield utterance.strip(), words.strip()


def _trn(path: str | Path, text: str) -> Iterator[Entry]:
    for number, line in lines_of(text):
        match = re.fullmatch(r"(.*)\(([^()\s]+)\)", line.strip())
        if not match:
            raise TranscriptError(f"{path}, line {number}: {line!r} should end in its utterance, in brackets: (utt-1)")
        yield match[2], match[1].strip()


def _ctm(path: str | Path, text: str) -> Iterator[Entry]:
    words: dict[str, list[tuple[float, str]]] = {}
    channels: dict[str, str] = {}
    for number, line in lines_of(text):
        if line.startswith(";;"):
            continue
        if "<ALT" in line:
            raise TranscriptError(f"{path}, line {number}: alternatives are not read; write one of them")
        try:
            utterance, channel, start, _, word = line.split()[:5]
            begin = float(start)
        except ValueError:
            form = "utterance channel start duration word"
            raise TranscriptError(f"{path}, line {number}: {line!r} should be `{form}`") from None
        if channels.setdefault(utterance, channel) != channel:
            raise TranscriptError(f"{path}, line {number}: {utterance} has a second channel {channel}; split it")
        words.setdefault(utterance, []).append((begin, word))
    for utterance, timed in words.items():
        yield utterance, " ".join(word for _, word in sorted(timed, key=lambda item: item[0]))


def _json(path: str | Path, text: str) -> Iterator[Entry]:
    found = _loaded(text, str(path))
    if isinstance(found, dict):
        found = [{"id": utterance, "text": words} for utterance, words in found.items()]
    if not isinstance(found, list):
        raise TranscriptError(f"{path} should hold a mapping of utterances to words, or a list of {RECORD}")
    return (_record(record, str(path)) for record in found)


def _jsonl(path: str | Path, text: str) -> Iterator[Entry]:
    for number, line in lines_of(text):
        where = f"{path}, line {number}"
        yield _record(_loaded(line, where), where)


def _loaded(text: str, where: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, times in Counter(key for key, _ in pairs).items():
            if times > 1:
                raise TranscriptError(f"{where} has {key} twice; keep one of them")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise TranscriptError(f"{where} is not JSON ({error})") from None


def _record(record: Any, where: str) -> Entry:
    if isinstance(record, dict):
        utterance, words = record.get("id"), record.get("text")
        if isinstance(utterance, str) and isinstance(words, str):
            return utterance, words
    raise TranscriptError(f"{where}: {json.dumps(record, ensure_ascii=False)[:80]} should be {RECORD}")


READERS: dict[str, Callable[[str | Path, str], Iterator[Entry]]] = {
    ".trn": _trn,
    ".tsv": _tsv,
    ".ctm": _ctm,
    ".json": _json,
    ".jsonl": _jsonl,
}
