from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from stub_recognizer import RATE, SECONDS, spell

import speechnar
from speechnar import audio, cli
from speechnar.cli import transcribe as verb
from speechnar.cli.progress import only_own_words
from speechnar.runtime import recognizer_folder

WAV = spell(10, "abc", "ba", 25, "c", 10)  # words at frames 10 to 18, 19 to 24, 50 to 52 of 63, of 40 ms


@pytest.fixture
def transcribe(stub_recognizer: Path):
    """Runs `speechnar transcribe` with the stub recognizer and returns the exit code."""
    return lambda *args: cli.main(["transcribe", "--recognizer", str(stub_recognizer), *map(str, args)])


@pytest.fixture
def talks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, which is where the test runs, with `one.wav` (`WAV`), `two.flac` and `three.ogg`."""
    audio.write(tmp_path / "one.wav", WAV, RATE)
    audio.write(tmp_path / "two.flac", spell(5, "cab", 5), RATE)
    audio.write(tmp_path / "three.ogg", np.zeros(RATE, np.float32), RATE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_said_is_printed_a_line_for_each_segment(transcribe, talks: Path, capsys) -> None:
    assert transcribe("one.wav") == 0
    assert capsys.readouterr() == ("abc ba\nc\n", "")
    assert transcribe("three.ogg") == 0
    assert capsys.readouterr() == ("", "")


def test_words_of_which_the_audio_is_certain_are_not_corrected(transcribe, talks: Path, capsys) -> None:
    """`ba` and `abc` are in no lexicon of English: text alone would have them changed."""
    for option in ("--correct", "--no-correct"):
        assert transcribe("one.wav", option) == 0
        assert capsys.readouterr() == ("abc ba\nc\n", "")


def test_several_files_are_a_line_each(transcribe, talks: Path, capsys) -> None:
    assert transcribe("one.wav", "two.flac", "three.ogg") == 0
    assert capsys.readouterr().out == "one.wav\tabc ba c\ntwo.flac\tcab\nthree.ogg\t\n"


def test_patterns_are_expanded(transcribe, talks: Path, capsys) -> None:
    audio.write(talks / "in" / "it" / "[x].wav", WAV, RATE)
    assert transcribe("*.??a*", "in/**/*.wav", "in/it/[x].wav") == 0
    assert capsys.readouterr().out == "two.flac\tcab\nin/it/[x].wav\tabc ba c\nin/it/[x].wav\tabc ba c\n"
    assert transcribe("*.aiff") == 1
    assert capsys.readouterr().err == "speechnar: there is no audio file at *.aiff\n"


@pytest.mark.parametrize(
    "pattern", ["**", "**/", "./**", "in/**", "in/**/", "*/**", "**/**", "in/**/**", "/**", "[a-z]*/**"]
)
def test_folders_are_not_walked_for_whatever_is_in_them(transcribe, talks: Path, pattern: str, capsys) -> None:
    assert transcribe(pattern) == 1
    out, error = capsys.readouterr()
    assert out == "" and error.startswith(
        f"speechnar: {pattern} is every file of every folder: say which of them, such as "
    )
    assert error.endswith("**/*.wav\n") and error.count("\n") == 1


def test_a_file_from_stdin(transcribe, talks: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((talks / "one.wav").read_bytes())))
    assert transcribe("-", "--format", "ctm") == 0
    assert capsys.readouterr().out.splitlines()[0].split()[:3] == ["stdin", "1", "0.400"]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"no audio")))
    assert transcribe("-") == 1
    assert capsys.readouterr().err.startswith("speechnar: stdin cannot be read as audio")


def test_a_file_from_the_stdin_of_a_process(stub_recognizer: Path, talks: Path) -> None:
    """libsndfile takes "-" for the process's own streams, and closes them."""
    code = "import sys; from speechnar.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "transcribe", "--recognizer", str(stub_recognizer), "-"]
    with open(talks / "one.wav", "rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "abc ba\nc\n", "")


def test_a_stream_of_unknown_length_from_stdin(transcribe, talks: Path, monkeypatch, capsys) -> None:
    stream = io.BytesIO()
    audio.pipe_writer(stream, RATE)(WAV)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stream.getvalue())))
    assert transcribe("-") == 0
    assert capsys.readouterr().out == "abc ba\nc\n"


