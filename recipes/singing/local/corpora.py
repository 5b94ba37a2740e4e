#!/usr/bin/env python3
"""Turn a corpus of songs into manifests of phrases with phones and notes.

    python local/corpora.py opencpop|csd|kiritan|nnsvs SONGS_DIR OUT_DIR --audio conf/audio.yaml

opencpop  transcriptions.txt: id, text, phones, pitches, note lengths, phone lengths and slurs, between `|`; wavs/ID.wav
csd       csv/NAME.csv: start, end, MIDI pitch, syllable with `_` between its phones; wav/NAME.wav. Within a note, its
          vowel has what its consonants leave.
kiritan   mono_label/NAME.lab: start and end in 100 ns, phone; musicxml/NAME.xml: notes, by time; wav/NAME.wav
nnsvs     NAME.lab with Sinsy's full-context labels, whose field E is the note, beside NAME.wav, anywhere below

Songs are cut at rests. Phones are those of the corpus. Every twentieth phrase is held out as dev.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from lhotse import CutSet, Recording, SupervisionSegment

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.score.reading import read_score

SILENT = frozenset({"SP", "AP", "pau", "sil", "br", "rest", "xx", ""})
MARGIN = 0.1  # seconds of silence around a phrase
LONGEST = 15.0  # seconds, after which a phrase ends with a note
CONSONANT = 0.08  # seconds of a consonant, at most a fifth of its note, where a corpus labels whole notes
VOWELS = "aeiouAEIOU"


@dataclass(frozen=True)
class Sung:
    """A phone of a song.

    Attributes:
        phone: as the corpus writes it; "" is silence.
        start, end: seconds.
        pitch: MIDI; None in silence.
        seconds: of its note.
        slur: True where the note continues the syllable.
    """

    phone: str
    start: float
    end: float
    pitch: float | None
    seconds: float
    slur: bool = False


class CorpusError(ValueError):
    """A file of a corpus that is not as its layout says; the message names it."""


def pitch_of(name: str) -> float | None:
    """Return the MIDI pitch of a name such as `C4`, `Db4`, `F#3` or `A#3/Bb3`; None for a rest."""
    found = re.fullmatch(r"([A-G])([#b]?)(-?\d+)(/.*)?", name.strip())
    if not found:
        if name.strip() in SILENT:
            return None
        raise CorpusError(f"{name!r} is no pitch")
    step = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[found[1]]
    return 12.0 * (int(found[3]) + 1) + step + {"#": 1, "b": -1, "": 0}[found[2]]


def opencpop(folder: Path) -> Iterator[tuple[str, Path, list[Sung]]]:
    """Yield name, audio and phones of each line."""
    for number, line in enumerate((folder / "transcriptions.txt").read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split("|")
        if len(fields) != 7:
            raise CorpusError(f"transcriptions.txt, line {number}: {len(fields)} fields where there should be 7")
        name, _, *lists = fields
        columns = [values.split() for values in lists]
        if len({len(column) for column in columns}) > 1:
            raise CorpusError(f"transcriptions.txt, line {number}: its lists are not of one length")
        at, sung = 0.0, []
        for phone, pitch, note, length, slur in zip(*columns):
            end = at + float(length)
            silent = phone in SILENT
            sung.append(
                Sung("" if silent else phone, at, end, None if silent else pitch_of(pitch), float(note), slur == "1")
            )
            at = end
        yield name, folder / "wavs" / f"{name}.wav", sung


def csd(folder: Path) -> Iterator[tuple[str, Path, list[Sung]]]:
    """Yield name, audio and phones of each song; within a note consonants are short and its vowel has the rest."""
    for path in sorted((folder / "csv").glob("*.csv")):
        sung: list[Sung] = []
        with open(path, newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                start, end, pitch = (float(row[name]) for name in ("start", "end", "pitch"))
                phones = [p for p in row["syllable"].strip().split("_") if p]
                consonant = min(CONSONANT, (end - start) / 5)
                vowel = next((n for n, p in enumerate(phones) if p[0] in VOWELS), len(phones) - 1)
                edges = [start + n * consonant for n in range(vowel + 1)]
                edges += [end - (len(phones) - n) * consonant for n in range(vowel + 1, len(phones) + 1)]
                sung += [Sung(p, a, b, pitch, end - start) for p, a, b in zip(phones, edges, edges[1:])]
        yield path.stem, folder / "wav" / f"{path.stem}.wav", sung


def labels_of(path: Path) -> list[tuple[float, float, str]]:
    """Return start and end in seconds and the rest of each line of an HTS label file, whose times are in 100 ns."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split(maxsplit=2)
        if not fields:
            continue
        if len(fields) != 3 or not (fields[0].isdecimal() and fields[1].isdecimal()):
            raise CorpusError(f"{path.name}, line {number}: there should be a start, an end and a label")
        rows.append((int(fields[0]) / 1e7, int(fields[1]) / 1e7, fields[2]))
    return rows


