"""The verb that writes down what is said: `transcribe`."""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechnar.cli.former import Former

if TYPE_CHECKING:
    from speechnar.runtime import Transcript

FORMATS = ("txt", "json", "srt", "vtt", "ctm", "TextGrid")
LINE_BY_LINE = ("txt", "ctm")  # of which several may follow each other on stdout
LONG_AUDIO = 60  # seconds, after which a progress bar is welcome
STDIO = "-"


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the verb through the command line's `add(verb, name, summary, details)`."""
    transcribe = add(
        _transcribe,
        "transcribe",
        "write down what is said in audio files",
        "Without -o, several files become lines of FILE<TAB>TEXT; with it, files of their names in a folder. A file "
        "that cannot be read is named on stderr, the others go through, and the exit code is 1.",
    )
    transcribe.add_argument("files", nargs="+", metavar="FILE", help="audio, or video where ffmpeg is; - for stdin")
    transcribe.add_argument("-o", "--output", metavar="FILE|DIR", help="where to write; stdout if not given")
    transcribe.add_argument("--format", choices=FORMATS, help="by default the ending of -o FILE, or txt")
    transcribe.add_argument(
        "--recognizer",
        metavar="NAME|DIR",
        default="english_base",
        help="a name of `speechnar recognizers`, or a folder",
    )
    transcribe.add_argument("--beam", type=int, metavar="N", help="texts that the search keeps at once; 1 is greedy")
    transcribe.add_argument(
        "--iterations", type=int, metavar="N", help="of the decoder; 0 leaves CTC's text as it is: fast, more errors"
    )
    transcribe.add_argument("--passes", type=int, action=Former, now="--iterations")
    transcribe.add_argument("--hotwords", metavar="FILE|LIST", help="words and phrases to expect, a line each or a,b,c")
    transcribe.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, or cuda with onnxruntime-gpu")
    transcribe.add_argument("--threads", type=int, metavar="N", help="CPU threads (all cores, at most 4)")


def _transcribe(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from speechnar.files import atomic_write
    from speechnar.runtime import load_recognizer

    files = [file for given in args.files for file in _expanded(given)]
    kind = args.format or _format_of(args.output)
    targets = _targets(files, args.output, kind)
    recognizer = load_recognizer(args.recognizer, args.threads, args.device)
    options = {"beam": args.beam, "iterations": args.iterations, "hotwords": _hotwords(args.hotwords)}
    failed = 0
    with _progress(files) as bar:
        for file, target in zip(files, targets):
            try:
                with _on_disk(file) as path:
                    transcript = recognizer.transcribe(path, progress=bar.update, **options)
                if target:
                    with atomic_write(target) as part:
                        part.write_text(_written(transcript, kind), encoding="utf-8")
            except (ValueError, OSError) as error:
                if len(files) == 1:
                    raise
                tqdm.write(f"speechnar: {error}", file=sys.stderr)
                failed += 1
                continue
            if not target:
                alone = len(files) == 1 or kind != "txt"
                tqdm.write(_written(transcript, kind) if alone else f"{file}\t{transcript.text}\n", end="")
    if failed:
        raise ValueError(f"{failed} of {len(files)} files could not be transcribed")


def _expanded(given: str) -> list[str]:
    """The files that a pattern matches, where the shell has not done that; anything else as it is."""
    return [given] if os.path.exists(given) else sorted(glob.glob(given, recursive=True)) or [given]


def _format_of(output: str | None) -> str:
    """The format that the ending of a file asks for: txt for a folder, stdout, and where there is no ending."""
    ending = "" if not output or _is_folder(output) else Path(output).suffix[1:]
    by_name = {"": "txt"} | {kind.lower(): kind for kind in FORMATS}
    if ending.lower() not in by_name:
        raise ValueError(f"{output} should end in one of {', '.join(FORMATS)}; or say which --format it is")
    return by_name[ending.lower()]


def _is_folder(output: str) -> bool:
    return Path(output).is_dir() or output.endswith(("/", os.sep))


def _targets(files: list[str], output: str | None, kind: str) -> list[Path | None]:
    """The file to write for each; None for stdout."""
    several = len(files) > 1
    if not output or output == STDIO:
        if several and kind not in LINE_BY_LINE:
            raise ValueError(f"several files in the format {kind} need a folder: give one with -o")
        return [None] * len(files)
    if not several and not _is_folder(output):
        return [Path(output)]
    if Path(output).suffix and not _is_folder(output):
        raise ValueError(f"with several files, -o should be a folder but is {output}")
    targets: dict[Path, str] = {}
    for file in files:
        target = Path(output, f"{_name(file)}.{kind}")
        if target in targets:
            raise ValueError(f"{targets[target]} and {file} would both become {target}; transcribe one after the other")
        targets[target] = file
    return list(targets)


def _hotwords(given: str | None) -> list[str]:
    """The lines of a file, or what stands between commas."""
    if not given:
        return []
    lines = Path(given).read_text(encoding="utf-8-sig").splitlines() if os.path.exists(given) else given.split(",")
    return [line.strip() for line in lines if line.strip()]


def _name(file: str) -> str:
    return "stdin" if file == STDIO else Path(file).stem


@contextlib.contextmanager
def _on_disk(file: str) -> Iterator[Path]:
    """A file as it is; stdin, which cannot be wound back, as a file for a while."""
    if file != STDIO:
        yield Path(file)
        return
    with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
        path = Path(folder, _name(file))
        with open(path, "wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        try:
            yield path
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), "stdin")) from None


def _written(transcript: Transcript, kind: str) -> str:
    from speechnar.runtime import timings

    writers: dict[str, Callable[[Transcript], str]] = {
        "txt": timings.to_txt,
        "json": timings.to_json,
        "srt": timings.to_srt,
        "vtt": timings.to_vtt,
        "ctm": timings.to_ctm,
        "TextGrid": timings.to_textgrid,
    }
    return writers[kind](transcript)


def _progress(files: list[str]) -> Any:
    """A bar on stderr, where that is a terminal, of the seconds of long audio, with the time that is left."""
    import soundfile
    from tqdm import tqdm

    total = 0.0
    for file in files:
        if file == STDIO:  # libsndfile would read it, and close what it writes to
            continue
        with contextlib.suppress(soundfile.LibsndfileError, OSError, TypeError):  # such as video and bad files
            total += soundfile.info(file).duration
    of = f"/{total:.0f}" if total else ""
    return tqdm(
        total=total or None,
        disable=None if total == 0 or total > LONG_AUDIO else True,
        bar_format="{l_bar}{bar}| {n:.0f}" + of + " s [{elapsed}<{remaining}]",
        leave=False,
    )
