"""`speechnar listen` with the stub recognizer; audio comes from a pipe, as nobody can speak into a test."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from stub_recognizer import RATE, SECONDS, spell

from speechnar import cli
from speechnar.runtime import capture

WAV = spell(10, "abc", "ba", 25, "c", 25)
PCM = (WAV * 32767).astype("<i2").tobytes()


def wav_of(subtype: str = "PCM_16", container: str = "WAV", channels: int = 1) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.repeat(WAV[:, None], channels, axis=1), RATE, subtype, format=container)
    return file.getvalue()


def listen(monkeypatch: pytest.MonkeyPatch, recognizer: Path, data: bytes, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return cli.main(["listen", "-", "--recognizer", str(recognizer), *arguments])


@pytest.mark.parametrize("channels", [1, 2])
def test_wav_from_a_pipe(monkeypatch: Any, stub_recognizer: Path, capsys: Any, channels: int) -> None:
    assert listen(monkeypatch, stub_recognizer, wav_of(channels=channels)) == 0
    assert capsys.readouterr().out == "abc ba\nc\n"


def test_wav_of_unknown_length(monkeypatch: Any, stub_recognizer: Path, capsys: Any) -> None:
    data = bytearray(wav_of())
    place = data.index(b"data") + 4
    data[4:8] = data[place : place + 4] = b"\xff\xff\xff\xff"
    assert listen(monkeypatch, stub_recognizer, bytes(data)) == 0
    assert capsys.readouterr().out == "abc ba\nc\n"


def test_raw_samples(monkeypatch: Any, stub_recognizer: Path, capsys: Any) -> None:
    assert listen(monkeypatch, stub_recognizer, PCM, "--rate", str(RATE)) == 0
    assert capsys.readouterr().out == "abc ba\nc\n"


@pytest.mark.parametrize("ending", ["txt", "srt", "vtt", "jsonl", "json"])
def test_a_transcript_is_written(monkeypatch: Any, stub_recognizer: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"a.{ending}"
    assert listen(monkeypatch, stub_recognizer, PCM, "--rate", str(RATE), "-o", str(out)) == 0
    text = out.read_text()
    if ending == "txt":
        assert text == "abc ba\nc\n"
    elif ending == "jsonl":
        first, second = [json.loads(line) for line in text.splitlines()]
        assert (first["text"], second["text"]) == ("abc ba", "c")
        assert first["start"] == pytest.approx(10 * SECONDS, abs=SECONDS)
        assert [word["text"] for word in first["words"]] == ["abc", "ba"]
    elif ending == "json":
        assert json.loads(text)["text"] == "abc ba c"
    else:
        assert text.count("-->") == 2 and "abc ba" in text


@pytest.mark.parametrize(
    ("data", "arguments", "sentence"),
    [
        (b"", [], "stdin holds no audio (0 bytes)"),
        (b"RIFF\0\0\0\0WAVEfmt ", [], "ends within the header"),
        (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff", [], "damaged WAV header"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", [], "damaged WAV header"),
        (b"OggS" + bytes(100), [], "give --rate HZ"),
        (PCM, ["--rate", "3"], "of 4000 to 384000 Hz"),
        (PCM, ["--rate", "16000", "-o", "a.mp3"], "a.mp3 should end in one of"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    monkeypatch: Any, stub_recognizer: Path, capsys: Any, data: bytes, arguments: list[str], sentence: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert listen(monkeypatch, stub_recognizer, data, *arguments) == 1
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_a_file_is_for_transcribe(capsys: Any) -> None:
    assert cli.main(["listen", "a.wav"]) == 1
    assert "for the file a.wav: speechnar transcribe" in capsys.readouterr().err


def test_without_a_microphone_there_is_a_sentence(monkeypatch: Any, stub_recognizer: Path, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert cli.main(["listen", "--recognizer", str(stub_recognizer)]) == 1
    assert "a microphone needs sounddevice or ffmpeg" in capsys.readouterr().err


def test_the_end_by_ctrl_c_keeps_what_was_heard(
    monkeypatch: Any, stub_recognizer: Path, capsys: Any, tmp_path: Path
) -> None:
    def blocks() -> Any:
        yield spell(10, "abc")
        raise KeyboardInterrupt

    monkeypatch.setattr(capture, "microphone", lambda name: capture.Source(RATE, blocks()))
    out = tmp_path / "a.txt"
    assert cli.main(["listen", "--recognizer", str(stub_recognizer), "-o", str(out)]) == 0
    assert out.read_text().startswith("ab") and capsys.readouterr().out == out.read_text()


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
@pytest.mark.parametrize(("container", "subtype"), [("OGG", "VORBIS"), ("FLAC", "PCM_16"), ("WAV", "FLOAT")])
def test_any_container_by_ffmpeg(
    monkeypatch: Any, stub_recognizer: Path, capsys: Any, container: str, subtype: str
) -> None:
    assert listen(monkeypatch, stub_recognizer, wav_of(subtype, container)) == 0
    assert capsys.readouterr().out == "abc ba\nc\n"
