"""Transcripts in the form of Whisper: what `whisper --word_timestamps True` writes, and the API's `verbose_json`."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from typing import Any

from speechnar.decode.result import Word
from speechnar.runtime.transcript import Transcript, groups
from speechnar.text.languages.front_end import name_of

LEAST = 1e-4  # probability that counts in a mean of logarithms


def verbose(transcript: Transcript) -> dict[str, Any]:
    """Return an object with segments, which hold their words with `probability`, and all words.

    A recognizer that is not Whisper has no tokens, temperature or compression ratio: these are empty or usual values.
    """
    return {
        "task": "transcribe",
        "language": name_of(transcript.language).lower(),
        "duration": transcript.duration,
        "text": transcript.text,
        "segments": [_segment(number, words) for number, words in enumerate(groups(transcript.words))],
        "words": [{"word": word.text, "start": word.start, "end": word.end} for word in transcript.words],
    }


def to_verbose_json(transcript: Transcript) -> str:
    """Return `verbose` as text."""
    rounded = json.loads(json.dumps(verbose(transcript)), parse_float=lambda number: round(float(number), 4))
    return json.dumps(rounded, ensure_ascii=False, indent=1) + "\n"


def _segment(number: int, words: Sequence[Word]) -> dict[str, Any]:
    logs: Collection[float] = [math.log(max(word.confidence, LEAST)) for word in words]
    return {
        "id": number,
        "seek": 0,
        "start": words[0].start,
        "end": words[-1].end,
        "text": " " + " ".join(word.text for word in words),
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(logs) / len(logs),
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
        "words": [
            {"word": f" {word.text}", "start": word.start, "end": word.end, "probability": word.confidence}
            for word in words
        ],
    }
