"""The HTTP server, asked by OpenAI's own client and by curl-like requests, good and bad."""

from __future__ import annotations

import base64
import io
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy
import pytest
import soundfile
from serving import Running
from stub_recognizer import RATE, spell

from speechnar import audio
from speechnar.serve.engine import hotwords_of
from speechnar.serve.formats import Encoder

openai = pytest.importorskip("openai")

TEXT = "Hello, world."
MAGIC = {"mp3": (b"\xff\xfb", b"\xff\xf3", b"ID3"), "opus": (b"OggS",), "flac": (b"fLaC",), "wav": (b"RIFF",)}


@pytest.fixture
def client(server: Running) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def wav_of(*words: str) -> bytes:
    data = io.BytesIO()
    soundfile.write(data, spell(10, *words, 10), RATE, format="WAV")
    return data.getvalue()


def seconds_spoken(server: Running) -> float:
    voice = server.engine.voices["stub"]
    return len(voice.synthesize(TEXT).wav) / voice.sample_rate


def test_a_minimal_request_speaks_mp3(server: Running) -> None:
    answer = httpx.post(f"{server.url}/v1/audio/speech", json={"model": "tts-1", "input": TEXT, "voice": "alloy"})
    assert answer.status_code == 200 and answer.headers["content-type"] == "audio/mpeg"
    assert answer.content.startswith(MAGIC["mp3"])


@pytest.mark.parametrize("name", ["mp3", "opus", "flac", "wav", "pcm"])
def test_every_format_lasts_as_long_as_the_speech(server: Running, client: Any, name: str) -> None:
    data = client.audio.speech.create(model="m", input=TEXT, voice="stub", response_format=name).content
    expected = seconds_spoken(server)
    if name == "pcm":
        seconds = len(data) / 2 / 24000
    else:
        assert data.startswith(MAGIC[name])
        wav, rate = soundfile.read(io.BytesIO(data))
        seconds = len(wav) / rate
    assert seconds == pytest.approx(expected, abs=0.1 if name == "mp3" else 0.03)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
