"""The verbs between trained models and what a user's machine runs: `export` and `restore`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from speechnar.extras import needing


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the verbs through the command line's `add(verb, name, summary, details)`."""
    export = add(_export, "export", "make a voice or a recognizer of a trained model (needs speechnar[train])")
    export.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="with a voice.yaml or a recognizer.yaml")
    export.add_argument("out", type=Path, metavar="OUT", help="the folder of the voice or the recognizer")
    export.add_argument(
        "--vocoder", metavar="VOCODER", help="of the voice, in place of MODEL_DIR/vocoder: hf:owner/name or a folder"
    )

    restore = add(_restore, "restore", "make trained models of a voice, to train on (needs speechnar[train])")
    restore.add_argument("voice", metavar="VOICE", help="one of `speechnar voices`, or a folder")
    restore.add_argument("out", type=Path, metavar="OUT", help="a new folder, for the acoustic model and the vocoder")


def _export(args: argparse.Namespace) -> None:
    with needing("export", "train"):
        from speechnar.export import export_recognizer, export_voice
    if not (args.model_dir / "recognizer.yaml").exists():
        export_voice(args.model_dir, args.out, args.vocoder)
    elif args.vocoder:
        raise ValueError(f"{args.model_dir} holds a recognizer, which has no vocoder: leave out --vocoder")
    else:
        export_recognizer(args.model_dir, args.out)


def _restore(args: argparse.Namespace) -> None:
    from speechnar.runtime.voice import VOICE, VOICES

    with needing("restore", "train"):
        from speechnar.export import restore_voice
    restore_voice(VOICE.find(args.voice, VOICES), args.out)
