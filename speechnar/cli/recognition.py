"""The verbs that make the tokens of recognizers, cache encoder states and transcribe corpora with a trained model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from speechnar.cli.former import Former
from speechnar.cli.parser import VerbParser
from speechnar.extras import needing

NEEDS = "(needs speechnar[train])"

METHODS = (
    "greedy, beam, mask_predict, mask_ctc, align_refine, imputer, levenshtein, diffusion, parallel, crf,"
    " semi_autoregressive, rescoring, autoregressive_rescoring, speculative or autoregressive (greedy)"
)
FORMER_METHODS = {"mask-ctc": "mask_ctc", "drafts": "rescoring", "ar": "autoregressive"}


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verbs through the command line's `add(verb, name, summary, details)`."""
    for verb, name in ((_tokenizer, "tokenizer"), (_units, "units")):
        former = "; the former name of tokenizer" if name == "units" else ""
        tokenizer = add(verb, name, f"make the tokens that a recognizer writes with{former} {NEEDS}")
        tokenizer.add_argument(
            "cuts",
            type=Path,
            nargs="+",
            metavar="CUTS",
            help="manifests with transcripts, or texts: FILE.txt, FILE.tsv",
        )
        tokenizer.add_argument("out", type=Path, metavar="OUT", help="the folder of the tokens")
        tokenizer.reads("cuts")
        tokenizer.writes("out")
        kind = tokenizer.add_mutually_exclusive_group()
        kind.add_argument(
            "--subwords", type=int, metavar="N", help="train N subwords (SentencePiece), in place of characters"
        )
        kind.add_argument("--words", action="store_true", help="take whole words, such as phones, for tokens")

    encode = add(_encode, "encode", f"cache the encoder states of a corpus {NEEDS}")
    encode.add_argument(
        "model_dir",
        type=Path,
        metavar="MODEL_DIR",
        help="a model folder, the name of a shipped recognizer, or a wav2vec 2.0, HuBERT, WavLM or Whisper of"
        " transformers: its folder or hf:owner/name",
    )
    encode.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest with transcripts")
    encode.add_argument("out", type=Path, metavar="OUT", help="the folder of the cache: cuts.jsonl.gz, states.f16")
    encode.add_argument("--variant", type=Path, metavar="FILE", help="YAML: speed, noise, masks, utterances joined")
    encode.add_argument(
        "--layer",
        type=int,
        metavar="N",
        help="of transformers: the block whose output is taken, 0 for the first one's input (the encoder's output)",
    )
    encode.add_argument("--unpadded", action="store_true", help="of transformers' Whisper: no silence up to 30 s")
    encode.add_argument("--seed", type=int, default=0, metavar="N", help="of the variant's random choices (0)")
    encode.reads("model_dir", "cuts", "variant")
    encode.writes("out")

    decode = add(_decode, "decode", f"transcribe a corpus with a trained recognizer {NEEDS}")
    decode.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="of `speechnar train recognizer`")
    decode.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest")
    decode.add_argument("out", type=Path, metavar="FILE", help="transcripts, `UTT text` a line")
    decode.reads("model_dir", "cuts", "lm")
    decode.writes("out")
    decode.add_argument("--method", default="greedy", help=METHODS)
    decode.add_argument(
        "--iterations", type=int, default=10, metavar="N", help="of the iterative methods, at most (10)"
    )
    decode.add_argument(
        "--threshold", type=float, default=0.9, metavar="P", help="mask_ctc masks tokens of less confidence (0.9)"
    )
    decode.add_argument(
        "--no-resizing", action="store_true", help="mask_ctc keeps the number of CTC's tokens, as in Mask-CTC of 2020"
    )
    decode.add_argument("--beam", type=int, default=10, metavar="N", help="hypotheses that the search keeps (10)")
    decode.add_argument(
        "--length-beam", type=int, default=1, metavar="N", help="lengths near that of CTC that mask_predict decodes (1)"
    )
    decode.add_argument("--ctc-weight", type=float, default=0.3, metavar="X", help="of CTC beside the decoder (0.3)")
    decode.add_argument("--masking-passes", type=int, default=1, metavar="N", help="of rescoring, each other masks (1)")
    decode.add_argument("--temperature", type=float, default=1.0, metavar="X", help="of CTC in searches (1)")
    decode.add_argument(
        "--lm", type=Path, metavar="FILE", help="n-gram model of words, of lm train, for beam and rescoring"
    )
    decode.add_argument("--lm-weight", type=float, default=0.5, metavar="X", help="of the language model (0.5)")
    decode.add_argument("--word-bonus", type=float, default=1.0, metavar="X", help="nats a word, with --lm (1)")
    decode.add_argument("--sampled", action="store_true", help="diffusion draws tokens at random, not the best first")
    decode.add_argument(
        "--deduplicate", action="store_true", help="leave out tokens that repeat the one before, of parallel methods"
    )
    decode.add_argument(
        "--entropy-gate",
        type=float,
        default=0.0,
        metavar="X",
        help="nats: below this mean entropy of CTC its best path is taken and no decoder is run (0, never)",
    )
    decode.add_argument(
        "--overlapping",
        action="store_true",
        help="of a blockwise encoder: blocks overlap by half and their texts are merged",
    )
    decode.add_argument("--batch", type=int, default=1, metavar="N", help="utterances that are decoded at once (1)")
    decode.add_argument(
        "--measure", action="store_true", help="write NAME.speed.json beside NAME.txt, for `speechnar compare`"
    )
    decode.add_argument("--readings", type=int, action=Former, now="--masking-passes")
    decode.add_argument(
        "--sharpness", type=_inverse, action=Former, now="--temperature", note=", which is its inverse: 1 / sharpness"
    )
    decode.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (1)")


