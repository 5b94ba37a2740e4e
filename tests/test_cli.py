from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import speechnar
from speechnar import audio, cli
from speechnar.runtime import load_voice, voice_folder

TEXT = "Hello, world. Good night."
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs signals, pipes and /dev/full")


@pytest.fixture
def synth(stub_voice: Path):
    """Runs `speechnar synth` with the stub voice and returns the exit code."""
    return lambda *args: cli.main(["synth", "--voice", str(stub_voice), *map(str, args)])


def speechnar_process(*args: object, **options: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "speechnar", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=_root(), **options)  # type: ignore[call-overload]


def _root() -> Path:
    return Path(speechnar.__file__).parents[1]


@pytest.fixture(scope="module")
def expected(stub_voice: Path) -> np.ndarray:
    return load_voice(stub_voice).synthesize(TEXT).wav


def give_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_text_becomes_a_file(synth, tmp_path: Path, expected: np.ndarray, name: str, capsys) -> None:
    assert synth(TEXT, "-o", tmp_path / name) == 0
    wav, rate = audio.read(tmp_path / name)
    assert rate == 16000
    assert abs(len(wav) - len(expected)) <= (2400 if name == "a.mp3" else 0)
    if name in ("a.wav", "a.flac"):
        np.testing.assert_allclose(wav, expected, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert capsys.readouterr().out == ""


def test_text_from_a_file_and_from_stdin_is_the_same(synth, tmp_path: Path, expected, monkeypatch) -> None:
    (tmp_path / "in.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    give_stdin(monkeypatch, TEXT.encode())
    assert synth("-f", tmp_path / "in.txt", "-o", tmp_path / "a.wav") == 0
    assert synth("-", "-o", tmp_path / "b.wav") == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], expected, atol=1e-4)


def test_stdout_gets_a_whole_wav_file(synth, tmp_path: Path, capsysbinary) -> None:
    assert synth(TEXT, "-o", tmp_path / "a.wav") == 0
    assert synth(TEXT, "-o", "-") == 0
    assert capsysbinary.readouterr().out == (tmp_path / "a.wav").read_bytes()


def test_stdout_gets_a_stream(synth, expected: np.ndarray, capsysbinary) -> None:
    assert synth(TEXT, "-o", "-", "--stream") == 0
    out = capsysbinary.readouterr().out
    assert out[40:44] == b"\xff\xff\xff\xff"
    wav, rate = soundfile.read(io.BytesIO(out))
    assert rate == 16000
    np.testing.assert_allclose(wav, expected, atol=1e-4)


def test_streaming_into_a_file_makes_the_same_file(synth, tmp_path: Path, expected: np.ndarray) -> None:
    assert synth(TEXT, "-o", tmp_path / "a.wav", "--stream", "--timings", tmp_path / "a.json") == 0
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], expected, atol=1e-4)
    assert (tmp_path / "a.json").is_file()


def test_a_terminal_gets_no_audio(synth, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert synth(TEXT, "-o", "-") == 1
    assert capsys.readouterr().err.startswith("speechnar: stdout is a terminal; give -o the name of a file")


def test_controls_reach_the_voice(synth, stub_voice: Path, tmp_path: Path) -> None:
    flags = ["--speed", "2", "--pitch", "-3.5", "--pitch-range", "0.5", "--energy=-6", "--seed", "4", "--threads", "1"]
    assert synth(TEXT, *flags, "-o", tmp_path / "a.wav") == 0
    same = load_voice(stub_voice).synthesize(TEXT, speed=2, pitch=-3.5, pitch_range=0.5, energy=-6, seed=4)
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], same.wav, atol=1e-4)