def kiritan(folder: Path) -> Iterator[tuple[str, Path, list[Sung]]]:
    """Yield name, audio and phones of each song, on the note of its score that sounds in the middle of the phone."""
    for path in sorted((folder / "mono_label").glob("*.lab")):
        score = next(p for p in (folder / "musicxml").glob(f"{path.stem}.*"))
        notes = read_score(score).part().sung
        sung = []
        for start, end, phone in labels_of(path):
            middle = (start + end) / 2
            note = min(notes, key=lambda n: max(n.onset - middle, middle - n.end, 0.0))
            silent = phone in SILENT
            sung.append(Sung("" if silent else phone, start, end, None if silent else note.pitch, note.length))
        yield path.stem, folder / "wav" / f"{path.stem}.wav", sung


def nnsvs(folder: Path) -> Iterator[tuple[str, Path, list[Sung]]]:
    """Yield name, audio and phones of each song with full-context labels."""
    for path in sorted(folder.rglob("*.lab")):
        rows = []
        for start, end, label in labels_of(path):
            phone, note = re.search(r"-(.+?)\+", label), re.search(r"/E:([^\]]+)\].*?(?=/F:|$)", label)
            if not phone or not note:
                raise CorpusError(f"{path.name}: {label[:40]!r} is no full-context label of a song")
            rows.append((phone[1], start, end, note))
        sung: list[Sung] = []
        for _, same in groupby(rows, key=lambda row: row[3][0]):
            of_note = list(same)
            seconds = of_note[-1][2] - of_note[0][1]
            for phone, start, end, note in of_note:
                pitch = None if phone in SILENT else pitch_of(note[1])
                sung.append(Sung("" if pitch is None else phone, start, end, pitch, seconds))
        yield path.stem, path.with_suffix(".wav"), sung


READERS = {"opencpop": opencpop, "csd": csd, "kiritan": kiritan, "nnsvs": nnsvs}


def phrases_of(sung: Sequence[Sung]) -> Iterator[list[Sung]]:
    """Yield the phones of each phrase, which ends with a silence or, when it is long, where a note begins."""
    phrase: list[Sung] = []
    for phone in sung:
        gap = phone.pitch is None or (phrase and phone.start - phrase[-1].end > MARGIN)
        full = phrase and phone.end - phrase[0].start > LONGEST and phone.pitch != phrase[-1].pitch
        if phrase and (gap or full):
            yield phrase
            phrase = []
        if phone.pitch is not None:
            phrase.append(phone)
    if phrase:
        yield phrase


def cut_of(name: str, recording: Recording, phrase: Sequence[Sung], audio: AudioConfig):
    """Return the cut of a phrase, whose durations are in frames of `audio`."""
    hop = audio.hop_length / audio.sample_rate
    begin = max(phrase[0].start - MARGIN, 0.0)
    frames = [round((phrase[0].start - begin) / hop)] + [round((p.end - begin) / hop) for p in phrase]
    total = round(min(frames[-1] + MARGIN / hop, (recording.duration - begin) / hop - 1))
    total = max(total, frames[-1])
    cut = recording.to_cut().truncate(offset=begin, duration=min(total * hop, recording.duration - begin))
    cut.id = name
    custom = {
        "phones": [p.phone for p in phrase],
        "durations": [b - a for a, b in zip(frames, frames[1:])],
        "lead": frames[0],
        "trail": total - frames[-1],
        "note_pitch": [p.pitch for p in phrase],
        "note_durations": [round(p.seconds, 4) for p in phrase],
        "slurs": [int(p.slur) for p in phrase],
    }
    text = " ".join(p.phone for p in phrase)
    cut.supervisions = [SupervisionSegment(name, recording.id, 0, cut.duration, text=text, custom=custom)]
    return cut


def cuts_of(songs: Iterable[tuple[str, Path, list[Sung]]], audio: AudioConfig) -> list:
    """Return the cuts of all phrases.

    Raises:
        CorpusError: audio is missing, or there is no song.
    """
    cuts = []
    for name, path, sung in songs:
        if not path.is_file():
            raise CorpusError(f"{path} is missing: the corpus is not whole, or not in this layout")
        recording = Recording.from_file(path, recording_id=name)
        for number, phrase in enumerate(phrases_of(sung)):
            cuts.append(cut_of(f"{name}_{number:03}", recording, phrase, audio))
    if not cuts:
        raise CorpusError("there is no song in this folder: is it of this layout?")
    return cuts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=list(READERS))
    parser.add_argument("songs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--audio", type=Path, required=True, help="YAML of the frames that durations count")
    args = parser.parse_args()
    try:
        cuts = cuts_of(READERS[args.corpus](args.songs), config.load(AudioConfig, args.audio))
    except (CorpusError, OSError) as error:
        parser.error(str(error))
    args.out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev"):
        chosen = [cut for n, cut in enumerate(cuts) if (n % 20 == 0) == (split == "dev")] or cuts
        CutSet.from_cuts(chosen).to_file(args.out / f"{split}.jsonl")
        print(f"{split}: {len(chosen)} phrases, {sum(c.duration for c in chosen) / 3600:.2f} h")


if __name__ == "__main__":
    main()
