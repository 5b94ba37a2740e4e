"""The protocol of vosk-server over a websocket, for the clients that there are for it.

    {"config": {"sample_rate": 16000, "phrase_list": ["..."], "words": true, "max_alternatives": 0}}    no answer
    audio, 16-bit samples     {"partial": "the night be"}, or {"result": [{"conf", "end", "start", "word"}], "text"}
    {"eof": 1}                the last result, and the connection ends

Each message of audio, and `eof`, has one answer. Words are those that were said, in lower case, as vosk's models have
them.

Source: vosk-server, `websocket/asr_server.py` (Alpha Cephei).
Differs: `phrase_list` makes words more probable and does not exclude others; `max_alternatives` gives one alternative.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from fastapi import WebSocket

from speechnar.decode.result import Word
from speechnar.serve.engine import Engine, Live, hotwords_of
from speechnar.serve.live import closing, messages, parsed, rate_of, samples_of
from speechnar.serve.metrics import Metrics
from speechnar.serve.turns import ServeError

RATE = 8000
"""Hz of audio whose client sends no `config`, as in vosk-server."""


@dataclass(frozen=True)
class VoskConfig:
    """The settings that a client sends in `config`.

    Attributes:
        rate: Hz.
        phrases: to expect.
        words: whether results list their words with times.
        alternatives: whether results have the form of a list of alternatives.
    """

    rate: int = RATE
    phrases: list[str] = field(default_factory=list)
    words: bool = True
    alternatives: bool = False

    def changed(self, given: Any, letters: frozenset[str]) -> VoskConfig:
        """Return the config with what a client gives in its place.

        Raises:
            ServeError: a value is of another type or out of range.
        """
        if not isinstance(given, dict):
            raise ServeError("config should be a JSON object")
        rate = rate_of(given["sample_rate"]) if "sample_rate" in given else self.rate
        phrases = given.get("phrase_list", self.phrases)
        if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
            raise ServeError("phrase_list should be a list of strings")
        known = [phrase for text in phrases for phrase in hotwords_of(text, letters)]
        return replace(
            self,
            rate=rate,
            phrases=known,
            words=bool(given.get("words", self.words)),
            alternatives=bool(given.get("max_alternatives", self.alternatives)),
        )


async def talk(socket: WebSocket, engine: Engine, metrics: Metrics) -> None:
    """Answer the messages of one connection."""
    async with closing(socket, lambda message: {"error": message}):
        config, last, client = VoskConfig(), "", socket.state.client
        live: Live | None = None
        with contextlib.ExitStack() as opened:
            async for message in messages(socket, engine.limits.idle):
                given = parsed(message) if isinstance(message, str) else {}
                if "config" in given:
                    config = config.changed(given["config"], engine.recognizer.letters)
                    continue
                if isinstance(message, str) and "eof" not in given:
                    continue  # vosk-server ignores it
                if live is None:
                    live = opened.enter_context(
                        engine.listen(config.rate, config.phrases, client=client, style="plain")
                    )
                samples = samples_of(message) if isinstance(message, bytes) else None
                words, last = await _recognized(live, samples, last)
                if samples is None or words is not None:
                    await socket.send_json(result(words or [], config))
                else:
                    await socket.send_json({"partial": last})
                if samples is None:
                    metrics.transcribed(live.heard)
                    return


async def _recognized(live: Live, samples: np.ndarray | None, partial: str) -> tuple[list[Word] | None, str]:
    """Return the words of utterances that have ended, or None where none has, and the partial text."""
    words: list[Word] | None = None
    async for caption in live.captions(samples):
        partial = "" if caption.is_final else caption.text
        if caption.is_final:
            words = [*(words or []), *caption.words]
    return words, partial


def result(words: list[Word], config: VoskConfig) -> dict[str, Any]:
    """Return final words as vosk-server does."""
    text = " ".join(word.text for word in words)
    listed = [
        {"conf": round(word.confidence, 6), "end": round(word.end, 3), "start": round(word.start, 3), "word": word.text}
        for word in words
    ]
    shown: dict[str, Any] = {"result": listed} if listed and config.words else {}
    if config.alternatives:
        confidence = sum(word.confidence for word in words) / max(1, len(words))
        return {"alternatives": [{"confidence": confidence, **shown, "text": text}]}
    return {**shown, "text": text}
