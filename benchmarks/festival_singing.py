"""Let festival's singer sing a score, to be measured beside this package's.

    python benchmarks/festival_singing.py egs/mini_singing/tune.musicxml festival --transpose -12
    speechnar evaluate singing egs/mini_singing/tune.musicxml --audio festival --transpose -12

Needs festival and an English voice, such as Debian's packages festival and festvox-kallpc16k. The words of the score
are written in festival's XML for singing, each with its notes in Hz and their lengths in seconds. Beside the audio
stands SCORE.lab: the end of each phone in seconds, and the phone.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from speechnar.score.notes import Note, Part
from speechnar.score.pitch import hz
from speechnar.score.reading import read_score

HEAD = """<?xml version="1.0"?>
<!DOCTYPE SINGING PUBLIC "-//SINGING//DTD SINGING mark up//EN" "Singing.v0_1.dtd" []>
<SINGING BPM="60">
"""
SCRIPT = """(require 'singing-mode)
(define (phone_ends utt)
  (let ((file (fopen "{labels}" "w")))
    (mapcar (lambda (s) (format file "%f %s\\n" (item.feat s "end") (item.name s))) (utt.relation.items utt 'Segment))
    (fclose file))
  (utt.save.wave utt "{wav}" 'riff)
  utt)
(set! tts_hooks (list utt.synth phone_ends))
(tts_file "{song}" 'singing)
"""


def words_of(part: Part) -> Iterator[tuple[str, list[list[Note]]]]:
    """Yield each word with the notes of each of its syllables; a rest is a word without a text."""
    text, syllables = "", []
    for note in part.notes:
        if note.rest:
            if syllables:
                yield text.strip(".,;:!?"), syllables
                text, syllables = "", []
            yield "", [[note]]
            continue
        if note.syllables and syllables and note.syllables[0].syllabic in ("single", "begin"):
            yield text.strip(".,;:!?"), syllables
            text, syllables = "", []
        text += note.text
        if note.syllables or not syllables:
            syllables.append([note])
        else:
            syllables[-1].append(note)
    if syllables:
        yield text.strip(".,;:!?"), syllables


def xml_of(part: Part, transpose: float) -> str:
    """Return a part in festival's XML: `,` is between syllables, `+` between the notes of one."""
    lines = []
    for text, syllables in words_of(part):
        seconds = ",".join("+".join(f"{note.length:.3f}" for note in notes) for notes in syllables)
        if not text:
            lines.append(f'<REST SECONDS="{seconds}"></REST>')
            continue
        freqs = ",".join("+".join(f"{hz((n.pitch or 0) + transpose):.2f}" for n in notes) for notes in syllables)
        lines.append(f'<DURATION SECONDS="{seconds}"><PITCH FREQ="{freqs}">{escape(text)}</PITCH></DURATION>')
    return HEAD + "\n".join(lines) + "\n</SINGING>\n"


def sing(part: Part, transpose: float, wav: Path) -> None:
    """Write the audio of a part, and its phones beside it."""
    with tempfile.TemporaryDirectory() as folder:
        song, script = Path(folder) / "song.xml", Path(folder) / "sing.scm"
        song.write_text(xml_of(part, transpose), encoding="ascii", errors="ignore")
        made = {"labels": wav.with_suffix(".lab").absolute(), "wav": wav.absolute(), "song": song}
        script.write_text(SCRIPT.format(**made), encoding="ascii")
        subprocess.run(["festival", "-b", script], check=True)


def main() -> None:
    """Write OUT_DIR/SCORE.wav and OUT_DIR/SCORE.lab."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("score", type=Path)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--transpose", type=float, default=0.0, help="semitones")
    args = parser.parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    wav = args.out_dir / f"{args.score.stem}.wav"
    sing(read_score(args.score).part(), args.transpose, wav)
    print(wav)


if __name__ == "__main__":
    main()
