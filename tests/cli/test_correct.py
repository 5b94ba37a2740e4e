"""`speechnar correct`: lines in, lines out, and nothing lost."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from speechnar.cli import main
from speechnar.decode import corrector


@pytest.fixture(autouse=True)
def shouting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange the corrector for one that writes capitals."""
    monkeypatch.setattr(corrector, "Corrector", lambda folder: lambda line: line.upper())


def test_a_file_is_corrected_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "asr.txt").write_bytes("one\n\n\x00two\x0c three\r\nü".encode())
    assert main(["correct", "-f", str(tmp_path / "asr.txt"), "-o", str(tmp_path / "better.txt")]) == 0
    assert (tmp_path / "better.txt").read_bytes() == "ONE\n\n\x00TWO\x0c THREE\r\nÜ".encode()
    assert {path.name for path in tmp_path.iterdir()} == {"asr.txt", "better.txt"}


@pytest.mark.parametrize("text", ["", "\n", "one\n", "a\u2028b\x85c\n"])
def test_stdin_goes_to_stdout(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["correct"]) == 0
    assert capsys.readouterr().out == text.upper()


def test_bad_input_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    assert main(["correct", "-f", str(tmp_path / "latin.txt"), "-o", str(tmp_path / "out.txt")]) == 1
    said = f"speechnar: {tmp_path}/latin.txt is not UTF-8 (byte 3): convert it, as with `iconv -t utf-8`\n"
    assert capsys.readouterr().err == said
    assert main(["correct", "-f", str(tmp_path / "none.txt")]) == 1
    assert "none.txt" in capsys.readouterr().err
    assert not (tmp_path / "out.txt").exists()


def test_the_output_may_not_be_the_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "asr.txt").write_text("one\n")
    with pytest.raises(SystemExit):
        sys.exit(main(["correct", "-f", str(tmp_path / "asr.txt"), "-o", str(tmp_path / "asr.txt")]))
    assert (tmp_path / "asr.txt").read_text() == "one\n" and capsys.readouterr().err
