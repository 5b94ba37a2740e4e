"""Corpora of every layout become cuts; what is wrong with one is named, and nothing is lost in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from recorded import RATE, TEXTS, hummed, make_ljspeech, record

from speechnar.data.corpora import Found, Imported, import_corpus, read_arctic, read_ljspeech, split_cuts
from speechnar.data.manifest import DataError, load_cuts, save_cuts
from speechnar.data.problems import Problem


def problems_of(made: Found | Imported) -> set[tuple[str, str]]:
    return {(problem.kind, problem.utt_id) for problem in made.problems}


def texts_of(found: Found) -> dict[str, str]:
    return {entry.utt_id: entry.text for entry in found.entries}


def test_ljspeech_of_two_columns(tmp_path: Path) -> None:
    found = read_ljspeech(make_ljspeech(tmp_path / "mine"))
    assert texts_of(found) == TEXTS and not found.problems
    imported = import_corpus(found, prefix="m-")
    assert [cut.id for cut in imported.cuts] == ["m-a1", "m-a2", "m-a3"] and not imported.problems
    for cut, text in zip(imported.cuts, TEXTS.values()):
        (supervision,) = cut.supervisions
        assert (supervision.text, supervision.speaker, supervision.id) == (text, "mine", cut.id)
        assert supervision.duration == cut.duration
        np.testing.assert_allclose(cut.load_audio()[0], hummed(text), atol=1e-4)


def test_the_normalized_column_counts_unless_it_is_empty(tmp_path: Path) -> None:
    folder = make_ljspeech(tmp_path)
    (folder / "metadata.csv").write_text("a1|No. 5|number five\na2|Only raw.|\na3.wav|Dr. X|doctor x\n", "utf-8")
    assert texts_of(read_ljspeech(folder)) == {"a1": "number five", "a2": "Only raw.", "a3": "doctor x"}


@pytest.mark.parametrize("encoded", [b"\xef\xbb\xbf%s", b"%s"], ids=["BOM", "no BOM"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_bom_and_line_ends_change_nothing(tmp_path: Path, encoded: bytes, end: bytes) -> None:
    folder = make_ljspeech(tmp_path)
    lines = [f"{name}|{text}".encode() for name, text in TEXTS.items()]
    (folder / "metadata.csv").write_bytes(encoded % (end + end.join(lines) + end + end))
    found = read_ljspeech(folder)
    assert texts_of(found) == TEXTS and not found.problems


def test_quotes_and_odd_line_breaks_stay_in_the_text(tmp_path: Path) -> None:
    text = '"Well," he said,\u2028 "it\'s 5\x85 o\'clock"'
    found = read_ljspeech(make_ljspeech(tmp_path, {"a1": text}))
    assert texts_of(found) == {"a1": text}


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    folder = make_ljspeech(tmp_path)
    record(folder / "wavs" / "silent.wav")
    record(folder / "wavs" / "empty.wav")
    record(folder / "wavs" / "a3.flac")
    lines = ["a1|One.", "empty|", "gone|Two.", "a1|Again.", "a2|a|b|c", "|no name", "only-a-name", "a3|Three."]
    (folder / "metadata.csv").write_text("\n".join(lines), "utf-8")
    found = read_ljspeech(folder)
    assert texts_of(found) == {"a1": "One."}
    assert problems_of(found) == {
        ("no text", "empty"),
        ("no audio", "gone"),
        ("duplicate id", "a1"),
        ("line", "metadata.csv:5"),
        ("line", "metadata.csv:6"),
        ("no audio", "only-a-name"),
        ("two files", "a3"),
        ("unused audio", "a2"),
        ("unused audio", "silent"),
    }
    assert any("a3.flac and a3.wav" in problem.detail for problem in found.problems)


def test_arctic(tmp_path: Path) -> None:
    folder = tmp_path / "cmu_us_slt_arctic"
    for name in ("arctic_a0001", "arctic_a0002", "arctic_a0003"):
        record(folder / "wav" / f"{name}.wav")
    (folder / "etc").mkdir()
    lines = '( arctic_a0001 "Author of, \\"it\\", etc." )\r\n\r\n( arctic_a0002 "" )\r\n( arctic_a0003 text )\r\n'
    (folder / "etc" / "txt.done.data").write_bytes(lines.encode())
    found = read_arctic(folder)
    assert [(e.utt_id, e.text, e.speaker) for e in found.entries] == [("arctic_a0001", 'Author of, "it", etc.', "slt")]
    assert problems_of(found) == {
        ("no text", "arctic_a0002"),
        ("line", "txt.done.data:4"),
        ("unused audio", "arctic_a0003"),
    }
    assert read_arctic(folder, "sue").entries[0].speaker == "sue"


def test_what_is_no_corpus_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*metadata\.csv: is .* the right folder"):
        read_ljspeech(tmp_path)
    (tmp_path / "metadata.csv").write_bytes("a|caf\xe9".encode("latin-1"))
    with pytest.raises(DataError, match=r"metadata\.csv is not UTF-8 \(byte 5\)"):
        read_ljspeech(tmp_path)
    (tmp_path / "metadata.csv").write_text("a,text\nb,another\n", "utf-8")
    with pytest.raises(DataError, match=r"metadata\.csv has no line of the form name\|text"):
        read_ljspeech(tmp_path)
    (tmp_path / "metadata.csv").write_text("a|text", "utf-8")
    with pytest.raises(DataError, match="there is no folder .*/wavs: is"):
        read_ljspeech(tmp_path)


@pytest.mark.parametrize("name", ["wavs", "wav", "."])
def test_audio_lies_in_a_folder_or_beside_its_list(tmp_path: Path, name: str) -> None:
    record(tmp_path / name / "a.wav", "text")
    (tmp_path / "metadata.csv").write_text("a|text", "utf-8")
    found = read_ljspeech(tmp_path)
    assert [entry.audio for entry in found.entries] == [tmp_path / name / "a.wav"] and not found.problems


def test_audio_of_every_kind_is_taken_or_named(tmp_path: Path) -> None:
    folder = make_ljspeech(tmp_path, {})
    record(folder / "wavs" / "stereo.wav")
    both = np.stack([hummed("abc"), 0 * hummed("abc")], axis=1)
    soundfile.write(folder / "wavs" / "stereo.wav", both, RATE)
    record(folder / "wavs" / "eight.wav", subtype="PCM_U8")
    record(folder / "wavs" / "high.wav", rate=96000)
    record(folder / "wavs" / "m.mp3")
    (folder / "wavs" / "m.mp3").rename(folder / "wavs" / "renamed.wav")
    (folder / "wavs" / "nothing.wav").touch()
    soundfile.write(folder / "wavs" / "zero.wav", np.zeros(0), RATE)
    (folder / "wavs" / "text.wav").write_text("This is no audio at all.")
    (folder / "wavs" / "cut.wav").write_bytes((folder / "wavs" / "high.wav").read_bytes()[:30])
    names = ["stereo", "eight", "high", "renamed", "nothing", "zero", "text", "cut"]
    (folder / "metadata.csv").write_text("".join(f"{name}|Hello.\n" for name in names), "utf-8")
    imported = import_corpus(read_ljspeech(folder), jobs=2)
    assert problems_of(imported) == {
        ("empty audio", "nothing"),
        ("empty audio", "zero"),
        ("unreadable audio", "text"),
        ("unreadable audio", "cut"),
    }
    shapes = {cut.id: (cut.load_audio().shape[0], cut.sampling_rate) for cut in imported.cuts}
    assert shapes == {"stereo": (2, RATE), "eight": (1, RATE), "high": (1, 96000), "renamed": (1, RATE)}
    by_id = {cut.id: cut for cut in imported.cuts}
    np.testing.assert_allclose(by_id["stereo"].load_audio().mean(axis=0), hummed("abc") / 2, atol=1e-3)


def test_a_manifest_is_written_whole_and_read_again(tmp_path: Path) -> None:
    cuts = import_corpus(read_ljspeech(make_ljspeech(tmp_path))).cuts
    for name in ("cuts.jsonl", "cuts.jsonl.gz"):
        save_cuts(cuts, tmp_path / name)
        assert [cut.to_dict() for cut in load_cuts(tmp_path / name)] == [cut.to_dict() for cut in cuts]
        first = (tmp_path / name).read_bytes()
        save_cuts(cuts, tmp_path / name)
        assert (tmp_path / name).read_bytes() == first
    with pytest.raises(DataError, match=r"should end in .jsonl.gz or .jsonl"):
        save_cuts(cuts, tmp_path / "cuts.json")
    (tmp_path / "cuts.jsonl.gz").write_bytes(first[:60])
    with pytest.raises(DataError, match=r"cuts.jsonl.gz cannot be read as a manifest \(EOFError"):
        load_cuts(tmp_path / "cuts.jsonl.gz")
    (tmp_path / "cuts.jsonl").write_text("")
    with pytest.raises(DataError, match="holds no utterances"):
        load_cuts(tmp_path / "cuts.jsonl")
    with pytest.raises(DataError, match="there is no manifest at"):
        load_cuts(tmp_path / "none.jsonl")


def test_a_split_takes_the_last_or_those_named(tmp_path: Path) -> None:
    cuts = import_corpus(read_ljspeech(make_ljspeech(tmp_path, {f"x{n}": "Hello." for n in range(10)}))).cuts
    parts = {name: [cut.id for cut in part] for name, part in split_cuts(cuts, dev="2", test="3").items()}
    assert parts == {"train": ["x0", "x1", "x2", "x3", "x4"], "dev": ["x5", "x6"], "test": ["x7", "x8", "x9"]}
    parts = {name: [cut.id for cut in part] for name, part in split_cuts(cuts, dev="x[01]$", test="x[1-4]").items()}
    assert parts == {"train": ["x5", "x6", "x7", "x8", "x9"], "dev": ["x0"], "test": ["x1", "x2", "x3", "x4"]}
    with pytest.raises(DataError, match="of 10 utterances none is left for train"):
        split_cuts(cuts, dev="5", test="5")
    with pytest.raises(DataError, match="neither a number nor a regular expression"):
        split_cuts(cuts, dev="(", test="5")


def test_problems_have_a_severity() -> None:
    assert Problem("no text", "a", "").severity == "error"
    assert Problem("digits", "a", "").severity == "note"
