"""Endpoints and fields beyond OpenAI's, which the page uses: times of words, songs, progress of a transcription."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from scores import bar, note, part, score
from serving import Running
from stub_recognizer import RATE, spell

SPEECH, SONGS, TRANSCRIPTIONS = "/v1/audio/speech", "/v1/audio/songs", "/v1/audio/transcriptions"
SUBTITLES = "/v1/audio/subtitles"
TEXT = "Hello, world. It costs 3 dollars."
SONG = score(
    part(bar(note("A3", 1, "la"), note("B3", 1, "li")), name="Alto"),
    part(bar(note("C4", 1, "so"), note("D4", 2, "fa"), note("E4", 1, "mi")), name="Tenor", identity="P2"),
)


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]


def samples_of(events: list[dict[str, Any]]) -> np.ndarray:
    data = b"".join(base64.b64decode(e["audio"]) for e in events if e["type"] == "speech.audio.delta")
    return np.frombuffer(data, "<i2")


def test_words_come_with_their_times_before_their_audio(server: Running) -> None:
    body = {"input": TEXT, "response_format": "pcm", "stream_format": "sse", "timings": True}
    events = events_of(httpx.post(server.url + SPEECH, json=body))
    kinds = [event["type"].removeprefix("speech.audio.") for event in events]
    assert kinds[0] == "words" and kinds[1] == "delta" and kinds[-1] == "done" and kinds.count("words") == 2
    words = [word for event in events if event["type"] == "speech.audio.words" for word in event["words"]]
    expected = server.engine.voices["stub"].synthesize(TEXT).words
    assert [(w["word"], w["start"], w["end"]) for w in words] == [(w.text, w.start, w.end) for w in expected]
    assert [TEXT[slice(*word["span"])] for word in words[:2]] == ["Hello,", "world."]
    plain = events_of(httpx.post(server.url + SPEECH, json=body | {"timings": False}))
    assert {event["type"] for event in plain} == {"speech.audio.delta", "speech.audio.done"}
    assert (samples_of(plain) == samples_of(events)).all()


def test_pitch_is_that_of_the_request(server: Running) -> None:
    body = {"input": TEXT, "response_format": "pcm", "pitch": 12}
    high = np.frombuffer(httpx.post(server.url + SPEECH, json=body).content, "<i2")
    low = np.frombuffer(httpx.post(server.url + SPEECH, json=body | {"pitch": 0}).content, "<i2")
    assert len(high) == len(low)  # the stub's durations do not depend on the pitch, but its F0 does
    ups = [int((np.diff(np.signbit(wav)) != 0).sum()) for wav in (low, high)]
    assert 1.8 < ups[1] / ups[0] < 2.2
    answer = httpx.post(server.url + SPEECH, json=body | {"pitch": 90})
    assert answer.status_code == 400 and "pitch should be from -24 to 24" in answer.json()["error"]["message"]


def sing(server: Running, name: str = "song.musicxml", content: str = SONG, **form: Any) -> httpx.Response:
    return httpx.post(server.url + SONGS, files={"file": (name, content)}, data=form, timeout=30)


def test_a_score_is_sung(server: Running) -> None:
    events = events_of(sing(server, response_format="pcm", stream_format="sse", timings="true"))
    song = events[0]
    assert song["type"] == "song.created" and song["part"] == "Tenor" and song["parts"] == ["Alto", "Tenor"]
    words = [word["word"] for e in events if e["type"] == "speech.audio.words" for word in e["words"]]
    assert words == ["so", "fa", "mi"]
    assert len(samples_of(events)) / 24000 == pytest.approx(song["seconds"], abs=0.2)
    answer = sing(server, response_format="wav")
    assert answer.headers["content-type"] == "audio/wav"
    assert (np.frombuffer(answer.content[44:], "<i2") == samples_of(events)).all()


def test_part_and_tempo_of_a_song_are_those_of_the_request(server: Running) -> None:
    slow, fast = (
        events_of(sing(server, part="Alto", tempo=tempo, response_format="pcm", stream_format="sse"))
        for tempo in (1, 2)
    )
    assert slow[0]["part"] == "Alto"
    assert len(samples_of(fast)) == pytest.approx(len(samples_of(slow)) / 2, rel=0.15)


@pytest.mark.parametrize(
    "name, content, form, message",
    [
        ("song.txt", SONG, {}, "the upload is no score that can be read"),
        ("song.musicxml", "no XML", {}, "the upload"),
        ("../../song", SONG, {}, "the upload is no score"),
        ("song.musicxml", SONG, {"part": "Bass"}, "no part 'Bass'"),
        ("song.musicxml", SONG, {"tempo": "99"}, "the tempo is 99"),
        ("song.musicxml", SONG, {"tempo": "nan"}, "tempo"),
        ("song.musicxml", SONG, {"tempo": "0.1"}, "the song lasts"),
        ("song.musicxml", SONG, {"response_format": "x"}, "response_format is 'x'"),
        ("song.musicxml", SONG, {"voice": "nobody"}, "no voice 'nobody'"),
    ],
)
def test_what_cannot_be_sung_is_answered_in_one_sentence(
    server: Running, name: str, content: str, form: dict[str, str], message: str
) -> None:
    answer = sing(server, name, content, **form)
    assert answer.status_code == 400 and message in answer.json()["error"]["message"]
    assert "/tmp" not in answer.text and "speechnar-" not in answer.text


def test_progress_of_a_transcription_is_told(server: Running) -> None:
    data = io.BytesIO()
    soundfile.write(data, spell(10, *(["ab", 30] * 10)), RATE, format="WAV")
    seconds = soundfile.info(io.BytesIO(data.getvalue())).duration
    form = {"stream": "true", "progress": "true"}
    file = {"file": ("a.wav", data.getvalue())}
    events = events_of(httpx.post(server.url + TRANSCRIPTIONS, files=file, data=form, timeout=30))
    done = [event["seconds"] for event in events if event["type"] == "transcript.progress"]
    assert done == sorted(done) and done[-1] == pytest.approx(seconds, abs=0.1)
    last = events[-1]
    assert last["type"] == "transcript.text.done" and last["text"] == " ".join(["ab"] * 10)
    assert [word["word"] for word in last["words"]] == ["ab"] * 10 and len(last["segments"]) == 10
    bad = httpx.post(server.url + TRANSCRIPTIONS, files={"file": ("a.wav", b"no audio")}, data=form)
    assert bad.status_code == 400 and "the upload cannot be read as audio" in bad.json()["error"]["message"]


def test_an_edited_transcript_becomes_subtitles(server: Running) -> None:
    words = [{"word": "So,", "start": 0.5, "end": 0.9}, {"word": "it <is>", "start": 3.0, "end": 3.5}]
    body: dict[str, Any] = {"words": words, "duration": 4.0}
    vtt = httpx.post(server.url + SUBTITLES, json=body | {"format": "vtt"})
    assert vtt.status_code == 200 and vtt.text.startswith("WEBVTT\n\n00:00:00.500 --> ")
    assert "it &lt;is&gt;" in vtt.text and vtt.headers["content-type"].startswith("text/plain")
    assert httpx.post(server.url + SUBTITLES, json=body | {"format": "txt"}).text == "So,\nit <is>\n"
    assert httpx.post(server.url + SUBTITLES, json=body | {"format": "srt", "words": []}).text == ""


@pytest.mark.parametrize(
    "change",
    [
        {"words": [{"word": "b", "start": 2, "end": 1}]},
        {"words": [{"word": "b", "start": 1, "end": 9}]},
        {"words": [{"word": "", "start": 1, "end": 2}]},
        {"words": [{"word": "b", "start": 1, "end": "x"}]},
        {"duration": -1},
        {"format": "ctm"},
    ],
)
def test_subtitles_of_impossible_words_are_refused(server: Running, change: dict[str, Any]) -> None:
    body = {"words": [{"word": "a", "start": 0, "end": 1}], "duration": 4, "format": "srt"} | change
    assert httpx.post(server.url + SUBTITLES, json=body).status_code == 400
