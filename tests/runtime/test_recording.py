"""A recording may be given in any form that Python programs hold it in."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from stub_recognizer import RATE, spell

from speechnar import audio
from speechnar.audio import AudioError
from speechnar.codecs import RawFormat
from speechnar.runtime import Recognizer, load_recognizer

WAV = spell(10, "abc", "ba", 25, "c", 10)
TEXT = "abc ba c"
SIXTEEN = np.rint(WAV * 32767).astype(np.int16)


@pytest.fixture(scope="module")
def recognizer(stub_recognizer: Path) -> Recognizer:
    return load_recognizer(stub_recognizer, threads=1)


@pytest.fixture(scope="module")
def flac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talks") / "talk.flac"
    audio.write(path, WAV, RATE)
    return path


class Named:
    """A path of a library of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def opened(flac: Path, kind: str) -> Any:
    data = flac.read_bytes()
    if kind == "SpooledTemporaryFile":
        file = tempfile.SpooledTemporaryFile()
        file.write(data)
        file.seek(0)
        return file
    kinds: dict[str, Any] = {
        "str": lambda: str(flac),
        "Path": lambda: flac,
        "PathLike": lambda: Named(flac),
        "open file": lambda: open(flac, "rb"),
        "unbuffered file": lambda: open(flac, "rb", buffering=0),
        "BytesIO": lambda: io.BytesIO(data),
        "BufferedReader": lambda: io.BufferedReader(io.BytesIO(data)),
    }
    return kinds[kind]()


@pytest.mark.parametrize(
    "kind",
    ["str", "Path", "PathLike", "open file", "unbuffered file", "BytesIO", "BufferedReader", "SpooledTemporaryFile"],
)
def test_paths_and_open_files(recognizer: Recognizer, flac: Path, kind: str) -> None:
    transcript = recognizer.transcribe(opened(flac, kind))
    assert transcript.text == TEXT
    is_path = kind in ("str", "Path", "PathLike")
    assert (transcript.name, transcript.file) == (("talk", str(flac)) if is_path else ("audio", ""))


def test_an_open_file_is_read_from_where_it_stands(recognizer: Recognizer, flac: Path) -> None:
    file = io.BytesIO(b"head" + flac.read_bytes())
    file.seek(4)
    assert recognizer.transcribe(file, name="upload").name == "upload"
    with pytest.raises(AudioError, match=r"^upload is at its end: seek\(0\) goes to its start$"):
        recognizer.transcribe(file, name="upload")


@pytest.mark.skipif(os.name != "posix", reason="reads a pipe")
def test_a_pipe_needs_no_way_back(recognizer: Recognizer, flac: Path) -> None:
    with subprocess.Popen(["cat", str(flac)], stdout=subprocess.PIPE) as process:
        assert recognizer.transcribe(process.stdout).text == TEXT


def test_the_temporary_copy_is_named_in_no_message(recognizer: Recognizer) -> None:
    with pytest.raises(AudioError) as error:
        recognizer.transcribe(io.BytesIO(b"no audio at all"), name="upload")
    assert str(error.value).startswith("upload ") and "speechnar-" not in str(error.value)
    with pytest.raises(AudioError, match=r"^the open file holds no audio \(0 samples\)$"):
        recognizer.transcribe(io.BytesIO())


@pytest.mark.parametrize(
    "samples",
    [
        WAV.tolist(),
        WAV.astype(np.float64),
        WAV.astype(">f4"),
        WAV[:, None],
        np.stack([WAV, WAV]),
        np.asfortranarray(np.stack([WAV, WAV], axis=1)),
        SIXTEEN,
        SIXTEEN.astype(np.int32) * 65536,
        np.ma.masked_array(WAV),
        torch.from_numpy(WAV),
        torch.from_numpy(WAV)[None],
        torch.from_numpy(WAV).double(),
        torch.from_numpy(WAV).bfloat16(),
        torch.from_numpy(WAV).half().requires_grad_(),
        torch.from_numpy(SIXTEEN),
        torch.from_numpy(WAV).repeat(2, 1).T,
    ],
    ids=lambda samples: f"{type(samples).__name__} {getattr(samples, 'dtype', '')} {getattr(samples, 'shape', '')}",
)
def test_samples_of_all_kinds(recognizer: Recognizer, samples: Any) -> None:
    assert recognizer.transcribe(samples).text == TEXT
    assert recognizer.transcribe((samples, RATE)).text == TEXT


def test_samples_with_their_rate(recognizer: Recognizer, tmp_path: Path) -> None:
    wav = audio.resample(WAV, RATE, 48000)
    soundfile.write(tmp_path / "a.wav", wav, 48000)
    read = soundfile.read(tmp_path / "a.wav")
    of_torch = (torch.from_numpy(wav)[None], 48000)
    of_scipy = (48000, np.rint(wav * 32767).astype(np.int16))
    for pair in (read, of_torch, of_scipy, (wav, 48000.0), (wav, np.int64(48000)), [*read][::1]):
        given = tuple(pair)
        assert recognizer.transcribe(given).text == TEXT
        assert recognizer.transcribe(given).duration == pytest.approx(len(wav) / 48000, abs=1e-3)


def test_a_rate_that_comes_with_the_samples_counts(recognizer: Recognizer) -> None:
    assert recognizer.transcribe((WAV, RATE), 48000).text == TEXT


def test_headerless_samples(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(SIXTEEN.tobytes())
    raw = RawFormat(RATE)
    assert recognizer.transcribe(tmp_path / "a.raw", raw=raw).text == TEXT
    assert recognizer.transcribe(io.BytesIO(SIXTEEN.tobytes()), raw=raw).text == TEXT


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (b"RIFF", "not bytes: wrap it in io.BytesIO"),
        (bytearray(b"RIFF"), "not bytearray: wrap it in io.BytesIO"),
        ({"array": WAV, "sampling_rate": RATE}, "not dict"),
        (None, "a recording is a path, a file opened as 'rb', samples .* or \\(samples, sample_rate\\)"),
        (5, r"samples should be .* but are \(\) of int64"),
        (object(), "a recording is a path"),
        (["a.wav", "b.wav"], "a recording is a path"),
        ((WAV, "16000"), "a tuple of 2 with a str is none"),
        ((WAV, RATE, 1), "a tuple of 3 with a int is none"),
        ((WAV, 0), "the sample rate should be from 1000 to 1000000 Hz but is 0"),
        (SIXTEEN.tolist(), "integers of 64 bits do not say which of them is full scale"),
        (io.StringIO("RIFF"), "the open file is opened as text: open it as 'rb'"),
        (torch.zeros(100, dtype=torch.complex64), "of complex64"),
        (np.zeros(100, bool), "of bool"),
        ([[0.0, 1.0], [0.0]], "a recording is a path"),
    ],
)
def test_what_is_no_recording_is_refused_with_what_is_one(recognizer: Recognizer, recording: Any, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        recognizer.transcribe(recording)


@pytest.mark.parametrize("rate", [0, 1, -16000, 999, 10**9])
def test_an_impossible_rate_is_refused(recognizer: Recognizer, rate: int) -> None:
    with pytest.raises(AudioError, match=f"the sample rate should be from 1000 to 1000000 Hz but is {rate}"):
        recognizer.transcribe(WAV, rate)


def test_a_tensor_is_taken_without_importing_torch() -> None:
    code = "import sys; from speechnar.runtime.recording import samples_of as f; f([0.5], 8000, 8000)"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