def test_the_search_can_be_told_what_to_expect(transcribe, talks: Path, capsys) -> None:
    audio.write("doubt.wav", 0.45 * spell(10, "ac", 10) + 0.47 * spell(10, "ab", 10), RATE)
    (talks / "names.txt").write_text("\ufeffabba\n\n ac \n", encoding="utf-8")
    for flags, text in (
        ([], "ab"),
        (["--beam", "8"], "ab"),
        (["--hotwords", "abba, ac"], "ac"),
        (["--hotwords", "names.txt", "--beam", "4"], "ac"),
    ):
        assert transcribe("doubt.wav", *flags) == 0
        assert capsys.readouterr().out == f"{text}\n"


def test_formats(transcribe, talks: Path, capsys) -> None:
    out = {}
    for kind in verb.FORMATS:
        assert transcribe("one.wav", "--format", kind) == 0
        out[kind] = capsys.readouterr().out
    assert out["txt"] == "abc ba\nc\n"
    read = json.loads(out["json"])
    assert list(read) == ["file", "duration", "language", "text", "segments", "words"]
    assert (read["file"], read["duration"], read["language"]) == ("one.wav", 2.52, "en-us")
    assert read["text"] == "abc ba c"
    assert read["segments"][1] == {"text": "c", "start": 2.0, "end": 2.08, "confidence": 1.0}
    assert read["words"][0] == {"text": "abc", "start": 0.4, "end": 0.72, "confidence": 1.0}
    assert out["srt"] == "1\n00:00:00,400 --> 00:00:01,235\nabc ba\n\n2\n00:00:01,684 --> 00:00:02,520\nc\n"
    assert out["vtt"].startswith("WEBVTT\n\n00:00:00.400 --> 00:00:01.235\nabc ba\n")
    assert out["ctm"].splitlines() == [
        "one 1 0.400 0.320 abc 1.000",
        "one 1 0.760 0.200 ba 1.000",
        "one 1 2.000 0.080 c 1.000",
    ]
    assert re.findall(r'name = "(\w+)"', out["TextGrid"]) == ["segments", "words"]
    assert f"xmax = {63 * SECONDS:.6f}\n" in out["TextGrid"]


def test_formats_of_silence_are_whole_files(transcribe, talks: Path, capsys) -> None:
    out = {}
    for kind in verb.FORMATS:
        assert transcribe("three.ogg", "--format", kind) == 0
        out[kind] = capsys.readouterr().out
    head = {"file": "three.ogg", "duration": 1.0, "language": "en-us"}
    assert json.loads(out.pop("json")) == {**head, "text": "", "segments": [], "words": []}
    grid = out.pop("TextGrid")
    whisper = json.loads(out.pop("verbose_json"))
    assert (whisper["text"], whisper["segments"], whisper["words"]) == ("", [], [])
    assert out == {"txt": "", "srt": "", "vtt": "WEBVTT\n", "ctm": ""}
    assert grid.count("intervals: size = 1\n") == 2 and grid.count("xmax = 1.000000\n") == 5


def test_the_ending_of_the_output_is_its_format(transcribe, talks: Path, capsys) -> None:
    assert transcribe("one.wav", "-o", "new/a.SRT") == 0
    assert (talks / "new/a.SRT").read_text().startswith("1\n00:00:00,400")
    assert transcribe("one.wav", "-o", "a.textgrid") == 0
    assert (talks / "a.textgrid").read_text().startswith("File type")
    assert transcribe("one.wav", "-o", "a.text", "--format", "txt") == 0
    assert (talks / "a.text").read_text() == "abc ba\nc\n"
    assert capsys.readouterr() == ("", "")


