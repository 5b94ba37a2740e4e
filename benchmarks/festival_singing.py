"""Let festival's singer sing a score, to be measured beside this package's.

    python benchmarks/festival_singing.py egs/mini_singing/tune.musicxml festival --transpose -12
    speechnar evaluate singing egs/mini_singing/tune.musicxml --audio festival --transpose -12

Needs festival's `text2wave` and an English voice, such as Debian's packages festival and festvox-kallpc16k. The words
of the score are written in festival's XML for singing, each with its notes and their lengths.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from speechnar.score.notes import Note, Part, pitch_name
from speechnar.score.reading import read_score

HEAD = """<?xml version="1.0"?>
<!DOCTYPE SINGING PUBLIC "-//SINGING//DTD SINGING mark up//EN" "Singing.v0_1.dtd" []>
<SINGING BPM="60">
"""


def words_of(part: Part) -> Iterator[tuple[str, list[Note]]]:
    """Yield each word with its notes; a rest is a word without a text."""
    text, notes = "", []
    for note in part.notes:
        if note.rest:
            yield "", [note]
            continue
        text += note.text
        notes.append(note)
        if not note.syllables or note.syllables[-1].syllabic in ("single", "end"):
            yield text.strip(".,;:!?"), notes
            text, notes = "", []
    if notes:
        yield text, notes


def xml_of(part: Part, transpose: int) -> str:
    """Return a part in festival's XML; at 60 beats a minute, beats are seconds."""
    lines = []
    for text, notes in words_of(part):
        beats = ",".join(f"{note.length:.3f}" for note in notes)
        if not text:
            lines.append(f'<REST BEATS="{beats}"></REST>')
            continue
        names = ",".join(pitch_name(round((note.pitch or 0) + transpose)) for note in notes)
        lines.append(f'<DURATION BEATS="{beats}"><PITCH NOTE="{names}">{escape(text)}</PITCH></DURATION>')
    return HEAD + "\n".join(lines) + "\n</SINGING>\n"


def main() -> None:
    """Write OUT_DIR/SCORE.wav."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("score", type=Path)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--transpose", type=int, default=0, help="semitones")
    args = parser.parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    out = args.out_dir / f"{args.score.stem}.wav"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "song.xml"
        source.write_text(xml_of(read_score(args.score).part(), args.transpose), encoding="ascii", errors="ignore")
        subprocess.run(["text2wave", "-mode", "singing", source, "-o", out], check=True)
    print(out)


if __name__ == "__main__":
    main()
