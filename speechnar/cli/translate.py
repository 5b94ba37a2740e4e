"""The verb `translate`: lines of text to lines of text, by a model of `speechnar train text2text`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from speechnar.cli.parser import VerbParser
from speechnar.extras import needing

METHODS = (
    "greedy or beam (CTC), mask_predict (CMLM, GLAT), lookahead (DA-Transformer), autoregressive (the first it can)"
)

TIMED = 200
"""Texts that `--measure` takes the time of."""


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    verb = add(_translate, "translate", "rewrite lines of text with a trained text model (needs speechnar[train])")
    verb.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="of `speechnar train text2text`")
    verb.add_argument("-f", "--file", type=Path, metavar="FILE", help="UTF-8, a text a line (stdin)")
    verb.add_argument("-o", "--output", type=Path, metavar="FILE", help="a line for each line (stdout)")
    verb.add_argument("--method", metavar="NAME", help=METHODS)
    verb.add_argument("--beam", type=int, default=4, metavar="N", help="hypotheses that a search keeps (4)")
    verb.add_argument("--length-penalty", type=float, default=1.0, metavar="X", help="of autoregressive (1, the mean)")
    verb.add_argument("--iterations", type=int, default=1, metavar="N", help="of mask_predict (1)")
    verb.add_argument("--length-beam", type=int, default=1, metavar="N", help="lengths that mask_predict decodes (1)")
    verb.add_argument(
        "--deduplicate",
        action="store_true",
        help="leave out tokens that repeat the one before, of mask_predict or levenshtein",
    )
    verb.add_argument(
        "--rescore", type=Path, metavar="MODEL_DIR", help="an autoregressive model that chooses among the lengths"
    )
    verb.add_argument("--lm", type=Path, metavar="FILE", help="n-gram model of words, of lm train, for beam")
    verb.add_argument("--lm-weight", type=float, default=0.4, metavar="X", help="of the n-gram model (0.4)")
    verb.add_argument("--word-bonus", type=float, default=1.5, metavar="NATS", help="for each word, with --lm (1.5)")
    verb.add_argument("--batch", type=int, default=32, metavar="N", help="texts that are decoded at once (32)")
    verb.add_argument(
        "--measure", action="store_true", help="write NAME.speed.json beside NAME.txt, for `speechnar compare`"
    )
    verb.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (1)")
    verb.reads("model_dir", "file", "rescore", "lm")
    verb.writes("output")


def _translate(args: argparse.Namespace) -> None:
    with needing("translate", "train"):
        import torch

        from speechnar.decode.methods import DecodeOptions
        from speechnar.files import atomic_write, utf8_lines
        from speechnar.infer.translate import Translator

    if args.batch < 1:
        raise ValueError(f"--batch is {args.batch} but should be 1 or more")
    if args.measure and args.output is None:
        raise ValueError("--measure writes a file beside the output: give the output with -o")
    torch.set_num_threads(args.threads)
    method = args.method or ("beam" if args.lm else None)
    options = DecodeOptions(  # where no method is named, the translator takes that of the model
        method or "mask_predict", args.iterations, beam=args.beam, ctc_weight=0.0, length_beam=args.length_beam,
        length_penalty=args.length_penalty, deduplicated=args.deduplicate, lm=str(args.lm) if args.lm else None,
        lm_weight=args.lm_weight, word_bonus=args.word_bonus,
    )  # fmt: skip
    translator = Translator(args.model_dir, options, method is None, args.rescore)
    text = sys.stdin.buffer.read() if args.file is None else args.file.read_bytes()
    lines = utf8_lines(text, args.file or "stdin")
    last = [] if lines[-1] else [lines.pop()]
    timed = [line for line in lines if line.strip()][:TIMED]
    if args.measure and not timed:
        raise ValueError(f"{args.file or 'stdin'} has no text, so nothing can be measured: leave --measure out")
    found = translator.translate([line.rstrip("\r") for line in lines], args.batch)
    written = "\n".join(found + last)
    if args.output is None:
        sys.stdout.write(written)
    else:
        with atomic_write(args.output) as part:
            part.write_text(written, encoding="utf-8")
    if args.measure:
        from speechnar.evaluate.compare import measurements
        from speechnar.evaluate.compare.measure import measure_translator

        measured = measure_translator(args.model_dir, timed, translator.options, args.rescore, args.threads)
        measurements.write(measurements.measurements_path(args.output), measured)
