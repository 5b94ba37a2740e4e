"""Timings as files: JSON, subtitles (SubRip `.srt`, WebVTT `.vtt`) and Praat's `.TextGrid`."""

from __future__ import annotations

import html
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from speechnar.audio import replacing
from speechnar.runtime.speech import SpeechError, Timing, Timings
from speechnar.text.symbols import PAUSES, WORD_BREAK

LONGEST_CUE = 84  # characters: two lines of 42, as broadcasters keep them


def writer_of(path: str | Path) -> Callable[[Timings], str]:
    """What turns timings into the text that a file name's ending asks for.

    Raises:
        SpeechError: the ending is none of `.json`, `.srt`, `.vtt`, `.TextGrid`.
    """
    writers = {".json": to_json, ".srt": to_srt, ".vtt": to_vtt, ".textgrid": to_textgrid}
    try:
        return writers[Path(path).suffix.lower()]
    except KeyError:
        raise SpeechError(f"{path} should end in one of .json, .srt, .vtt, .TextGrid") from None


def write(path: str | Path, timings: Timings) -> None:
    """Writes timings (a `Speech` is one) in the format of the path's ending; replaces the file whole or not at all.

    Raises:
        SpeechError: the ending is unknown.
        AudioError: the file cannot be written.
    """
    text = writer_of(path)(timings)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def to_json(timings: Timings) -> str:
    """An object of three lists of `{"text", "start", "end"}`."""

    def rows(kind: Sequence[Timing]) -> list[dict[str, str | float]]:
        return [{"text": t.text, "start": round(t.start, 4), "end": round(t.end, 4)} for t in kind]

    kinds = {"sentences": rows(timings.sentences), "words": rows(timings.words), "phones": rows(timings.phones)}
    return json.dumps(kinds, ensure_ascii=False, indent=1) + "\n"


def cues(timings: Timings) -> Iterator[Timing]:
    """Subtitles: the sentences, and the parts of long ones, which end before a word."""
    words = deque(timings.words)
    for sentence in timings.sentences:
        text, begin, at, start = sentence.text, 0, 0, sentence.start
        while words and words[0].end <= sentence.end:
            word = words.popleft()
            found = text.find(word.text, at)
            if found < 0:  # not written as it is spoken: stays with its neighbour
                continue
            at = found + len(word.text)
            if at - begin > LONGEST_CUE and found > begin:
                yield Timing(" ".join(text[begin:found].split()), start, word.start)
                begin, start = found, word.start
        yield Timing(" ".join(text[begin:].split()), start, sentence.end)


def to_srt(timings: Timings) -> str:
    """Numbered cues."""
    return "\n".join(
        f"{n}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n"
        for n, cue in enumerate(cues(timings), 1)
    )


def to_vtt(timings: Timings) -> str:
    """Cues below a `WEBVTT` line."""
    return "WEBVTT\n" + "".join(
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{html.escape(cue.text, quote=False)}\n"
        for cue in cues(timings)
    )


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def to_textgrid(timings: Timings) -> str:
    """The tiers `words` and `phones`; silence, spaces and punctuation are empty intervals, as Praat has it."""
    end = timings.sentences[-1].end
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *("xmin = 0", f"xmax = {end:.6f}", "tiers? <exists>", "size = 2", "item []:"),
    ]
    for number, (name, kind) in enumerate((("words", timings.words), ("phones", timings.phones)), 1):
        rows = list(intervals(kind, end))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
            f"        xmax = {end:.6f}",
            f"        intervals: size = {len(rows)}",
        ]
        for n, row in enumerate(rows, 1):
            label = row.text.replace('"', '""')
            lines += [
                f"        intervals [{n}]:",
                f"            xmin = {row.start:.6f}",
                f"            xmax = {row.end:.6f}",
                f'            text = "{label}"',
            ]
    return "\n".join(lines) + "\n"


def intervals(kind: Sequence[Timing], end: float) -> Iterator[Timing]:
    """Covers 0 to `end` without a gap: whatever is not said joins into intervals with empty text."""
    at = 0.0
    for timing in kind:
        if timing.end > timing.start and timing.text not in (WORD_BREAK, *PAUSES):
            if timing.start > at:
                yield Timing("", at, timing.start)
            yield timing
            at = timing.end
    if end > at:
        yield Timing("", at, end)
