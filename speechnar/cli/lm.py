"""The verb `lm`: train, measure and tune n-gram language models for recognition."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from speechnar.cli.former import Former
from speechnar.cli.parser import VerbParser
from speechnar.extras import needing


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    lm = add(None, "lm", "train, measure and tune the language model of a recognizer")
    kinds = lm.add_subparsers(title="commands", metavar="COMMAND", required=True)

    train = kinds.add_parser("train", help="estimate a model from text (modified Kneser-Ney)")
    train.set_defaults(verb=_train)
    train.add_argument("texts", type=Path, nargs="+", metavar="TEXT", help="UTF-8, a sentence a line, as it is spoken")
    train.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the model")
    train.add_argument("--order", type=int, default=3, metavar="N", help="words in the longest n-gram (3)")
    train.add_argument("--vocabulary", type=int, default=30_000, metavar="N", help="most frequent words (30000)")
    train.add_argument(
        "--min-counts",
        type=int,
        nargs="+",
        default=[1],
        metavar="N",
        help="smallest counts of n-grams of 1, 2, ... words (1)",
    )
    train.add_argument(
        "--prune", type=float, default=0.0, metavar="NATS", help="entropy that an n-gram must save, such as 1e-8"
    )
    train.reads("texts")
    train.writes("output")

    perplexity = kinds.add_parser("perplexity", help="perplexity of models on texts")
    perplexity.set_defaults(verb=_perplexity)
    perplexity.add_argument("texts", type=Path, nargs="+", metavar="TEXT", help="as for train")
    perplexity.add_argument("--lm", type=Path, nargs="+", required=True, metavar="FILE", help="of lm train, or .arpa")
    perplexity.reads("texts", "lm")

    tune = kinds.add_parser("tune", help="find the weights with the fewest word errors (needs speechnar[eval])")
    tune.set_defaults(verb=_tune)
    tune.add_argument("log_probs", type=Path, metavar="DIR", help="UTT.npy: (frames, tokens) natural log-probabilities")
    tune.add_argument("--texts", type=Path, required=True, metavar="TSV", help="utterance first, transcript last")
    tune.add_argument("--tokens", type=Path, required=True, metavar="FILE", help="tokens.txt of the recognizer")
    tune.add_argument("--units", action=Former, now="--tokens", type=Path)
    tune.add_argument("--lm", type=Path, required=True, metavar="FILE", help="of lm train, or .arpa")
    tune.add_argument("--lm-weight", type=float, nargs="+", default=[0.2, 0.4, 0.6, 0.8], metavar="X")
    tune.add_argument("--word-bonus", type=float, nargs="+", default=[0.0, 1.0, 2.0], metavar="NATS")
    tune.add_argument(
        "--unknown-score",
        type=float,
        nargs="+",
        default=[-2.5],
        metavar="NATS",
        help="for each letter of a word that the model lacks",
    )
    tune.add_argument("--beam", type=int, default=16, metavar="N", help="hypotheses kept at once (16)")
    tune.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at once (1)")
    tune.reads("log_probs", "texts", "tokens", "lm")


def _train(args: argparse.Namespace) -> None:
    from speechnar.lm.kneser_ney import KneserNeyOptions, train

    if args.output.name.endswith((".arpa", ".arpa.gz")):
        raise ValueError(f"-o is {args.output}, but the model is no ARPA file: give a name with another ending")
    options = KneserNeyOptions(args.order, args.vocabulary, tuple(args.min_counts), args.prune)
    model = train(_lines(args.texts), options)
    model.save(args.output)
    sizes = ", ".join(f"{len(level.words)} {n}-grams" for n, level in enumerate(model.levels, 1))
    print(f"{sizes}, {args.output.stat().st_size / 1e6:.2f} MB")


def _perplexity(args: argparse.Namespace) -> None:
    from speechnar.lm.arpa import load_lm
    from speechnar.lm.perplexity import perplexity

    for path in args.lm:
        found = perplexity(load_lm(path), _lines(args.texts))
        print(f"{path}: perplexity {found.perplexity:.1f}, {100 * found.unknown:.2f} % of {found.words} words unknown")


def _tune(args: argparse.Namespace) -> None:
    from speechnar.decode.beam import PrefixBeamConfig
    from speechnar.decode.tune import load_dev_set, tune
    from speechnar.text.symbols import Vocabulary

    dev = load_dev_set(args.log_probs, args.texts, Vocabulary.load(args.tokens), args.lm)
    with needing("lm tune", "eval"):
        trials = tune(dev, args.lm_weight, args.word_bonus, args.unknown_score, PrefixBeamConfig(args.beam), args.jobs)
    print("lm_weight  word_bonus  unknown_score   WER %")
    for trial in trials:
        weights = f"{trial.lm_weight:9g}  {trial.word_bonus:10g}  {trial.unknown_score:13g}"
        print(f"{weights}  {100 * trial.wer:6.2f}")


def _lines(paths: Sequence[Path]) -> Iterator[str]:
    from tqdm import tqdm

    for path in paths:
        with open(path, encoding="utf-8") as file:
            yield from tqdm(file, unit="line", unit_scale=True, desc=path.name, disable=None)
