"""Every format, and what is wrong with files in the wild."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from speechnar.evaluate.wer import transcripts
from speechnar.evaluate.wer.transcripts import TranscriptError

HELLO = {"spk-1": "hello there", "spk-2": "", "spk-3": "été"}

FILES = {
    "text": "spk-1 hello there\nspk-2\nspk-3  été \n",
    "hyp.txt": "spk-1\thello there\n\nspk-2 \nspk-3 été",
    "hyp.trn": "hello there (spk-1)\n(spk-2)\n été (spk-3)\n",
    "hyp.tsv": "spk-1\thello there\nspk-2\t\nspk-3\tété\n",
    "hyp.json": '{"spk-1": "hello there", "spk-2": "", "spk-3": "e\u0301te\u0301"}',
    "list.JSON": '[{"id": "spk-1", "text": "hello there"}, {"id": "spk-2", "text": ""},'
    ' {"id": "spk-3", "text": "été"}]',
    "hyp.jsonl": '{"id": "spk-1", "text": "hello there", "seconds": 2}\n{"text": "", "id": "spk-2"}\n\n'
    '{"id": "spk-3", "text": "été"}\n',
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["plain", "bom", "crlf", "cr"])
def test_all_formats_say_the_same(name: str, form: str, tmp_path: Path) -> None:
    text = FILES[name].replace("\n", {"crlf": "\r\n", "cr": "\r"}.get(form, "\n"))
    (tmp_path / name).write_bytes(text.encode("utf-8-sig" if form == "bom" else "utf-8"))
    assert transcripts.read(tmp_path / name) == HELLO


def test_ctm_words_come_in_the_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "hyp.ctm"
    path.write_text(";; a comment\nb 1 0.0 0.2 yes 0.9\na 1 1.5 0.3 there\na 1 1.0 0.5 hello 1.0\n", encoding="utf-8")
    assert transcripts.read(path) == {"b": "yes", "a": "hello there"}


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("text", b"", "holds no transcripts"),
        ("text", b" \n\n", "holds no transcripts"),
        ("text", b"u1 a\nu1 b\n", "has the utterance u1 twice"),
        ("text", "u1 été\n".encode("latin-1"), "is not UTF-8 (byte 3 is 0xe9); convert it"),
        ("text", "u1 hello\n".encode("utf-16"), "is not UTF-8 (byte 0 is 0xff)"),
        ("text", "u1 hello\n".encode("utf-16-le"), "holds zero bytes, as UTF-16 does"),
        ("a.tsv", b"u1\thello\nu2 there\n", "line 2: 'u2 there' should be an utterance, one tab"),
        ("a.tsv", b"u1\thello\t3.2\n", "line 1: 'u1\\thello\\t3.2' should be"),
        ("a.trn", b"(u1)\nhello there\n", "line 2: 'hello there' should end in its utterance, in brackets"),
        ("a.trn", b"hello (u1)\nagain (u1)\n", "u1 twice"),
        ("a.ctm", b"u1 1 0.0 hello\n", "line 1: 'u1 1 0.0 hello' should be"),
        ("a.ctm", b"u1 1 now 0.1 hello\n", "line 1"),
        ("a.ctm", b"u1 A 0.0 0.1 hello\nu1 B 0.0 0.1 there\n", "line 2: u1 has a second channel B"),
        ("a.ctm", b"u1 A * * <ALT_BEGIN>\n", "line 1: alternatives"),
        ("a.json", b"{", "is not JSON"),
        ("a.json", b'"hello"', "should hold a mapping"),
        ("a.json", b'{"u1": "a", "u1": "b"}', "has u1 twice"),
        ("a.json", b'{"u1": 3}', '{"id": "u1", "text": 3} should be {"id": "utterance", "text": "the words"}'),
        ("a.json", b'[{"id": "u1", "text": "a"}, {"id": "u1", "text": "b"}]', "u1 twice"),
        ("a.jsonl", b'{"id": "u1", "text": "a"}\n["u2", "b"]\n', "line 2: ["),
        ("a.jsonl", b'{"id": "u1", "text": "a"}\n{"id"\n', "line 2 is not JSON"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, data: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TranscriptError, match=re.escape(sentence)) as raised:
        transcripts.read(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_utterances_that_differ_are_named() -> None:
    reference = {f"u{number}": "" for number in range(9)}
    transcripts.same_utterances(reference, dict(reversed(reference.items())), "hyp")
    with pytest.raises(TranscriptError, match=r"hyp lacks 1 utterance \(u4\) of the reference; .*--missing-as-empty"):
        transcripts.same_utterances(reference, {key: "" for key in reference if key != "u4"}, "hyp")
    with pytest.raises(TranscriptError, match=r"hyp lacks 8 utterances \(u1, u2, u3, u4, u5 and 3 more\)"):
        transcripts.same_utterances(reference, {"u0": ""}, "hyp")
    with pytest.raises(TranscriptError, match=r"hyp has 1 utterance \(v\), which the reference lacks"):
        transcripts.same_utterances(reference, {**reference, "v": ""}, "hyp")


def test_speakers_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "utt2spk"
    path.write_text("u1 ann\nu2 bob\nu3\n", encoding="utf-8")
    assert transcripts.read_speakers(path, ["u2", "u1"]) == ["bob", "ann"]
    with pytest.raises(TranscriptError, match=r"no speaker for 2 utterances \(u3, u4\)"):
        transcripts.read_speakers(path, ["u1", "u3", "u4"])
