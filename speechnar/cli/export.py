"""The verbs between trained models and the models of the runtime: `export` and `restore`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from speechnar.cli.parser import VerbParser
from speechnar.extras import needing


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verbs through the command line's `add(verb, name, summary, details)`."""
    export = add(_export, "export", "export a trained model to a voice or a recognizer (needs speechnar[train])")
    export.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="with a voice.yaml or a recognizer.yaml")
    export.add_argument("out", type=Path, metavar="OUT", help="the folder of the voice or the recognizer")
    export.add_argument("--vocoder", metavar="VOCODER", help="in place of MODEL_DIR/vocoder: hf:owner/name or a folder")
    export.reads("model_dir", "vocoder")
    export.writes("out")

    restore = add(
        _restore, "restore", "restore the trained models of a voice, to train them further (needs speechnar[train])"
    )
    restore.add_argument("voice", metavar="VOICE", help="one of `speechnar voices`, or a folder")
    restore.add_argument("out", type=Path, metavar="OUT", help="a new folder, for the acoustic model and the vocoder")
    restore.reads("voice")
    restore.writes("out")


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
