"""Describe the problems of a corpus: each with its kind and its utterance.

An error makes an utterance unfit for training; a note tells what was seen and is dealt with, or should be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speechnar.files import atomic_write

SHOWN = 5  # of a kind, on screen

ERRORS = {
    "line": "a line that is not of the file's form",
    "duplicate id": "only the first of a name is kept: give each utterance a name of its own",
    "two files": "keep one of them",
    "no text": "write down what is said, or remove the utterance",
    "no audio": "put the file there, or remove the line",
    "no speaker": "name the speaker in utt2spk",
    "segment": "a segment has to lie within its recording",
    "unreadable audio": "convert it to WAV or FLAC",
    "empty audio": "it holds no samples: record it again",
    "truncated audio": "the file ends before its header says: copy or record it again",
    "broken samples": "samples are infinite or not a number: write the file again, as 16-bit PCM",
    "unsafe id": "an id that leaves its folder as a file name: rename the utterance",
    "changed audio": "the file is not the one that the manifest was made of: import the corpus again",
    "silent audio": "nothing is heard in it: record it again",
    "clipped audio": "too loud to be recorded: samples stand at full scale; record it with less gain",
    "too short": "an utterance is hardly that short",
    "too long": "cut it into sentences",
    "unspeakable text": "write it in words that the front end knows, or check it for a recognizer with --characters",
    "no alignment": "align it too, or leave it out",
    "other phones": "align with the pronunciations of the manifest, or take a manifest without phones",
    "alignment": "the times cannot be right: align it again",
    "pace": "text and audio hardly belong together: compare them",
    "transcript": "text and audio hardly belong together, as the aligner hears them: listen and compare",
}
"""Kinds of errors, and the cure."""

NOTES = {
    "unused audio": "no line of the corpus names it",
    "segment end": "trimmed to its recording",
    "several channels": "mixed down to one",
    "8 bit": "its noise will be learned: look for a better original",
    "other format": "the file's name does not tell what it is; it is read all the same",
    "low rate": "upsampled: nothing sounds above half its own rate",
    "high rate": "resampled",
    "some clipping": "single samples at full scale",
    "much silence": "trim the ends: silence teaches nothing",
    "alignment repaired": "intervals overlapped, left a gap or left the audio by no more than rounding explains",
    "digits": "read as the front end reads numbers: write them out where the speaker said otherwise",
    "other letters": "read without their accents, as in foreign words: --language names another language",
    "brackets": "remarks such as [laughs] are read aloud, `<tags>` are dropped: delete what is not said",
}
"""Kinds of notes, and what becomes of it."""


@dataclass(frozen=True)
class Problem:
    """Hold one finding.

    Attributes:
        kind: a key of ERRORS or NOTES.
        utt_id: the utterance, or a file's line where that has no name.
        detail: what exactly, with the value.
    """

    kind: str
    utt_id: str
    detail: str

    @property
    def is_error(self) -> bool:
        return self.kind in ERRORS

    @property
    def severity(self) -> str:
        """`error` or `note`."""
        return "error" if self.is_error else "note"


def summary(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield lines for the screen: kinds with their counts and cures, errors first, and the first few of each."""
    groups: dict[str, list[Problem]] = {kind: [] for kind in (*ERRORS, *NOTES)}
    for problem in problems:
        groups[problem.kind].append(problem)
    for kind, found in groups.items():
        if found:
            yield f"{found[0].severity}: {kind}, {len(found)} ({(ERRORS | NOTES)[kind]})"
            yield from (f"  {problem.utt_id}: {problem.detail}" for problem in found[:SHOWN])
            if len(found) > SHOWN:
                yield f"  ... and {len(found) - SHOWN} more"


def write_report(problems: Iterable[Problem], path: Path) -> None:
    """Write all problems as tab-separated values: severity, kind, utterance, detail."""
    rows = [("severity", "kind", "utterance", "detail")]
    rows += [(p.severity, p.kind, p.utt_id, p.detail) for p in problems]
    text = "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in rows)
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