def test_aac_is_adts_and_lasts_as_long_as_the_speech(server: Running, client: Any, tmp_path: Path) -> None:
    """ADTS begins each frame with 12 ones, and says in 13 bits how long the frame is; a frame has 1,024 samples."""
    answer = client.audio.speech.create(model="m", input=TEXT, voice="stub", response_format="aac")
    data = answer.content
    assert answer.response.headers["content-type"] == "audio/aac"
    frames, at = 0, 0
    while at < len(data):
        assert data[at] == 0xFF and data[at + 1] & 0xF6 == 0xF0
        assert (data[at + 2] >> 2) & 0xF == 6  # the index of 24,000 Hz in the table of the standard
        at += (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        frames += 1
    assert at == len(data)
    assert frames * 1024 / 24000 == pytest.approx(seconds_spoken(server), abs=0.12)  # with the encoder's own delay
    (tmp_path / "a.aac").write_bytes(data)
    wav, rate = audio.read(tmp_path / "a.aac")
    assert len(wav) / rate == pytest.approx(seconds_spoken(server), abs=0.12)


def test_aac_without_ffmpeg_is_refused_with_the_cure(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    answer = httpx.post(f"{server.url}{SPEECH}", json={"input": TEXT, "response_format": "aac"})
    assert answer.status_code == 400 and "take mp3 or opus" in answer.json()["error"]["message"]


def test_streamed_samples_are_those_of_the_voice(server: Running, client: Any) -> None:
    voice = server.engine.voices["stub"]
    encoder = Encoder(voice.sample_rate, "pcm")
    expected = b"".join([*(encoder.append(wav) for wav in voice.stream(TEXT)), encoder.close()])
    with client.audio.speech.with_streaming_response.create(
        model="m", input=TEXT, voice="stub", response_format="pcm"
    ) as answer:
        pieces = list(answer.iter_bytes())
    assert b"".join(pieces) == expected
    header_and_samples = client.audio.speech.create(model="m", input=TEXT, voice="stub", response_format="wav").content
    assert header_and_samples[44:] == expected
    assert header_and_samples[4:8] == header_and_samples[40:44] == b"\xff" * 4


def test_events_hold_the_same_audio(server: Running) -> None:
    body = {"input": TEXT, "voice": {"id": "stub"}, "response_format": "pcm", "extra": 1}
    plain = httpx.post(f"{server.url}/v1/audio/speech", json=body).content
    answer = httpx.post(f"{server.url}/v1/audio/speech", json=body | {"stream_format": "sse"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == plain


def test_speed_is_that_of_the_request(server: Running, client: Any) -> None:
    voice = server.engine.voices["stub"]
    fast = client.audio.speech.create(model="m", input=TEXT, voice="nova", response_format="pcm", speed=2.0).content
    expected = len(voice.synthesize(TEXT, speed=2).wav) / voice.sample_rate
    assert len(fast) / 2 / 24000 == pytest.approx(expected, abs=0.01) and expected < seconds_spoken(server)


def test_transcripts_in_every_format(client: Any) -> None:
    def transcribe(**options: Any) -> Any:
        return client.audio.transcriptions.create(model="m", file=("a.wav", wav_of("ab", 30, "c")), **options)

    assert transcribe().text == "ab c"
    assert transcribe(response_format="text") == "ab c\n"
    assert transcribe(response_format="srt").startswith("1\n00:00:00,")
    assert transcribe(response_format="vtt").startswith("WEBVTT\n")
    verbose = transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert (verbose.language, verbose.text) == ("english", "ab c")
    assert [segment.text for segment in verbose.segments] == [" ab", " c"]
    assert [word.word for word in verbose.words] == ["ab", "c"]
    assert all(segment.avg_logprob <= 0 for segment in verbose.segments)
    assert verbose.words[1].start > verbose.words[0].end > verbose.words[0].start
    assert transcribe(response_format="verbose_json").words is None


def test_deltas_make_the_final_text(client: Any) -> None:
    events = list(client.audio.transcriptions.create(model="m", file=("a.wav", wav_of("ab", "c")), stream=True))
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "ab c"


@pytest.mark.parametrize(
    "name, kind", [("", ""), ("audio", "application/octet-stream"), ("a.webm", "audio/webm;codecs=x")]
)
def test_uploads_without_a_useful_name_or_type(server: Running, name: str, kind: str) -> None:
    part = (name or "blob", wav_of("ba"), kind or "audio/wav")
    answer = httpx.post(f"{server.url}/v1/audio/transcriptions", files={"file": part}, data={"model": "m"})
    assert answer.json()["text"] == "ba"


def test_a_list_of_words_in_the_prompt_is_expected() -> None:
    letters = frozenset("abcdefghijklmnopqrstuvwxyz'")
    assert hotwords_of("Kowalska, Zentrale Nord, 3M", letters) == ["Kowalska", "Zentrale Nord"]
    assert hotwords_of("And then he said that he would come, and so we waited.", letters) == []
    assert hotwords_of(None, letters) == hotwords_of(" , ", letters) == []
    assert hotwords_of("speechnar", letters) == ["speechnar"]


def test_what_can_be_asked_is_listed(client: Any, server: Running) -> None:
    assert {"stub", "whisper-1"} <= {model.id for model in client.models.list()}
    for path in ("/v1/audio/voices", "/audio/voices"):
        assert httpx.get(server.url + path).json() == {"voices": [{"id": "stub", "name": "stub"}]}
    assert httpx.get(f"{server.url}/audio/models").json()["models"]
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}
    assert "speechnar_spoken_seconds_total" in httpx.get(f"{server.url}/metrics").text


SPEECH, TRANSCRIPTION = "/v1/audio/speech", "/v1/audio/transcriptions"


@pytest.mark.parametrize(
    "path, request_, status, message",
    [
        (SPEECH, {"json": {"input": TEXT, "voice": "nobody"}}, 400, "there is no voice 'nobody'; take one of stub"),
        (SPEECH, {"json": {"input": "", "voice": "stub"}}, 400, "the text is empty"),
        (SPEECH, {"json": {"input": "a" * 2001}}, 400, "has 2001 characters but may have 2000"),
        (SPEECH, {"json": {"input": TEXT, "response_format": "mp5"}}, 400, "'mp5' but should be one of mp3"),
        (SPEECH, {"json": {"input": TEXT, "speed": 9}}, 400, "speed should be from 0.25 to 4"),
        (SPEECH, {"json": {"voice": "stub"}}, 400, "input: Field required"),
        (SPEECH, {"content": b"{no json"}, 400, ""),
        (SPEECH, {"json": ["a"]}, 400, ""),
        (TRANSCRIPTION, {"files": {"file": ("a.wav", b"")}}, 400, "the file is empty"),
        (TRANSCRIPTION, {"files": {"file": ("a.wav", b"no audio")}}, 400, "the upload cannot be read as audio"),
        (TRANSCRIPTION, {"files": {"file": ("a.wav", bytes(2_000_001))}}, 413, "2000000 bytes at most"),
        (TRANSCRIPTION, {"files": {"other": ("a.wav", b"a")}}, 400, "file: Field required"),
        (TRANSCRIPTION, {"files": {"file": ("a.wav", b"a")}, "data": {"language": "de"}}, 400, "English alone"),
        (TRANSCRIPTION, {"files": {"file": ("a.wav", b"a")}, "data": {"response_format": "x"}}, 400, "response_format"),
        ("/v1/nothing", {}, 404, "Not Found"),
    ],
)
def test_bad_requests_are_answered_in_one_sentence(
    server: Running, path: str, request_: dict[str, Any], status: int, message: str
) -> None:
    answer = httpx.post(server.url + path, **request_)
    error = answer.json()["error"]
    assert answer.status_code == status and message in error["message"]
    assert error.keys() == {"message", "type", "param", "code"} and "Traceback" not in answer.text
    assert "speechnar-" not in answer.text  # no path of this machine


def test_a_body_that_does_not_say_its_size_is_bounded_too(server: Running) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            yield bytes(100_000)

    try:
        answer = httpx.post(server.url + SPEECH, content=pieces())
        assert answer.status_code == 413
    except httpx.WriteError:  # the server closed the connection before all was sent
        pass
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_keys_are_asked_for(server: Running) -> None:
    from fastapi.testclient import TestClient

    from speechnar.serve import http

    client = TestClient(http.app(server.engine, keys=["one", "two"], origins=["https://example.org"]))
    assert client.get("/health").status_code == 200
    for given, status in ((None, 401), ("Bearer three", 401), ("Bearer two", 200), ("two", 200)):
        headers = {"Authorization": given} if given else {}
        assert client.get("/v1/models", headers=headers).status_code == status
    answer = client.options(
        "/v1/models", headers={"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}
    )
    assert answer.headers["access-control-allow-origin"] == "https://example.org"


def test_overload_is_answered_with_429(server: Running) -> None:
    body = {"input": "Hello, world. " * 100, "voice": "stub", "response_format": "pcm"}
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(httpx.post(server.url + SPEECH, json=body, timeout=60))

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if answer.status_code == 429]
    spoken = [answer for answer in answers if answer.status_code == 200]
    assert len(refused) + len(spoken) == 24 and refused and len(spoken) >= 5
    assert {answer.headers["retry-after"] for answer in refused} == {"5"}
    assert len({answer.content for answer in spoken}) == 1


def test_a_client_that_leaves_frees_its_turn(server: Running) -> None:
    body = {"input": "Hello, world. " * 100, "voice": "stub", "response_format": "pcm"}
    for _ in range(8):
        with httpx.stream("POST", server.url + SPEECH, json=body) as answer:
            next(answer.iter_bytes())
    assert httpx.post(server.url + SPEECH, json=body, timeout=30).status_code in (200, 429)
    for _ in range(100):
        if not server.engine.speaking.waiting:
            break
        threading.Event().wait(0.05)
    assert server.engine.speaking.waiting == 0


@pytest.mark.parametrize("kind", ["speech", "transcription"])
def test_work_for_a_client_that_leaves_before_an_answer_is_given_up(
    server: Running, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def long_work(*_: Any, progress: Any = None, **__: Any) -> Iterator[Any]:
        try:
            for _ in range(2000):  # 20 s, twice as long as is waited below
                begun.set()
                ended.wait(0.01)
                if progress:
                    progress(0.0)
                else:
                    yield numpy.zeros(0, "float32")
        finally:
            ended.set()

    turns = server.engine.speaking if kind == "speech" else server.engine.hearing
    if kind == "speech":
        monkeypatch.setattr(type(server.engine.voices["stub"]), "vocode", long_work)
        request: dict[str, Any] = {"url": server.url + SPEECH, "json": {"input": TEXT, "response_format": "flac"}}
    else:
        monkeypatch.setattr(type(server.engine.recognizer), "transcribe", lambda *a, **k: list(long_work(*a, **k)))
        request = {"url": f"{server.url}/v1/audio/transcriptions", "files": {"file": ("a.wav", wav_of("ab"))}}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(**request, timeout=httpx.Timeout(10, read=0.5))
    assert begun.is_set() and ended.wait(10)
    for _ in range(100):
        if not turns.waiting:
            break
        threading.Event().wait(0.05)
    assert turns.waiting == 0
