"""Programs that people have, as they are: curl, OpenAI's package for Node.js, LiveKit's plugin, OpenAI's for Python.

Node.js finds the package where `NODE_PATH` says (`npm install openai`); LiveKit may live in an environment of its own,
whose Python `LIVEKIT_PYTHON` names (`pip install livekit-agents livekit-plugins-openai`).
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from serving import Running
from stub_recognizer import RATE, spell

TEXT = "Hello, world. Good night."
SPEECH, TRANSCRIPTIONS = "/v1/audio/speech", "/v1/audio/transcriptions"


def run(command: list[str], **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    soundfile.write(path, spell(10, "ab", 30, "c", 10), RATE)
    return path


def expected_pcm(server: Running) -> bytes:
    return httpx.post(server.url + SPEECH, json={"input": TEXT, "response_format": "pcm"}).content


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl(server: Running, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    body = json.dumps({"input": TEXT, "voice": "alloy", "response_format": "wav"})
    run(["curl", "-sSf", server.url + SPEECH, "-H", "Content-Type: application/json", "-d", body, "-o", str(out)])
    assert out.read_bytes()[44:] == expected_pcm(server)
    ask = ["curl", "-sS", server.url + TRANSCRIPTIONS, "-F", "response_format=srt"]
    assert "ab" in run([*ask, "-F", f"file=@{recording}"])
    # A body that is larger than 1 MB is announced by `Expect: 100-continue`, and this one is refused at once.
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(5_000_000))
    told = json.loads(run([*ask, "-F", f"file=@{large};type=application/octet-stream;filename=noname"]))
    assert "2000000 bytes at most" in told["error"]["message"]


NODE = """
const { OpenAI, toFile } = require("openai");
const [url, recording, text] = process.argv.slice(1);
const fs = require("fs");
(async () => {
  const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
  const wanted = { model: "tts-1", voice: "alloy", input: text, response_format: "pcm" };
  const speech = await client.audio.speech.create(wanted);
  const pcm = Buffer.from(await speech.arrayBuffer());
  const file = () => fs.createReadStream(recording);
  const whole = await client.audio.transcriptions.create({ model: "whisper-1", file: file() });
  const verbose = await client.audio.transcriptions.create({
    model: "whisper-1", file: file(), response_format: "verbose_json", timestamp_granularities: ["word", "segment"],
  });
  const srt = await client.audio.transcriptions.create({ model: "whisper-1", file: file(), response_format: "srt" });
  const deltas = [];
  let final = null;
  const stream = await client.audio.transcriptions.create({ model: "whisper-1", file: file(), stream: true });
  for await (const event of stream) {
    if (event.type === "transcript.text.delta") deltas.push(event.delta);
    else final = event.text;
  }
  let refused = null;
  try {
    await client.audio.transcriptions.create({ model: "whisper-1", file: await toFile(Buffer.from("none"), "a.wav") });
  } catch (error) {
    refused = [error.constructor.name, error.status];
  }
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  console.log(JSON.stringify({
    pcm: pcm.toString("base64"), text: whole.text, words: verbose.words.map((w) => w.word),
    segments: verbose.segments.length, srt, deltas, final, refused, models,
  }));
})();
"""


def test_openai_for_node(server: Running, recording: Path) -> None:
    node = shutil.which("node")
    if not node or subprocess.run([node, "-e", 'require("openai")'], capture_output=True).returncode:
        pytest.skip("needs Node.js and, in NODE_PATH, the package openai: npm install openai")
    found = json.loads(run([node, "-e", NODE, server.url, str(recording), TEXT]))
    assert base64.b64decode(found["pcm"]) == expected_pcm(server)
    assert found["text"] == found["final"] == "".join(found["deltas"]) == "ab c"
    assert found["words"] == ["ab", "c"] and found["segments"] == 2 and "-->" in found["srt"]
    assert found["refused"] == ["BadRequestError", 400] and "stub" in found["models"]


LIVEKIT = """
import asyncio, json, sys
import aiohttp
from livekit import rtc
from livekit.agents import APIConnectOptions
from livekit.plugins import openai

async def main(url, text, recording):
    import wave
    tts = openai.TTS(base_url=url + "/v1", api_key="none", voice="alloy", model="tts-1")
    pcm, rates = b"", set()
    async for audio in tts.synthesize(text, conn_options=APIConnectOptions(max_retry=0)):
        pcm += bytes(audio.frame.data)
        rates.add((audio.frame.sample_rate, audio.frame.num_channels))
    with wave.open(recording) as file:
        samples, rate = file.readframes(file.getnframes()), file.getframerate()
    frame = rtc.AudioFrame(samples, rate, 1, len(samples) // 2)
    stt = openai.STT(base_url=url + "/v1", api_key="none", model="whisper-1", language="en")
    heard = await stt.recognize(frame, conn_options=APIConnectOptions(max_retry=0))
    print(json.dumps({"seconds": len(pcm) / 2 / 24000, "rates": sorted(rates), "text": heard.alternatives[0].text}))
    await tts.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


def test_livekit(server: Running, recording: Path) -> None:
    python = os.environ.get("LIVEKIT_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import livekit.plugins.openai"], capture_output=True).returncode:
        pytest.skip("needs LiveKit: pip install livekit-agents livekit-plugins-openai")
    found = json.loads(run([python, "-c", LIVEKIT, server.url, TEXT, str(recording)]).splitlines()[-1])
    seconds = len(expected_pcm(server)) / 2 / 24000
    assert found["rates"] == [[24000, 1]] and found["seconds"] == pytest.approx(seconds, abs=0.3)
    assert found["text"] == "ab c"


def encoded(wav: np.ndarray, ending: str) -> bytes:
    """Return (T_wav,) samples at 16 kHz as a file, by libsndfile or else by ffmpeg."""
    containers = {"wav": "WAV", "flac": "FLAC", "mp3": "MP3", "ogg": "OGG", "aiff": "AIFF", "au": "AU", "w64": "W64"}
    if ending in containers:
        data = io.BytesIO()
        soundfile.write(data, wav, RATE, format=containers[ending])
        return data.getvalue()
    ffmpeg = shutil.which("ffmpeg")
    if not ffmpeg:
        pytest.skip("needs ffmpeg")
    kinds = {
        "webm": ["-c:a", "libopus", "-f", "webm"],
        "m4a": ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"],
        "mkv": ["-c:a", "flac", "-f", "matroska"],
        "aac": ["-c:a", "aac", "-f", "adts"],
    }
    pcm = (wav * 32767).astype("<i2").tobytes()
    source = ["-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-"]
    return subprocess.run(
        [ffmpeg, "-v", "error", *source, *kinds[ending], "-"], input=pcm, capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg", "aiff", "au", "w64", "webm", "m4a", "mkv", "aac"])
@pytest.mark.parametrize(
    "name, kind",
    [("talk.{}", "audio/{}"), ("audio", "application/octet-stream"), ("blob.{}", "audio/{};codecs=opus")],
)
def test_every_container_is_read(server: Running, ending: str, name: str, kind: str) -> None:
    file = (name.format(ending), encoded(spell(10, "ab", 30, "c", 25), ending), kind.format(ending))
    answer = httpx.post(server.url + TRANSCRIPTIONS, files={"file": file}, data={"model": "m"}, timeout=60)
    assert answer.status_code == 200 and answer.json()["text"] == "ab c", answer.text
