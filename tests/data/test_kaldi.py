"""Kaldi data directories: there and back, and each thing that Kaldi would not take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lhotse.kaldi import load_kaldi_data_dir
from recorded import RATE, TEXTS, hummed, make_ljspeech, record

from speechnar.data.corpora import import_corpus, read_ljspeech
from speechnar.data.kaldi import read_kaldi, write_kaldi
from speechnar.data.manifest import DataError


def make_kaldi(folder: Path, **files: str) -> Path:
    """Two recordings, one of them cut into two segments; `files` replace those of their names."""
    for name in ("r1", "r2"):
        record(folder / f"{name}.wav", "x" * 20)  # 1.4 s
    contents = {
        "wav_scp": f"r1 {folder}/r1.wav\nr2 {folder}/r2.wav\n",
        "text": "s1-a good morning\ns1-b good night\ns2-c yes\n",
        "utt2spk": "s1-a s1\ns1-b s1\ns2-c s2\n",
        "segments": "s1-a r1 0.10 0.60\ns1-b r1 0.75 1.25\ns2-c r2 0 -1\n",
    } | files
    for name, content in contents.items():
        (folder / name.replace("_", ".")).write_bytes(content.encode())
    return folder


def test_segments_become_cuts_with_their_samples(tmp_path: Path) -> None:
    imported = import_corpus(read_kaldi(make_kaldi(tmp_path)))
    assert not imported.problems
    found = {cut.id: (cut.supervisions[0].text, cut.supervisions[0].speaker) for cut in imported.cuts}
    assert found == {"s1-a": ("good morning", "s1"), "s1-b": ("good night", "s1"), "s2-c": ("yes", "s2")}
    whole = hummed("x" * 20)
    a, b, c = (cut.load_audio()[0] for cut in imported.cuts)
    np.testing.assert_allclose(a, whole[int(0.1 * RATE) : int(0.6 * RATE)], atol=1e-4)
    np.testing.assert_allclose(b, whole[int(0.75 * RATE) : int(1.25 * RATE)], atol=1e-4)
    np.testing.assert_allclose(c, whole, atol=1e-4)


@pytest.mark.parametrize("segmented", [False, True])
def test_there_and_back_is_the_same(tmp_path: Path, segmented: bool) -> None:
    found = read_kaldi(make_kaldi(tmp_path / "a")) if segmented else read_ljspeech(make_ljspeech(tmp_path / "a"))
    cuts = import_corpus(found).cuts
    write_kaldi(cuts, tmp_path / "b")
    assert (tmp_path / "b" / "segments").exists() == segmented
    again = import_corpus(read_kaldi(tmp_path / "b"))
    assert not again.problems and len(again.cuts) == len(cuts)
    for old, new in zip(cuts, again.cuts):
        assert (old.id, old.supervisions[0].text, old.supervisions[0].speaker, old.start) == (
            new.id, new.supervisions[0].text, new.supervisions[0].speaker, new.start,
        )  # fmt: skip
        np.testing.assert_array_equal(old.load_audio(), new.load_audio())


def test_lhotse_reads_what_we_write(tmp_path: Path) -> None:
    write_kaldi(import_corpus(read_kaldi(make_kaldi(tmp_path))).cuts, tmp_path / "out")
    recordings, supervisions, _ = load_kaldi_data_dir(tmp_path / "out", RATE)
    assert supervisions is not None
    assert {s.id: (s.recording_id, s.start, s.text, s.speaker) for s in supervisions} == {
        "s1-a": ("r1", 0.1, "good morning", "s1"),
        "s1-b": ("r1", 0.75, "good night", "s1"),
        "s2-c": ("r2", 0.0, "yes", "s2"),
    }
    assert sorted(recording.id for recording in recordings) == ["r1", "r2"]


def test_files_are_sorted_as_bytes(tmp_path: Path) -> None:
    texts = {name: "hello" for name in ("b", "B", "a-2", "a-10", "ä", "z")}
    write_kaldi(import_corpus(read_ljspeech(make_ljspeech(tmp_path, texts))).cuts, tmp_path / "out")
    for name in ("text", "utt2spk", "wav.scp"):
        keys = [line.split()[0] for line in (tmp_path / "out" / name).read_text("utf-8").splitlines()]
        assert keys == ["B", "a-10", "a-2", "b", "z", "ä"]
    assert (tmp_path / "out" / "spk2utt").read_text("utf-8") == f"{tmp_path.name} B a-10 a-2 b z ä\n"


def test_every_disagreement_is_named(tmp_path: Path) -> None:
    names = ["ok", "silent", "nobody", "lost", "beyond", "backwards", "odd", "home"]
    text = "\ufeffok twice\r\n" + "".join(f"{name}{'' if name == 'silent' else ' hm'}\r\n" for name in names)
    folder = make_kaldi(
        tmp_path,
        text=text,
        utt2spk="".join(f"{name} s\n" for name in [*names, "untold"] if name != "nobody"),
        segments="ok r1 0.1 1.6\nsilent r1 0 1\nnobody r1 0 1\nlost r9 0 1\n"
        "beyond r1 0 9\nbackwards r1 1 0.5\nodd r1 zero 1\n",
    )
    imported = import_corpus(read_kaldi(folder))
    assert [cut.id for cut in imported.cuts] == ["ok"]
    assert sorted((problem.kind, problem.utt_id) for problem in imported.problems) == [
        ("duplicate id", "ok"),
        ("no audio", "lost"),
        ("no speaker", "nobody"),
        ("no text", "silent"),
        ("no text", "untold"),
        ("segment", "backwards"),
        ("segment", "beyond"),
        ("segment", "home"),
        ("segment", "odd"),
        ("segment end", "ok"),
        ("unused audio", "r2"),
    ]


def test_pipes_and_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has the pipe 'sox a.wav -t wav - \|', which is not run"):
        read_kaldi(make_kaldi(tmp_path, wav_scp="r1 sox a.wav -t wav - |\n"))
    with pytest.raises(DataError, match=r"has the archive 'wav.ark:17', which is not read"):
        read_kaldi(make_kaldi(tmp_path, wav_scp="r1 wav.ark:17\n"))


def test_spk2utt_stands_in_for_utt2spk_and_has_to_agree(tmp_path: Path) -> None:
    folder = make_kaldi(tmp_path, spk2utt="s1 s1-a s1-b\ns2 s2-c\n")
    before = read_kaldi(folder)
    (folder / "utt2spk").unlink()
    assert read_kaldi(folder) == before
    make_kaldi(tmp_path, spk2utt="s1 s1-a\ns2 s1-b s2-c\n")
    with pytest.raises(DataError, match="s1-b is of s1 in utt2spk and of s2 in spk2utt: delete spk2utt"):
        read_kaldi(folder)


@pytest.mark.parametrize("name", ["text", "wav.scp", "utt2spk"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (make_kaldi(tmp_path) / name).unlink()
    with pytest.raises(DataError, match=f"there is no .*{name}"):
        read_kaldi(tmp_path)


def test_relative_paths_and_a_missing_recording(tmp_path: Path) -> None:
    imported = import_corpus(read_kaldi(make_kaldi(tmp_path, wav_scp="r1 r1.wav\nr2 gone.wav\n")))
    assert [cut.id for cut in imported.cuts] == ["s1-a", "s1-b"]
    assert [(problem.kind, problem.utt_id) for problem in imported.problems] == [("no audio", "s2-c")]


def test_what_kaldi_cannot_hold_is_refused(tmp_path: Path) -> None:
    cuts = import_corpus(read_ljspeech(make_ljspeech(tmp_path, {"a b": TEXTS["a1"]}))).cuts
    with pytest.raises(DataError, match="'a b' cannot be a name in Kaldi"):
        write_kaldi(cuts, tmp_path / "out")
    cuts = import_corpus(read_ljspeech(make_ljspeech(tmp_path, TEXTS))).cuts
    with pytest.raises(DataError, match="two utterances or recordings are called a1"):
        write_kaldi([cuts[0], cuts[0]], tmp_path / "out")
    cuts[0].supervisions = []
    with pytest.raises(DataError, match="utterance a1 is not one supervision of one audio file"):
        write_kaldi(cuts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../../../evil", "/etc/evil", "a/../../evil", "..", "a\\b", "bell\a"])
def test_ids_that_leave_their_folder_are_refused(tmp_path: Path, name: str) -> None:
    record(tmp_path / "a.wav", "x" * 20)
    files = {"wav.scp": f"{name} {tmp_path}/a.wav\nfine {tmp_path}/a.wav\n", "text": f"{name} yes\nfine yes\n"}
    for file, content in (files | {"utt2spk": f"{name} s\nfine s\n"}).items():
        (tmp_path / file).write_text(content)
    imported = import_corpus(read_kaldi(tmp_path))
    assert [cut.id for cut in imported.cuts] == ["fine"]
    assert [(problem.kind, problem.utt_id) for problem in imported.problems] == [("unsafe id", name)]