def test_a_folder_gets_a_file_of_each_name(transcribe, talks: Path) -> None:
    assert transcribe("one.wav", "two.flac", "-o", "out", "--format", "srt") == 0
    assert transcribe("three.ogg", "-o", "out") == 0
    assert sorted(path.name for path in (talks / "out").iterdir()) == ["one.srt", "three.txt", "two.srt"]
    for _ in range(2):  # a folder that is made, and one that is there
        assert transcribe("one.wav", "-o", "talks-1.0/") == 0
        assert (talks / "talks-1.0" / "one.txt").read_text() == "abc ba\nc\n"
    assert transcribe("two.flac", "-o", "talks-1.0") == 0
    assert (talks / "talks-1.0" / "two.txt").read_text() == "cab\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["one.wav", "-o", "a.doc"], "a.doc should end in one of txt, json, srt, vtt, ctm, TextGrid; or say which"),
        (["one.wav", "two.flac", "-o", "a.txt"], "with several files, -o should be a folder but is a.txt"),
        (["one.wav", "two.flac", "--format", "srt"], "several files in the format srt need a folder: give one with -o"),
        (["one.wav", "one.mp3", "-o", "out"], "one.wav and one.mp3 would both become out/one.txt: give them one at a"),
        (["one.wav", "--threads", "0"], "--threads is 0 but should be from 1 to the number of cores"),
        (["one.wav", "--beam", "0"], "beam is 0 but should be 1 or more"),
        (
            ["one.wav", "--hotwords", "no.txt"],
            "there is no file no.txt with hot words; give a file, or a list such as a,b",
        ),
        (["one.wav", "--device", "tpu"], "device should be one of cpu, cuda but is 'tpu'"),
        (["one.wav", "-o", "/proc/none/a.txt"], "cannot write /proc/none/a.txt: No such file or directory"),
        ([""], "FILE is empty: give it a value"),
    ],
)
def test_bad_arguments_are_one_sentence_and_leave_nothing(transcribe, talks: Path, args, message: str, capsys) -> None:
    assert transcribe(*args) == 1
    out, error = capsys.readouterr()
    assert out == "" and re.fullmatch(rf"speechnar: [^\n]*{message}[^\n]*\n", error), error
    assert sorted(path.name for path in talks.iterdir()) == ["one.wav", "three.ogg", "two.flac"]


