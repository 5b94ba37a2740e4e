"""Damaged files are read as far as they can be, and what is no audio is refused in a sentence of ours."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechnar import audio
from speechnar.codecs import ENCODINGS, AudioError, AudioWarning, RawFormat, decoded

RATE = 16000
WAV = np.random.default_rng(0).uniform(-0.5, 0.5, RATE * 3).astype(np.float32)
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")


@pytest.fixture
def without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def encoded(container: str, wav: np.ndarray = WAV, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wav, RATE, subtype, format=container)
    return file.getvalue()


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("subtype", "atol"), [("PCM_16", 4e-5), ("PCM_24", 1e-6), ("FLOAT", 0), ("ULAW", 0.02)])
@pytest.mark.parametrize("riff_too", [False, True])
def test_a_wav_without_its_length_is_read_to_its_end(tmp_path: Path, subtype: str, atol: float, riff_too: bool) -> None:
    """A recorder writes the two lengths when it is stopped; one that is killed leaves them 0."""
    data = bytearray(encoded("WAV", subtype=subtype))
    place = data.index(b"data") + 4
    data[place : place + 4] = bytes(4)
    if riff_too:
        data[4:8] = bytes(4)
    path = write(tmp_path, "killed.wav", bytes(data))
    with pytest.warns(AudioWarning, match="killed.wav lacks its length: it is read to its end$"):
        read, rate = audio.read(path)
    assert rate == RATE
    np.testing.assert_allclose(read[: len(WAV)], WAV, atol=atol)
    assert len(read) - len(WAV) <= 40  # a chunk after the samples, where a format has one, is taken for samples


def test_a_wav_of_no_samples_is_still_empty(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"empty.wav holds no audio \(0 samples\)"):
        audio.read(write(tmp_path, "empty.wav", encoded("WAV", WAV[:0])))


@pytest.mark.parametrize(
    ("container", "damage", "least"),
    [
        ("FLAC", "half", 1.2),
        ("FLAC", "junk", 1.2),
        ("FLAC", "zeros", 1.2),
        ("MP3", "half", 1.2),
        ("MP3", "junk", 1.2),
        ("OGG", "zeros", 2.0),
    ],
)
def test_what_precedes_the_damage_is_read_with_a_warning(
    tmp_path: Path, container: str, damage: str, least: float, without_ffmpeg: None
) -> None:
    wav = WAV if container == "FLAC" else audio.resample(WAV, 4000, RATE)  # codecs drop high noise
    data = encoded(container, wav)
    middle = len(data) // 2
    kept = {"half": b"", "junk": b"\x13\x37junk" * 3000 + data[middle:], "zeros": bytes(9000) + data[middle + 9000 :]}
    path = write(tmp_path, f"a.{container.lower()}", data[:middle] + kept[damage])
    with pytest.warns(
        AudioWarning, match=rf"a.{container.lower()} is damaged: what follows \d\.\d s is left out; ffmpeg"
    ):
        read, rate = audio.read(path)
    assert rate == RATE and least * RATE < len(read) < len(wav) - 0.25 * RATE
    if container == "FLAC":
        np.testing.assert_allclose(read, WAV[: len(read)], atol=4e-5)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU", "W64", "RF64"])
def test_half_a_file_of_pcm_is_read_as_far_as_it_goes(tmp_path: Path, container: str) -> None:
    data = encoded(container, subtype="PCM_16")
    read, _ = audio.read(write(tmp_path, f"half.{container.lower()}", data[: len(data) - RATE]))  # half a second less
    assert abs(len(read) - 2.5 * RATE) < 3000  # AIFF has chunks after the samples
    np.testing.assert_allclose(read, WAV[: len(read)], atol=4e-5)


def test_a_whole_file_has_no_warning(tmp_path: Path) -> None:
    for container in ("WAV", "FLAC", "OGG", "MP3", "AIFF"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            audio.read(write(tmp_path, f"a.{container.lower()}", encoded(container)))


FFMPEG = """#!/bin/sh
[ "$5" = "file:{folder}/a.flac" ] || exit 1
case "$*" in *"aresample=16000:"*) exec /bin/cat {folder}/samples;; esac
"""


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for ffmpeg is a shell script")
def test_after_the_damage_ffmpeg_goes_on_where_libsndfile_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = write(tmp_path, "ffmpeg", FFMPEG.format(folder=tmp_path).encode())
    program.chmod(0o755)
    write(tmp_path, "samples", WAV.tobytes())
    monkeypatch.setenv("PATH", str(tmp_path))
    data = encoded("FLAC")
    path = write(tmp_path, "a.flac", data[: len(data) // 2])
    with pytest.warns(AudioWarning, match=r"a.flac is damaged: what follows \d\.\d s is read by ffmpeg, as far as it"):
        read, rate = audio.read(path)
    assert rate == RATE
    np.testing.assert_allclose(read, WAV, atol=4e-5)


@needs_ffmpeg
@pytest.mark.parametrize("container", ["flac", "mp3"])
def test_junk_in_the_middle_is_passed_over(tmp_path: Path, container: str) -> None:
    wav = np.tile(audio.resample(WAV[:1000], 4000, RATE), 12)
    data = encoded(container.upper(), wav)
    middle = len(data) // 2
    path = write(tmp_path, f"a.{container}", data[:middle] + b"\x13\x37junk" * 3000 + data[middle:])
    with pytest.warns(AudioWarning, match="is read by ffmpeg"):
        read, _ = audio.read(path)
    assert abs(len(read) - len(wav)) < 0.4 * RATE
    assert np.abs(read[-RATE // 2 : -RATE // 4]).max() > 0.1


def late(folder: Path, name: str, *video: str) -> Path:
    """A film of 3 s whose sound begins at 2 s: a tone of 1 s."""
    tone = ("-itsoffset", "2", "-f", "lavfi", "-i", "sine=440:r=16000:d=1")
    path = folder / name
    command = ("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=c=red:s=64x64:r=5:d=3", *tone, *video, str(path))
    subprocess.run(command, check=True)
    return path


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov", "a.nut"])
def test_sound_that_begins_late_begins_late(tmp_path: Path, name: str) -> None:
    wav, rate = audio.read(late(tmp_path, name, "-c:v", "mpeg4"))
    first = np.argmax(np.abs(wav) > 0.02) / rate
    assert first == pytest.approx(2.0, abs=0.1) and len(wav) / rate == pytest.approx(3.0, abs=0.15)


@needs_ffmpeg
def test_a_mute_film_has_no_sound(tmp_path: Path) -> None:
    path = late(tmp_path, "mute.mp4", "-map", "0", "-c:v", "mpeg4")
    with pytest.raises(AudioError, match=r"mute.mp4 has no sound: it is a video without an audio track, or a picture$"):
        audio.read(path)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("a.gif", b"GIF89a\1\0\1\0"),
        ("a.tif", b"II*\0\x08\0\0\0"),
        ("a.bmp", b"BM\x36\0\0\0\0\0"),
        ("holiday.wav", b"\xff\xd8\xff\xe1\0\x10Exif"),
    ],
)
def test_a_photo_is_said_to_be_one(tmp_path: Path, name: str, head: bytes) -> None:
    with pytest.raises(AudioError, match=f"{name} is a picture, without sound$"):
        audio.read(write(tmp_path, name, head + bytes(500)))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/talk.mp3",
        "http://example.org/a.wav?x=1",
        "ftp://example.org/a.wav",
        "s3://bucket/a.flac",
        "HTTPS://EXAMPLE.ORG/A.WAV",
        "file:///tmp/a.wav",
        "rtsp://camera.local/stream",
        "gs://bucket/a.flac",
        "hf://datasets/a/b.flac",
        "https:/example.org/a.wav",  # what pathlib makes of it
    ],
)
def test_a_url_is_said_to_be_one(url: str) -> None:
    with pytest.raises(AudioError, match=r"^\S+ is a URL: download it first, and give the file$") as error:
        audio.read(url)
    assert str(error.value).startswith(url)


@pytest.mark.parametrize("path", ["a:b.wav", "C:/talk.wav", "12:30.wav", "take:2/a.wav.bak"])
def test_a_colon_makes_no_url(path: str) -> None:
    with pytest.raises(AudioError, match="there is no audio file at" if path != "take:2/a.wav.bak" else "take:2"):
        audio.read(path)


@pytest.mark.parametrize("rate", [0, 1, 10, 999, 1_000_001, 2**31 - 1])
def test_an_impossible_rate_is_refused_before_anything_is_read(tmp_path: Path, rate: int) -> None:
    data = bytearray(encoded("WAV", subtype="PCM_16"))
    data[24:28] = struct.pack("<I", rate)
    with pytest.raises(AudioError, match=r"a\.wav"):
        next(decoded(write(tmp_path, "a.wav", bytes(data))))


def test_files_without_a_header_are_read_with_their_format(tmp_path: Path, without_ffmpeg: None) -> None:
    for encoding, (subtype, endian) in ENCODINGS.items():
        path = tmp_path / f"a.{encoding}"
        stereo = np.stack([WAV, np.zeros_like(WAV)], axis=1)
        soundfile.write(path, stereo, 8000, subtype, endian, format="RAW")
        pieces = list(audio.blocks(path, raw=RawFormat(8000, 2, encoding)))
        assert {rate for _, rate in pieces} == {8000}
        read = np.concatenate([wav for wav, _ in pieces])
        np.testing.assert_allclose(read, WAV / 2, atol=0.02 if "law" in encoding or encoding in ("s8", "u8") else 4e-5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16000", RawFormat(16000, 1, "s16le")),
        ("48000,2", RawFormat(48000, 2, "s16le")),
        ("8000,1,mulaw", RawFormat(8000, 1, "mulaw")),
        ("44100, 2, F32LE", RawFormat(44100, 2, "f32le")),
        ("8000,,alaw", RawFormat(8000, 1, "alaw")),
    ],
)
def test_a_format_is_read_from_the_command_line(text: str, expected: RawFormat) -> None:
    assert RawFormat.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "raw samples are RATE.*such as 16000 or 8000,1,mulaw, not fast"),
        ("16kHz", "not 16kHz"),
        ("16000,stereo", "not 16000,stereo"),
        ("16000,1,s16le,x", "not 16000,1,s16le,x"),
        ("16000,1,mp3", "there is no encoding 'mp3' of raw samples: take s16le, "),
        ("0", "the sample rate should be from 1000 to 1000000 Hz but is 0"),
        ("16", "the sample rate should be from 1000 to 1000000 Hz but is 16"),
        ("16000,0", "raw samples have from 1 to 1024 channels, not 0"),
        ("-16000", "not -16000"),
        ("16000;2", "not 16000;2"),
    ],
)
def test_a_format_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        RawFormat.parse(text)


@pytest.mark.parametrize("name", ["a.raw", "a.pcm", "a.sln", "a.ulaw", "A.RAW"])
def test_a_name_of_raw_samples_leads_to_the_option(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioError, match=f"{name} has no header: say how it was recorded, such as --raw 16000"):
        audio.read(write(tmp_path, name, bytes(3000)))