def test_timings_and_plot_come_with_the_audio(synth, tmp_path: Path) -> None:
    for ending in ("json", "srt", "vtt", "TextGrid"):
        assert synth(TEXT, "-o", tmp_path / "a.wav", "--timings", tmp_path / f"a.{ending}") == 0
    assert synth(TEXT, "-o", tmp_path / "a.wav", "--plot", tmp_path / "a.png", "--timings", tmp_path / "b.json") == 0
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()
    words = json.loads((tmp_path / "a.json").read_text())["words"]
    assert [w["text"] for w in words] == ["Hello", "world", "Good", "night"]
    assert "Good night." in (tmp_path / "a.srt").read_text()
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT")
    assert 'name = "phones"' in (tmp_path / "a.TextGrid").read_text()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_phones_that_were_printed_can_be_spoken(synth, tmp_path: Path, expected: np.ndarray, capsys) -> None:
    assert cli.main(["phonemize", TEXT]) == 0
    phones = capsys.readouterr().out
    assert phones.splitlines() == ["h ɛ l ˈoʊ , | w ˈɚ l d .", "ɡ ˈʊ d | n ˈaɪ t ."]
    (tmp_path / "phones.txt").write_text(phones, encoding="utf-8")
    assert synth("-f", tmp_path / "phones.txt", "--phonemes", "-o", tmp_path / "a.wav") == 0
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], expected, atol=1e-4)


