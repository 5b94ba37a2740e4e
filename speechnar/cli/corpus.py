"""The verb `corpus`: import, check and phonemize recordings and their texts for training, and export to Kaldi."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speechnar.cli.languages import add_language
from speechnar.cli.parser import VerbParser, refuse_overwriting
from speechnar.extras import needing

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from speechnar.data.problems import Problem

LAYOUTS = ("ljspeech", "arctic", "kaldi")


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    corpus = add(None, "corpus", "prepare recordings and their texts for training (needs speechnar[train])")
    commands = corpus.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(verb: Callable[[argparse.Namespace], None], name: str, summary: str) -> VerbParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(verb=verb)
        return sub

    imports = command(_import, "import", "a folder of recordings and texts -> a manifest")
    imports.add_argument("layout", choices=LAYOUTS, help="metadata.csv and wavs; etc/txt.done.data and wav; wav.scp")
    imports.add_argument("folder", type=Path, metavar="DIR", help="the corpus")
    imports.add_argument("out", type=Path, metavar="OUT", help="the manifest, .jsonl.gz")
    imports.add_argument(
        "--speaker",
        metavar="NAME",
        help="speaker of all utterances (by default the corpus's own, or the folder's name)",
    )
    imports.add_argument("--prefix", default="", metavar="TEXT", help="text before the name of every utterance")
    imports.add_argument("--fix", action="store_true", help="leave out unusable entries instead of stopping")
    imports.reads("folder")
    imports.writes("out")

    check = command(_check, "check", "find errors in recordings and texts")
    check.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest")
    check.add_argument("--fix", type=Path, metavar="OUT", help="write a manifest without the utterances with errors")
    check.add_argument(
        "--sample-rate", type=int, metavar="HZ", help="rate of the voice to train: lower rates are reported"
    )
    check.add_argument("--min-seconds", type=float, default=0.3, metavar="X", help="shortest utterance (0.3)")
    check.add_argument(
        "--aligner", type=Path, metavar="DIR", help="of `speechnar train aligner`: find wrong transcripts by it"
    )
    check.add_argument(
        "--characters", action="store_true", help="for a recognizer: texts in any script, of which no phones are made"
    )
    check.reads("aligner")
    check.add_argument("--max-seconds", type=float, default=30.0, metavar="X", help="longest utterance (30)")

    phonemize = command(_phonemize, "phonemize", "add the phones of the text front end, as the field `phones`")
    phonemize.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest")
    phonemize.add_argument("out", type=Path, metavar="OUT", help="the manifest with phones")
    phonemize.writes("out")
    for sub in (check, phonemize):
        sub.reads("cuts", "lexicon")
        sub.add_argument("--lexicon", type=Path, metavar="FILE", help="your own pronunciations, word<TAB>phones a line")
        add_language(sub)

    split = command(_split, "split", "a manifest -> OUT/train.jsonl.gz, dev.jsonl.gz and test.jsonl.gz")
    split.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest")
    split.add_argument("out", type=Path, metavar="OUT", help="a folder")
    split.add_argument(
        "--dev", required=True, metavar="N|REGEX", help="the last N utterances, or those whose names match"
    )
    split.add_argument("--test", required=True, metavar="N|REGEX", help="the same, taken before dev")
    split.reads("cuts")
    split.writes("out")

    export = command(_export, "export", "a manifest -> a Kaldi data directory")
    export.add_argument("layout", choices=("kaldi",))
    export.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest")
    export.add_argument("out", type=Path, metavar="DIR", help="wav.scp, text, utt2spk, spk2utt, perhaps segments")
    export.reads("cuts")
    export.writes("out")

    durations = command(_durations, "durations", "add the phone times that another program found")
    durations.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest, with phones or without")
    durations.add_argument("out", type=Path, metavar="OUT", help="the manifest with durations")
    source = durations.add_mutually_exclusive_group(required=True)
    source.add_argument("--textgrids", type=Path, metavar="DIR", help="of the Montreal Forced Aligner: UTT.TextGrid")
    source.add_argument("--ctm", type=Path, metavar="FILE", help="of phones, as Kaldi writes it")
    durations.add_argument(
        "--audio", type=Path, required=True, metavar="FILE", help="YAML of an AudioConfig: the frames to count in"
    )
    durations.add_argument("--fix", action="store_true", help="leave out utterances with errors instead of stopping")
    durations.reads("cuts", "textgrids", "ctm", "audio")
    durations.writes("out")

    for sub in (imports, check, durations):
        sub.add_argument("--report", type=Path, metavar="FILE", help="write all problems, tab-separated")
        sub.writes("report")
    check.writes("fix")
    for sub in (imports, check, phonemize):
        sub.add_argument("--jobs", type=int, metavar="N", help="processes at once (all cores)")


def _import(args: argparse.Namespace) -> None:
    with needing("corpus", "train"):
        from speechnar.data.corpora import import_corpus, read_arctic, read_ljspeech
        from speechnar.data.kaldi import read_kaldi
        from speechnar.data.manifest import save_cuts

    read = {"ljspeech": read_ljspeech, "arctic": read_arctic, "kaldi": read_kaldi}[args.layout]
    imported = import_corpus(read(args.folder, args.speaker), args.prefix, _jobs(args))
    dropped = _report(imported.problems, args.report)
    if dropped and not args.fix:
        raise ValueError(
            f"{dropped} entries of {args.folder} cannot be used: correct them, or leave them out with --fix"
        )
    if not imported.cuts:
        raise ValueError(f"{args.folder} has no utterance that can be used")
    save_cuts(imported.cuts, args.out)
    seconds = sum(cut.duration for cut in imported.cuts)
    print(f"{len(imported.cuts)} utterances, {seconds / 3600:.2f} h")


def _check(args: argparse.Namespace) -> None:
    with needing("corpus", "train"):
        from speechnar.data.manifest import load_cuts, save_cuts
        from speechnar.data.validate import CheckOptions, check_cuts, without_errors

    cuts = load_cuts(args.cuts)
    options = CheckOptions(
        args.sample_rate, args.min_seconds, args.max_seconds, args.lexicon, args.language, args.characters
    )
    if args.aligner and args.characters:
        raise ValueError("--aligner needs phones, and with --characters there are none: leave one of them out")
    problems = check_cuts(cuts, options, _jobs(args))
    if args.aligner:
        problems += _misheard(args, without_errors(cuts, problems))
    errors = _report(problems, args.report)
    sound = without_errors(cuts, problems)
    if args.fix:
        if not sound:
            raise ValueError(f"no utterance of {args.cuts} is free of errors: nothing was written")
        save_cuts(sound, args.fix)
        print(f"{args.fix}: {len(sound)} of {len(cuts)} utterances")
    elif errors:
        share = f"{len(cuts) - len(sound)} of {len(cuts)} utterances"
        raise ValueError(f"{share} of {args.cuts} have errors: correct them, or leave them out with --fix OUT")
    else:
        print(f"{len(cuts)} utterances, no errors")


def _misheard(args: argparse.Namespace, cuts: Sequence[Cut]) -> list[Problem]:
    """Return the utterances whose transcripts an aligner finds wrong; phones that lack are made for it alone."""
    from speechnar.data.phones import phonemize_cuts
    from speechnar.infer.align import wrong_transcripts

    if not all((cut.supervisions[0].custom or {}).get("phones") for cut in cuts):
        cuts = phonemize_cuts(copy.deepcopy(cuts), args.lexicon, _jobs(args), args.language)
    return wrong_transcripts(args.aligner, cuts)


def _phonemize(args: argparse.Namespace) -> None:
    with needing("corpus", "train"):
        from speechnar.data.manifest import load_cuts, save_cuts
        from speechnar.data.phones import phonemize_cuts

    save_cuts(phonemize_cuts(load_cuts(args.cuts), args.lexicon, _jobs(args), args.language), args.out)


def _split(args: argparse.Namespace) -> None:
    with needing("corpus", "train"):
        from speechnar.data.corpora import split_cuts
        from speechnar.data.manifest import load_cuts, save_cuts

    parts = split_cuts(load_cuts(args.cuts), args.dev, args.test)
    paths = {name: args.out / f"{name}.jsonl.gz" for name in parts}
    refuse_overwriting([("CUTS", args.cuts)], [("the output", path) for path in paths.values()])
    for name, part in parts.items():
        save_cuts(part, paths[name])
        print(f"{name}: {len(part)} utterances, {sum(cut.duration for cut in part) / 3600:.2f} h")


def _durations(args: argparse.Namespace) -> None:
    with needing("corpus", "train"):
        from speechnar import config
        from speechnar.audio import AudioConfig
        from speechnar.data.alignments import apply, read_ctm, read_textgrids
        from speechnar.data.manifest import load_cuts, save_cuts

    cuts, audio = load_cuts(args.cuts), config.load(AudioConfig, args.audio)
    names = [cut.id for cut in cuts]
    read = read_textgrids(args.textgrids, names) if args.textgrids else read_ctm(args.ctm, names)
    aligned, problems = apply(cuts, read, audio)
    dropped = _report(problems, args.report)
    if dropped and not args.fix:
        lacking = f"{len(cuts) - len(aligned)} of {len(cuts)} utterances"
        raise ValueError(f"{lacking} have no alignment that can be used: --fix leaves them out")
    if not aligned:
        raise ValueError(f"no utterance of {args.cuts} has an alignment that can be used")
    save_cuts(aligned, args.out)
    print(f"{args.out}: {len(aligned)} of {len(cuts)} utterances")


def _export(args: argparse.Namespace) -> None:
    with needing("corpus", "train"):
        from speechnar.data.kaldi import write_kaldi
        from speechnar.data.manifest import load_cuts

    write_kaldi(load_cuts(args.cuts), args.out)


def _report(problems: Sequence[Problem], report: Path | None) -> int:
    """Print the problems, write them to the file `report`, and return the number of errors."""
    from speechnar.data.problems import summary, write_report

    for line in summary(problems):
        print(line)
    if report:
        write_report(problems, report)
    return sum(problem.is_error for problem in problems)


def _jobs(args: argparse.Namespace) -> int:
    from speechnar.data.manifest import processes

    return processes(args.jobs)
