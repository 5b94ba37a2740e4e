"""Handwritten MusicXML for tests: `score(part(bar(note("C4", 1, "la"))))`."""

from __future__ import annotations

from pathlib import Path


def lyric(text: str, number: int | str = 1, syllabic: str = "single", extra: str = "") -> str:
    """Return a lyric; `Hal-` begins a word, `-le-` is in its middle, `-lu` ends it."""
    if text.startswith("-") or text.endswith("-"):
        syllabic = {(0, 1): "begin", (1, 1): "middle", (1, 0): "end"}[text.startswith("-"), text.endswith("-")]
        text = text.strip("-")
    return f'<lyric number="{number}"><syllabic>{syllabic}</syllabic><text>{text}</text>{extra}</lyric>'


def note(name: str, length: float = 1, text: str = "", extra: str = "", voice: int = 1, before: str = "") -> str:
    """Return a note of a length in quarters, or a rest where the name is `R`; divisions are 4 a quarter."""
    step, alter, octave = name[0], {"#": 1, "b": -1}.get(name[1:2], 0), name[-1]
    pitch = f"<pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>"
    sound = "<rest/>" if name == "R" else pitch
    words = lyric(text) if text else ""
    return f"<note>{before}{sound}<duration>{int(4 * length)}</duration><voice>{voice}</voice>{extra}{words}</note>"


def grace(name: str, text: str = "") -> str:
    """Return a grace note."""
    return note(name, 0, text, before="<grace/>").replace("<duration>0</duration>", "")


def tempo(bpm: float) -> str:
    """Return a direction that sets the tempo in quarters a minute."""
    return f'<direction><sound tempo="{bpm}"/></direction>'


def bar(*content: str, left: str = "", right: str = "", number: int | str = "", meter: str = "") -> str:
    """Return a bar; `left` and `right` are what stands in its barlines, `meter` is such as `3/4`."""
    beats, _, unit = meter.partition("/")
    time = f"<attributes><time><beats>{beats}</beats><beat-type>{unit}</beat-type></time></attributes>" if meter else ""
    begin = f'<barline location="left">{left}</barline>' if left else ""
    end = f'<barline location="right">{right}</barline>' if right else ""
    return f'<measure number="{number}">{time}{begin}{"".join(content)}{end}</measure>'


def part(*bars: str, name: str = "Voice", identity: str = "P1", attributes: str = "") -> tuple[str, str]:
    """Return an entry of the part list, and the part, with its bars numbered from 1."""
    numbered = "".join(b.replace('number=""', f'number="{n}"', 1) for n, b in enumerate(bars, 1))
    first = numbered.replace(">", f"><attributes><divisions>4</divisions>{attributes}</attributes>", 1)
    entry = f'<score-part id="{identity}"><part-name>{name}</part-name></score-part>'
    return entry, f'<part id="{identity}">{first}</part>'


def score(*parts: tuple[str, str], head: str = "") -> str:
    """Return a MusicXML document."""
    entries, bodies = zip(*parts)
    inside = f"<part-list>{''.join(entries)}</part-list>{''.join(bodies)}"
    return f'<?xml version="1.0" encoding="UTF-8"?>{head}<score-partwise version="3.1">{inside}</score-partwise>'


def written(path: Path, text: str) -> Path:
    """Write a text and return the path."""
    path.write_text(text, encoding="utf-8")
    return path
