"""Read corpora in common layouts into cuts with one supervision each, and name what cannot be used.

| layout | text | audio |
| --- | --- | --- |
| `ljspeech` | `metadata.csv`: `id|text` or `id|raw|normalized` | `wavs/`, `wav/` or beside it |
| `arctic` | `etc/txt.done.data`: `( id "text" )` | `wav/` |
| `kaldi` | `text`, `utt2spk` or `spk2utt` | `wav.scp`, perhaps `segments`: `data/kaldi.py` |
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lhotse import AudioSource, Recording, SupervisionSegment
from lhotse.cut import Cut

from speechnar.data.manifest import DataError, mapped, read_lines
from speechnar.data.problems import Problem

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
OVERSHOOT = 0.5  # seconds by which a segment may pass its recording's end, as in Kaldi's extract-segments


@dataclass(frozen=True)
class Entry:
    """Hold an utterance as a corpus lists it.

    Attributes:
        utt_id: its name.
        audio: the file.
        text: what is said.
        speaker: who says it.
        recording_id: a name of the file, where that holds more than the utterance.
        start, end: seconds in the file; an `end` of None is the file's.
    """

    utt_id: str
    audio: Path
    text: str
    speaker: str
    recording_id: str | None = None
    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True)
class Found:
    """Hold the entries of a corpus that look sound, and the problems of the others."""

    entries: list[Entry]
    problems: list[Problem]


@dataclass(frozen=True)
class Imported:
    """Hold a corpus as cuts, one supervision each, in its own order; and the problems of what is left out."""

    cuts: list[Cut]
    problems: list[Problem]


def read_ljspeech(folder: Path, speaker: str | None = None) -> Found:
    """Read `metadata.csv` and the audio in `wavs/`, `wav/` or beside it.

    Of a raw and a normalized text the latter is taken, if not empty.

    Args:
        speaker: of all utterances; the folder's name by default.

    Raises:
        DataError: there is no such corpus.
    """
    lines = {n: line for n, line in enumerate(read_lines(folder / "metadata.csv"), 1) if line.strip()}
    widths = Counter(line.count("|") for line in lines.values() if line.count("|") in (1, 2))
    if not widths:
        raise DataError(f"{folder / 'metadata.csv'} has no line of the form name|text: write its lines so")
    width = widths.most_common(1)[0][0] + 1
    texts: list[tuple[int, str, str]] = []
    problems = []
    for number, line in lines.items():
        name, *fields = (field.strip() for field in line.split("|"))
        if len(fields) + 1 > width or not name:
            shape = f"{len(fields) + 1} fields where the file has {width}" if name else "no name"
            problems.append(Problem("line", f"metadata.csv:{number}", f"{shape}: {line[:60]!r}"))
        else:
            texts.append((number, name, next((field for field in reversed(fields) if field), "")))
    folders = (folder / "wavs", folder / "wav", folder)
    audio = next((path for path in folders if any(_audio_files(path))), folders[0])
    return _joined("metadata.csv", texts, problems, audio, speaker or folder.resolve().name)


def read_arctic(folder: Path, speaker: str | None = None) -> Found:
    """Read `etc/txt.done.data` and `wav/`.

    Args:
        speaker: of all utterances; by default NAME where the folder is `cmu_us_NAME_arctic`, else the folder's name.

    Raises:
        DataError: there is no such corpus.
    """
    texts: list[tuple[int, str, str]] = []
    problems = []
    for number, line in enumerate(read_lines(folder / "etc" / "txt.done.data"), 1):
        match = re.fullmatch(r'\s*\(\s*(\S+)\s+"(.*)"\s*\)\s*', line)
        if match:
            texts.append((number, match[1], match[2].replace('\\"', '"').strip()))
        elif line.strip():
            problems.append(Problem("line", f"txt.done.data:{number}", f'{line[:60]!r} is not ( id "text" )'))
    name = folder.resolve().name
    named = re.fullmatch(r"cmu_us_(\w+)_arctic", name)
    return _joined("txt.done.data", texts, problems, folder / "wav", speaker or (named[1] if named else name))


def _joined(
    list_name: str, texts: Iterable[tuple[int, str, str]], problems: list[Problem], audio: Path, speaker: str
) -> Found:
    """Find the file of each text, (line, name, text), in the folder `audio`; each name counts once."""
    if not audio.is_dir():
        raise DataError(f"there is no folder {audio}: is {audio.parent} the right corpus?")
    files: dict[str, list[Path]] = defaultdict(list)
    for path in _audio_files(audio):
        files[path.stem].append(path)
    entries: dict[str, Entry] = {}
    named = set()
    for number, name, text in texts:
        utt_id = name[: -len(Path(name).suffix)] if name.lower().endswith(SUFFIXES) else name
        found = files.get(utt_id, [])
        if utt_id in named:
            problems.append(Problem("duplicate id", utt_id, f"again in line {number} of {list_name}"))
        elif not found:
            problems.append(Problem("no audio", utt_id, f"there is no {audio / utt_id}.wav"))
        elif len(found) > 1:
            problems.append(Problem("two files", utt_id, f"both {found[0].name} and {found[1].name} in {audio}"))
        elif not text:
            problems.append(Problem("no text", utt_id, f"line {number} of {list_name} has none"))
        else:
            entries[utt_id] = Entry(utt_id, found[0], text, speaker)
        named.add(utt_id)
    unused = [path for name, paths in files.items() if name not in named for path in paths]
    problems += [Problem("unused audio", path.stem, f"{path} has no line in {list_name}") for path in unused]
    return Found(list(entries.values()), problems)


def _audio_files(folder: Path) -> list[Path]:
    """Return the audio files of a folder, sorted by name; none where there is no folder."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if path.suffix.lower() in SUFFIXES]


