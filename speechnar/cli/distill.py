"""The verb `distill`: a trained model writes the targets of a corpus."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from speechnar.cli.parser import VerbParser
from speechnar.extras import needing

DETAILS = (
    "A text model writes the targets of `source<TAB>target` lines, each source once, and prints the conditional "
    "entropy of the targets before and after, over the teacher's tokens: the lower, the easier for a parallel model. "
    "A recognizer writes the transcripts of a manifest. A voice speaks texts (needs speechnar[ray] too): OUT is then a "
    "folder with audio and a manifest, cuts.jsonl.gz, that has the phones, their durations and the F0; texts that are "
    "spoken already are kept."
)
OF_TEXT = {"method": None, "beam": 4, "iterations": 1, "batch": 32, "threads": 1}
"""Options of teachers that write text, and what is taken where they are not given."""
OF_VOICE = ("speaker", "workers")
MODELS = "a model folder of `train text2text` or `train recognizer`; a voice, by its name or folder"


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    verb = add(
        _distill, "distill", "let a trained model write the targets of a corpus (needs speechnar[train])", DETAILS
    )
    verb.add_argument("teacher", type=Path, metavar="TEACHER", help=MODELS)
    verb.add_argument("data", type=Path, metavar="DATA", help="pairs, a manifest, or texts as `bulk synth` takes them")
    verb.add_argument("out", type=Path, metavar="OUT", help="the pairs, manifest or folder of the teacher's targets")
    verb.add_argument("--method", metavar="NAME", help="as in `translate` and `decode` (a search by --beam)")
    verb.add_argument("--beam", type=int, metavar="N", help="hypotheses that a search keeps (4)")
    verb.add_argument("--iterations", type=int, metavar="N", help="of iterative methods (1)")
    verb.add_argument("--batch", type=int, metavar="N", help="inputs that are decoded at once (32)")
    verb.add_argument("--threads", type=int, metavar="N", help="CPU threads (1)")
    verb.add_argument("--speaker", metavar="NAME", help="of a voice with several")
    verb.add_argument("--workers", type=int, metavar="N", help="processes of a voice, one thread each (all cores)")
    verb.reads("teacher", "data")
    verb.writes("out")


def _distill(args: argparse.Namespace) -> None:
    is_voice = not (args.teacher / "config.yaml").exists()
    others, kind = (OF_TEXT, "text models and recognizers") if is_voice else (OF_VOICE, "voices")
    if given := [f"--{name}" for name in others if getattr(args, name) is not None]:
        raise ValueError(f"only {kind} have {', '.join(given)}, and {args.teacher} is none: leave it out")
    for name, usual in OF_TEXT.items():
        if getattr(args, name) is None:
            setattr(args, name, usual)
    if is_voice:
        _speak(args)
        return
    with needing("distill", "train"):
        import torch

        from speechnar.decode.methods import DecodeOptions
        from speechnar.infer.distill import distill_cuts, distill_pairs
        from speechnar.models.folder import ModelError, load_model
        from speechnar.models.specs import usual_decoder

    if args.batch < 1:
        raise ValueError(f"--batch is {args.batch} but should be 1 or more")
    torch.set_num_threads(args.threads)
    config = load_model(args.teacher)[1]
    if config.spec.task not in ("text2text", "recognizer"):
        raise ModelError(f"{args.teacher} holds the model {config.model.name}, which writes no text")
    method = args.method or usual_decoder(config.model.name, config.model.value)
    if not args.method and method == "greedy" and args.beam > 1:
        method = "beam"
    options = DecodeOptions(method, args.iterations, beam=args.beam)
    if config.spec.task == "text2text":
        options = replace(options, ctc_weight=0.0, length_penalty=1.0 if args.beam > 1 else 0.0)
    write = distill_pairs if config.spec.task == "text2text" else distill_cuts
    found = write(args.teacher, args.data, args.out, options, args.batch)
    kept = f", {found.kept} of them kept where the teacher wrote none" if found.kept else ""
    print(f"{found.number} targets{kept}; {100 * found.changed:.1f} % of the words differ")
    if not math.isnan(found.before):
        print(f"conditional entropy, nats: {found.before:.3f} before, {found.after:.3f} after")


def _speak(args: argparse.Namespace) -> None:
    with needing("distill by a voice", "ray"), needing("distill", "train"):
        from speechnar.infer.bulk import FAILURES, BulkError
        from speechnar.infer.distill_voice import distill_texts

    found = distill_texts(str(args.teacher), str(args.data), args.out, args.speaker, args.workers)
    print(f"{found.number} utterances, {found.seconds / 3600:.2f} h in {args.out}")
    print(
        f"conditional entropy given the phone, nats: durations in frames {found.durations:.3f}, F0 in semitones"
        f" {found.f0:.3f}"
    )
    if found.failed:
        total = found.number + found.failed
        raise BulkError(f"{found.failed} of {total} texts failed; {args.out / FAILURES} says why")
