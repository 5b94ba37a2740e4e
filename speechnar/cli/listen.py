"""The verb `listen`: live captions of a microphone or a pipe."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechnar.cli.paths import STDIO
from speechnar.cli.transcribe import STYLES

if TYPE_CHECKING:
    from speechnar.runtime import Caption, Transcript

FORMATS = ("txt", "srt", "vtt", "jsonl", "json")


def add_verbs(add: Callable[..., Any]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    listen = add(
        _listen,
        "listen",
        "write down what is said while it is said: live captions",
        "Each utterance is a line on stdout when it has ended; in a terminal, its text so far is shown before. Ctrl-C "
        "ends it, and what was heard until then is written to -o. The recognizer in the package is for English only.",
    )
    listen.add_argument(
        "source",
        nargs="?",
        metavar="-",
        help="- for audio from stdin: WAV, raw samples, or what ffmpeg reads (microphone)",
    )
    listen.add_argument("-o", "--output", type=Path, metavar="FILE", help=f"a transcript: .{', .'.join(FORMATS)}")
    listen.add_argument(
        "--rate", type=int, metavar="HZ", help="stdin is raw: 16-bit little-endian samples, one channel"
    )
    listen.add_argument("--microphone", metavar="NAME", help="by name or number (the system's)")
    listen.add_argument("--recognizer", metavar="NAME|DIR", default="english_base", help="(english_base)")
    listen.add_argument("--hotwords", metavar="LIST", help="words and phrases to expect, as a,b,c")
    listen.add_argument(
        "--style", choices=STYLES, default=STYLES[0], help="with capitals, marks and digits, or plain lower-case words"
    )
    listen.add_argument("--threads", type=int, metavar="N", help="CPU threads (1)", default=1)
    listen.reads("recognizer")
    listen.writes("output")


def _listen(args: argparse.Namespace) -> None:
    from speechnar.runtime import capture, load_recognizer
    from speechnar.runtime.transcript import Transcript

    if args.source not in (None, STDIO):
        raise ValueError(f"listen reads a microphone, or - for stdin; for the file {args.source}: speechnar transcribe")
    if args.rate is not None and (args.source is None or not 4000 <= args.rate <= 384_000):
        raise ValueError(
            f"--rate {args.rate} is for raw samples from stdin, of 4000 to 384000 Hz: listen - --rate 16000"
        )
    kind = args.output.suffix[1:].lower() if args.output else "txt"
    if kind not in FORMATS:
        raise ValueError(f"{args.output} should end in one of .{', .'.join(FORMATS)}")
    recognizer = load_recognizer(args.recognizer, args.threads)
    piped = args.source == STDIO
    source = capture.piped(sys.stdin.buffer, args.rate) if piped else capture.microphone(args.microphone)
    stream = recognizer.stream(source.sample_rate, hotwords=args.hotwords or (), style=args.style)
    utterances: list[Caption] = []
    show = _in_place() if sys.stderr.isatty() else _finals
    if not piped:
        print("speechnar: listening; Ctrl-C ends it", file=sys.stderr)
    try:
        for caption in _until_interrupted(source.blocks, stream):
            show(caption)
            if caption.is_final and caption.words and args.output:
                utterances.append(caption)
    finally:
        if args.output:
            words = tuple(word for caption in utterances for word in caption.words)
            name = "stdin" if piped else "microphone"
            _write(args.output, kind, utterances, Transcript(name, stream.heard, words, recognizer.info.language, name))


def _until_interrupted(blocks: Iterator[Any], stream: Any) -> Iterator[Caption]:
    """Yield captions of a stream; Ctrl-C ends the audio, and what was heard of it is still recognized."""
    with contextlib.suppress(KeyboardInterrupt):
        for block in blocks:
            yield from stream.feed(block)
    yield from stream.finish()


def _finals(caption: Caption) -> None:
    if caption.is_final and caption.words:
        print(caption.text, flush=True)


def _in_place() -> Callable[[Caption], None]:
    """Return the function that shows the end of an open utterance in one line of the terminal, on stderr."""

    def show(caption: Caption) -> None:
        width = shutil.get_terminal_size().columns - 1
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        if caption.is_final:
            _finals(caption)
            return
        shown = caption.text[-width:]
        dim = min(len(caption.partial), len(shown))
        print(
            f"{shown[: len(shown) - dim]}\x1b[2m{shown[len(shown) - dim :]}\x1b[0m", end="", file=sys.stderr, flush=True
        )

    return show


def _write(path: Path, kind: str, utterances: list[Caption], transcript: Transcript) -> None:
    import json

    from speechnar import config
    from speechnar.files import atomic_write
    from speechnar.runtime.timings import WRITERS

    if kind == "txt":
        text = "".join(f"{caption.text}\n" for caption in utterances)
    elif kind == "jsonl":
        rows = (
            {
                "text": caption.text,
                "start": caption.words[0].start,
                "end": caption.words[-1].end,
                "words": [config.to_dict(word) for word in caption.words],
            }
            for caption in utterances
        )
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        text = WRITERS[kind](transcript)
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
