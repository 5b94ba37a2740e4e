"""The command line: one function a verb, and what a verb needs is imported when it runs.

Results go to stdout, progress and errors to stderr. Exit codes: 0; 1 after an error, which is one sentence; 2 for a
command that cannot be understood; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import speechnar
from speechnar.cli import listing, synth, transcribe, vocode
from speechnar.data import cli as data
from speechnar.decode import cli as decode
from speechnar.evaluate import bench_cli as bench
from speechnar.evaluate import cli as evaluate
from speechnar.extras import needing
from speechnar.train import cli as train


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code."""
    args = _parser().parse_args(argv)
    try:
        args.verb(args)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        print("speechnar: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has had enough
        return _failed("")
    except OSError as error:
        return _failed(f"{error.filename or 'stdout'}: {error.strerror}" if error.strerror else str(error))
    except ValueError as error:
        return _failed(str(error))


def _failed(sentence: str) -> int:
    if sentence:
        print(f"speechnar: {sentence}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # what could not be written now could not be at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    description = "Speech synthesis and recognition, offline."
    parser = argparse.ArgumentParser(prog="speechnar", description=description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"speechnar {speechnar.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def add(verb: Callable[[argparse.Namespace], None] | None, name: str, summary: str, details: str = "") -> Any:
        sub = verbs.add_parser(name, help=summary, description=summary, epilog=details, allow_abbrev=False)
        sub.set_defaults(verb=verb)
        return sub

    for room in (synth, transcribe, vocode, listing, data, train, decode, evaluate, bench):
        room.add_verbs(add)

    export = add(_export, "export", "make a voice or a recogniser of a trained model (needs speechnar[train])")
    export.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="with a voice.yaml or a recognizer.yaml")
    export.add_argument("out", type=Path, metavar="OUT", help="the folder of the voice or the recogniser")
    export.add_argument(
        "--vocoder", metavar="VOCODER", help="of the voice, in place of MODEL_DIR/vocoder: hf:owner/name or a folder"
    )

    restore = add(_restore, "restore", "make trained models of a voice, to train on (needs speechnar[train])")
    restore.add_argument("voice", metavar="VOICE", help="one of `speechnar voices`, or a folder")
    restore.add_argument("out", type=Path, metavar="OUT", help="a new folder, for the acoustic model and the vocoder")
    return parser


def _export(args: argparse.Namespace) -> None:
    with needing("export", "train"):
        from speechnar.export import export_recognizer, export_voice
    if not (args.model_dir / "recognizer.yaml").exists():
        export_voice(args.model_dir, args.out, args.vocoder)
    elif args.vocoder:
        raise ValueError(f"{args.model_dir} holds a recogniser, which has no vocoder: leave out --vocoder")
    else:
        export_recognizer(args.model_dir, args.out)


def _restore(args: argparse.Namespace) -> None:
    from speechnar.runtime.voice import VOICE, VOICES

    with needing("restore", "train"):
        from speechnar.export import restore_voice
    restore_voice(VOICE.find(args.voice, VOICES), args.out)
