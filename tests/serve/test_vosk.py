"""vosk's protocol, asked as the client `test.py` of vosk-server asks: each message of audio has one answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from serving import Running
from stub_recognizer import RATE, SECONDS, spell

websockets = pytest.importorskip("websockets")

WAV = spell(10, "abc", "ba", 25, "c", 25)


def pcm(wav: np.ndarray) -> bytes:
    return (wav * 32767).astype("<i2").tobytes()


def talk(server: Running, config: dict[str, Any] | None, data: bytes, path: str = "/vosk") -> list[dict[str, Any]]:
    """Do what vosk-server's client does: a fifth of a second, an answer, and so on; then `eof` and the last answer."""

    async def run() -> list[dict[str, Any]]:
        answers = []
        async with websockets.connect(server.url.replace("http", "ws", 1) + path, open_timeout=60) as socket:
            if config is not None:
                await socket.send(json.dumps({"config": config}))
            size = 2 * RATE // 5
            for start in range(0, len(data), size):
                await socket.send(data[start : start + size])
                answers.append(json.loads(await socket.recv()))
            await socket.send('{"eof" : 1}')
            answers.append(json.loads(await socket.recv()))
            with pytest.raises(websockets.exceptions.ConnectionClosedOK):
                await socket.recv()
        return answers

    return asyncio.run(run())


@pytest.mark.parametrize("path", ["/vosk", "/"])
def test_each_message_has_one_answer(server: Running, path: str) -> None:
    answers = talk(server, {"sample_rate": RATE}, pcm(WAV), path)
    assert all(set(answer) in ({"partial"}, {"result", "text"}, {"text"}) for answer in answers)
    results = [answer for answer in answers if "result" in answer]
    assert [result["text"] for result in results] == ["abc ba", "c"]
    first = results[0]["result"][0]
    assert set(first) == {"conf", "start", "end", "word"} and first["word"] == "abc"
    assert first["start"] == pytest.approx(10 * SECONDS, abs=SECONDS)
    assert any(answer.get("partial") for answer in answers)
    assert "text" in answers[-1]


def test_a_message_that_holds_everything_has_one_result(server: Running) -> None:
    async def run() -> list[dict[str, Any]]:
        async with websockets.connect(server.url.replace("http", "ws", 1) + "/vosk", open_timeout=60) as socket:
            await socket.send(json.dumps({"config": {"sample_rate": RATE}}))
            await socket.send(pcm(WAV))
            answer = json.loads(await socket.recv())
            await socket.send('{"eof" : 1}')
            return [answer, json.loads(await socket.recv())]

    answer, last = asyncio.run(run())
    assert answer["text"] == "abc ba c"
    assert last == {"text": ""}


def test_without_config_audio_has_8_khz(server: Running) -> None:
    assert talk(server, None, pcm(WAV[::2]))[-2:] != []
    texts = [answer["text"] for answer in talk(server, None, pcm(WAV[::2])) if answer.get("text")]
    assert texts == ["abc ba", "c"]


def test_results_without_words_and_with_alternatives(server: Running) -> None:
    plain = [answer for answer in talk(server, {"sample_rate": RATE, "words": False}, pcm(WAV)) if answer.get("text")]
    assert plain == [{"text": "abc ba"}, {"text": "c"}]
    answers = talk(server, {"sample_rate": RATE, "max_alternatives": 3}, pcm(WAV))
    first = next(answer for answer in answers if "alternatives" in answer)["alternatives"]
    assert first[0]["text"] == "abc ba" and len(first) == 1 and first[0]["confidence"] > 0.9
    assert [word["word"] for word in first[0]["result"]] == ["abc", "ba"]


def test_a_phrase_list_is_expected(server: Running) -> None:
    doubtful = 0.5 * spell(10, "ac", 25) + 0.52 * spell(10, "ab", 25)
    for phrases, text in (([], "ab"), (["ac"], "ac")):
        answers = talk(server, {"sample_rate": RATE, "phrase_list": phrases}, pcm(0.9 * doubtful))
        assert [answer["text"] for answer in answers if answer.get("text")] == [text]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("{", "the message is not JSON"),
        ('{"config": 3}', "config should be a JSON object"),
        ('{"config": {"sample_rate": "fast"}}', "sample_rate is 'fast' but should be from 4000 to 192000 Hz"),
        ('{"config": {"sample_rate": true}}', "sample_rate is True but should be from 4000 to 192000 Hz"),
        ('{"config": {"phrase_list": [1]}}', "phrase_list should be a list of strings"),
        (b"123", "3 bytes are no whole number of 16-bit samples"),
    ],
)
def test_what_is_no_message_gets_an_error(server: Running, message: str | bytes, sentence: str) -> None:
    async def run() -> Any:
        async with websockets.connect(server.url.replace("http", "ws", 1) + "/vosk", open_timeout=60) as socket:
            await socket.send(message)
            return json.loads(await socket.recv())

    assert asyncio.run(run()) == {"error": sentence}