def _encode(args: argparse.Namespace) -> None:
    with needing("encode", "train"):
        from speechnar import config
        from speechnar.infer.encoder_cache import Variant, cache_states

    variant = config.load(Variant, args.variant) if args.variant else Variant()
    cache_states(args.model_dir, args.cuts, args.out, variant, args.seed, args.layer, args.unpadded)


def _tokenizer(args: argparse.Namespace) -> None:
    with needing("tokenizer", "train"):
        from speechnar.data.manifest import load_cuts
        from speechnar.text.tokenizer import train_tokenizer

        if args.subwords is not None:
            import sentencepiece  # noqa: F401
    texts: list[str] = []
    for path in args.cuts:
        if path.suffix in (".txt", ".tsv"):
            texts += path.read_text(encoding="utf-8").replace("\t", "\n").split("\n")
        else:
            texts += [supervision.text or "" for cut in load_cuts(path) for supervision in cut.supervisions]
    print(f"{len(train_tokenizer(texts, args.out, args.subwords, args.words))} symbols")


def _units(args: argparse.Namespace) -> None:
    print("speechnar: the verb units is now called tokenizer", file=sys.stderr)
    _tokenizer(args)


def _decode(args: argparse.Namespace) -> None:
    with needing("decode", "train"):
        import torch

        from speechnar.decode.methods import DecodeOptions
        from speechnar.infer.decode import decode_corpus

    if args.batch < 1:
        raise ValueError(f"--batch is {args.batch} but should be 1 or more")
    if args.measure and args.batch > 1:
        raise ValueError(f"--measure takes batches of 1, 8 and 32 by itself: leave --batch {args.batch} out")
    torch.set_num_threads(args.threads)
    options = DecodeOptions(
        _method(args.method), args.iterations, args.threshold, args.beam, args.ctc_weight, args.masking_passes,
        temperature=args.temperature, sampled=args.sampled, lm=args.lm and str(args.lm), lm_weight=args.lm_weight,
        word_bonus=args.word_bonus, overlapping=args.overlapping, resizing=not args.no_resizing,
        length_beam=args.length_beam, deduplicated=args.deduplicate, entropy_gate=args.entropy_gate,
    )  # fmt: skip
    if args.measure:
        from speechnar.evaluate.compare import measurements
        from speechnar.evaluate.compare.measure import measure_recognizer

        measured = measure_recognizer(args.model_dir, args.cuts, args.out, options, args.threads)
        measurements.write(measurements.measurements_path(args.out), measured)
        print(f"{measured.latency:.1f} ms an utterance ({measured.clock} time)")
        return
    took = decode_corpus(args.model_dir, args.cuts, args.out, options, batch=args.batch)
    print(f"{took.audio_seconds:.1f} s of audio in {took.seconds:.2f} s: RTF {took.real_time_factor:.4f}")


def _inverse(number: str) -> float:
    """Return 1 / number."""
    if not float(number) > 0:
        raise argparse.ArgumentTypeError(f"{number} should be above 0")
    return 1 / float(number)


def _method(name: str) -> str:
    """Return the present name of a method of decoding."""
    if name in FORMER_METHODS:
        print(f"speechnar: the method {name} is now called {FORMER_METHODS[name]}", file=sys.stderr)
    return FORMER_METHODS.get(name, name)
