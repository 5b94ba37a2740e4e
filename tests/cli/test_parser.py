"""Shared parts of all verbs: usage and hints, empty values, threads, and outputs that are inputs."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from stub_recognizer import RATE, spell

from speechnar import audio, cli
from speechnar.cli import parser as parser_module
from speechnar.cli.parser import VerbParser, refuse_overwriting

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")


def leaves(parser: VerbParser | None = None) -> Iterator[VerbParser]:
    """Every parser that has no subparsers: the verbs, with what is below them."""
    parser = parser or cli.build_parser()
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for sub in action.choices.values():
            yield from leaves(sub)


def needed(leaf: VerbParser, value: str = "x") -> list[str]:
    """The least arguments that a verb takes."""
    given = leaf.prog.split()[1:]
    for action in leaf._actions:
        if action.option_strings:
            given += [action.option_strings[0], value] if action.required else []
        elif action.nargs not in ("*", "?"):
            given += [str(next(iter(action.choices or [value])))]
    groups = [group for group in leaf._mutually_exclusive_groups if group.required]
    for group in groups:
        option = next(action for action in group._group_actions if action.option_strings)
        given += [option.option_strings[0], value]
    return given


LEAVES = {leaf.prog: leaf for leaf in leaves()}
OPTIONS = [
    (prog, action.option_strings[-1])
    for prog, leaf in LEAVES.items()
    for action in leaf._actions
    if action.option_strings and action.nargs != 0
]


def refused(*args: object, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the error of a command line that cannot be understood."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(arg) for arg in args])
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(("prog", "option"), OPTIONS)
def test_an_empty_value_is_one_sentence_for_every_option_of_every_verb(prog: str, option: str, capsys) -> None:
    assert cli.main([*needed(LEAVES[prog]), option, ""]) == 1
    assert re.fullmatch(r"speechnar: \S+ is empty: give it a value( or leave it out)?\n", capsys.readouterr().err)


@pytest.mark.parametrize("prog", LEAVES)
def test_every_file_is_declared_to_be_read_or_written(prog: str) -> None:
    """A metavar in capitals that names a file; a name, a number or a list that may be a file counts as read."""
    leaf = LEAVES[prog]
    files = re.compile(r"\b(FILE|DIR|CUTS|OUT|TSV|CONFIG|SOURCE|VOCODER|VOICE|\w+_DIR)\b")
    exempt = {"normalizer", "system", "recognizer", "reference"}  # names, NAME=DIR, commands
    paths = {a.dest for a in leaf._actions if a.metavar and files.search(str(a.metavar))} - exempt
    paths -= {"voice"} if "synth" in prog else set()
    declared = {*leaf.read_from, *leaf.written_to}
    assert declared <= {a.dest for a in leaf._actions}
    if prog != "speechnar evaluate listen serve":  # serves and writes in one folder
        assert paths <= declared, sorted(paths - declared)


def test_an_unknown_option_shows_the_usage_of_its_verb(capsys) -> None:
    error = refused("synth", "Hi.", "-o", "a.wav", "--xyzzy", "red", capsys=capsys)
    assert error.startswith("usage: speechnar synth ")
    assert error.endswith("error: there is no option --xyzzy; speechnar synth --help lists them all\n")
    assert refused("evaluate", "wer", "--ref", "a", "--hyp", "b", "c", capsys=capsys).startswith(
        "usage: speechnar evaluate wer"
    )


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        ("transcribe a.wav --language en", "--recognizer NAME|DIR"),
        ("transcribe a.wav --output_format srt", "--format "),
        ("transcribe a.wav --output_dir d", "-o/--output FILE|DIR"),
        ("transcribe a.wav --output-dir=d", "-o/--output FILE|DIR"),
        ("transcribe a.wav --model base", "--recognizer NAME|DIR"),
        ("transcribe a.wav -m base", "--recognizer NAME|DIR"),
        ("transcribe a.wav --beam_size 5", "--beam N"),
        ("transcribe a.wav --initial_prompt x", "--hotwords FILE|LIST"),
        ("transcribe a.wav --word_timestamps True", "--format "),
        ("transcribe a.wav --gpu", "--device DEVICE"),
        ("synth Hi. --model x", "--voice NAME|DIR"),
        ("synth Hi. --output_file a.wav", "-o/--output FILE"),
        ("synth Hi. --speaker_id 3", "--speaker NAME"),
        ("synth Hi. --length-scale 2", "--speed X"),
        ("synth Hi. --pitch_range 2", "--pitch-range X"),
        ("synth Hi. --sped 2", "--speed X"),
        ("train acoustic c --features f --train t --dev d --out o --max_steps 3", "--max-steps N"),
        ("train acoustic c --features f --train t --dev d --out o --epochs 3", "--max-steps N"),
        ("train acoustic c --features f --train t --dev d --out o --pretrained m", "--init DIR"),
        ("features t o --audio a --nj 3", "--jobs N"),
        ("evaluate wer --ref a --hyp b --hypothesis c", "--hyp FILE"),
    ],
)
def test_options_of_other_tools_lead_to_ours(args: str, meant: str, capsys) -> None:
    error = refused(*args.split(), capsys=capsys)
    verb = re.match(r"(train acoustic|evaluate wer|\w+)", args)[1]  # type: ignore[index]
    assert error.startswith(f"usage: speechnar {verb} ")
    assert f"did you mean {meant}" in error


def test_every_habit_leads_to_an_option_that_a_verb_has() -> None:
    known = {option for leaf in LEAVES.values() for action in leaf._actions for option in action.option_strings}
    for habit, options in parser_module.HABITS.items():
        assert set(options) <= known, habit


@pytest.mark.parametrize("threads", ["0", "-1", "99999999999", "2147483648"])
@pytest.mark.parametrize("verb", [["synth", "Hi.", "-o", "a.wav"], ["transcribe", "a.wav"], ["bench", "tts"]])
def test_threads_out_of_range_are_one_sentence(verb: list[str], threads: str, capsys) -> None:
    assert cli.main([*verb, "--threads", threads]) == 1
    expected = rf"speechnar: --threads is {threads} but should be from 1 to the number of cores, here \d+\n"
    assert re.fullmatch(expected, capsys.readouterr().err)


def test_threads_above_the_cores_are_capped_with_a_notice(monkeypatch, capsys) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert [parser_module.usable_threads(n) for n in (1, 3, 4, 5000)] == [1, 3, 3, 3]
    assert capsys.readouterr().err.splitlines() == [
        "speechnar: --threads 4 is more than the 3 cores here: 3 are used",
        "speechnar: --threads 5000 is more than the 3 cores here: 3 are used",
    ]


@POSIX
def test_no_output_is_an_input_through_links_too(tmp_path: Path) -> None:
    recording, other = tmp_path / "a.ogg", tmp_path / "b.ogg"
    recording.write_bytes(b"a")
    other.write_bytes(b"b")
    (tmp_path / "soft.ogg").symlink_to(recording)
    (tmp_path / "hard.ogg").hardlink_to(recording)
    (tmp_path / "folder").symlink_to(tmp_path)
    for same in ("a.ogg", "soft.ogg", "hard.ogg", "folder/a.ogg", "./a.ogg", "folder/../" + tmp_path.name + "/a.ogg"):
        with pytest.raises(ValueError, match="is the same as FILE .*a.ogg, which is read: write to another place"):
            refuse_overwriting([("FILE", recording)], [("-o", f"{tmp_path}/{same}")])
    refuse_overwriting([("FILE", recording)], [("-o", other), ("--json", tmp_path / "new.json")])
    refuse_overwriting([("FILE", "/dev/null")], [("-o", "/dev/null"), ("--json", "/dev/null")])
    with pytest.raises(ValueError, match="--plot .* is the same as -o "):
        refuse_overwriting([], [("-o", other), ("--plot", other)])


@pytest.mark.parametrize(
    "args",
    [
        ["transcribe", "a.ogg", "-o", "a.ogg", "--format", "txt"],
        ["transcribe", "a.ogg", "-o", "link.ogg", "--format", "txt"],
        ["transcribe", "a.*", "-o", "a.ogg", "--format", "txt"],
        ["transcribe", "a.ogg", "--hotwords", "b.txt", "-o", "b.txt"],
        ["synth", "-f", "b.txt", "-o", "b.txt"],
        ["synth", "-f", "1.wav", "--lines", "-o", "{}.wav"],
        ["synth", "Hi.", "--lexicon", "b.txt", "-o", "a.wav", "--timings", "b.txt"],
        ["vocode", "a.ogg", "-o", "a.ogg", "--vocoder", "v"],
        ["vocode", "1.wav", "-o", ".", "--vocoder", "v"],
        ["lm", "train", "b.txt", "-o", "b.txt"],
        ["corpus", "check", "b.txt", "--fix", "b.txt"],
        ["corpus", "phonemize", "b.txt", "b.txt"],
        ["corpus", "export", "kaldi", "b.txt", "b.txt"],
        ["features", "b.txt", "a.ogg", "b.txt", "--audio", "1.wav"],
        ["evaluate", "wer", "--ref", "b.txt", "--hyp", "a.ogg", "--json", "a.ogg"],
        ["evaluate", "mos", "b.txt", "--json", "b.txt"],
        ["bench", "tts", "--json", "b.txt", "--compare", "b.txt"],
        ["decode", "folder", "b.txt", "b.txt"],
        ["export", "folder", "folder"],
        ["restore", "folder", "folder"],
        ["train", "acoustic", "b.txt", "--features", "f", "--train", "t", "--dev", "d", "--out", "f", "--init", "f"],
        ["bulk", "transcribe", "--in", "folder", "--out", "folder"],
    ],
)
def test_no_verb_overwrites_what_it_reads(args: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    audio.write("a.ogg", np.zeros(800, np.float32), 16000)
    Path("b.txt").write_text("words\tw\n")
    Path("1.wav").write_text("One.\n")
    Path("link.ogg").symlink_to("a.ogg")
    for folder in ("folder", "f"):
        Path(folder).mkdir()
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert cli.main(args) == 1
    assert re.search(r"speechnar: .* is the same as .* which is read", capsys.readouterr().err)
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


def test_files_of_one_name_keep_their_folders(stub_recognizer: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/mon/talk.wav", "in/tue/talk.flac", "in/tue/late/talk.wav", "in/note.wav"):
        audio.write(name, spell(5, "ab", 5), RATE)
    options = ["--recognizer", str(stub_recognizer)]
    assert cli.main(["transcribe", "in/*/*.*", "in/tue/late/talk.wav", "in/note.wav", "-o", "out", *options]) == 0
    assert sorted(str(path) for path in Path("out").rglob("*.txt")) == [
        "out/mon/talk.txt",
        "out/note.txt",
        "out/tue/late/talk.txt",
        "out/tue/talk.txt",
    ]


def test_a_name_without_an_ending_is_a_folder_for_one_file_too(stub_recognizer: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    audio.write("a.wav", spell(5, "ab", 5), RATE)
    for _ in range(2):
        assert cli.main(["transcribe", "a.wav", "-o", "transcripts", "--recognizer", str(stub_recognizer)]) == 0
        assert Path("transcripts/a.txt").read_text() == "ab\n"


@POSIX
def test_names_that_are_not_utf8(stub_recognizer: Path, stub_voice: Path, tmp_path: Path, capfdbinary) -> None:
    name = os.fsdecode(b"caf\xe9")
    wav = tmp_path / f"{name}.wav"
    audio.write(wav, spell(5, "ab", 5), RATE)
    for kind in ("json", "ctm", "TextGrid", "srt"):
        out = tmp_path / f"{name}.{kind}"
        assert cli.main(["transcribe", str(wav), "-o", str(out), "--recognizer", str(stub_recognizer)]) == 0
        assert "ab" in out.read_text(encoding="utf-8")
    assert cli.main(["transcribe", str(wav), str(tmp_path / "none.wav"), "--recognizer", str(stub_recognizer)]) == 1
    captured = capfdbinary.readouterr()
    assert b"none.wav" in captured.err
    text = tmp_path / f"{name}.txt"
    text.write_text("Hello.")
    assert cli.main(["synth", "-f", str(text), "-o", str(tmp_path / f"{name}.flac"), "--voice", str(stub_voice)]) == 0
    assert (tmp_path / f"{name}.flac").stat().st_size > 1000


def test_a_stdout_that_cannot_write_a_character_is_one_sentence(monkeypatch, capsys) -> None:
    def fail(_: argparse.Namespace) -> None:
        "ɛ".encode("ascii")

    monkeypatch.setattr(cli, "build_parser", lambda: SimpleNamespace(parse_args=lambda _: SimpleNamespace(verb=fail)))
    assert cli.main([]) == 1
    assert capsys.readouterr().err == (
        "speechnar: the encoding ascii has no '\\u025b': set PYTHONIOENCODING=utf-8 or rename the file\n"
    )


def test_the_module_can_be_run() -> None:
    import subprocess

    done = subprocess.run([sys.executable, "-m", "speechnar", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "transcribe" in done.stdout