def import_corpus(found: Found, prefix: str = "", jobs: int = 1) -> Imported:
    """Read the header of every file and make the cuts.

    Args:
        prefix: put before the name of every utterance, so that corpora which share names can be one manifest.
    """
    paths = list(dict.fromkeys(entry.audio for entry in found.entries))
    looks = dict(zip(paths, mapped(look_into, paths, jobs, "import", "file")))
    cuts: list[Cut] = []
    problems = list(found.problems)
    for entry in found.entries:
        if unsafe(prefix + entry.utt_id):
            problems.append(
                Problem(
                    "unsafe id",
                    entry.utt_id,
                    "an utterance id may not hold '..' between slashes, a"
                    " backslash or a control character, nor begin with a slash",
                )
            )
            continue
        look = looks[entry.audio]
        made = Problem(look[0], entry.utt_id, look[1]) if isinstance(look, tuple) else _cut_of(entry, look, prefix)
        if isinstance(made, Problem):
            problems.append(made)
            continue
        cuts.append(made)
        if entry.end is not None and made.end < entry.end - 1e-3:
            detail = f"it ends at {entry.end:g} s and the recording at {made.end:.3f}"
            problems.append(Problem("segment end", entry.utt_id, detail))
    return Imported(cuts, problems)


def unsafe(name: str) -> bool:
    """Return True if an id, taken as a path, leaves its folder or cannot be a file name."""
    return name.startswith("/") or ".." in name.split("/") or bool(re.search(r"[\\\x00-\x1f\x7f]", name))


def look_into(path: Path) -> Recording | tuple[str, str]:
    """Return a file as a recording without a name, or the kind of its problem and the detail."""
    import soundfile

    path = Path(os.path.abspath(path))
    if not path.is_file():
        return "no audio", f"there is no {path}"
    if not path.stat().st_size:
        return "empty audio", f"{path} has 0 bytes"
    try:
        info = soundfile.info(path)
    except (soundfile.LibsndfileError, TypeError, OSError) as error:
        return "unreadable audio", f"{path}: {error}"
    if not info.frames:
        return "empty audio", f"{path} has 0 samples"
    source = AudioSource("file", list(range(info.channels)), str(path))
    return Recording("", [source], info.samplerate, info.frames, info.frames / info.samplerate)


def _cut_of(entry: Entry, recording: Recording, prefix: str) -> Cut | Problem:
    utt_id = prefix + entry.utt_id
    end = min(entry.end or recording.duration, recording.duration)
    if entry.start < 0 or end <= entry.start or (entry.end or end) > recording.duration + OVERSHOOT:
        shown = "the end" if entry.end is None else f"{entry.end:g} s"
        detail = f"{entry.start:g} s to {shown}, of a recording of {recording.duration:.2f} s"
        return Problem("segment", entry.utt_id, detail)
    recording_id = utt_id if entry.recording_id is None else prefix + entry.recording_id
    cut: Cut = dataclasses.replace(recording, id=recording_id).to_cut()
    if entry.start or end < recording.duration:
        cut = cut.truncate(offset=entry.start, duration=end - entry.start)
    cut = cut.with_id(utt_id)
    cut.supervisions = [
        SupervisionSegment(
            utt_id, recording_id, 0.0, cut.duration, channel=cut.channel, text=entry.text, speaker=entry.speaker
        )
    ]
    return cut


def split_cuts(cuts: Sequence[Cut], dev: str, test: str) -> dict[str, list[Cut]]:
    """Split a corpus into `train`, `dev` and `test`.

    Args:
        dev, test: a regular expression that is found in the names to take; or a number: so many of the last that are
            left, test before dev.

    Raises:
        DataError: a part would be empty, or what was given is neither.
    """
    left = list(cuts)
    parts: dict[str, list[Cut]] = {}
    for name, choice in (("test", test), ("dev", dev)):
        parts[name] = [cut for cut in left if _chooser(name, choice, left)(cut)]
        taken = {cut.id for cut in parts[name]}
        left = [cut for cut in left if cut.id not in taken]
    parts["train"] = left
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise DataError(f"of {len(cuts)} utterances none is left for {empty[0]}: choose others by --dev and --test")
    return {name: parts[name] for name in ("train", "dev", "test")}


def _chooser(name: str, choice: str, left: Sequence[Cut]) -> Callable[[Cut], bool]:
    if choice.isdecimal():
        last = {cut.id for cut in left[max(0, len(left) - int(choice)) :]}
        return lambda cut: cut.id in last
    try:
        pattern = re.compile(choice)
    except re.error as error:
        raise DataError(f"--{name} is {choice!r}, neither a number nor a regular expression ({error})") from None
    return lambda cut: bool(pattern.search(cut.id))
