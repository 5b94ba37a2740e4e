"""Turn alignments of other programs into durations in a manifest: MFA's TextGrids and Kaldi's CTM.

Where a manifest has phones, the spoken ones of both are paired one by one, and the silence between two words goes to
the punctuation or the space that stands there. A manifest without phones takes those of the alignment, with spaces
between words. Labels in ARPAbet (`AH0`), as MFA's English models write them, become IPA.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lhotse.cut import Cut

from speechnar.audio import AudioConfig
from speechnar.data.durations import SILENT, frames_of, set_durations, to_frames
from speechnar.data.manifest import DataError, read_lines
from speechnar.data.problems import Problem
from speechnar.data.textgrid import Interval, read_textgrid
from speechnar.files import safe_file_name
from speechnar.score.arpabet import to_phones
from speechnar.text.symbols import NEAR, WORD_BREAK, stress_of

SILENCES = {"", "sil", "sp", "spn", "silence", "<eps>", "<sil>", "pau"}
REPAIRED = 0.021
"""Seconds by which intervals may overlap, leave a gap or leave the audio: two frames of 10 ms, as rounding does."""


class Spoken(NamedTuple):
    """One phone of an alignment; whether a word begins with it."""

    phone: str
    start: float
    end: float
    begins_word: bool


class Read(NamedTuple):
    """Alignments by utterance, and what is wrong with the others."""

    alignments: dict[str, list[Spoken]]
    problems: list[Problem]


def read_textgrids(folder: Path, names: Iterable[str]) -> Read:
    """Read `NAME.TextGrid`, in the folder or a subfolder, each with a tier `phones` and perhaps one `words`."""
    paths = {path.stem: path for path in sorted(folder.rglob("*.TextGrid"))}
    found = Read({}, [])
    for name in names:
        path = paths.get(safe_file_name(name))
        if path is None:
            found.problems.append(Problem("no alignment", name, f"there is no {name}.TextGrid below {folder}"))
            continue
        try:
            tiers = read_textgrid(path)
        except DataError as error:
            found.problems.append(Problem("alignment", name, str(error)))
            continue
        # Of several speakers MFA writes `NAME - phones`.
        phones, words = (
            next((rows for tier, rows in tiers.items() if tier.split(" - ")[-1].lower() == kind), None)
            for kind in ("phones", "words")
        )
        if phones is None:
            detail = f"{path} has no tier 'phones' but {', '.join(tiers) or 'none'}"
            found.problems.append(Problem("alignment", name, detail))
            continue
        begins = [row.start for row in words or () if not _is_silence(row.text)]
        spoken = [row for row in phones if not _is_silence(row.text)]
        found.alignments[name] = [
            Spoken(_ipa(row.text), row.start, row.end, any(abs(row.start - begin) < 1e-3 for begin in begins))
            for row in spoken
        ]
    return found


def read_ctm(path: Path, names: Iterable[str]) -> Read:
    """Read phones of Kaldi, `UTT CHANNEL START SECONDS PHONE` a line, with or without its `_B`, `_I`, `_E`, `_S`."""
    found = Read({name: [] for name in names}, [])
    for number, line in enumerate(read_lines(path), 1):
        cells = line.split()
        if not cells or cells[0] not in found.alignments:
            continue
        try:
            name, _, start, seconds, label = cells[:5]
            begin, end = float(start), float(start) + float(seconds)
        except ValueError:
            found.problems.append(Problem("line", f"{path}, line {number}", line[:80]))
            continue
        match = re.fullmatch(r"(.+?)_([BIES])", label)
        phone, position = (match[1], match[2]) if match else (label, "")
        if not _is_silence(phone):
            found.alignments[name].append(Spoken(_ipa(phone), begin, end, position in ("B", "S")))
    for name in [name for name, spoken in found.alignments.items() if not spoken]:
        del found.alignments[name]
        found.problems.append(Problem("no alignment", name, f"{path} has no phones of it"))
    return found


def apply(cuts: Sequence[Cut], read: Read, audio: AudioConfig) -> tuple[list[Cut], list[Problem]]:
    """Give each cut its durations in frames of `audio`; return the cuts that have durations, and all problems."""
    done, problems = [], list(read.problems)
    for cut in cuts:
        spoken = read.alignments.get(cut.id)
        if spoken is None:
            continue
        found = _durations(cut, spoken, audio)
        problems += [Problem(kind, cut.id, detail) for kind, detail in found.problems]
        if found.durations is not None:
            done.append(set_durations(cut, found.durations))
    return done, problems


class _Found(NamedTuple):
    durations: np.ndarray | None
    problems: list[tuple[str, str]]


def _durations(cut: Cut, spoken: Sequence[Spoken], audio: AudioConfig) -> _Found:
    """Return the frames of `<s>`, the phones and `</s>`; give a cut without phones those of the alignment."""
    if len(cut.supervisions) != 1:
        return _Found(None, [("no text", f"{len(cut.supervisions)} supervisions in place of one")])
    supervision = cut.supervisions[0]
    phones: list[str] | None = (supervision.custom or {}).get("phones")
    if phones is None:
        phones = []
        for n, one in enumerate(spoken):
            phones += [WORD_BREAK, one.phone] if n and one.begins_word else [one.phone]
    different = _difference([phone for phone in phones if phone not in SILENT], spoken)
    if different:
        return _Found(None, [("other phones", different)])
    rows, problems = _repaired(spoken, cut.duration)
    if any(Problem(kind, "", "").is_error for kind, _ in problems):
        return _Found(None, problems)
    per_second = audio.sample_rate / audio.hop_length
    ends = [rows[0].start, *_ends(phones, rows), cut.duration]
    least = [0, *(phone not in SILENT for phone in phones), 0]
    try:
        frames = to_frames(np.array(ends) * per_second, frames_of(cut, audio), least)
    except DataError as error:
        return _Found(None, [*problems, ("alignment", str(error))])
    supervision.custom = (supervision.custom or {}) | {"phones": phones}
    return _Found(frames, problems)


def _ends(phones: Sequence[str], rows: Sequence[Interval]) -> list[float]:
    """Return the end of each phone: that of its interval, or for a run of pauses the start of the next interval.

    Of a run, the first punctuation gets the time, or else the space. Without any, the phone before gets it.
    """
    ends: list[float] = []
    n = -1  # of the last spoken phone
    for place, phone in enumerate(phones):
        following = rows[n + 1].start if n + 1 < len(rows) else rows[n].end
        rest = phones[place + 1 :]
        run = rest[: next((k for k, other in enumerate(rest) if other not in SILENT), len(rest))]
        if phone not in SILENT:
            n += 1
            pause_follows = bool(run) or n + 1 == len(rows)
            ends.append(rows[n].end if pause_follows else rows[n + 1].start)
        elif phone == WORD_BREAK and any(other != WORD_BREAK for other in run):
            ends.append(ends[-1] if ends else rows[0].start)  # a space before punctuation waits for it
        else:
            ends.append(following)
    return ends


def _difference(phones: Sequence[str], spoken: Sequence[Spoken]) -> str:
    """Describe the first difference of two phone sequences, "" if there is none; stress and spelling do not count."""
    for n, (mine, theirs) in enumerate(zip(phones, spoken), 1):
        if _base(mine) != _base(theirs.phone):
            return f"phone {n} is {mine!r} in the manifest and {theirs.phone!r} in the alignment"
    if len(phones) != len(spoken):
        return f"the manifest has {len(phones)} phones, without pauses, and the alignment {len(spoken)}"
    return ""


def _ipa(label: str) -> str:
    """Return the phone that a label in ARPAbet stands for (`AH0`, `HH`), and any other label as it is."""
    if not re.fullmatch(r"[A-Z]{1,2}[012]?", label):
        return label
    phones = to_phones((label.lower(),))
    return phones[0] if phones else label


def _base(phone: str) -> str:
    base = stress_of(phone)[1]
    return NEAR.get(base, base)


def _repaired(spoken: Sequence[Spoken], seconds: float) -> tuple[list[Interval], list[tuple[str, str]]]:
    """Return the intervals in order, within the audio and without overlaps; and what was wrong with them."""
    rows = [Interval(one.phone, one.start, one.end) for one in spoken]
    worst = max(0.0, -rows[0].start, rows[-1].end - seconds)
    for before, after in zip(rows, rows[1:]):
        worst = max(worst, before.end - after.start)
    if any(row.end < row.start for row in rows) or worst > REPAIRED:
        detail = f"intervals overlap or leave the audio, which lasts {seconds:.3f} s, by {worst:.3f} s"
        return rows, [("alignment", detail)]
    repaired: list[Interval] = []
    for n, row in enumerate(rows):
        start = repaired[-1].end if repaired and row.start - repaired[-1].end < REPAIRED else row.start
        following = rows[n + 1].start if n + 1 < len(rows) else seconds
        repaired.append(Interval(row.text, max(0.0, start), min(row.end, max(following, start), seconds)))
    return repaired, [("alignment repaired", f"by {worst:.3f} s")] if worst > 1e-6 else []


def _is_silence(label: str) -> bool:
    return label.strip().lower() in SILENCES
