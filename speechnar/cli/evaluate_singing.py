"""`speechnar evaluate singing`: compare what is sung with the score."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speechnar.cli.evaluate_tts import add_judges, kept
from speechnar.cli.sing import AUTO, semitones
from speechnar.extras import needing

ENDINGS = (".musicxml", ".xml", ".mxl", ".mid", ".midi", ".kar", ".ust", ".ustx", ".ds")


def add_kind(kinds: Any) -> None:
    """Add the kind to the subparsers of `speechnar evaluate`."""
    singing = kinds.add_parser(
        "singing",
        help="songs: F0, onsets and vibrato against the score, word error rate, predicted MOS",
        description="Sing the beginning of scores, track F0 and the onsets of vowels in the audio, and compare them "
        "with the notes and with the F0 that was asked for. A recognizer hears the lyrics.",
    )
    singing.set_defaults(verb=_singing)
    singing.add_argument("score", nargs="+", type=Path, metavar="SCORE", help="scores, or folders of them")
    singing.add_argument("--songs", type=int, metavar="N", help="N evenly spaced ones of all scores (all)")
    singing.add_argument("--seconds", type=float, default=30.0, metavar="S", help="from the first note on (30)")
    singing.add_argument("--part", metavar="NAME", help="name or number of the part (the one with the most syllables)")
    singing.add_argument("--transpose", default=AUTO, metavar="N", help="semitones, or auto (auto)")
    singing.add_argument("--top", type=float, metavar="MIDI", help="instead: move the highest note of each song here")
    singing.add_argument(
        "--voice", metavar="NAME|DIR", default="heart", help="a name of `speechnar voices`, or a folder"
    )
    singing.add_argument("--speaker", metavar="NAME", help="of a voice with several; the first one by default")
    singing.add_argument(
        "--audio", type=Path, metavar="DIR", help="do not sing: measure DIR/SCORE.wav, at the score's pitches"
    )
    singing.add_argument(
        "--start", type=float, default=0.0, metavar="S", help="of --audio: from the first note to the audio's start (0)"
    )
    add_judges(singing, "none")
    singing.add_argument("--out", type=Path, metavar="DIR", help="keep wavs, transcripts, list.tsv and report.json")
    singing.add_argument("--plot", type=Path, metavar="DIR", help="draw a piano roll with the sung F0: DIR/SCORE.png")
    singing.reads("score", "voice", "audio")
    singing.writes("out", "plot")


def _singing(args: argparse.Namespace) -> None:
    with needing("evaluate singing", "eval"):
        from tqdm import tqdm

        from speechnar.evaluate.quality import mos, sing, tts
        from speechnar.evaluate.quality.recordings import of_file
        from speechnar.evaluate.speed import system_info
        from speechnar.evaluate.stats import metrics
        from speechnar.evaluate.stats.record import write_json
        from speechnar.evaluate.wer.normalizers import normalizer
        from speechnar.runtime import plot
        from speechnar.runtime.singing import Singer
        from speechnar.runtime.voice import load_voice
        from speechnar.runtime.voice_folder import VOICE, VOICES

        if args.plot:
            plot.check(args.plot / "x.png")
        files = chosen(args.score, args.songs)
        shift = semitones(args.transpose)
        normalize = normalizer(args.normalizer)
        hear = tts.recognizer(args.recognizer, args.threads)
        singer = None if args.audio else Singer(load_voice(args.voice, args.threads), args.speaker)
        predictors = mos.predictors(args.predictor or [], args.threads)
    melodies = {path.stem: sing.melody_of(path, args.part, args.seconds) for path in files}
    system = str(args.audio) if args.audio else str(args.voice)
    with kept(args.out) as out:
        out.mkdir(parents=True, exist_ok=True)
        songs = {}
        for name, melody in tqdm(melodies.items(), "sing", unit=" songs", disable=None):
            if singer:
                songs[name] = sing.sung(singer, melody, shift, args.top, out / f"{name}.wav")
            else:
                songs[name] = sing.recorded(melody, shift or 0, args.audio / f"{name}.wav", args.start)
            if args.plot:
                args.plot.mkdir(parents=True, exist_ok=True)
                sing.draw(args.plot / f"{name}.png", songs[name])
        songs = sing.with_onsets(songs)
        heard = {name: hear(song.path) for name, song in tqdm(songs.items(), "hear", unit=" songs", disable=None)}
        wavs = [of_file(song.path, name) for name, song in songs.items()]
        scores = mos.measure(system, tqdm(wavs, "score", unit=" songs", disable=None), predictors)
        (out / "list.tsv").write_text("".join(f"{n}\t{s.text}\n" for n, s in songs.items()), encoding="utf-8")
        write_json(out / "heard.json", heard)
    folder = None if args.audio else VOICE.find(args.voice, VOICES)
    spoken = sing.spoken(system, songs, heard, scores, folder, normalize)
    systems, _ = tts.metrics_of([spoken])
    where = system_info.header(args.threads)
    heard_by = args.recognizer or "the package's recognizer"
    print(f"{len(songs)} songs, heard by {heard_by}; {where.machine}, {args.threads} thread(s)")
    print(f"means over songs\n\n{metrics.format_means(systems)}")
    if args.out:
        settings = {"recognizer": heard_by, "normalizer": args.normalizer, "seconds": args.seconds}
        found = {
            "systems": systems,
            "measured": [spoken.measured],
            "transposed": {n: s.transpose for n, s in songs.items()},
        }
        write_json(args.out / "report.json", {"header": where, **settings, **found})


def chosen(sources: Sequence[Path], songs: int | None) -> list[Path]:
    """Return the scores among files and in folders, all or some that are evenly spaced.

    Raises:
        ValueError: there is none, or two have one name.
    """
    files = []
    for source in sources:
        inside = sorted(p for p in source.rglob("*") if p.suffix.lower() in ENDINGS) if source.is_dir() else [source]
        files += inside
    if not files:
        raise ValueError(f"there is no score in {sources[0]}: give files that end in {', '.join(ENDINGS)}")
    if songs is not None and songs < 1:
        raise ValueError(f"--songs is {songs} but should be 1 or more")
    count = min(songs or len(files), len(files))
    some = [files[round(n * (len(files) - 1) / max(count - 1, 1))] for n in range(count)]
    names = [path.stem for path in some]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"two scores are called {twice}: rename one, so that their results can be told apart")
    return some
