"""Timings as files: JSON, subtitles (SubRip `.srt`, WebVTT `.vtt`), Praat's `.TextGrid`, NIST's CTM and plain text."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from speechnar import config
from speechnar.decode.result import Word
from speechnar.files import atomic_write
from speechnar.runtime.speech import SpeechError, Timing
from speechnar.runtime.subtitles import CueLimits, Said, cues
from speechnar.runtime.transcript import Transcript
from speechnar.runtime.verbose_json import to_verbose_json
from speechnar.text.symbols import PAUSES, WORD_BREAK

Timed: TypeAlias = Timing | Word  # a Segment is a Timing


def writer_of(path: str | Path) -> Callable[[Said], str]:
    """Return the function that turns timings into text in the format of a file name's ending.

    Raises:
        SpeechError: the ending is none of `.json`, `.srt`, `.vtt`, `.TextGrid`.
    """
    writers = {f".{name.lower()}": WRITERS[name] for name in ("json", "srt", "vtt", "TextGrid")}
    try:
        return writers[Path(path).suffix.lower()]
    except KeyError:
        raise SpeechError(f"{path} should end in one of .json, .srt, .vtt, .TextGrid") from None


def write(path: str | Path, said: Said) -> None:
    """Write timings (a `Speech` is one) in the format of the path's ending; replaces the file whole or not at all.

    Raises:
        SpeechError: the ending is unknown.
        FileError: the file cannot be written.
    """
    text = writer_of(path)(said)
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def to_txt(said: Said) -> str:
    """Return a line for each sentence or segment."""
    return "".join(f"{line.text}\n" for line in said.lines)


def to_ctm(transcript: Transcript) -> str:
    """Return a line `NAME 1 START SECONDS WORD CONFIDENCE` for each word, for NIST's sclite; NAME has no spaces."""
    name = "_".join(printable(transcript.name).split())
    return "".join(
        f"{name} 1 {word.start:.3f} {word.end - word.start:.3f} {word.text} {word.confidence:.3f}\n"
        for word in transcript.words
    )


def to_json(said: Said, indent: int | None = 1) -> str:
    """Return an object of the `text` and a list for each tier, of `{"text", "start", "end"}`.

    Where they are known, `"confidence"`, `"source"` (a sentence as it is written) and `"span"` (the offsets of a
    sentence or a word in the text) follow. A transcript begins with `"file"`, `"duration"` in seconds, `"language"`,
    and `"doubtful": true` if the speech is probably of another language.
    """

    def row(timed: Timed) -> dict[str, Any]:
        known = {k: v for k, v in config.to_dict(timed).items() if v is not None and (k, v) != ("source", "")}
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in known.items()}

    tiers = {name: [row(timed) for timed in tier] for name, tier in said.tiers.items()}
    head: dict[str, Any] = {}
    if isinstance(said, Transcript):
        head = {"file": printable(said.file), "duration": round(said.duration, 4), "language": said.language}
        head |= {"doubtful": True} if said.is_doubtful else {}
    return json.dumps({**head, "text": said.text, **tiers}, ensure_ascii=False, indent=indent) + "\n"


def to_json_line(said: Said) -> str:
    """Return what `to_json` does in one line, for JSON Lines."""
    return to_json(said, indent=None)


def printable(name: str) -> str:
    """Return a file name as UTF-8 can write it: bytes that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def to_srt(said: Said, limits: CueLimits | None = None) -> str:
    """Return numbered cues."""
    return "\n".join(
        f"{n}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n"
        for n, cue in enumerate(cues(said, limits), 1)
    )


def to_vtt(said: Said, limits: CueLimits | None = None) -> str:
    """Return cues below a `WEBVTT` line."""
    return "WEBVTT\n" + "".join(
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{html.escape(cue.text, quote=False)}\n"
        for cue in cues(said, limits)
    )


def _clock(seconds: float, mark: str) -> str:
    milliseconds = math.floor(seconds * 1000 + 1e-6)  # never beyond the end of the audio
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def to_textgrid(said: Said) -> str:
    """Return a tier of each kind; silence, spaces and punctuation are empty intervals, as Praat has it."""
    end = said.duration
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *("xmin = 0", f"xmax = {end:.6f}", "tiers? <exists>", f"size = {len(said.tiers)}", "item []:"),
    ]
    for number, (name, kind) in enumerate(said.tiers.items(), 1):
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


def intervals(kind: Sequence[Timed], end: float) -> Iterator[Timed]:
    """Return intervals that cover 0 to `end` without a gap: silence and pauses become intervals with empty text."""
    at = 0.0
    for timing in kind:
        if timing.end > timing.start and timing.text not in (WORD_BREAK, *PAUSES):
            if timing.start > at:
                yield Timing("", at, timing.start)
            yield timing
            at = timing.end
    if end > at:
        yield Timing("", at, end)


SUBTITLES = {"srt": to_srt, "vtt": to_vtt}
WRITERS: dict[str, Callable[[Any], str]] = {
    "txt": to_txt,
    "json": to_json,
    **SUBTITLES,
    "ctm": to_ctm,
    "TextGrid": to_textgrid,
    "verbose_json": to_verbose_json,
}
"""The function for each format that turns a transcript into the contents of a file; all but `ctm` and
`verbose_json` take speech too."""
