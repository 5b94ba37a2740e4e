"""The verb `serve`: speech and transcripts over HTTP and Wyoming."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import speechnar
from speechnar.extras import needing


def add_verbs(add: Callable[..., Any]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    serve = add(
        _serve,
        "serve",
        "answer programs: OpenAI's audio endpoints, Wyoming (needs speechnar[serve])",
        "Listens on this machine alone unless --host says otherwise. Give API keys before others can reach it.",
    )
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="of HTTP (8000)")
    serve.add_argument("--wyoming", type=int, metavar="PORT", help="answer Wyoming too, such as 10300")
    serve.add_argument(
        "--announce",
        action="store_true",
        help="tell Home Assistant of the Wyoming port, by zeroconf (package zeroconf)",
    )
    serve.add_argument("--voice", action="append", metavar="NAME|DIR", help="may be given several times (heart)")
    serve.add_argument("--recognizer", default="english_base", metavar="NAME|DIR", help="(english_base)")
    serve.add_argument("--api-key-file", type=Path, metavar="FILE", help="a key a line; requests need one of them")
    serve.add_argument(
        "--cors-origin", action="append", default=[], metavar="URL", help="pages that may ask; * for all"
    )
    serve.add_argument("--max-characters", type=int, metavar="N", help="of a text (10000)")
    serve.add_argument("--max-upload", type=int, metavar="MB", help="of a recording (100)")
    serve.add_argument("--max-waiting", type=int, metavar="N", help="requests of a kind that wait; then 429 (32)")
    serve.add_argument("--threads", type=int, metavar="N", help="CPU threads of each model (all cores, at most 4)")
    serve.reads("api_key_file", "voice", "recognizer")


def _serve(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from speechnar.runtime import load_recognizer, load_voice

    with needing("serve", "serve"):
        from speechnar.serve import run
        from speechnar.serve.engine import Engine, Limits

    keys: list[str] = []
    if args.api_key_file:
        lines = args.api_key_file.read_text(encoding="utf-8-sig").split("\n")
        keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not keys:
            raise ValueError(f"{args.api_key_file} holds no key: write one a line")
    given = {
        "characters": args.max_characters,
        "body": args.max_upload and args.max_upload * 2**20,
        "waiting": args.max_waiting,
    }
    wrong = [name for name, value in given.items() if value is not None and value < 1]
    if wrong:
        raise ValueError(f"the limit on {wrong[0]} should be 1 or more")
    limits = replace(Limits(), **{name: value for name, value in given.items() if value is not None})
    voices = {}
    for name in args.voice or ["heart"]:
        voice = load_voice(name, args.threads)
        voices[voice.name] = voice
    engine = Engine(voices, load_recognizer(args.recognizer, args.threads), limits)
    run(engine, args.host, args.port, args.wyoming, speechnar.__version__, keys, args.cors_origin, args.announce)
