"""Read a file of music, whatever its format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from speechnar.score.ds import read_ds
from speechnar.score.midi import read_midi
from speechnar.score.musicxml import read_musicxml
from speechnar.score.notes import Score, ScoreError
from speechnar.score.ust import read_ust
from speechnar.score.ustx import read_ustx

READERS: dict[str, Callable[[str | Path, int | None], Score]] = {
    ".musicxml": read_musicxml,
    ".xml": read_musicxml,
    ".mxl": read_musicxml,
    ".mid": read_midi,
    ".midi": read_midi,
    ".kar": read_midi,
    ".ustx": read_ustx,
    ".ust": read_ust,
    ".ds": read_ds,
}


def read_score(path: str | Path, verse: int | None = None) -> Score:
    """Read a score; the suffix of its name says which format it has.

    Args:
        path: a `.musicxml`, `.xml`, `.mxl`, `.mid`, `.midi`, `.kar`, `.ustx`, `.ust` or `.ds` file.
        verse: sing this verse alone, each repeated section once; None sings every repeat, with a verse each.

    Raises:
        ScoreError: the suffix is another, or the file cannot be read as what its name says.
        OSError: it cannot be read.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in READERS:
        raise ScoreError(f"{path} is no score that can be read; its name should end in {', '.join(READERS)}")
    if verse is not None and verse < 1:
        raise ScoreError(f"the verse is {verse} but should be 1 or more")
    return READERS[suffix](path, verse)
