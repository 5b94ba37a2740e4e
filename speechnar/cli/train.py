"""The verbs that train, prepare data for training and use the result; torch is imported when one runs."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from speechnar.cli.former import Former
from speechnar.cli.parser import VerbParser
from speechnar.extras import needing

Config = TypeVar("Config")

NEEDS = "(needs speechnar[train])"
LOWEST = 5
"""Utterances of low scores that `align` prints."""


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verbs through the command line's `add(verb, name, summary, details)`."""
    _add_voice_data(add)
    trains = add(None, "train", f"train a model; run the same command again to continue {NEEDS}")
    models = trains.add_subparsers(title="models", metavar="MODEL", required=True)
    acoustic = models.add_parser("acoustic", help="phones to mel: FastSpeech 2")
    acoustic.set_defaults(verb=_train_acoustic)
    flow = models.add_parser("flow", help="what an acoustic model leaves open, sampled: by flow matching")
    flow.set_defaults(verb=_train_flow)
    vocoder = models.add_parser("vocoder", help="mel to audio: Harmonic Vocos or HiFi-GAN")
    vocoder.set_defaults(verb=_train_vocoder)
    recognizer = models.add_parser("recognizer", help="audio to text: CTC, Mask-CTC or AED")
    recognizer.set_defaults(verb=_train_recognizer)
    aligner = models.add_parser("aligner", help="phones and audio to durations")
    aligner.set_defaults(verb=_train_aligner)
    joint = models.add_parser("joint", help="aligner and acoustic model at once")
    joint.set_defaults(verb=_train_joint)
    speculative = models.add_parser("speculative", help="the draft or the decoder around a cached encoder")
    speculative.set_defaults(verb=_train_speculative)
    whisper = models.add_parser("whisper", help="encoder, draft and decoder of a Whisper together, on audio")
    whisper.set_defaults(verb=_train_whisper)
    pretraining = models.add_parser("pretraining", help="audio alone: the encoder of a recognizer, by BEST-RQ")
    pretraining.set_defaults(verb=_train_pretraining)
    text2text = models.add_parser("text2text", help="text to text: CTC, CMLM, GLAT, DA-Transformer and their twin")
    text2text.set_defaults(verb=_train_text2text)
    _add_images(models)
    for model in (acoustic, flow, vocoder, recognizer, aligner, joint, speculative, whisper, pretraining, text2text):
        model.add_argument("config", type=Path, metavar="CONFIG", help="YAML: the model, the loop and the losses")
        model.reads("config", "train", "dev", *(["init"] if model is not pretraining else []))
        model.writes("out")
        if model in (recognizer, text2text):
            model.add_argument("--tokenizer", type=Path, required=True, metavar="DIR", help="of `speechnar tokenizer`")
            model.reads("tokenizer")
        elif model not in (aligner, speculative, whisper, pretraining):
            model.add_argument("--features", type=Path, required=True, metavar="DIR", help="of `speechnar features`")
            model.reads("features")
        manifest, metavar = ("a manifest", "CUTS") if model is not text2text else ("`source<TAB>target` lines", "PAIRS")
        if model is speculative:
            model.add_argument("--init", type=Path, required=True, metavar="DIR", help="the model that was cached")
            model.add_argument("--train", type=Path, nargs="+", required=True, metavar="CUTS", help="of the caches")
        elif model is whisper:
            model.add_argument("--init", type=Path, required=True, metavar="DIR", help="the model to start from")
            model.add_argument("--train", type=Path, nargs="+", required=True, metavar="CUTS", help="of recordings")
            model.add_argument("--teacher", type=Path, metavar="DIR", help="a model to learn from besides the texts")
            model.reads("teacher")
        elif model is recognizer:
            text = "manifest to train on; of a model that reads cached states, one or more caches"
            model.add_argument("--train", type=Path, nargs="+", required=True, metavar="CUTS", help=text)
        else:
            model.add_argument("--train", type=Path, required=True, metavar=metavar, help=f"{manifest} to train on")
        model.add_argument("--dev", type=Path, required=True, metavar=metavar, help=f"{manifest} to validate on")
        model.add_argument("--out", type=Path, required=True, metavar="DIR", help="model folder, checkpoints and logs")
        model.add_argument("--threads", type=int, metavar="N", help="CPU threads, in place of the config's")
        model.add_argument("--max-steps", type=int, metavar="N", help="batches, in place of the config's")
    recognizer.add_argument("--units", action=Former, now="--tokenizer", type=Path)
    vocoder.add_argument("--gta-mels", type=Path, metavar="DIR", help="train on the mels of `speechnar gta-mels` too")
    vocoder.reads("gta_mels")
    vocoder.add_argument("--predicted", action=Former, now="--gta-mels", type=Path)
    flow.add_argument("--acoustic", type=Path, required=True, metavar="DIR", help="of `speechnar train acoustic`")
    flow.reads("acoustic")
    for model in (acoustic, aligner, flow, text2text):
        model.add_argument("--init", type=Path, metavar="DIR", help="a model folder whose weights training starts from")
    joint.add_argument("--init", type=Path, metavar="DIR", help="an acoustic model whose weights training starts from")
    vocoder.add_argument(
        "--init",
        type=Path,
        metavar="DIR",
        help="start from a model folder, or from a HiFi-GAN: hf:owner/name or a folder",
    )
    recognizer.add_argument(
        "--init",
        type=Path,
        metavar="DIR",
        help="start from a model folder, or from a transformers encoder: hf:owner/name or a folder",
    )
    recognizer.add_argument(
        "--teacher", type=Path, metavar="DIR", help="a recognizer of the same tokens, from whose CTC to learn too"
    )
    recognizer.reads("teacher")


