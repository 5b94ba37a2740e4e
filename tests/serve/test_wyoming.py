"""The Wyoming server, asked with the events that Home Assistant sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from serving import Running
from stub_recognizer import RATE, spell

pytest.importorskip("wyoming")
from speechnar.serve import wyoming  # noqa: E402 I001
from wyoming.asr import Transcribe, Transcript  # noqa: E402
from wyoming.audio import AudioChunk, AudioStart, AudioStop  # noqa: E402
from wyoming.client import AsyncTcpClient  # noqa: E402
from wyoming.error import Error  # noqa: E402
from wyoming.event import Event  # noqa: E402
from wyoming.info import Describe, Info  # noqa: E402
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeVoice  # noqa: E402


def ask(server: Running, events: list[Any], until: Callable[[Event], bool]) -> list[Event]:
    """Send events and return the answers, up to and with the first that `until` is true of."""

    async def talk() -> list[Event]:
        answers: list[Event] = []
        async with AsyncTcpClient("127.0.0.1", server.wyoming) as client:
            for event in events:
                await client.write_event(event.event())
            while not answers or not until(answers[-1]):
                answer = await asyncio.wait_for(client.read_event(), 20)
                assert answer is not None
                answers.append(answer)
        return answers

    run: Coroutine[Any, Any, list[Event]] = talk()
    return asyncio.run(run)


def samples_of(answers: list[Event]) -> np.ndarray:
    chunks = [AudioChunk.from_event(event).audio for event in answers if AudioChunk.is_type(event.type)]
    return np.frombuffer(b"".join(chunks), "<i2")


def test_it_says_what_it_offers(server: Running) -> None:
    (answer,) = ask(server, [Describe()], lambda event: Info.is_type(event.type))
    info = Info.from_event(answer)
    assert [voice.name for voice in info.tts[0].voices] == ["stub"] and info.tts[0].supports_synthesize_streaming
    assert info.tts[0].voices[0].languages == ["en-US"] and info.asr[0].models[0].languages == ["en-US"]


def test_a_text_is_spoken(server: Running) -> None:
    request = Synthesize("Hello, world.", SynthesizeVoice(name="stub"))
    answers = ask(server, [request], lambda event: AudioStop.is_type(event.type))
    voice = server.engine.voices["stub"]
    assert AudioStart.from_event(answers[0]).rate == voice.sample_rate
    wanted = np.concatenate(list(voice.stream("Hello, world.")))
    np.testing.assert_allclose(samples_of(answers) / 32767, wanted.clip(-1, 1), atol=1 / 32767)


def test_streamed_text_is_spoken_once_sentence_by_sentence(server: Running) -> None:
    text = "Hello, world. Good night. And so"
    events = [SynthesizeStart(), *(SynthesizeChunk(text[n : n + 5]) for n in range(0, len(text), 5))]
    events += [Synthesize(text), SynthesizeStop()]
    answers = ask(server, events, lambda event: event.type == "synthesize-stopped")
    assert sum(AudioStop.is_type(event.type) for event in answers) == 3
    voice = server.engine.voices["stub"]
    spoken = [np.concatenate(list(voice.stream(part))) for part in ("Hello, world. ", "Good night. ", "And so")]
    assert len(samples_of(answers)) == sum(map(len, spoken))


@pytest.mark.parametrize("rate, width, channels, size", [(RATE, 2, 1, 1024), (RATE, 2, 2, 640), (48000, 2, 1, 4096)])
def test_audio_of_any_shape_is_transcribed(server: Running, rate: int, width: int, channels: int, size: int) -> None:
    from speechnar.audio import resample

    wav = resample(spell(10, "ab", 5, "c", 10), RATE, rate) if rate != RATE else spell(10, "ab", 5, "c", 10)
    pcm = np.repeat((wav * 32767).astype("<i2")[:, None], channels, axis=1).tobytes()
    step = size * width * channels
    shape = {"rate": rate, "width": width, "channels": channels}
    chunks = [AudioChunk(audio=pcm[n : n + step], **shape) for n in range(0, len(pcm), step)]
    events = [Transcribe(language="en", transcript_terms=["ab", "7"]), AudioStart(**shape), *chunks, AudioStop()]
    answers = ask(server, events, lambda event: event.type == "transcript-stop")
    (found,) = [Transcript.from_event(event).text for event in answers if Transcript.is_type(event.type)]
    assert found == "ab c"


def test_no_audio_is_no_text(server: Running) -> None:
    shape = {"rate": RATE, "width": 2, "channels": 1}
    answers = ask(server, [Transcribe(), AudioStart(**shape), AudioStop()], lambda e: Transcript.is_type(e.type))
    assert Transcript.from_event(answers[-1]).text == ""


def test_an_error_is_said_and_the_connection_stays(server: Running) -> None:
    requests = [Synthesize("Hi.", SynthesizeVoice(name="nobody")), Synthesize("Hi.")]
    answers = ask(server, requests, lambda event: AudioStop.is_type(event.type))
    assert "there is no voice 'nobody'" in Error.from_event(answers[0]).text and len(samples_of(answers))


SHAPE = {"rate": RATE, "width": 2, "channels": 1}


@pytest.mark.parametrize(
    "event, sentence",
    [
        (Event("synthesize", {}), "the fields of the event synthesize"),
        (Event("synthesize", {"text": 5}), "has 5 where a string should be"),
        (Event("synthesize", {"text": "Hi.", "voice": {"name": 7}}), "has 7 where a string should be"),
        (Event("synthesize", {"text": "Hi.", "voice": 7}), "the fields of the event synthesize"),
        (Event("transcribe", {"transcript_names": 5}), "has 5 where a string should be"),
        (Event("transcribe", {"transcript_terms": ["a", 4]}), "has 4 where a string should be"),
        (Event("audio-chunk", {}, b"\0\0"), "the fields of the event audio-chunk"),
        (Event("audio-chunk", {**SHAPE, "rate": 0}, b"\0\0"), "the rate of the audio is 0"),
        (Event("audio-chunk", {**SHAPE, "rate": "x"}, b"\0\0"), "the rate of the audio is 'x'"),
        (Event("audio-chunk", {**SHAPE, "rate": 10**12}, b"\0\0"), "the rate of the audio is 1000000000000"),
        (Event("audio-chunk", {**SHAPE, "width": 7}, b"\0" * 7), "the width of the audio is 7"),
        (Event("audio-chunk", {**SHAPE, "channels": 5}, b"\0" * 10), "the channels of the audio is 5"),
        (Event("audio-chunk", SHAPE, b"\0\0\0"), "3 bytes of audio"),
    ],
)
def test_a_malformed_event_is_answered_and_the_connection_stays(server: Running, event: Event, sentence: str) -> None:
    class Raw:
        def event(self) -> Event:
            return event

    answers = ask(server, [Raw(), Describe()], lambda answer: Info.is_type(answer.type))
    assert sentence in Error.from_event(answers[0]).text and len(answers) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b"{}\n",
        b"[1]\n",
        b"5\n",
        b'{"type": 5}\n',
        b'{"type": "synthesize", "data": [1]}\n',
        b'{"type": "describe", "data_length": "x"}\n',
        b'{"type": "audio-chunk", "payload_length": "x"}\n',
        json.dumps({"type": "audio-chunk", "data": SHAPE, "payload_length": 10**12}).encode() + b"\n",
        b'{"type": "' + b"x" * 200_000,
    ],
)
def test_what_is_no_event_ends_the_connection_quietly(
    server: Running, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), socket.create_connection(("127.0.0.1", server.wyoming), 20) as client:
        try:
            client.sendall(line)
            assert client.recv(100) == b""
        except ConnectionError:  # closed before all was read
            pass
    assert ask(server, [Describe()], lambda event: Info.is_type(event.type)) and not caplog.records


def test_too_many_connections_close_the_idlest_one(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wyoming, "MOST", 5)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", server.wyoming), 20)) for _ in range(12)]
        assert ask(server, [Describe()], lambda event: Info.is_type(event.type))
        with contextlib.suppress(ConnectionError):
            assert idle[0].recv(100) == b""
    assert ask(server, [Describe()], lambda event: Info.is_type(event.type))


def test_all_connections_together_hold_a_bounded_amount_of_audio(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wyoming, "HELD", 10_000)
    chunk = AudioChunk(audio=bytes(8000), **SHAPE)
    answers = ask(server, [AudioStart(**SHAPE), chunk, chunk, Describe()], lambda event: Info.is_type(event.type))
    assert "holds too many recordings" in Error.from_event(answers[0]).text


def test_a_client_that_takes_nothing_is_left(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wyoming, "STALLED", 0.3)
    event = json.dumps({"type": "synthesize", "data": {"text": "Hello, world. " * 140}}).encode() + b"\n"
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with client:
        client.connect(("127.0.0.1", server.wyoming))
        client.sendall(event)
        end = time.monotonic() + 30
        while not server.engine.speaking.waiting and time.monotonic() < end:
            time.sleep(0.01)
        while server.engine.speaking.waiting and time.monotonic() < end:
            time.sleep(0.05)
    assert not server.engine.speaking.waiting
