"""The verb that prints what is read of a score: `score`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from speechnar.cli.parser import VerbParser

if TYPE_CHECKING:
    from speechnar.score.lyrics import SungSyllable
    from speechnar.score.notes import Part, Score, ScoreWarning


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    score = add(
        _score,
        "score",
        "print the notes, syllables and phones that are read of a score, and every doubt about them",
        "Times are in seconds; pitches are sounding ones, C4 is middle C (MIDI 60). Of a score with repeats, each pass "
        "has its verse.",
    )
    score.add_argument(
        "file",
        metavar="FILE",
        help=".musicxml, .mxl, .ust or .ds; .mid, .kar or .ustx, which need speechnar[singing]",
    )
    score.add_argument("--part", metavar="NAME", help="name or number of the part (the one with the most syllables)")
    score.add_argument("--verse", type=int, metavar="N", help="this verse alone, without repeats (a verse each pass)")
    score.add_argument("--lexicon", metavar="FILE", help="word<TAB>phones lines that come before all others")
    score.add_argument("--json", action="store_true", help="print one JSON object")
    score.reads("file", "lexicon")


def _score(args: argparse.Namespace) -> None:
    from speechnar.score.lyrics import sung_syllables
    from speechnar.score.reading import read_score
    from speechnar.text.lexicon import load_lexicon

    score = read_score(args.file, args.verse)
    part = score.part(args.part)
    syllables, doubts = sung_syllables(part, load_lexicon(args.lexicon) if args.lexicon else None)
    warnings = [*score.warnings, *doubts]
    if args.json:
        print(json.dumps(_as_json(score, part, syllables, warnings), ensure_ascii=False, indent=1))
    else:
        _print(score, part, syllables, warnings)


def _print(score: Score, part: Part, syllables: list[SungSyllable], warnings: list[ScoreWarning]) -> None:
    from speechnar.score.notes import pitch_name

    print(score.title)
    for n, other in enumerate(score.parts, 1):
        pitches = [p.pitch or 0.0 for p in other.sung]
        ends = f"{pitch_name(min(pitches))} to {pitch_name(max(pitches))}" if pitches else ""
        span = f", {ends}, {other.notes[-1].end:.1f} s" if pitches else ""
        words = "no lyrics" if other.hummed else f"{other.syllable_count} syllables"
        verses = f", verses {', '.join(map(str, other.verses))}" if len(other.verses) > 1 else ""
        mark = ">" if other is part else " "
        print(f"{mark} part {n} {other.name!r}: {len(pitches)} notes, {words}{verses}{span}")
    phones = {s.first: " ".join(s.phones) for s in syllables}
    print(f"\n{'bar':>5} {'onset':>9} {'length':>7} {'pitch':<6} {'syllable':<12} phones")
    for n, note in enumerate(part.notes):
        pitch = "rest" if note.rest else pitch_name(note.pitch or 0.0)
        goes_on = bool(note.syllables) and note.syllables[-1].syllabic in ("begin", "middle")
        text = "~" if note.slur else note.text + "-" * goes_on
        line = f"{note.bar:>5} {note.onset:9.3f} {note.length:7.3f} {pitch:<6} {text:<12} {phones.get(n, '')}"
        print(line.rstrip() + (" (breath)" if note.breath else ""))
    print(f"\n{len(warnings)} doubts" if len(warnings) != 1 else "\n1 doubt")
    for warning in warnings:
        print(f"  {warning}")


def _as_json(score: Score, part: Part, syllables: list[SungSyllable], warnings: list[ScoreWarning]) -> dict[str, Any]:
    from speechnar.config import to_dict

    phones = {s.first: list(s.phones) for s in syllables}
    notes = [
        {**to_dict(replace(note, bend=())), "bend": bool(note.bend), "phones": phones.get(n, [])}
        for n, note in enumerate(part.notes)
    ]
    parts = [{"name": p.name, "notes": len(p.sung), "syllables": p.syllable_count} for p in score.parts]
    doubts = [to_dict(warning) for warning in warnings]
    return {"title": score.title, "parts": parts, "part": part.name, "notes": notes, "warnings": doubts}
