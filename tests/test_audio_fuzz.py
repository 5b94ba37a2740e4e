"""Damaged audio is read in part or refused in a sentence: no other exception, no crash, no sample out of thin air."""

from __future__ import annotations

import base64
import io
import random
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechnar import audio
from speechnar.codecs import AudioError, AudioWarning

RATE = 8000
WAV = (0.5 * np.sin(np.arange(4000) * 0.3)).astype(np.float32)
M4A = """
AAAAHGZ0eXBNNEEgAAACAE00QSBpc29taXNvMgAAAuZtb292AAAAbG12aGQAAAAAAAAAAAAAAAAAAB9AAAAJYAABAAABAAAAAAAAAAAAAAAAAQAAAAAA
AAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACAAACNXRyYWsAAABcdGtoZAAAAAMAAAAAAAAAAAAA
AAEAAAAAAAAJYAAAAAAAAAAAAAAAAQEAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAACRlZHRzAAAAHGVsc3QA
AAAAAAAAAQAACWAAAAQAAAEAAAAAAa1tZGlhAAAAIG1kaGQAAAAAAAAAAAAAAAAAAB9AAAANYFXEAAAAAAAtaGRscgAAAAAAAAAAc291bgAAAAAAAAAA
AAAAAFNvdW5kSGFuZGxlcgAAAAFYbWluZgAAABBzbWhkAAAAAAAAAAAAAAAkZGluZgAAABxkcmVmAAAAAAAAAAEAAAAMdXJsIAAAAAEAAAEcc3RibAAA
AGpzdHNkAAAAAAAAAAEAAABabXA0YQAAAAAAAAABAAAAAAAAAAAAAQAQAAAAAB9AAAAAAAA2ZXNkcwAAAAADgICAJQABAASAgIAXQBUAAAAAAEeNAABH
jQWAgIAFFYhW5QAGgICAAQIAAAAgc3R0cwAAAAAAAAACAAAAAwAABAAAAAABAAABYAAAABxzdHNjAAAAAAAAAAEAAAABAAAABAAAAAEAAAAkc3RzegAA
AAAAAAAAAAAABAAAAVQAAAFAAAABOwAAAAUAAAAUc3RjbwAAAAAAAAABAAADEgAAABpzZ3BkAQAAAHJvbGwAAAACAAAAAf//AAAAHHNiZ3AAAAAAcm9s
bAAAAAEAAAAEAAAAAQAAAD11ZHRhAAAANW1ldGEAAAAAAAAAIWhkbHIAAAAAAAAAAG1kaXJhcHBsAAAAAAAAAAAAAAAACGlsc3QAAAAIZnJlZQAAA9xt
ZGF0ARpTrXTkc1V+svt+n68LlVe0kjkiJIuBmLMOYsw5izD61676167699R7q7V7q7V7q7V/bftf137X+N/VpqmaatmmrZi08zFPNNUzmLNOxta7G5ti
08zFTtlYjl7MPF3VP2KZRx1uzO4+j8a+/KbXBq3TVO2V7j1rtvVui7VruVY3HWG5ZTr2U47G2K42K42K42Ks1qs1qNfo1+fX59VKVSlUpVKVyl+UqlKp
SqJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKJKcFOCnDmWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW
WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWUyZMgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgfAD0ntmx
YXXCIdZjMSguzGTl/Gf/t/7feuNcXcSvX6f+n/n99Eu7ms/b7f/h/8/iDVuLz9v2/7f+f62jUvWll0UgcBl0ck4nh7UFNJfTiPGqiiiiiiiiiiijta1l
+QuRfrwXYIHCP9Yb4h7yBcYbrg+Em+Pp+T0+jy9ZcyLGYtcJW1E+wf1itQ3MfLNGfLAz6YGTTHlhhbZso0X2IizYR8ty3bJ0Lo2vsw+zZsj22HbfyN9+
Utkb27mnV3plHnrcPT3nPt0vUYfFJ1Sekh6kPW8d/xn8ZuGhp0NKl5dx17Dk2VORZ4LGVdZB232nXTWc888886lTzqnnVPPPOqdWw88889BQXUpDf+B/
Pjsuwb4nb25G5p5NV62c/uP6qjpg2XjvZKWxurml9G1MDEiV4GBq5JSoq9g7mWns3sxRXpOAAPyfsipiQqyRiFwKvVGaK7ETPzv/4/9r411rUjp/4r/6
f+epx1q71nHj+mf9v/KAI/7/+K+fuBNSBmkzVMzgiCIIg0g0gtb97DxQ96aK1FWlEjZskblJODPKoGcGlllBrxs2blBqAMDAxvYeKfjxREU6AMsUSqog
pQVBepDEpVj/SlueNSPzP4runrbLvkWWKImc9fInr7zu9B3tC/3n9A+8d47x4oooooiiKKKKKIssUUUUUUUUUQyoIohEEFUeqdEUX+iD8FTnOwBODknJ
GE4yiQ3eHJ2+C1OG0BYAGo3K0NseD4h+41n5nbNs0+PmWBLHjNBVY3R8mzfJs3ySwYRR3cwfMHzB8wHgBLPctJcexWG7d925LisC5f+09bwpe5wTk5sD
Q2RQaKSiksSVElRJUSVElRJUSUG4ARiBtHA=
"""
"""0.3 s of a tone, as AAC in MP4; libsndfile does not read it."""


NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\0\0", b"\0\0\0\7")
"""Wrong numbers of a header, of four bytes."""


def whole(kind: str) -> bytes:
    if kind == "m4a":
        return base64.b64decode(M4A)
    file = io.BytesIO()
    if kind == "float":
        soundfile.write(file, WAV, RATE, "FLOAT", format="WAV")
    else:
        soundfile.write(file, WAV, RATE, format=kind.upper())
    return file.getvalue()


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Return a file with flipped bytes, a part missing, doubled, zeroed or of junk, or a wrong number in its header."""
    broken = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(broken))
        size = dice.randint(1, max(1, len(broken) // 3))
        kind = dice.choice((0, 1, 2, 3, 4, 5, 5, 5, 6))
        if kind == 0:
            for _ in range(dice.randint(1, 30)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
        elif kind == 1:
            del broken[at : at + size]
        elif kind == 2:
            broken[at:at] = broken[at : at + size]
        elif kind == 3:
            broken[at : at + size] = bytes(min(size, len(broken) - at))
        elif kind == 4:
            broken[at:at] = dice.randbytes(size)
        elif kind == 5:
            at = dice.randrange(0, min(len(broken), 64), 4)  # where WAV has its numbers
            broken[at : at + 4] = dice.choice(NUMBERS)
        else:
            broken = broken[: max(1, at)]
        if not broken:
            broken = bytearray(b"\0")
    return bytes(broken)


def read_or_refused(path: Path) -> str:
    """Read a file at 16 kHz; return the sentence that refuses it, or nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AudioWarning)
            wav, rate = audio.read(path, 16000)
    except AudioError as error:
        return str(error)
    assert rate == 16000 and wav.dtype == np.float32 and wav.ndim == 1 and np.isfinite(wav).all()
    assert len(wav) < 16 * 16000 * (path.stat().st_size / 1000 + 1)  # at 1000 Hz, a byte a sample
    return ""


@pytest.mark.parametrize("kind", ["wav", "float", "flac", "mp3", "ogg", "m4a"])
def test_a_hundred_damaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without ffmpeg, which takes 50 ms a file
    dice, data = random.Random(kind), whole(kind)
    path = tmp_path / f"broken.{kind.replace('float', 'wav')}"
    refused = 0
    for _ in range(100):
        path.write_bytes(damaged(data, dice))
        sentence = read_or_refused(path)
        assert not sentence or str(path) in sentence and "\n" not in sentence
        refused += bool(sentence)
    assert 0 < refused and (kind == "m4a" or refused < 100)


@pytest.mark.parametrize("kind", ["wav", "float", "flac", "mp3", "ogg", "m4a"])
def test_every_wrong_number_of_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    data = whole(kind)
    path = tmp_path / f"broken.{kind.replace('float', 'wav')}"
    for at in range(0, 60, 4):
        for number in NUMBERS:
            path.write_bytes(data[:at] + number + data[at + 4 :])
            sentence = read_or_refused(path)
            assert not sentence or str(path) in sentence and "\n" not in sentence


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_damaged_files_with_ffmpeg(tmp_path: Path, kind: str) -> None:
    dice, data = random.Random(kind), whole(kind)
    path = tmp_path / f"broken.{kind}"
    for _ in range(12):
        path.write_bytes(damaged(data, dice))
        sentence = read_or_refused(path)
        assert not sentence or str(path) in sentence and "\n" not in sentence
