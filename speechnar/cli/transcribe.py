"""The verb that writes down what is said in recordings: `transcribe`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from speechnar.cli.former import Former
from speechnar.cli.parser import VerbParser
from speechnar.cli.paths import STDIO, is_folder, targets
from speechnar.cli.progress import only_own_words, progress_of_audio

STYLES = ("written", "plain")
FORMATS = ("txt", "json", "srt", "vtt", "ctm", "TextGrid", "verbose_json")

LINE_BY_LINE = ("txt", "json", "ctm")
"""Formats of which several transcripts may follow each other on stdout."""

TEXT_FILES = (".txt", ".text", ".lst", ".list", ".csv", ".tsv", ".md")
"""Endings of a file, by which --hotwords is known for one that does not exist."""

LONG_AUDIO = 60
"""Seconds of audio above which a progress bar is shown."""


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    transcribe = add(
        _transcribe,
        "transcribe",
        "write down what is said in audio files",
        "Without -o, several files become lines of FILE<TAB>TEXT, or of JSON with --format json; with it, files of "
        "their names in a folder. Files of one name in different folders keep these folders. A file that cannot be "
        "read is named on stderr, the others go through, and the exit code is 1. The recognizer in the package is for "
        "English only.",
    )
    transcribe.add_argument("files", nargs="+", metavar="FILE", help="audio, or video where ffmpeg is; - for stdin")
    transcribe.add_argument(
        "-o", "--output", metavar="FILE|DIR", help="where to write; a name without an ending is a folder; else stdout"
    )
    transcribe.add_argument(
        "--format", choices=FORMATS, help="by default the ending of -o FILE, or txt; verbose_json is Whisper's"
    )
    transcribe.add_argument(
        "--recognizer",
        metavar="NAME|DIR",
        default="english_base",
        help="a name of `speechnar recognizers`, or a folder; the one in the package is for English only",
    )
    transcribe.add_argument("--beam", type=int, metavar="N", help="texts that the search keeps at once; 1 is greedy")
    transcribe.add_argument(
        "--iterations", type=int, metavar="N", help="of the decoder; 0 leaves CTC's text as it is: fast, more errors"
    )
    transcribe.add_argument("--passes", type=int, action=Former, now="--iterations")
    transcribe.add_argument(
        "--style", choices=STYLES, default=STYLES[0], help="with capitals, marks and digits, or plain lower-case words"
    )
    transcribe.add_argument(
        "--correct",
        action=argparse.BooleanOptionalAction,
        help="correct English words by audio and neighbors, or leave them; by default as the recognizer says",
    )
    transcribe.add_argument("--hotwords", metavar="FILE|LIST", help="words and phrases to expect, a line each or a,b,c")
    transcribe.add_argument(
        "--min-confidence",
        type=float,
        metavar="P",
        help="leave out what is less certain, from pause to pause; 0 to 1 (0.2)",
    )
    transcribe.add_argument("--max-line-length", type=int, metavar="N", help="characters of a line of srt and vtt (42)")
    transcribe.add_argument("--max-lines", type=int, metavar="N", help="lines of a cue of srt and vtt (2)")
    transcribe.add_argument(
        "--raw",
        metavar="RATE[,CHANNELS[,ENCODING]]",
        help="the files are samples without a header, such as 16000 or 8000,1,mulaw (1 channel, s16le)",
    )
    transcribe.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, or cuda with onnxruntime-gpu")
    transcribe.add_argument("--threads", type=int, metavar="N", help="CPU threads (all cores, at most 4)")
    transcribe.reads("files", "hotwords")
    transcribe.writes("output")


def _transcribe(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from speechnar.codecs import RawFormat
    from speechnar.files import atomic_write
    from speechnar.runtime import load_recognizer
    from speechnar.runtime.subtitles import CueLimits
    from speechnar.runtime.timings import SUBTITLES, WRITERS, to_json_line

    files = [file for given in args.files for file in _expanded(given)]
    kind = args.format or _format_of(args.output)
    to_stdout = args.output in (None, STDIO)
    several = len(files) > 1
    if to_stdout and several and kind not in LINE_BY_LINE:
        raise ValueError(f"several files in the format {kind} need a folder: give one with -o")
    given = {"max_line_length": args.max_line_length, "max_lines": args.max_lines}
    limits = CueLimits(**{name: value for name, value in given.items() if value is not None})
    write_one = functools.partial(SUBTITLES[kind], limits=limits) if kind in SUBTITLES else WRITERS[kind]
    written = [None] * len(files) if to_stdout else targets(files, args.output, f".{kind.removeprefix('verbose_')}")
    recognizer = load_recognizer(args.recognizer, args.threads, args.device)
    if args.correct and not recognizer.writes_english:
        raise ValueError(
            f"--correct is for English, but {args.recognizer} writes {recognizer.info.language}: leave it out"
        )
    raw = RawFormat.parse(args.raw) if args.raw else None
    options = {
        "raw": raw,
        "beam": args.beam,
        "iterations": args.iterations,
        "hotwords": _hotwords(args.hotwords),
        "min_confidence": args.min_confidence,
        "style": args.style,
        "corrector": args.correct,
    }
    failed = 0
    with only_own_words(), progress_of_audio([] if args.raw else files, LONG_AUDIO) as bar:
        for file, target in zip(files, written):
            try:
                name = "stdin" if file == STDIO else Path(file).stem
                with _readable(file) as source:
                    transcript = recognizer.transcribe(source, name=name, progress=bar.update, **options)
                transcript = dataclasses.replace(transcript, file="stdin" if file == STDIO else file)
                if target:
                    with atomic_write(target) as part:
                        part.write_text(write_one(transcript), encoding="utf-8")
            except (ValueError, OSError) as error:
                if not several:
                    raise
                tqdm.write(f"speechnar: {error}", file=sys.stderr)
                failed += 1
                continue
            if target:
                continue
            if several and kind == "txt":
                tqdm.write(f"{file}\t{transcript.text}\n", end="")
            else:
                write = to_json_line if several and kind == "json" else write_one
                tqdm.write(write(transcript), end="")
    if failed:
        raise ValueError(f"{failed} of {len(files)} files could not be transcribed")


def _expanded(given: str) -> list[str]:
    """Return the files that a pattern matches, where the shell has not done that; anything else as it is.

    Raises:
        ValueError: the pattern matches every file in folders of any depth.
    """
    if os.path.exists(given) or not glob.has_magic(given):
        return [given]
    if Path(given).name == "**":
        raise ValueError(f"{given} is every file of every folder: say which of them, such as {Path(given, '*.wav')}")
    if "**" in given:
        print(f"speechnar: looking for the files that {given} matches", file=sys.stderr)
    found = [path for path in sorted(glob.glob(given, recursive=True)) if not os.path.isdir(path)]
    return found or [given]


def _format_of(output: str | None) -> str:
    """Return the format that the ending of a file asks for: txt for a folder, for stdout and without an ending."""
    ending = "" if not output or is_folder(output) else Path(output).suffix[1:]
    by_name = {"": "txt"} | {kind.lower(): kind for kind in FORMATS if kind != "verbose_json"}
    if ending.lower() not in by_name:
        raise ValueError(f"{output} should end in one of {', '.join(FORMATS[:-1])}; or say which --format it is")
    return by_name[ending.lower()]


def _hotwords(given: str | None) -> list[str]:
    """Return the lines of a file, or the words of a list between commas."""
    if not given:
        return []
    if not os.path.exists(given):
        if given.lower().endswith(TEXT_FILES) or given.startswith(("/", "./", "../", "~")):
            raise FileNotFoundError(f"there is no file {given} with hot words; give a file, or a list such as a,b,c")
        return given.split(",")
    try:
        return Path(given).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{given} is not UTF-8 (byte {error.start}): save it as UTF-8") from None


@contextlib.contextmanager
def _readable(file: str) -> Iterator[str | BinaryIO]:
    """Yield the path of a file; for stdin and named pipes, which cannot be rewound, the stream."""
    if file == STDIO:
        yield sys.stdin.buffer
    elif os.path.exists(file) and stat.S_ISFIFO(os.stat(file).st_mode):
        print(f"speechnar: waiting for a program that writes to the named pipe {file}", file=sys.stderr)
        with open(file, "rb") as stream:
            yield stream
    else:
        yield file