def _add_images(models: Any) -> None:
    vqvae = models.add_parser("vqvae", help="images to tokens and back")
    vqvae.set_defaults(verb=_train_vqvae)
    image = models.add_parser("image", help="a class to the tokens of an image: MaskGIT or its autoregressive twin")
    image.set_defaults(verb=_train_image)
    for model in (vqvae, image):
        model.add_argument("config", type=Path, metavar="CONFIG", help="YAML: the model, the loop and the losses")
        model.reads("config", "train", "dev")
        model.writes("out")
        model.add_argument("--train", type=Path, required=True, metavar="NPZ", help="images and labels to train on")
        model.add_argument("--dev", type=Path, required=True, metavar="NPZ", help="images and labels to validate on")
        model.add_argument("--out", type=Path, required=True, metavar="DIR", help="model folder, checkpoints and logs")
        model.add_argument("--threads", type=int, metavar="N", help="CPU threads, in place of the config's")
        model.add_argument("--max-steps", type=int, metavar="N", help="batches, in place of the config's")
    image.add_argument("--vqvae", type=Path, required=True, metavar="DIR", help="of `speechnar train vqvae`")
    image.reads("vqvae")


def _add_voice_data(add: Callable[..., VerbParser]) -> None:
    align = add(_align, "align", f"find the start and end of each phone of a corpus {NEEDS}")
    align.add_argument("aligner", type=Path, metavar="ALIGNER_DIR", help="of `speechnar train aligner`")
    align.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest with phones")
    align.add_argument("out", type=Path, metavar="OUT", help="the manifest with durations")
    align.add_argument("--audio", type=Path, required=True, metavar="FILE", help="YAML: the audio config of the frames")
    align.add_argument("--boundary-offset", type=float, default=0.0, metavar="MS", help="added to every boundary (0)")
    align.reads("aligner", "cuts", "audio")
    align.writes("out", "textgrids")
    align.add_argument("--lag", action=Former, now="--boundary-offset", type=float)
    align.add_argument("--textgrids", type=Path, metavar="DIR", help="write UTT.TextGrid too, for Praat")

    features = add(_features, "features", f"compute the features of a corpus for training {NEEDS}")
    features.add_argument("cuts", type=Path, nargs="+", metavar="CUTS", help="manifests; the first is for training")
    features.add_argument("out", type=Path, metavar="OUT", help="the folder of the features; existing files are kept")
    features.add_argument("--audio", type=Path, required=True, metavar="FILE", help="YAML: sample rate, hop, mel bands")
    features.add_argument("--jobs", type=int, metavar="N", help="processes at once (all cores)")
    features.reads("cuts", "audio")
    features.writes("out")

    for verb, name in ((_gta_mels, "gta-mels"), (_predict, "predict")):
        former = "; the former name of gta-mels" if name == "predict" else ""
        gta = add(verb, name, f"write ground-truth-aligned mels, on which a vocoder is tuned{former} {NEEDS}")
        gta.add_argument("acoustic", type=Path, metavar="ACOUSTIC_DIR", help="a model folder")
        gta.add_argument("cuts", type=Path, nargs="+", metavar="CUTS", help="manifests")
        gta.add_argument("out", type=Path, metavar="OUT", help="the folder of the mels, UTT.npy")
        gta.add_argument("--features", type=Path, required=True, metavar="DIR", help="of `speechnar features`")
        gta.reads("acoustic", "cuts", "features")
        gta.writes("out")


