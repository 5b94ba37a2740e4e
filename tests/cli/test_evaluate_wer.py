"""`speechnar evaluate wer` from its command line."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from speechnar.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two systems' transcripts of 24 utterances: `good.trn` has 1 error in 4 of them, `bad.tsv` in each."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(0)
    said = {f"u{number:02}": [rng.choice("abcdef") for _ in range(8)] for number in range(24)}
    files: dict[str, list[str]] = {"text": [], "good.trn": [], "bad.tsv": [], "utt2spk": []}
    for number, (utterance, words) in enumerate(said.items()):
        wrong = " ".join(["X", *words[1:]])
        files["text"].append(f"{utterance} {' '.join(words)}")
        files["good.trn"].append(f"{wrong if number % 6 == 0 else ' '.join(words)} ({utterance})")
        files["bad.tsv"].append(f"{utterance}\t{wrong}")
        files["utt2spk"].append(f"{utterance} s{number % 6}")
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def wer(*args: str) -> int:
    return main(["evaluate", "wer", "--ref", "text", *args])


def test_the_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wer("--hyp", "good.trn", "--hyp", "bad.tsv") == 0
    printed = capsys.readouterr().out
    head, by, systems, comparisons = printed.split("\n", 2)[0], printed.split("\n", 2)[1], *printed.split("\n\n")[1:]
    assert head == "24 utterances, 192 words; normalizer: none"
    assert by == "intervals and p (bootstrap) by utterance"
    header, good, bad = systems.splitlines()
    assert header.split() == "system WER % 95 % interval S D I words".split()
    assert good.split()[:2] + good.split()[-4:] == ["good", "2.08", "4", "0", "0", "192"]
    assert bad.split() == ["bad", "12.50", "12.50", "to", "12.50", "24", "0", "0", "192"]
    header, row = comparisons.splitlines()
    assert row.split()[:4] == ["bad", "-", "good", "+10.42"]
    assert row.split()[-1] == "24"  # segments: the first word of every utterance


def test_everything_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--hyp", "good.trn", "--hyp", "bad.tsv", "--cer", "--utt2spk", "utt2spk", "--tables"]
    assert wer(*args, "--normalizer", "basic", "--json", "o.json", "--alignments", "o.html", "--plot", "o.svg") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("24 utterances, 192 words, 6 speakers; normalizer: basic\n")
    assert "\nintervals and p (bootstrap) by speaker\n" in printed
    assert "good: speaker" in printed and "bad: substitutions" in printed and "CER %" in printed
    found = json.loads((folder / "o.json").read_text(encoding="utf-8"))
    assert (found["ref"], found["hyp"], found["normalizer"]) == ("text", ["good.trn", "bad.tsv"], "basic")
    words, characters = found["reports"]
    assert (words["unit"], words["drawn"], characters["unit"]) == ("word", "speaker", "character")
    assert words["systems"][0]["rate"]["value"] == 4 / 192
    assert words["systems"][0]["speakers"][0] == {
        "name": "s0",
        "utterances": 4,
        "length": 32,
        "substitutions": 4,
        "deletions": 0,
        "insertions": 0,
    }
    assert words["comparisons"][0]["matched"]["segments"] == 24
    assert characters["comparisons"][0]["matched"] is None
    assert "o.html" in {path.name for path in folder.iterdir()}
    picture = (folder / "o.svg").read_text(encoding="utf-8")
    assert "<svg" in picture


def test_few_speakers_are_not_drawn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "utt2spk").write_text("".join(f"u{n:02} s{n % 2}\n" for n in range(24)), encoding="utf-8")
    assert wer("--hyp", "good.trn", "--utt2spk", "utt2spk") == 0
    assert "by utterance (too few speakers to draw those)" in capsys.readouterr().out


def test_an_interval_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "text").write_text("u1 a b\nu2 c\n", encoding="utf-8")
    (folder / "hyp").write_text("u1 a b\nu2 d\n", encoding="utf-8")
    assert wer("--hyp", "hyp", "--json", "o.json") == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["hyp", "33.33", "-", "1", "0", "0", "3"]
    (system,) = json.loads((folder / "o.json").read_text(encoding="utf-8"))["reports"][0]["systems"]
    assert system["rate"] == {"value": 1 / 3, "low": None, "high": None}


def test_what_is_missing_may_be_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (folder / "bad.tsv").read_text(encoding="utf-8").splitlines()
    (folder / "bad.tsv").write_text("\n".join(lines[1:]), encoding="utf-8")
    assert wer("--hyp", "bad.tsv") == 1
    sentence = "bad.tsv lacks 1 utterance (u00) of the reference; if nothing was heard in them, add --missing-as-empty"
    assert capsys.readouterr().err == f"speechnar: {sentence}\n"
    assert wer("--hyp", "bad.tsv", "--missing-as-empty") == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-4:] == ["23", "8", "0", "192"]


def test_systems_of_one_file_name_go_by_their_paths(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "text").write_bytes((folder / "text").read_bytes())
    assert wer("--hyp", "a/text", "--hyp", "b/text") == 0
    assert "b/text - a/text" in capsys.readouterr().out
    assert wer("--hyp", "good.trn", "--hyp", "good.trn") == 1
    assert capsys.readouterr().err == "speechnar: --hyp good.trn is given twice; give each system once\n"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--hyp", "none"], "none: No such file or directory"),
        (["--hyp", "good.trn", "--normalizer", "wisper"], "wisper is neither a normalizer"),
        (["--hyp", "good.trn", "--alignments", "o.pdf"], "o.pdf should end in .txt or .html"),
        (["--hyp", "good.trn", "--plot", "o.txt"], "o.txt should end in one of .png, .svg, .pdf"),
        (["--hyp", "good.trn", "--utt2spk", "text"], "text has no speaker"),
    ],
)
def test_one_sentence_and_exit_code_1(
    args: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "text").write_text("\n".join(f"u{number:02}" for number in range(24)), encoding="utf-8")
    assert wer(*args) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"speechnar: {sentence}") and error.count("\n") == 1


def test_without_the_extra_the_cure_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    monkeypatch.delitem(sys.modules, "speechnar.evaluate.wer.error_rate", raising=False)
    monkeypatch.delitem(sys.modules, "speechnar.evaluate.wer.alignment", raising=False)
    assert wer("--hyp", "good.trn") == 1
    assert capsys.readouterr().err == "speechnar: evaluate wer needs jiwer: pip install 'speechnar[eval]'\n"


def test_written_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("u1 He paid $3.\nu2 Really?\n", encoding="utf-8")
    Path("ours.tsv").write_text("u1\the paid three dollars.\nu2\tReally.\n", encoding="utf-8")
    assert wer("--hyp", "ours.tsv", "--written", "--json", "o.json") == 0
    head, _, systems, written = capsys.readouterr().out.replace("\nintervals", "\n\nintervals").split("\n\n")
    assert head.endswith("normalizer: whisper") and systems.splitlines()[1].split()[1] == "0.00"
    table = {line.split("  ")[0]: line.split()[-5:-1] for line in written.splitlines()[1:]}
    assert table["capital"] == ["2", "100.00", "50.00", "66.67"]
    assert table["full stop"] == ["1", "50.00", "100.00", "66.67"]
    assert table["number"] == ["1", "-", "0.00", "0.00"]
    assert table["question mark"] == ["1", "-", "0.00", "0.00"]
    found = json.loads(Path("o.json").read_text(encoding="utf-8"))["written"][0]
    assert found["system"] == "ours" and found["scores"][0]["kind"] == "capital"
