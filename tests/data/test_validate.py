"""Each thing that can be wrong with a corpus is found, named once, and nothing else is."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse.cut import Cut
from recorded import RATE, TEXTS, hummed, make_ljspeech, record

from speechnar import cli
from speechnar.data.corpora import import_corpus, read_ljspeech
from speechnar.data.manifest import load_cuts, save_cuts
from speechnar.data.phones import phones_of
from speechnar.data.problems import ERRORS, NOTES, SHOWN, Problem, summary, write_report
from speechnar.data.validate import CheckOptions, check_cuts, without_errors
from speechnar.text.phonemize import Phonemizer

ANY = CheckOptions()


def cuts_of(folder: Path, texts: dict[str, str] = TEXTS) -> list[Cut]:
    return import_corpus(read_ljspeech(make_ljspeech(folder, texts))).cuts


def found(cuts: list[Cut], options: CheckOptions = ANY) -> list[tuple[str, str]]:
    return [(problem.kind, problem.utt_id) for problem in check_cuts(cuts, options)]


def write(path: Path, wav: np.ndarray, rate: int = RATE, subtype: str | None = None) -> None:
    soundfile.write(path, wav, rate, subtype=subtype)


def one(folder: Path, wav: np.ndarray, rate: int = RATE, subtype: str | None = None) -> list[Cut]:
    """A corpus of one utterance with this audio."""
    (folder / "wavs").mkdir(exist_ok=True)
    write(folder / "wavs" / "a.wav", wav, rate, subtype)
    (folder / "metadata.csv").write_text("a|Hello there.\n", "utf-8")
    return import_corpus(read_ljspeech(folder)).cuts


SPEECH = hummed("x" * 20)


def test_a_sound_corpus_has_no_problems(tmp_path: Path) -> None:
    cuts = cuts_of(tmp_path)
    assert found(cuts, CheckOptions(sample_rate=RATE)) == []
    assert without_errors(cuts, []) == cuts


def test_processes_find_the_same(tmp_path: Path) -> None:
    cuts = cuts_of(tmp_path, {f"x{n}": "Call 911 now." for n in range(6)})
    assert check_cuts(cuts, jobs=2) == check_cuts(cuts) != []


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("", ["no text"]),
        (" \t", ["no text"]),
        ("...", ["unspeakable text"]),
        ("Hello 世界.", ["unspeakable text"]),
        ("In 1984 it was.", ["digits"]),
        ("Well [laughs] yes <b>indeed</b> {x}.", ["brackets"]),
        ("He said (so) naïvely — “yes”.", []),
        ("Привет, мир.", ["other letters"]),  # spelled as it sounds
        ("Er heißt Jörg.", ["other letters"]),  # German letters in a corpus that is taken for English
    ],
)
def test_texts(tmp_path: Path, text: str, kinds: list[str]) -> None:
    (cut,) = cuts_of(tmp_path, {"a": "Hello there."})
    cut.supervisions[0].text = text
    assert found([cut]) == [(kind, "a") for kind in kinds]


@pytest.mark.parametrize("text", ["東京は大きい", "مرحبا بالعالم", "สวัสดี", "नमस्ते", "안녕하세요", "שלום", "Österreich"])
def test_for_a_recognizer_every_script_will_do(tmp_path: Path, text: str) -> None:
    cuts = cuts_of(tmp_path, TEXTS | {"b": text})
    problems = check_cuts(cuts, CheckOptions(characters=True))
    assert not [problem for problem in problems if problem.utt_id == "b" and problem.is_error]


def test_supervisions_are_counted(tmp_path: Path) -> None:
    (cut,) = cuts_of(tmp_path, {"a": "Hello there."})
    cut.supervisions = [*cut.supervisions, *cut.supervisions]
    assert found([cut]) == [("no text", "a")]


def test_files_that_are_gone_broken_or_others(tmp_path: Path) -> None:
    cuts = cuts_of(tmp_path, {name: TEXTS["a1"] for name in ("gone", "empty", "text", "cut", "other", "fine", "nan")})
    wavs = tmp_path / "wavs"
    (wavs / "gone.wav").unlink()
    (wavs / "empty.wav").write_bytes(b"")
    (wavs / "text.wav").write_bytes(b"no audio")
    (wavs / "cut.wav").write_bytes((wavs / "fine.wav").read_bytes()[:20000])
    record(wavs / "other.wav", "shorter")
    wav = hummed(TEXTS["a1"])
    wav[5000] = np.nan
    write(wavs / "nan.wav", wav, subtype="FLOAT")
    problems = check_cuts(cuts)
    assert [(problem.kind, problem.utt_id) for problem in problems] == [
        ("no audio", "gone"),
        ("empty audio", "empty"),
        ("unreadable audio", "text"),
        ("truncated audio", "cut"),
        ("changed audio", "other"),
        ("broken samples", "nan"),
    ]
    assert [cut.id for cut in without_errors(cuts, problems)] == ["fine"]


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_a_truncated_compressed_file(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    (tmp_path / "wavs").mkdir()
    path = tmp_path / "wavs" / name
    soundfile.write(path, noise, RATE)
    (tmp_path / "metadata.csv").write_text("a|Hello there.\n", "utf-8")
    cuts = import_corpus(read_ljspeech(tmp_path)).cuts
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert found(cuts) == [("truncated audio", "a")]


def test_what_is_dealt_with_is_noted(tmp_path: Path) -> None:
    both = np.stack([SPEECH, SPEECH], axis=1)
    assert found(one(tmp_path, both)) == [("several channels", "a")]
    assert found(one(tmp_path, SPEECH, subtype="PCM_U8")) == [("8 bit", "a")]
    high = one(tmp_path, hummed("x" * 20, 96000), 96000)
    assert found(high) == [] and found(high, CheckOptions(sample_rate=22050)) == [("high rate", "a")]
    low = one(tmp_path, SPEECH)
    assert found(low, CheckOptions(sample_rate=22050)) == [("low rate", "a")]
    record(tmp_path / "m.mp3", "x" * 20)
    (tmp_path / "m.mp3").rename(tmp_path / "wavs" / "a.wav")
    renamed = import_corpus(read_ljspeech(tmp_path)).cuts
    assert found(renamed) == [("other format", "a")]
    assert without_errors(renamed, check_cuts(renamed)) == renamed


def test_wav_of_unknown_length_is_whole(tmp_path: Path) -> None:
    one(tmp_path, SPEECH)
    path = tmp_path / "wavs" / "a.wav"
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"  # as programs write it that stream
    path.write_bytes(data)
    assert found(import_corpus(read_ljspeech(tmp_path)).cuts) == []


def test_levels(tmp_path: Path) -> None:
    assert found(one(tmp_path, 0 * SPEECH)) == [("silent audio", "a")]
    assert found(one(tmp_path, SPEECH / 1000)) == [("silent audio", "a")]
    assert found(one(tmp_path, SPEECH / 10)) == []
    loud = np.clip(SPEECH * 10, -1, 1)
    assert found(one(tmp_path, loud)) == [("clipped audio", "a")]
    touching = SPEECH.copy()
    touching[8000:8010] = 1.0  # 10 of 22400 samples
    assert found(one(tmp_path, touching)) == [("some clipping", "a")]
    slow = np.pad(SPEECH, (int(1.5 * RATE), 0))
    assert found(one(tmp_path, slow)) == [("much silence", "a")]
    (problem,) = check_cuts(one(tmp_path, slow))
    assert problem.detail == "1.6 s before and 0.1 s after the speech"


def test_too_short_and_too_long(tmp_path: Path) -> None:
    cuts = one(tmp_path, SPEECH)  # 1.4 s
    assert found(cuts, CheckOptions(min_seconds=1.5)) == [("too short", "a")]
    assert found(cuts, CheckOptions(max_seconds=1.3)) == [("too long", "a")]


def test_a_text_of_another_recording_is_out_of_pace(tmp_path: Path) -> None:
    texts = {f"x{n}": list(TEXTS.values())[n % 3] for n in range(12)}
    cuts = cuts_of(tmp_path, texts)
    cuts[4].supervisions[0].text = " ".join(TEXTS.values())
    cuts[7].supervisions[0].text = "The birch canoe."
    assert found(cuts) == [("pace", "x4"), ("pace", "x7")]
    assert found(cuts[:9]) == []  # too few to know a pace


def test_of_one_name_the_first_is_kept(tmp_path: Path) -> None:
    cuts = cuts_of(tmp_path)
    twice = dataclasses.replace(cuts[2], id="a1")
    problems = check_cuts([*cuts, twice])
    assert [(problem.kind, problem.utt_id) for problem in problems] == [("duplicate id", "a1")]
    kept = without_errors([*cuts, twice], problems)
    assert all(a is b for a, b in zip(kept, cuts)) and len(kept) == 3


def test_summary_and_report_name_everything(tmp_path: Path) -> None:
    problems = [Problem("digits", f"n{n}", "7\tof 9") for n in range(SHOWN + 2)] + [Problem("no text", "e", "empty")]
    lines = list(summary(problems))
    assert lines[0] == f"error: no text, 1 ({ERRORS['no text']})" and lines[1] == "  e: empty"
    assert lines[2] == f"note: digits, {SHOWN + 2} ({NOTES['digits']})" and lines[-1] == "  ... and 2 more"
    write_report(problems, tmp_path / "r.tsv")
    rows = [line.split("\t") for line in (tmp_path / "r.tsv").read_text("utf-8").splitlines()]
    assert rows[0] == ["severity", "kind", "utterance", "detail"] and len(rows) == len(problems) + 1
    assert rows[1] == ["note", "digits", "n0", "7 of 9"] and rows[-1] == ["error", "no text", "e", "empty"]


def test_phones_are_those_that_the_runtime_speaks(tmp_path: Path) -> None:
    text = "Hello, Dr. Smith! It is 5 o'clock."
    sentences = list(Phonemizer()(text))
    assert len(sentences) == 2
    assert phones_of(text) == [*sentences[0].phones, " ", *sentences[1].phones]


def corpus(*args: object) -> int:
    return cli.main(["corpus", *map(str, args)])


def test_the_verbs_from_a_folder_to_three_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_ljspeech(tmp_path / "mine", TEXTS | {"bad": "..."})
    with open(folder / "metadata.csv", "a") as file:
        file.write("gone|Nobody said this.\n")
    cuts, report = tmp_path / "cuts.jsonl.gz", tmp_path / "report.tsv"
    assert corpus("import", "ljspeech", folder, cuts, "--jobs", 1) == 1
    said = capsys.readouterr()
    assert "error: no audio, 1" in said.out and "  gone: there is no" in said.out
    assert "1 entries of" in said.err and "leave them out with --fix" in said.err
    assert not cuts.exists()
    assert corpus("import", "ljspeech", folder, cuts, "--fix", "--speaker", "me", "--report", report) == 0
    assert capsys.readouterr().out.endswith("4 utterances, 0.00 h\n") and "gone" in report.read_text()
    assert {cut.supervisions[0].speaker for cut in load_cuts(cuts)} == {"me"}

    assert corpus("check", cuts) == 1
    assert "1 of 4 utterances of" in capsys.readouterr().err
    assert corpus("phonemize", cuts, tmp_path / "phones.jsonl.gz") == 1
    said = capsys.readouterr()
    assert "1 of 4 utterances cannot be spoken; the first is bad: the text '...' has no word" in said.err
    assert corpus("check", cuts, "--fix", tmp_path / "sound.jsonl.gz") == 0
    assert corpus("check", tmp_path / "sound.jsonl.gz") == 0
    assert capsys.readouterr().out.endswith("3 utterances, no errors\n")

    (tmp_path / "own.txt").write_text("canoe\th ˈɛ l\n", "utf-8")
    done = corpus("phonemize", tmp_path / "sound.jsonl.gz", tmp_path / "p.jsonl.gz", "--lexicon", tmp_path / "own.txt")
    assert done == 0
    for cut in load_cuts(tmp_path / "p.jsonl.gz"):
        expected = phones_of(cut.supervisions[0].text or "", tmp_path / "own.txt")
        assert (cut.supervisions[0].custom or {})["phones"] == expected
        if cut.id == "a1":
            assert " ".join(expected).find("h ˈɛ l   s l ˈɪ d") > 0
    assert corpus("split", tmp_path / "p.jsonl.gz", tmp_path / "split", "--dev", 1, "--test", "a3") == 0
    ids = {n: [cut.id for cut in load_cuts(tmp_path / "split" / f"{n}.jsonl.gz")] for n in ("train", "dev", "test")}
    assert ids == {"train": ["a1"], "dev": ["a2"], "test": ["a3"]}
    assert corpus("export", "kaldi", tmp_path / "p.jsonl.gz", tmp_path / "kaldi") == 0
    assert corpus("import", "kaldi", tmp_path / "kaldi", tmp_path / "again.jsonl.gz") == 0
    texts = {cut.id: cut.supervisions[0].text for cut in load_cuts(tmp_path / "again.jsonl.gz")}
    assert texts == TEXTS


def test_the_verbs_refuse_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cuts = tmp_path / "cuts.jsonl"
    for args, words in (
        (("check", cuts), "there is no manifest at"),
        (("import", "arctic", tmp_path, cuts), "txt.done.data: is"),
        (("import", "ljspeech", make_ljspeech(tmp_path / "c"), tmp_path / "cuts.txt"), "should end in .jsonl.gz"),
        (("import", "ljspeech", tmp_path / "c", cuts, "--jobs", 0), "--jobs is 0 but should be 1 or more"),
    ):
        assert corpus(*args) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("speechnar: ") and words in error
    save_cuts(cuts_of(tmp_path / "d", {"a": "..."}), cuts)
    assert corpus("check", cuts, "--fix", tmp_path / "out.jsonl") == 1
    assert "no utterance of" in capsys.readouterr().err and not (tmp_path / "out.jsonl").exists()


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    (cut,) = cuts_of(tmp_path, {"a": TEXTS["a1"]})
    save_cuts([cut.with_id(f"a{n}") for n in range(6000)], tmp_path / "cuts.jsonl")
    before = sorted(path.name for path in tmp_path.iterdir())
    args = ["corpus", "check", str(tmp_path / "cuts.jsonl"), "--fix", str(tmp_path / "out.jsonl"), "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "speechnar", *args], stderr=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    )
    assert process.stderr
    while b"utt/s" not in process.stderr.read1():  # type: ignore[attr-defined]
        pass
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == b"speechnar: interrupted" and b"Traceback" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == before
