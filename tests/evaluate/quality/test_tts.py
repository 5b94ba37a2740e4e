"""`evaluate tts` on the stub voice, heard by programs whose mistakes are known."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from speechnar import audio, load_voice
from speechnar.cli import main
from speechnar.evaluate.quality import mos, tts

TEXTS = {"u1": "One two three.", "u2": "Four five six.", "u3": "Seven.", "u4": "Eight nine.", "u5": "Ten two."}


@pytest.fixture
def texts(tmp_path: Path) -> str:
    path = tmp_path / "list.tsv"
    path.write_text("".join(f"{utterance}\t{text}\n" for utterance, text in TEXTS.items()), encoding="utf-8")
    return str(path)


@pytest.fixture
def hearing(tmp_path: Path) -> str:
    """A program that hears every word right, but for u1: there one word of three is another."""
    script = tmp_path / "hear.py"
    heard = TEXTS | {"u1": "one two free"}
    script.write_text(f"import pathlib, sys\nprint({heard!r}[pathlib.Path(sys.argv[1]).stem])\n", encoding="utf-8")
    return shlex.join([sys.executable, str(script)])


@pytest.fixture(autouse=True)
def by_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A predictor that needs no package: the score is the length in seconds."""
    score = lambda threads: lambda wav: {"LENGTH": len(wav) / mos.SAMPLE_RATE}  # noqa: E731
    monkeypatch.setattr(mos, "PREDICTORS", {"length": score})


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_two_voices_are_measured_and_compared(
    stub_voice: Path, texts: str, hearing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    twin = tmp_path / "twin"
    twin.symlink_to(stub_voice)
    command = ["evaluate", "tts", "--voice", str(stub_voice), "--voice", str(twin), "--text", texts]
    assert main([*command, "--recognizer", hearing, "--normalizer", "basic", "--out", str(out)]) == 0
    printed = lines(capsys.readouterr().out)
    wrong = f"{100 / 11:.2f}"  # one of the eleven words
    assert ["WER,", "%", "stub", wrong] in [line[:4] for line in printed]
    assert ["WER,", "%", "twin", "-", "stub", "+0.00"] in [line[:6] for line in printed]
    assert ["LENGTH", "twin", "-", "stub", "+0.00"] in [line[:5] for line in printed]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    stub, other = report["systems"]
    assert stub["metrics"]["size, MB"]["value"] == sum(file.stat().st_size for file in stub_voice.iterdir()) / 1e6
    assert stub["metrics"]["RTF"]["value"] > 0 and stub["metrics"]["size, MB"]["low"] is None
    wavs = [audio.read(out / "stub" / f"{utterance}.wav") for utterance in TEXTS]
    mean = sum(len(wav) / rate for wav, rate in wavs) / len(wavs)
    assert stub["metrics"]["LENGTH"]["value"] == pytest.approx(mean, abs=1e-3)
    assert "NO LISTENING TEST" in report["note"] and report["header"]["threads"] == 1
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG") and (out / "report.svg").stat().st_size
    assert json.loads((out / "twin" / "heard.json").read_text(encoding="utf-8"))["u1"] == "one two free"


def test_a_speaker_is_passed_to_the_voice(
    stub_voice: Path, texts: str, hearing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "tts", "--voice", str(stub_voice), "--text", texts, "--recognizer", hearing]
    assert main([*command, "--speaker", "ann"]) == 1
    assert "no speaker 'ann'; it has only one: leave the speaker out" in capsys.readouterr().err


def test_a_recognizer_folder_hears(stub_voice: Path, stub_recognizer: Path, texts: str) -> None:
    hear = tts.recognizer(str(stub_recognizer), threads=1)
    factors = tts.speak(load_voice(stub_voice), [("u", "Hello.")], Path(texts).parent)
    assert factors["u"] > 0
    assert isinstance(hear(Path(texts).parent / "u.wav"), str)


def test_a_command_may_say_where_the_file_goes(tmp_path: Path) -> None:
    echo = shlex.join([sys.executable, "-c", "import sys; print(sys.argv[1:])", "--file={}", "end"])
    assert tts.command(echo)(tmp_path / "a b.wav") == f"['--file={tmp_path}/a b.wav', 'end']"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import sys; sys.exit('no model')", "failed on u1.wav: no model"),
        ("import sys; sys.exit(3)", "failed on u1.wav: exit code 3"),
    ],
)
def test_a_command_that_fails(
    stub_voice: Path, texts: str, code: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = shlex.join([sys.executable, "-c", code])
    given = ["evaluate", "tts", "--voice", str(stub_voice), "--text", texts, "--recognizer", broken]
    assert main([*given, "--normalizer", "basic"]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "sentence"), [("no-such-program", "cannot be run"), ("", "empty command"), ("'", "is no command")]
)
def test_what_is_no_command(command: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(tts.TtsError, match=sentence):
        tts.command(command)(tmp_path / "a.wav")


def test_without_a_recognizer_one_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("speechnar.runtime.recognizer_folder.RECOGNIZERS", tmp_path)
    with pytest.raises(tts.TtsError, match="give --recognizer a program"):
        tts.recognizer(None, threads=1)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"a": "Hi.", "b": " "}, "list.tsv has no text for b"),
        ({"../a": "Hi."}, "cannot be the name of a file"),
        ({"..": "Hi."}, "cannot be the name of a file"),
    ],
)
def test_lists_that_cannot_be_spoken(entries: dict[str, str], sentence: str) -> None:
    with pytest.raises(tts.TtsError, match=sentence):
        tts.check_texts(entries, "list.tsv")