@pytest.fixture
def bad(talks: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Files that cannot be transcribed, and what is said of them."""
    monkeypatch.setenv("PATH", str(talks))  # no ffmpeg
    (talks / "empty.wav").touch()
    soundfile.write(talks / "header.wav", np.zeros(0, np.float32), RATE)
    soundfile.write(talks / "nan.wav", np.array([0.1, np.nan], np.float32), RATE, subtype="FLOAT")
    (talks / "half.flac").write_bytes((talks / "two.flac").read_bytes()[:300])
    (talks / "text.wav").write_text("This is no audio.")
    (talks / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")
    (talks / "bytes.raw").write_bytes(bytes(3000))
    (talks / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(300))
    (talks / "folder.wav").mkdir()
    return {
        "empty.wav": r"holds no audio \(0 samples\)",
        "header.wav": r"holds no audio \(0 samples\)",
        "nan.wav": "holds samples that are not finite numbers; write it again as 16-bit PCM",
        "half.flac": "cannot be read as audio: it is damaged; ffmpeg, where it is installed, may read it",
        "text.wav": "cannot be read as audio; convert it to WAV or FLAC, or install ffmpeg for video and more",
        "film.mp4": "cannot be read as audio; convert it to WAV or FLAC, or install ffmpeg for video and more",
        "bytes.raw": "has no header: say how it was recorded, such as --raw 16000 .*",
        "photo.jpg": "is a picture, without sound",
        "folder.wav": r"is a folder; give the files in it, such as folder.wav/\*.wav",
        "none.wav": "there is no audio file at none.wav",
    }


def test_bad_files_are_named_and_the_others_go_through(transcribe, talks: Path, bad, capsys) -> None:
    assert transcribe("one.wav", *bad, "two.flac", "-o", "out") == 1
    *errors, last = capsys.readouterr().err.splitlines()
    assert len(errors) == len(bad)
    for error, (name, message) in zip(errors, bad.items()):
        assert name in error and re.fullmatch(f"speechnar: .*{message}", error)
    assert last == "speechnar: 10 of 12 files could not be transcribed"
    assert sorted(path.name for path in (talks / "out").iterdir()) == ["one.txt", "two.txt"]


def test_a_bad_file_alone_is_one_sentence(transcribe, bad, capsys) -> None:
    for name, message in bad.items():
        assert transcribe(name) == 1
        out, error = capsys.readouterr()
        assert out == "" and re.fullmatch(f"speechnar: [^\n]*{message}\n", error)


def test_half_a_wav_is_heard_as_far_as_it_goes(transcribe, talks: Path, capsys) -> None:
    (talks / "half.wav").write_bytes((talks / "one.wav").read_bytes()[: 44 + 2 * 30 * 640])
    assert transcribe("half.wav") == 0
    assert capsys.readouterr() == ("abc ba\n", "")


def test_long_audio_has_a_bar_with_the_time_that_is_left(transcribe, talks: Path, monkeypatch, capsys) -> None:
    audio.write(talks / "long.wav", np.tile(WAV, 40), RATE)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert transcribe("long.wav", "one.wav", "none.wav") == 1
    out, error = capsys.readouterr()
    assert out.splitlines()[1] == "one.wav\tabc ba c"
    assert re.search(r"\d+%\|.*\| \d+/103 s \[\d\d:\d\d<", error)
    assert transcribe("one.wav") == 0
    assert capsys.readouterr().err == ""


def test_recognizers_are_listed(stub_recognizer: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(recognizer_folder, "RECOGNIZERS", stub_recognizer.parent)
    assert cli.main(["recognizers"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "language", "license", "size", "measured"]
    assert re.fullmatch(r"stub  en-us     CC0-1.0  0.0 MB  WER 99.5", row)
    assert cli.main(["transcribe", "a.wav", "--recognizer", "nobody"]) == 1
    assert "there is no recognizer 'nobody'; take stub or the folder of a recognizer" in capsys.readouterr().err


def test_former_names_of_options_still_work(capsys: pytest.CaptureFixture[str]) -> None:
    from speechnar.cli import build_parser

    args = build_parser().parse_args(["transcribe", "a.wav", "--passes", "3"])
    assert args.iterations == 3
    assert build_parser().parse_args(["transcribe", "a.wav"]).iterations is None
    args = build_parser().parse_args(["decode", "m", "c", "o", "--sharpness", "0.5", "--readings", "2"])
    assert (args.temperature, args.masking_passes) == (2.0, 2)
    notices = capsys.readouterr().err.splitlines()
    assert notices == [
        "speechnar: --passes is now called --iterations",
        "speechnar: --sharpness is now called --temperature, which is its inverse: 1 / sharpness",
        "speechnar: --readings is now called --masking-passes",
    ]


def test_several_files_as_json_are_lines(transcribe, talks: Path, capsys) -> None:
    assert transcribe("one.wav", "two.flac", "--format", "json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["file"], first["text"]) == ("one.wav", "abc ba c")
    assert (second["file"], second["duration"]) == ("two.flac", round((5 + 9 + 5) * SECONDS, 4))


@pytest.mark.skipif(os.name != "posix", reason="needs a named pipe")
def test_a_named_pipe_is_waited_for_with_a_word(transcribe, talks: Path, capsys) -> None:
    os.mkfifo("pipe.wav")
    data = (talks / "one.wav").read_bytes()
    writer = threading.Thread(target=lambda: Path("pipe.wav").write_bytes(data))
    writer.start()
    assert transcribe("pipe.wav") == 0
    writer.join()
    out, error = capsys.readouterr()
    assert out == "abc ba\nc\n"
    assert error == "speechnar: waiting for a program that writes to the named pipe pipe.wav\n"


def test_the_functions_take_what_the_classes_take(stub_recognizer: Path, stub_voice: Path, talks: Path) -> None:
    heard = speechnar.transcribe("one.wav", recognizer=stub_recognizer, threads=1, device="cpu", beam=2)
    assert (heard.text, heard.file, heard.language) == ("abc ba c", "one.wav", "en-us")
    assert [segment.confidence for segment in heard.segments] == [1.0, 1.0]
    assert len(speechnar.synthesize("Hello.", stub_voice, threads=1, speed=2).wav)
    with pytest.raises(ValueError, match="threads should be from 1 to 9999 but is 99999999999"):
        speechnar.transcribe("one.wav", recognizer=stub_recognizer, threads=99999999999)


def test_lines_of_subtitles_may_be_shorter(transcribe, talks: Path, capsys) -> None:
    assert transcribe("one.wav", "--format", "srt", "--max-line-length", 4, "--max-lines", 1) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.isalpha()]
    assert shown == ["abc", "ba", "c"]
    assert transcribe("one.wav", "--format", "vtt", "--max-lines", 0) == 1
    assert "max_lines 0" in capsys.readouterr().err


def test_samples_without_a_header_need_their_rate(transcribe, talks: Path, monkeypatch, capsys) -> None:
    stereo = np.repeat(np.rint(WAV * 32767).astype("<i2"), 2)
    (talks / "a.pcm").write_bytes(stereo.tobytes())
    assert transcribe("a.pcm") == 1
    assert capsys.readouterr().err.startswith("speechnar: a.pcm has no header: say how it was recorded, such as --raw")
    assert transcribe("--raw", f"{RATE},2,s16le", "a.pcm") == 0
    assert capsys.readouterr() == ("abc ba\nc\n", "")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stereo.tobytes())))
    assert transcribe("--raw", f"{RATE},2", "-") == 0
    assert capsys.readouterr().out == "abc ba\nc\n"
    assert transcribe("--raw", "fast", "a.pcm") == 1
    assert "raw samples are RATE[,CHANNELS[,ENCODING]]" in capsys.readouterr().err


def test_what_was_left_out_of_a_damaged_file_is_a_notice(transcribe, talks: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", str(talks))  # no ffmpeg
    noise = np.random.default_rng(0).normal(0, 0.01, 3 * RATE).astype(np.float32)
    audio.write(talks / "a.flac", np.concatenate([WAV, noise]), RATE)
    data = (talks / "a.flac").read_bytes()
    (talks / "a.flac").write_bytes(data[: len(data) * 3 // 4])
    assert transcribe("a.flac") == 0
    out, error = capsys.readouterr()
    assert out == "abc ba\nc\n"
    assert re.fullmatch(
        r"speechnar: a.flac is damaged: what follows \d\.\d s is left out; ffmpeg, where it [^\n]*\n", error
    )


@pytest.mark.skipif(os.name != "posix", reason="writes to a descriptor")
def test_stderr_has_no_words_of_libraries(capfd: pytest.CaptureFixture[str]) -> None:
    with only_own_words():
        os.write(2, b"Note: Illegal Audio-MPEG-Header\n")
        print("speechnar: ours", file=sys.stderr)
    os.write(2, b"after\n")
    assert capfd.readouterr().err in ("speechnar: ours\nafter\n", "after\nspeechnar: ours\n")


def test_a_good_mp3_has_no_notes_of_its_decoder(stub_recognizer: Path, talks: Path) -> None:
    subprocess_of = [sys.executable, "-m", "speechnar", "transcribe", "--recognizer", str(stub_recognizer), "junk.mp3"]
    audio.write(talks / "a.mp3", np.tile(WAV, 3), RATE)
    data = (talks / "a.mp3").read_bytes()
    middle = len(data) // 2
    (talks / "junk.mp3").write_bytes(data[:middle] + b"\x13\x37junk" * 3000 + data[middle:])
    done = subprocess.run(subprocess_of, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout
    assert re.fullmatch(r"speechnar: junk.mp3 is damaged: what follows [^\n]*\n", done.stderr), done.stderr


def test_a_url_is_one_sentence(transcribe, capsys) -> None:
    assert transcribe("https://example.org/a.wav") == 1
    assert capsys.readouterr().err == (
        "speechnar: https://example.org/a.wav is a URL: download it first, and give the file\n"
    )


def test_the_form_of_whisper(transcribe, talks: Path, capsys) -> None:
    assert transcribe("one.wav", "two.flac", "-o", "out", "--format", "verbose_json") == 0
    found = json.loads((talks / "out" / "one.json").read_text(encoding="utf-8"))
    assert (found["text"], found["duration"], found["task"]) == ("abc ba c", 2.52, "transcribe")
    first, second = found["segments"]
    assert (first["id"], first["start"], first["text"]) == (0, 0.4, " abc ba")
    assert first["words"][1] == {"word": " ba", "start": 0.76, "end": 0.96, "probability": 1.0}
    assert first["avg_logprob"] == 0.0 and second["words"][0]["word"] == " c"
    assert [word["word"] for word in found["words"]] == ["abc", "ba", "c"]
