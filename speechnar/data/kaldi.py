"""Read and write Kaldi data directories, strictly: `wav.scp`, `text`, `utt2spk` or `spk2utt`, and perhaps `segments`.

Differs: `lhotse.kaldi` reads them too, but takes the last of two lines with one name, leaves out in silence what lacks
a text or a recording, cuts durations to milliseconds and runs the commands in `wav.scp`. Here each of them is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lhotse.cut import Cut

from speechnar.data.corpora import Entry, Found
from speechnar.data.manifest import DataError, read_lines
from speechnar.data.problems import Problem
from speechnar.files import atomic_write


class Segment(NamedTuple):
    """Hold a part of a recording, in seconds; an `end` of None is the recording's."""

    recording: str
    start: float = 0.0
    end: float | None = None


def read_kaldi(folder: Path, speaker: str | None = None) -> Found:
    """Read a data directory, in the order of `text`.

    A relative path in `wav.scp` counts from the working directory, as in Kaldi, or else from the data directory.

    Args:
        speaker: of all utterances, in place of those in `utt2spk`.

    Raises:
        DataError: a file is missing, `wav.scp` has pipes or archives, or `utt2spk` and `spk2utt` disagree.
    """
    problems: list[Problem] = []
    texts = _table(folder / "text", problems)
    recordings = {name: _audio(path, folder) for name, path in _table(folder / "wav.scp", problems).items()}
    spoken_by = {} if speaker else _speakers(folder, problems)
    segmented = (folder / "segments").exists()
    segments = _segments(folder / "segments", problems) if segmented else {name: Segment(name) for name in texts}
    entries = []
    for name, text in texts.items():
        said_by = speaker or spoken_by.get(name)
        segment = segments.get(name)
        if segment is None:
            if name not in segments:
                problems.append(Problem("segment", name, f"it has no line in {folder / 'segments'}"))
            continue
        if segment.recording not in recordings:
            where = folder / "wav.scp"
            problems.append(Problem("no audio", name, f"there is no recording {segment.recording} in {where}"))
        elif not text:
            problems.append(Problem("no text", name, f"its line in {folder / 'text'} has none"))
        elif said_by is None:
            problems.append(Problem("no speaker", name, f"it has no line in {folder / 'utt2spk'}"))
        else:
            recording_id = segment.recording if segmented else None
            audio = recordings[segment.recording]
            entries.append(Entry(name, audio, text, said_by, recording_id, segment.start, segment.end))
    for name in dict.fromkeys([*segments, *spoken_by]):
        if name not in texts:
            problems.append(Problem("no text", name, f"it has no line in {folder / 'text'}"))
    used = {segment.recording for segment in segments.values() if segment}
    unused = [name for name in recordings if name not in used]
    problems += [Problem("unused audio", name, f"{recordings[name]} has no utterance") for name in unused]
    return Found(entries, problems)


def _table(path: Path, problems: list[Problem]) -> dict[str, str]:
    """Return the rest of each line by its name; of two lines with one name the first counts."""
    table: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        name, _, rest = line.strip().replace("\t", " ", 1).partition(" ")
        if name in table:
            problems.append(Problem("duplicate id", name, f"again in line {number} of {path.name}"))
        elif name:
            table[name] = rest.strip()
    return table


def _audio(path: str, folder: Path) -> Path:
    if path.endswith("|") or path.startswith("|"):
        raise DataError(f"{folder / 'wav.scp'} has the pipe {path!r}, which is not run: write its output to a file")
    if re.search(r"\.ark:\d+$", path):
        raise DataError(f"{folder / 'wav.scp'} has the archive {path!r}, which is not read: write it to wav files")
    return Path(path) if Path(path).exists() else folder / path


def _speakers(folder: Path, problems: list[Problem]) -> dict[str, str]:
    by_speaker: dict[str, str] = {}
    if (folder / "spk2utt").exists():
        for speaker, names in _table(folder / "spk2utt", problems).items():
            by_speaker |= dict.fromkeys(names.split(), speaker)
        if not (folder / "utt2spk").exists():
            return by_speaker
    by_utterance = _table(folder / "utt2spk", problems)
    for name in by_utterance.keys() | by_speaker.keys() if by_speaker else ():
        if by_speaker.get(name) != by_utterance.get(name):
            says = f"{name} is of {by_utterance.get(name)} in utt2spk and of {by_speaker.get(name)} in spk2utt"
            raise DataError(f"{folder}: {says}: delete spk2utt, which follows from utt2spk")
    return by_utterance


def _segments(path: Path, problems: list[Problem]) -> dict[str, Segment | None]:
    """Return segments by name; None where its line cannot be read, which is noted."""
    segments: dict[str, Segment | None] = {}
    for name, rest in _table(path, problems).items():
        try:
            recording, start, end = rest.split()
            segments[name] = Segment(recording, float(start), None if float(end) == -1 else float(end))
        except ValueError:
            segments[name] = None
            problems.append(Problem("segment", name, f"{rest!r} in {path.name} should be RECORDING START END"))
    return segments


def write_kaldi(cuts: Sequence[Cut], folder: Path) -> None:
    """Write a data directory, sorted as Kaldi wants it; `segments` only where an utterance is part of its recording.

    What Kaldi has no place for is left out: phones, durations and other custom fields.

    Raises:
        DataError: a cut is not one utterance of one file, a name has a space in it, or two utterances share one.
        FileError: a file cannot be written.
    """
    rows: dict[str, tuple[str, str, str, float, float]] = {}
    whole = all(cut.start == 0 and cut.duration == cut.recording.duration for cut in cuts if cut.has_recording)
    files: dict[str, str] = {}
    for cut in cuts:
        if len(cut.supervisions) != 1 or not cut.has_recording or cut.recording.sources[0].type != "file":
            raise DataError(f"utterance {cut.id} is not one supervision of one audio file, as Kaldi wants it")
        supervision, recording = cut.supervisions[0], cut.recording
        recording_id, path = cut.id if whole else recording.id, str(recording.sources[0].source)
        for name in (cut.id, recording_id, supervision.speaker):
            if not name or name.split() != [name]:
                raise DataError(f"utterance {cut.id}: {name!r} cannot be a name in Kaldi, which ends it at a space")
        if cut.id in rows or files.setdefault(recording_id, path) != path:
            raise DataError(f"two utterances or recordings are called {cut.id if cut.id in rows else recording_id}")
        text = " ".join((supervision.text or "").split())
        rows[cut.id] = recording_id, text, str(supervision.speaker), cut.start, cut.end
    utterances = {name: rows[name] for name in sorted(rows, key=str.encode)}
    by_speaker: dict[str, list[str]] = {}
    for name, (_, _, speaker, _, _) in utterances.items():
        by_speaker.setdefault(speaker, []).append(name)
    _write(folder / "wav.scp", (f"{name} {files[name]}" for name in sorted(files, key=str.encode)))
    _write(folder / "text", (f"{name} {row[1]}" for name, row in utterances.items()))
    _write(folder / "utt2spk", (f"{name} {row[2]}" for name, row in utterances.items()))
    _write(folder / "spk2utt", (f"{s} {' '.join(by_speaker[s])}" for s in sorted(by_speaker, key=str.encode)))
    if whole:
        (folder / "segments").unlink(missing_ok=True)
    else:
        _write(folder / "segments", (f"{name} {row[0]} {row[3]:.6f} {row[4]:.6f}" for name, row in utterances.items()))


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic_write(path) as part:
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