def test_a_lexicon_overrides(synth, tmp_path: Path, capsys) -> None:
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("world\tb ˈi\n", encoding="utf-8")
    assert cli.main(["phonemize", TEXT, "--lexicon", str(lexicon)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "h ɛ l ˈoʊ , | b ˈi ."
    assert synth("world", "--lexicon", lexicon, "-o", tmp_path / "a.wav") == 0
    assert soundfile.info(tmp_path / "a.wav").frames == (2 + 3) * 5 * 200  # <s>, two phones, a full stop, </s>


def test_what_is_left_out_is_a_notice(capsys) -> None:
    assert cli.main(["phonemize", "One.\nTokyo (東京) is large."]) == 0
    assert capsys.readouterr().err == "speechnar: left out what has no English reading: '東京' (line 2)\n"


def test_each_line_becomes_a_file_of_its_number(synth, tmp_path: Path) -> None:
    lines = ["One.", "", "Two.", *[" "] * 6, "Ten."]
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
    assert synth("-f", tmp_path / "in.txt", "--lines", "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["01.wav", "03.wav", "10.wav"]
    assert synth("Ten.", "-o", tmp_path / "ten.wav") == 0
    assert (tmp_path / "out" / "10.wav").read_bytes() == (tmp_path / "ten.wav").read_bytes()


def test_lines_can_be_named_by_a_pattern(synth, tmp_path: Path) -> None:
    pattern = f"{tmp_path}/{{}}/said.flac"
    assert synth("One.\nTwo.", "--lines", "-o", pattern, "--timings", f"{tmp_path}/{{}}.srt") == 0
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")) == [
        "1.srt",
        "1/said.flac",
        "2.srt",
        "2/said.flac",
    ]


def test_a_line_that_cannot_be_spoken_does_not_stop_the_others(synth, tmp_path: Path, capsys) -> None:
    assert synth("One.\n***\nThree.", "--lines", "-o", tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.wav", "3.wav"]
    assert capsys.readouterr().err.startswith("speechnar: 1 of 3 lines could not be spoken; the first is line 2: ")


@pytest.mark.parametrize("output", ["-", "a.wav"])
def test_lines_need_more_than_one_name(synth, output: str, capsys) -> None:
    assert synth(TEXT, "--lines", "-o", output) == 1
    assert "-o should be a folder, or a pattern such as out/{}.flac, but is " + output in capsys.readouterr().err
    assert synth(TEXT, "--lines", "-o", "out", "--timings", "a.srt") == 1
    assert "--timings should be a pattern such as {}.srt but is a.srt" in capsys.readouterr().err


def test_voices_are_listed(stub_voice: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(voice_folder, "VOICES", stub_voice.parent)
    assert cli.main(["voices"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "language", "license", "size", "speakers", "measured"]
    assert re.fullmatch(r"stub  en-us     CC0-1.0  0.0 MB  1         WER 99.5", row)
    assert cli.main(["synth", "Hi.", "--voice", "nobody", "-o", "a.wav"]) == 1
    assert "there is no voice 'nobody'; take stub or the folder of a voice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "options", "passed"),
    [("voice", [], (None,)), ("voice", ["--vocoder", "hf:a/b"], ("hf:a/b",)), ("recognizer", [], ())]
    + [("letters", [], ())],
)
def test_export_passes_its_folders_on(kind, options, passed, tmp_path: Path, monkeypatch) -> None:
    seen: dict[str, tuple[object, ...]] = {}
    kinds = ("voice", "recognizer", "singing", "letters")
    verbs = {f"export_{k}": lambda *given, k=k: seen.update({k: given}) for k in kinds}
    monkeypatch.setitem(sys.modules, "speechnar.export", SimpleNamespace(**verbs))
    (tmp_path / f"{kind}.yaml").touch()
    out = "out.onnx" if kind == "letters" else "out"
    assert cli.main(["export", str(tmp_path), out, *options]) == 0
    assert seen == {kind: (tmp_path, Path(out), *passed)}


def test_letters_take_no_vocoder(tmp_path: Path, capsys) -> None:
    assert cli.main(["export", str(tmp_path), "out.onnx", "--vocoder", "hf:a/b"]) == 1
    assert "--vocoder is for voices: leave it out" in capsys.readouterr().err


def test_export_without_torch_says_what_to_install(monkeypatch, capsys) -> None:
    class NoTorch:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "speechnar.export":
                raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.delitem(sys.modules, "speechnar.export", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    assert cli.main(["export", "model", "voice"]) == 1
    assert capsys.readouterr().err == "speechnar: export needs torch: pip install 'speechnar[train]'\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["", "-o", "{}/a.wav"], "the text is empty"),
        (["\n \n", "-o", "{}/a.wav"], "the text is empty"),
        (["?! ... ***", "-o", "{}/a.wav"], r"\*\*\*"),
        (["", "--phonemes", "-o", "{}/a.wav"], "there are no phones to speak"),
        (["h ɛ q9", "--phonemes", "-o", "{}/a.wav"], "'q9' is not a phone"),
        (["\n\n", "--lines", "-o", "{}/out"], "there is no line to speak"),
        (["\udcff", "-o", "{}/a.wav"], r"the text is not UTF-8 \(byte 0 is 0xff\); convert it"),
        (["-f", "{}/none.txt", "-o", "{}/a.wav"], "none.txt: No such file or directory"),
        ([TEXT, "-o", "{}/a.aiff"], "a.aiff should end in one of .wav, .flac, .ogg, .mp3"),
        ([TEXT, "-o", "/proc/none/a.wav"], "cannot write /proc/none/a.wav: No such file or directory"),
        ([TEXT, "-o", "{}/a.wav", "--timings", "{}/a.txt"], "a.txt should end in one of .json, .srt, .vtt, .TextGrid"),
        ([TEXT, "-o", "{}/a.wav", "--plot", "{}/a.gif"], "a.gif should end in one of .png, .svg, .pdf"),
        ([TEXT, "-o", "{}/a.wav", "--speed", "0.1"], r"speed should be from 0.25 to 4 .* but is 0.1"),
        ([TEXT, "-o", "{}/a.wav", "--threads", "0"], "--threads is 0 but should be from 1 to the number of cores"),
        ([TEXT, "-o", "{}/a.wav", "--lexicon", "{}/none.tsv"], "none.tsv: No such file or directory"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(synth, tmp_path: Path, args, message: str, capsys) -> None:
    assert synth(*(arg.replace("{}", str(tmp_path)) for arg in args)) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(rf"speechnar: [^\n]*{message}[^\n]*\n", error), error
    assert not list(tmp_path.rglob("*"))


def test_bytes_that_are_no_text_are_refused_with_their_place(synth, tmp_path: Path, monkeypatch, capsys) -> None:
    give_stdin(monkeypatch, b"caf\xe9 au lait")
    assert synth("-", "-o", tmp_path / "a.wav") == 1
    assert capsys.readouterr().err == "speechnar: stdin is not UTF-8 (byte 3 is 0xe9); convert it\n"
    (tmp_path / "in.txt").write_bytes(b"\xff\xfeH\x00")
    assert synth("-f", tmp_path / "in.txt", "-o", tmp_path / "a.wav") == 1
    assert capsys.readouterr().err == f"speechnar: {tmp_path}/in.txt is not UTF-8 (byte 0 is 0xff); convert it\n"


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["sing"],
        ["synth", "-o", "a.wav"],
        ["synth", "Hi.", "-f", "in.txt", "-o", "a.wav"],
        ["synth", "Hi.", "-o", "a.wav", "--sped", "2"],
        ["synth", "Hi.", "-o", "a.wav", "--spee", "2"],
        ["synth", "Hi.", "-o", "a.wav", "--speed", "fast"],
        ["phonemize", "Hi.", "--phonemes"],
    ],
)
def test_what_is_no_command_is_refused_with_the_usage(args: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(args)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: speechnar")


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"speechnar {speechnar.__version__}\n"


def test_a_damaged_voice_leaves_the_old_output(stub_voice: Path, tmp_path: Path, capsys) -> None:
    folder = Path(shutil.copytree(stub_voice, tmp_path / "voice"))
    (folder / "vocoder.onnx").write_bytes((folder / "vocoder.onnx").read_bytes()[:300])
    (tmp_path / "a.wav").write_bytes(b"old")
    assert cli.main(["synth", "Hi.", "--voice", str(folder), "-o", str(tmp_path / "a.wav")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "a.wav").read_bytes() == b"old"


@POSIX
def test_ctrl_c_leaves_no_half_file(stub_voice: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("This is a sentence of a long book. " * 20_000)
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.wav").write_bytes(b"old")
    process = speechnar_process("synth", "-f", tmp_path / "in.txt", "--voice", stub_voice, "-o", out / "a.wav")
    deadline = time.monotonic() + 60
    while not any(p.stat().st_size > 100_000 for p in out.glob(".a.wav.*.part")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, b"speechnar: interrupted\n")
    assert [(p.name, p.read_bytes()) for p in out.iterdir()] == [("a.wav", b"old")]


@POSIX
def test_ctrl_c_while_streaming(stub_voice: Path) -> None:
    text = "This is a sentence of a long book. " * 3000
    process = speechnar_process("synth", text, "--voice", stub_voice, "-o", "-", "--stream")
    assert process.stdout and process.stdout.read(44)[:4] == b"RIFF"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, b"speechnar: interrupted\n")


@POSIX
@pytest.mark.parametrize("flags", [[], ["--stream"]])
def test_a_reader_that_leaves_is_no_drama(stub_voice: Path, flags: list[str]) -> None:
    text = "This is a sentence of a long book. " * 100
    process = speechnar_process("synth", text, "--voice", stub_voice, "-o", "-", *flags)
    assert process.stdout and process.stderr
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 1


@POSIX
@pytest.mark.parametrize(
    "args", [["synth", "Hi.", "-o", "-"], ["synth", "Hi.", "-o", "-", "--stream"], ["phonemize", "Hi."]]
)
def test_a_full_disk_behind_stdout(stub_voice: Path, args: list[str]) -> None:
    voice = ["--voice", str(stub_voice)] if args[0] == "synth" else []
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "speechnar", *args, *voice]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=_root())
    assert (done.returncode, done.stderr) == (1, b"speechnar: stdout: No space left on device\n")


@POSIX
def test_memory_stays_flat_however_long_the_text(stub_voice: Path, tmp_path: Path) -> None:
    def peak(n_sentences: int) -> int:
        """Peak memory in MB after writing `n_sentences` of 2 s each."""
        text = "This is a sentence of a long book. " * n_sentences
        script = (
            "import sys, resource; from speechnar import cli\n"
            f"assert cli.main(['synth', '-', '--voice', {str(stub_voice)!r}, '-o', {str(tmp_path / 'a.wav')!r}]) == 0\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        done = subprocess.run([sys.executable, "-c", script], input=text.encode(), capture_output=True, cwd=_root())
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    short, long = peak(1), peak(1500)  # 1500 sentences are about 190 MB of float32 audio
    assert soundfile.info(tmp_path / "a.wav").duration > 2000
    assert long - short < 20
