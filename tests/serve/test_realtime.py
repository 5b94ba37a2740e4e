"""OpenAI's Realtime protocol, asked by openai-python's own client."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
import soundfile
from serving import Running
from stub_recognizer import SECONDS, spell

from speechnar import audio

openai = pytest.importorskip("openai")
pytest.importorskip("websockets")
from websockets.sync.client import connect  # noqa: E402

WAV = spell(10, "abc", "ba", 25, "c", 25)
PREFIX = "conversation.item.input_audio_transcription."


def coded(wav: np.ndarray, rate: int, subtype: str = "PCM_16") -> bytes:
    """Bytes of the stub's audio at another rate, coded by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, audio.resample(wav, 16000, rate), rate, subtype, format="RAW")
    return file.getvalue()


def talk(server: Running, session: dict[str, Any] | None, data: bytes, until: int, commit: bool = False) -> list[Any]:
    """Append audio, and return the events up to and with the completed item number `until`."""
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    events: list[Any] = []
    with client.realtime.connect(model="whisper-1", extra_query={"intent": "transcription"}) as connection:
        if session is not None:
            connection.session.update(session=session)  # type: ignore[arg-type]
        for start in range(0, len(data), 4800):
            connection.input_audio_buffer.append(audio=base64.b64encode(data[start : start + 4800]).decode())
        if commit:
            connection.input_audio_buffer.commit()
        while sum(event.type == PREFIX + "completed" for event in events) < until:
            events.append(connection.recv())
            assert events[-1].type != "error", events[-1]
    return events


def input_of(**fields: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": fields}}


def test_a_pause_ends_an_item(server: Running) -> None:
    events = talk(server, None, coded(WAV, 24000), until=2)
    assert events[0].type == "session.created" and events[0].session.type == "transcription"
    kinds = [event.type.removeprefix(PREFIX) for event in events[1:]]
    first = kinds[: kinds.index("completed") + 1]
    assert [kind for kind in first if kind != "delta"] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "completed",
    ]
    completed = [event for event in events if event.type == PREFIX + "completed"]
    assert [event.transcript for event in completed] == ["abc ba", "c"]
    for event in completed:
        deltas = [e.delta for e in events if e.type == PREFIX + "delta" and e.item_id == event.item_id]
        assert "".join(deltas) == event.transcript
    started = next(event for event in events if event.type == "input_audio_buffer.speech_started")
    stopped = next(event for event in events if event.type == "input_audio_buffer.speech_stopped")
    assert started.item_id == stopped.item_id == completed[0].item_id
    assert started.audio_start_ms == pytest.approx(1000 * 10 * SECONDS, abs=60)
    assert stopped.audio_end_ms == pytest.approx(1000 * 24 * SECONDS, abs=60)
    committed = [event for event in events if event.type == "input_audio_buffer.committed"]
    assert [event.previous_item_id for event in committed] == [None, completed[0].item_id]


@pytest.mark.parametrize(("kind", "subtype"), [("audio/pcmu", "ULAW"), ("audio/pcma", "ALAW")])
def test_telephone_audio(server: Running, kind: str, subtype: str) -> None:
    events = talk(server, input_of(format={"type": kind}), coded(WAV, 8000, subtype), until=2)
    assert [event.transcript for event in events if event.type == PREFIX + "completed"] == ["abc ba", "c"]
    updated = next(event for event in events if event.type == "session.updated")
    assert updated.session.audio.input.format.type == kind


def test_without_turn_detection_commit_ends_an_item(server: Running) -> None:
    events = talk(server, input_of(turn_detection=None), coded(WAV, 24000), until=1, commit=True)
    (completed,) = [event for event in events if event.type == PREFIX + "completed"]
    assert completed.transcript == "abc ba c"
    assert "".join(event.delta for event in events if event.type == PREFIX + "delta") == "abc ba c"
    assert not [event for event in events if "speech_st" in event.type]
    assert completed.usage.seconds == pytest.approx(len(WAV) / 16000, abs=0.05)


