"""`speechnar evaluate tts`: measure the intelligibility, predicted quality, speed and size of voices."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speechnar.cli.evaluate_wer import add_normalizer
from speechnar.extras import needing


def add_kind(kinds: Any) -> None:
    """Add the kind to the subparsers of `speechnar evaluate`."""
    tts = kinds.add_parser(
        "tts",
        help="voices: word error rate by a recognizer, predicted MOS, speed and size",
        description="Speak sentences, transcribe them, and print word error rate, predicted MOS, real-time factor "
        "and size in one table; voices are compared pairwise.",
    )
    tts.set_defaults(verb=_tts)
    tts.add_argument("--voice", required=True, action="append", metavar="NAME|DIR", help="repeatable")
    tts.add_argument("--speaker", metavar="NAME", help="of voices with several, or a blend")
    tts.add_argument("--text", required=True, metavar="FILE", help="sentences, UTTERANCE<TAB>TEXT a line (.tsv)")
    add_judges(tts, "both")
    tts.add_argument("--out", type=Path, metavar="DIR", help="keep wavs, transcripts and report.json, .png, .svg")
    tts.reads("voice", "text")
    tts.writes("out")


def add_judges(parser: argparse.ArgumentParser, predictors: str) -> None:
    """Add the options that name the recognizer and the predictors of quality, and what they compare and use.

    Args:
        predictors: what is taken by default, as the help says it.
    """
    parser.add_argument(
        "--recognizer",
        metavar="NAME|DIR|COMMAND",
        help="by default the one in the package; a command receives a wav file, last or as {}, and prints text",
    )
    add_normalizer(parser, "whisper", "as for `evaluate wer` (whisper)")
    parser.add_argument(
        "--predictor", action="append", metavar="NAME", help=f"distillmos or dnsmos; repeatable ({predictors})"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (1)")


def _tts(args: argparse.Namespace) -> None:
    with needing("evaluate tts", "eval"):
        from tqdm import tqdm

        from speechnar.evaluate.quality import mos, tts
        from speechnar.evaluate.quality.recordings import of_file, systems_of
        from speechnar.evaluate.speed import system_info
        from speechnar.evaluate.stats import metrics
        from speechnar.evaluate.stats.record import write_json
        from speechnar.evaluate.wer import transcripts
        from speechnar.evaluate.wer.normalizers import normalizer
        from speechnar.runtime import load_voice
        from speechnar.runtime.voice_folder import find_voice

        texts = transcripts.read(args.text)
        tts.check_texts(texts, args.text)
        normalize = normalizer(args.normalizer)
        hear = tts.recognizer(args.recognizer, args.threads)
        voices = {name: load_voice(voice, args.threads) for name, voice in systems_of(args.voice).items()}
        predictors = mos.predictors(args.predictor or list(mos.PREDICTORS), args.threads)
    spoken = []
    with kept(args.out) as out:
        for (name, voice), given in zip(voices.items(), args.voice):

            def progress(what: str, items: Any, name: str = name) -> Any:
                return tqdm(items, f"{name}: {what}", unit=" utterances", disable=None)

            folder = out / name.replace("/", "_")
            voice.synthesize(next(iter(texts.values())), speaker=args.speaker)  # the first call is slower
            factors = tts.speak(voice, progress("speak", texts.items()), folder, args.speaker)
            heard = {utterance: hear(folder / f"{utterance}.wav") for utterance in progress("hear", texts)}
            wavs = [of_file(folder / f"{utterance}.wav", utterance) for utterance in texts]
            scores = mos.measure(name, progress("score", wavs), predictors)
            write_json(folder / "heard.json", heard)
            spoken.append(tts.spoken(name, texts, heard, factors, scores, find_voice(given)[0], normalize))
    systems, comparisons = tts.metrics_of(spoken)
    where = system_info.header(args.threads)
    heard_by = args.recognizer or "the package's recognizer"
    print(f"{len(texts)} utterances, heard by {heard_by}; {where.machine}, {args.threads} thread(s)")
    print(f"{mos.NO_TEST}\n\n{metrics.format_means(systems)}")
    if comparisons:
        print(f"\n{metrics.format_comparisons(comparisons)}")
    if args.out:
        settings = {"text": args.text, "speaker": args.speaker, "recognizer": heard_by, "normalizer": args.normalizer}
        settings["note"] = mos.NO_TEST
        found = {"systems": systems, "comparisons": comparisons, "measured": [one.measured for one in spoken]}
        write_json(args.out / "report.json", {"header": where, **settings, **found})
        for ending in ("png", "svg"):
            metrics.plot(args.out / f"report.{ending}", systems, comparisons)


@contextlib.contextmanager
def kept(out: Path | None) -> Iterator[Path]:
    """Yield the folder that is given, or a temporary one."""
    if out:
        yield out
    else:
        with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
            yield Path(folder)
