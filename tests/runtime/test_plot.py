from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from speechnar.runtime import Speech, SpeechError, load_voice
from speechnar.runtime.plot import plot


@pytest.fixture(scope="module")
def speech(stub_voice: Path) -> Speech:
    return load_voice(stub_voice, threads=1).synthesize("Hello, world. Goodbye.")


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml"), ("c.pdf", b"%PDF")])
def test_a_picture_is_drawn_in_the_format_of_its_ending(
    tmp_path: Path, speech: Speech, name: str, magic: bytes
) -> None:
    plot(tmp_path / name, speech)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_an_unknown_ending_is_refused(tmp_path: Path, speech: Speech) -> None:
    with pytest.raises(SpeechError, match="a.bmp should end in one of .png, .svg, .pdf"):
        plot(tmp_path / "a.bmp", speech)


def test_without_matplotlib_it_says_how_to_get_it(
    tmp_path: Path, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpeechError, match=r"needs matplotlib: pip install 'speechnar\[plot\]'"):
        plot(tmp_path / "a.png", speech)