def test_a_longer_pause_can_be_asked_for(server: Running) -> None:
    session = input_of(turn_detection={"type": "server_vad", "silence_duration_ms": 3000})
    events = talk(server, session, coded(WAV, 24000), until=1, commit=True)
    assert [event.transcript for event in events if event.type == PREFIX + "completed"] == ["abc ba c"]


def raw(server: Running, *messages: str | bytes, beta: bool = False) -> list[dict[str, Any]]:
    """The events that follow the first one, one for each message."""
    headers = {"OpenAI-Beta": "realtime=v1"} if beta else {}
    with connect(server.url.replace("http", "ws", 1) + "/v1/realtime", additional_headers=headers) as socket:
        events = [json.loads(socket.recv(20))]
        for message in messages:
            socket.send(message)
            events.append(json.loads(socket.recv(20)))
    return events


def test_the_names_of_the_beta(server: Running) -> None:
    update = {
        "type": "transcription_session.update",
        "session": {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "gpt-4o-transcribe", "prompt": "", "language": "en"},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
        },
    }
    created, updated = raw(server, json.dumps(update), beta=True)
    assert (created["type"], updated["type"]) == ("transcription_session.created", "transcription_session.updated")
    assert updated["session"]["input_audio_format"] == "g711_ulaw"
    assert updated["session"]["input_audio_transcription"]["model"] == "gpt-4o-transcribe"
    assert updated["session"]["turn_detection"]["silence_duration_ms"] == 500


def update(**fields: Any) -> str:
    return json.dumps({"type": "session.update", "event_id": "e1", "session": input_of(**fields)})


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("{", "the message is not JSON"),
        ("3", "the message should be a JSON object"),
        (b"\xff\xfe", "the message is not JSON"),
        ('{"type": "response.create"}', "does not know the event 'response.create'"),
        ('{"type": "input_audio_buffer.append"}', "audio should be base64"),
        ('{"type": "input_audio_buffer.append", "audio": "é"}', "audio should be base64"),
        ('{"type": "input_audio_buffer.append", "audio": "YWJj"}', "3 bytes are no whole number"),
        ('{"type": "input_audio_buffer.commit"}', "the audio buffer is empty"),
        ('{"type": "session.update", "session": {"type": "realtime"}}', "this server transcribes"),
        ('{"type": "session.update", "session": [1]}', "session should be a JSON object"),
        (update(format={"type": "audio/mp3"}), "the audio format is 'audio/mp3' but should be one of audio/pcm"),
        (update(format={"type": "audio/pcm", "rate": 16000}), "the rate of audio/pcm is 16000 but should be 24000"),
        (update(transcription={"language": "de"}), "transcribes English alone"),
        (update(turn_detection={"silence_duration_ms": "long"}), "silence_duration_ms is 'long' but should be from"),
        (update(turn_detection=4), "turn_detection should be a JSON object"),
    ],
)
def test_a_wrong_event_gets_an_error_and_the_connection_stays(
    server: Running, message: str | bytes, sentence: str
) -> None:
    _, error, cleared = raw(server, message, '{"type": "input_audio_buffer.clear"}')
    assert error["type"] == "error" and sentence in error["error"]["message"]
    assert error["error"]["type"] == "invalid_request_error"
    assert error["error"]["event_id"] == ("e1" if '"e1"' in str(message) else None)
    assert cleared["type"] == "input_audio_buffer.cleared"


def test_what_is_cleared_is_not_transcribed(server: Running) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    with client.realtime.connect(model="whisper-1") as connection:
        half = base64.b64encode(coded(spell(10, "abc"), 24000)).decode()
        connection.input_audio_buffer.append(audio=half)
        connection.input_audio_buffer.clear()
        connection.input_audio_buffer.append(audio=base64.b64encode(coded(spell(10, "ca", 25), 24000)).decode())
        connection.input_audio_buffer.commit()
        texts = []
        while not texts:
            event = connection.recv()
            texts += [event.transcript] if event.type == PREFIX + "completed" else []
    assert texts == ["ca"]
