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
    export.add_argument(
        "model_dir",
        type=Path,
        metavar="MODEL_DIR",
        help="with a voice.yaml or a recognizer.yaml, or a text_ctc model of letters to phones; `singing` in it alone"
        " is added to the voice in OUT",
    )
    export.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="the folder of the voice or the recognizer; FILE.onnx of letters",
    )
    export.add_argument("--vocoder", metavar="VOCODER", help="in place of MODEL_DIR/vocoder: hf:owner/name or a folder")
    export.reads("model_dir", "vocoder")
    export.writes("out")

    restore = add(
        _restore,
        "restore",
        "restore the trained models of a voice or a recognizer, to train them further (needs speechnar[train])",
    )
    restore.add_argument(
        "voice", metavar="VOICE", help="one of `speechnar voices` or `speechnar recognizers`, or a folder"
    )
    restore.add_argument(
        "out", type=Path, metavar="OUT", help="a new folder, for the acoustic model and the vocoder, or the recognizer"
    )
    restore.reads("voice")
    restore.writes("out")

    quantize = add(
        _quantize, "quantize", "quantize a Whisper recognizer for training utterances (needs speechnar[train])"
    )
    quantize.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="of `speechnar train whisper`")
    quantize.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest of training utterances")
    quantize.add_argument("out", type=Path, metavar="OUT", help="the model folder to export")
    quantize.add_argument("--utterances", type=int, default=160, metavar="N", help="that are drawn from CUTS (160)")
    quantize.add_argument(
        "--variant", type=Path, metavar="YAML", help="how the audio of every second utterance is varied"
    )
    quantize.reads("model_dir", "cuts", "variant")
    quantize.writes("out")


def _export(args: argparse.Namespace) -> None:
    with needing("export", "train"):
        from speechnar.export import export_letters, export_recognizer, export_singing, export_voice
    if args.out.suffix == ".onnx":
        if args.vocoder:
            raise ValueError("--vocoder is for voices: leave it out, or name a folder in place of FILE.onnx")
        export_letters(args.model_dir, args.out)
        return
    sings = (args.model_dir / "singing").is_dir()
    if not (args.model_dir / "recognizer.yaml").exists():
        if not sings or (args.model_dir / "voice.yaml").exists():
            export_voice(args.model_dir, args.out, args.vocoder)
        if sings:
            export_singing(args.model_dir, args.out)
    elif args.vocoder:
        raise ValueError(f"{args.model_dir} holds a recognizer, which has no vocoder: leave out --vocoder")
    else:
        export_recognizer(args.model_dir, args.out)


def _restore(args: argparse.Namespace) -> None:
    from speechnar.runtime.recognizer_folder import RECOGNIZER, bundled
    from speechnar.runtime.voice_folder import find_voice

    with needing("restore", "train"):
        from speechnar.export import restore_recognizer, restore_voice
    folder = bundled().get(args.voice, Path(args.voice))
    if (folder / RECOGNIZER.file).exists():
        restore_recognizer(folder, args.out)
    else:
        restore_voice(find_voice(args.voice)[0], args.out)


def _quantize(args: argparse.Namespace) -> None:
    if args.utterances < 1:
        raise ValueError(f"--utterances is {args.utterances} but should be 1 or more")
    with needing("quantize", "train"):
        from speechnar import config
        from speechnar.export.quantize_whisper import quantize_recognizer
        from speechnar.infer.encoder_cache import Variant
    variant = config.load(Variant, args.variant) if args.variant else None
    quantize_recognizer(args.model_dir, args.cuts, args.out, args.utterances, variant)