def _features(args: argparse.Namespace) -> None:
    with needing("features", "train"):
        from lhotse import CutSet

        from speechnar import config
        from speechnar.audio import AudioConfig
        from speechnar.data.features import compute_features
        from speechnar.data.manifest import load_cuts, processes

    jobs = processes(args.jobs)
    audio = config.load(AudioConfig, args.audio)
    cuts, *others = (CutSet.from_cuts(load_cuts(path)) for path in args.cuts)
    stats = compute_features(cuts, args.out, audio, others, jobs)
    print(f"{stats.utterances} utterances, {stats.seconds / 3600:.2f} h to train on")


def _train_acoustic(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.acoustic import AcousticConfig, train_acoustic

    config = _config(AcousticConfig, args)
    train_acoustic(config, args.features, args.train, args.dev, args.out, args.init)


def _train_flow(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.flow import FlowConfig, train_flow

    train_flow(_config(FlowConfig, args), args.features, args.train, args.dev, args.out, args.acoustic, args.init)


def _train_vocoder(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.vocoder import VocoderConfig, train_vocoder

    config = _config(VocoderConfig, args)
    train_vocoder(config, args.features, args.train, args.dev, args.out, args.gta_mels, args.init)


def _train_aligner(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.aligner import AlignerTraining, train_aligner

    train_aligner(_config(AlignerTraining, args), args.train, args.dev, args.out, args.init)


def _train_joint(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.joint import JointConfig, train_joint

    train_joint(_config(JointConfig, args), args.features, args.train, args.dev, args.out, args.init)


def _align(args: argparse.Namespace) -> None:
    with needing("align", "train"):
        from speechnar import config
        from speechnar.audio import AudioConfig
        from speechnar.infer.align import SCORE, align_corpus

    audio = config.load(AudioConfig, args.audio)
    cuts = align_corpus(args.aligner, args.cuts, args.out, audio, args.boundary_offset / 1000, args.textgrids)
    print(f"{args.out}: {len(cuts)} utterances, {sum(cut.duration for cut in cuts) / 3600:.2f} h")
    lowest = sorted((cut.supervisions[0].custom[SCORE], cut.id) for cut in cuts)[:LOWEST]
    print(
        f"lowest scores, look here for wrong transcripts: {', '.join(f'{name} {score:.2f}' for score, name in lowest)}"
    )


def _train_recognizer(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.recognizer import RecognitionConfig, train_recognizer

    config = _config(RecognitionConfig, args)
    train_recognizer(config, args.tokenizer, args.train, args.dev, args.out, args.init, args.teacher)


def _train_speculative(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.speculative import SpeculativeConfig, train_speculative

    train_speculative(_config(SpeculativeConfig, args), args.init, args.train, args.dev, args.out)


def _train_whisper(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.fine_tuning import FineTuningConfig, fine_tune

    fine_tune(_config(FineTuningConfig, args), args.init, args.train, args.dev, args.out, args.teacher)


def _train_pretraining(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.pretraining import PretrainingConfig, train_encoder

    train_encoder(_config(PretrainingConfig, args), args.train, args.dev, args.out)


def _train_text2text(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.text2text import TextConfig, train_text2text

    train_text2text(_config(TextConfig, args), args.tokenizer, args.train, args.dev, args.out, args.init)


def _train_vqvae(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.vqvae import VQVAETraining, train_vqvae

    train_vqvae(_config(VQVAETraining, args), args.train, args.dev, args.out)


def _train_image(args: argparse.Namespace) -> None:
    with needing("train", "train"):
        from speechnar.tasks.image import ImageTraining, train_image

    train_image(_config(ImageTraining, args), args.vqvae, args.train, args.dev, args.out)


def _gta_mels(args: argparse.Namespace) -> None:
    with needing("gta-mels", "train"):
        from speechnar.infer.gta_mels import write_gta_mels

    write_gta_mels(args.acoustic, args.features, args.cuts, args.out)


def _predict(args: argparse.Namespace) -> None:
    print("speechnar: the verb predict is now called gta-mels", file=sys.stderr)
    _gta_mels(args)


def _config(cls: type[Config], args: argparse.Namespace) -> Config:
    """Return the training config of a file, with the values of the command line in place of its own."""
    from speechnar import config

    for name in ("threads", "max_steps"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} is {value} but should be 1 or more")
    loaded: Any = config.load(cls, args.config)
    given = {name: value for name in ("threads", "max_steps") if (value := getattr(args, name)) is not None}
    return dataclasses.replace(loaded, loop=dataclasses.replace(loaded.loop, **given))
