"""The answers of the HTTP server: encoded audio, events, and transcripts in OpenAI's forms."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, TypeAlias

from speechnar.runtime import Transcript
from speechnar.runtime.speech import Timing
from speechnar.runtime.verbose_json import verbose as whole_verbose
from speechnar.serve import formats
from speechnar.serve.engine import Piece, Song

Part: TypeAlias = bytes | Song | tuple[Timing, ...]


async def encoded(pieces: AsyncIterator[Song | Piece], rate: int, name: str) -> AsyncIterator[Part]:
    """Encode audio while it comes; the words of a sentence come before its audio, and no bytes are empty."""
    encoder = formats.Encoder(rate, name) if name != "aac" else None
    whole = []
    async for piece in pieces:
        if isinstance(piece, Song):
            yield piece
            continue
        if piece.words:
            yield piece.words
        if encoder is None:
            whole.append(piece.wav)
        elif data := await asyncio.to_thread(encoder.append, piece.wav):
            yield data
    if encoder is None:
        yield await asyncio.to_thread(formats.aac, whole, rate)
    elif data := encoder.close():
        yield data


async def speech_events(first: Part, rest: AsyncIterator[Part], timings: bool) -> AsyncIterator[str]:
    """Yield the events of speech or of a song.

    Args:
        timings: send `speech.audio.words` for each sentence too.
    """
    async for part in joined(first, rest):
        if isinstance(part, bytes):
            yield event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})
        elif isinstance(part, Song):
            yield event({"type": "song.created", **dataclasses.asdict(part)})
        elif timings:
            words = [{"word": w.text, "start": w.start, "end": w.end, "span": w.span} for w in part]
            yield event({"type": "speech.audio.words", "words": words})
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield event({"type": "speech.audio.done", "usage": usage})


async def joined(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield the first of an iterator, which was taken from it, and the rest."""
    yield first
    async for data in rest:
        yield data


def transcript_events(transcript: Transcript) -> Iterator[str]:
    """Yield the events of a transcript that is whole."""
    for number, word in enumerate(transcript.words):
        yield event({"type": "transcript.text.delta", "delta": f" {word.text}" if number else word.text})
    yield event({"type": "transcript.text.done", "text": transcript.text})


async def progress_events(states: AsyncIterator[float | Transcript]) -> AsyncIterator[str]:
    """Yield an event for each number of seconds that are done, and one with the transcript in its `verbose` form."""
    async for state in states:
        if isinstance(state, Transcript):
            yield event({"type": "transcript.text.done", **verbose(state, ["word", "segment"])})
        else:
            yield event({"type": "transcript.progress", "seconds": state})


def event(data: dict[str, Any]) -> str:
    """Return a server-sent event."""
    return f"data: {json.dumps(data)}\n\n"


def verbose(transcript: Transcript, granularities: Sequence[str]) -> dict[str, Any]:
    """Return the `verbose_json` form, with words where `granularities` has "word"."""
    found = whole_verbose(transcript)
    found["usage"] = {"type": "duration", "seconds": math.ceil(transcript.duration)}
    if "word" not in granularities:
        del found["words"]
        for segment in found["segments"]:
            del segment["words"]
    elif "segment" not in granularities:
        del found["segments"]
    return found
