"""The verb that sings a score into an audio file: `sing`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from speechnar.cli.parser import VerbParser

if TYPE_CHECKING:
    import numpy as np

    from speechnar.runtime.singing import Melody, Singer
    from speechnar.score.notes import Part, Score
    from speechnar.score.pitch import PitchOptions

LONG_SONG = 60.0  # seconds above which a progress bar is shown
SHOWN = 5  # doubts; `speechnar score` prints all
ALL, AUTO = "all", "auto"


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    sing = add(
        _sing,
        "sing",
        "sing a score with lyrics into an audio file",
        "`speechnar score FILE` prints what is read of a score and every doubt about it. The voice in the package "
        'sings English only. A part without lyrics is sung on "la".',
    )
    sing.add_argument(
        "file",
        metavar="FILE",
        help=".musicxml, .mxl, .ust or .ds; .mid, .kar or .ustx, which need speechnar[singing]",
    )
    sing.add_argument("-o", "--output", metavar="FILE", required=True, help=".wav, .flac, .ogg or .mp3")
    which = sing.add_mutually_exclusive_group()
    which.add_argument("--part", metavar="NAME", help="name or number of the part (the one with the most syllables)")
    which.add_argument("--parts", choices=[ALL], help="sing every part that has lyrics, mixed")
    sing.add_argument("--verse", type=int, metavar="N", help="this verse alone, without repeats (a verse each pass)")
    sing.add_argument(
        "--transpose", default=AUTO, metavar="N", help="semitones, -48 to 48, or auto: into the voice's range (auto)"
    )
    sing.add_argument("--tempo", type=float, default=1.0, metavar="X", help="0.1 to 10; 2 is twice as fast")
    sing.add_argument("--vibrato", type=float, default=60.0, metavar="CENTS", help="depth on long notes, 0 to 300 (60)")
    sing.add_argument(
        "--expression", type=float, default=1.0, metavar="X",
        help="0 to 2, times the usual overshoot, vibrato, fluctuation and dynamics (1)",
    )  # fmt: skip
    sing.add_argument("--no-breaths", action="store_true", help="rests and breath marks are silent")
    sing.add_argument("--seed", type=int, default=0, metavar="N", help="of vibrato and noise: the same, the same audio")
    sing.add_argument("--lexicon", metavar="FILE", help="your own pronunciations, word<TAB>phones a line")
    sing.add_argument("--timings", metavar="FILE", help="write timings: .json, .srt, .vtt or .TextGrid; of one part")
    sing.add_argument("--voice", metavar="NAME|DIR", default="heart", help="a name of `speechnar voices`, or a folder")
    sing.add_argument("--speaker", metavar="NAME", help="of a voice with several, or a blend")
    sing.add_argument("--threads", type=int, metavar="N", help="CPU threads (all cores, at most 4)")
    sing.reads("file", "lexicon", "voice")
    sing.writes("output", "timings")


def _sing(args: argparse.Namespace) -> None:
    from pathlib import Path

    from speechnar import audio
    from speechnar.runtime import Timings, load_voice, timings
    from speechnar.runtime.singing import Melody, Singer, choir
    from speechnar.score.pitch import VIBRATO_DEPTH, PitchOptions
    from speechnar.score.reading import read_score
    from speechnar.text.lexicon import load_lexicon

    audio.container_of(Path(args.output))
    if args.timings:
        timings.writer_of(args.timings)
        if args.parts:
            raise ValueError("--timings are of one part: take --part NAME in place of --parts")
    if not 0 <= args.vibrato <= 300:
        raise ValueError(f"--vibrato is {args.vibrato:g} cents but should be from 0 to 300")
    if not 0 <= args.expression <= 2:
        raise ValueError(f"--expression is {args.expression:g} but should be from 0 to 2")
    shift = semitones(args.transpose)
    score = read_score(args.file, args.verse)
    parts = _every_part(score) if args.parts else [score.part(args.part)]
    lexicon = load_lexicon(args.lexicon) if args.lexicon else None
    melodies = [Melody.of(part, args.tempo, lexicon) for part in parts]
    _say_doubts(score, melodies)
    singer = Singer(load_voice(args.voice, args.threads), args.speaker)
    if shift is None:
        shift = singer.transposition([melody.part for melody in melodies])
        if shift:
            told = f"{shift:+d} semitones, into the range of the voice; --transpose 0 keeps the score's pitches"
            print(f"speechnar: sung {told}", file=sys.stderr)
    vibrato = args.vibrato / VIBRATO_DEPTH[1]
    options = PitchOptions(vibrato, args.expression, shift, args.seed, breaths=not args.no_breaths)
    start = min(melody.start for melody in melodies)
    rate = singer.voice.sample_rate
    said: list[Timings] = []
    with _bar(melodies) as bar, audio.writer(args.output, rate) as append:
        if args.parts:
            append(choir(_sung_together(singer, melodies, options, bar), rate, args.seed))
        for frames in singer.frames(melodies[0], options, start) if not args.parts else ():
            for wav in singer.vocode(frames):
                append(wav)
                bar.update(len(wav) / rate)
            said.append(Timings(frames.sentences, frames.words, frames.phones))
        if args.timings:
            timings.write(args.timings, Timings.joined(said))


def semitones(given: str) -> int | None:
    """Return the semitones of `--transpose`, or None for `auto`."""
    if given == AUTO:
        return None
    try:
        shift = int(given)
    except ValueError:
        shift = 99
    if not -48 <= shift <= 48:
        raise ValueError(f"--transpose is {given} but should be auto or a whole number from -48 to 48")
    return shift


def _every_part(score: Score) -> list[Part]:
    """Return the parts with lyrics, or where none has any, all with notes."""
    score.part()  # which raises ScoreError where there is no note
    return [p for p in score.parts if p.syllable_count] or [p for p in score.parts if p.sung]


def _say_doubts(score: Score, melodies: Sequence[Melody]) -> None:
    """Print the first doubts about what is sung, and how many there are besides."""
    names = {melody.part.name for melody in melodies}
    doubts = [str(w) for w in score.warnings if not w.part or w.part in names]
    doubts += [str(doubt) for melody in melodies for doubt in melody.doubts]
    for name in (melody.part.name for melody in melodies if melody.part.hummed):
        if not any(doubt.startswith(f"{name}: there are no lyrics") for doubt in doubts):
            doubts.insert(0, f'{name}: there are no lyrics; every note is sung on "la"')
    for doubt in doubts[:SHOWN]:
        print(f"speechnar: {doubt}", file=sys.stderr)
    if len(doubts) > SHOWN:
        print(f"speechnar: {len(doubts) - SHOWN} more doubts: `speechnar score` prints all", file=sys.stderr)


def _bar(melodies: Sequence[Melody]) -> Any:
    """Return a bar of the seconds that are sung, where there are many."""
    from tqdm import tqdm

    total = sum(melody.phones[-1].end - melody.start for melody in melodies)
    form = f"{{l_bar}}{{bar}}| {{n:.0f}}/{total:.0f}" + " s [{elapsed}<{remaining}]"
    return tqdm(total=total, disable=None if total > LONG_SONG else True, bar_format=form, leave=False)


def _sung_together(singer: Singer, melodies: Sequence[Melody], options: PitchOptions, bar: Any) -> list[np.ndarray]:
    """Return the audio of every part from the same start, each in a tuning and with a vibrato of its own."""
    import numpy as np

    from speechnar.runtime.singing import DETUNING

    rng = np.random.default_rng(options.seed)
    start = min(melody.start for melody in melodies)
    songs = []
    for n, melody in enumerate(melodies):
        tuned = options.transpose + rng.normal(0, DETUNING) / 100 * (len(melodies) > 1)
        own = replace(options, transpose=float(np.clip(tuned, -48, 48)), seed=options.seed + n)
        wavs = []
        for frames in singer.frames(melody, own, start):
            for wav in singer.vocode(frames):
                wavs.append(wav)
                bar.update(len(wav) / singer.voice.sample_rate)
        songs.append(np.concatenate(wavs))
    return songs
