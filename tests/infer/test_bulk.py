"""Bulk work: parts, resuming, failures, killed workers, outputs; on a Ray cluster of two workers of this machine."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from doubling_job import Doubling
from stub_recognizer import RATE, spell

from speechnar import audio
from speechnar.cli import main
from speechnar.infer import bulk, storage
from speechnar.infer.bulk import ATTEMPTS, FAILURES, BulkError, Part, Row, check_ids, parts_of, run, tasks_of
from speechnar.infer.bulk_sources import rows_of
from speechnar.infer.storage import names_in

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One local cluster for all tests of this file: starting one takes seconds."""
    before = os.environ.get("PYTHONPATH")
    tests, source = str(Path(__file__).parents[1]), str(Path(bulk.__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [source, tests, str(Path(__file__).parent), *([before] if before else [])]
    )
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def rows(*values: int) -> list[Row]:
    return [Row(f"n{value}", value) for value in values]


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_parts_are_of_one_row_or_of_many() -> None:
    one, two, three = rows(1, 2, 3)
    assert parts_of([one, two, three], None) == [Part("n1", (one,)), Part("n2", (two,)), Part("n3", (three,))]
    assert parts_of([one, two, three], 2) == [Part("000000", (one, two)), Part("000001", (three,))]
    assert Part.loads(Part("p", (one, Row("b", {"a": [1, "ü"]}))).dumps()) == Part(
        "p", (one, Row("b", {"a": [1, "ü"]}))
    )
    with pytest.raises(BulkError, match="0 rows but should have 1 or more"):
        parts_of([one], 0)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/../../b", "", ".", "./a", "a//b", "a/", f"{ATTEMPTS}/a", "a\\b", "a\0b"]
)
def test_an_id_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(BulkError, match="no name for a file"):
        check_ids([Row("fine/here", 0), Row(name, 0)])


def test_an_id_stands_once() -> None:
    with pytest.raises(BulkError, match="'n1' stands twice"):
        check_ids(rows(1, 2, 1))
    with pytest.raises(BulkError, match="nothing to do"):
        check_ids([])


def test_what_is_done_is_not_done_again_and_failures_are(tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    assert run(Doubling(str(log)), rows(1, -2, 3), str(out), None, workers=2) == 1
    assert contents(out) == {"n1.txt": "2\n", "n3.txt": "6\n", FAILURES: "n-2\tn-2\t-2 is below zero\n"}
    log.write_text("")
    (out / "n3.txt").unlink()
    assert run(Doubling(str(log)), rows(1, -2, 3), str(out), None, workers=2) == 1
    assert sorted(log.read_text().split()) == ["n-2", "n3"]


def test_failures_of_parts_that_are_done_stay_listed(tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    for _ in range(2):
        assert run(Doubling(str(log)), rows(1, -2, 3), str(out), 2, workers=1) == 1
        assert contents(out) == {
            "000000.txt": "2\n",
            "000001.txt": "6\n",
            FAILURES: "000000\tn-2\t-2 is below zero\n",
        }
    assert sorted(log.read_text().split()) == ["n-2", "n1", "n3"]  # once each


def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    assert run(Doubling(str(log), deaths=1), rows(*range(8), 13), str(out), None, workers=2) == 0
    assert contents(out) == {f"n{n}.txt": f"{2 * n}\n" for n in (*range(8), 13)}
    assert log.read_text().split().count("n13") == 2


def test_a_part_that_kills_every_worker_fails_alone(tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    assert run(Doubling(str(log), deaths=99), rows(1, 13, 2), str(out), None, workers=1) == 1
    assert contents(out) == {"n1.txt": "2\n", "n2.txt": "4\n", FAILURES: "n13\tn13\t3 workers died on it\n"}
    assert not (out / ATTEMPTS).exists()


def test_outputs_go_to_what_fsspec_knows(tmp_path: Path) -> None:
    url = f"local://{tmp_path}/bucket"
    assert run(Doubling(str(tmp_path / "log")), rows(1, -2), url, None, workers=1) == 1
    assert contents(tmp_path / "bucket") == {"n1.txt": "2\n", FAILURES: "n-2\tn-2\t-2 is below zero\n"}
    assert names_in(url) == {"n1.txt", FAILURES}
    assert names_in(f"local://{tmp_path}/nowhere") == set()


def test_a_bucket_that_refuses_is_one_sentence() -> None:
    class Refusing(fsspec.AbstractFileSystem):  # type: ignore[misc]
        def info(self, path: str, *given: Any, **options: Any) -> dict[str, Any]:
            raise RuntimeError("Unable to locate\ncredentials")

        cat_file = pipe_file = exists = info

    fsspec.register_implementation("refusing", Refusing, clobber=True)
    with pytest.raises(OSError, match="cannot list refusing://x/in: Unable to locate credentials$"):
        rows_of("refusing://x/in", "audio")
    with pytest.raises(OSError, match="cannot write refusing://x/out/a: Unable"):
        storage.write("refusing://x/out/a", b"")
    with pytest.raises(OSError, match="cannot read nowhere://x: Protocol not known: nowhere"):
        storage.read("nowhere://x")


def test_an_address_at_which_nothing_listens_is_known_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        bulk._check_address(f"ray://127.0.0.1:{port}")
    with pytest.raises(OSError):
        bulk._check_address(f"127.0.0.1:{port}")
    bulk._check_address("auto")


def test_the_innermost_cause_is_told() -> None:
    inner, outer = ValueError("the disk is full\nat line 3"), RuntimeError("Traceback\nray::Worker")
    outer.__cause__ = inner
    assert bulk._cause(outer) == "the disk is full"
    assert bulk._cause(KeyError()) == "KeyError"


def test_tasks_shrink_towards_the_end_and_hold_every_part_once() -> None:
    parts = parts_of(rows(*range(500)), None)
    tasks = tasks_of(parts, workers=2)
    assert [part for task in tasks for part in task] == parts
    sizes = [len(task) for task in tasks]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 62 and sizes[-4:] == [1, 1, 1, 1]
    tables = parts_of(rows(*range(500)), 100)
    assert tasks_of(tables, workers=1) == [[table] for table in tables]


def test_rows_of_folders_lists_and_manifests(tmp_path: Path) -> None:
    for name in ("a/x.wav", "a/x.flac", "b/y.mp3", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    top = str(tmp_path)
    assert {row.id: row.value for row in rows_of(top, "audio")} == {
        "a/x.wav": f"{top}/a/x.wav",
        "a/x.flac": f"{top}/a/x.flac",
        "b/y": f"{top}/b/y.mp3",
    }
    assert rows_of(f"local://{top}", "text") == [Row("b/notes", {"file": f"local://{top}/b/notes.txt"})]
    (tmp_path / "l.tsv").write_text("one\tb/y.mp3\n\ntwo\t/abs.wav\n")
    assert rows_of(f"{top}/l.tsv", "audio") == [Row("one", f"{top}/b/y.mp3"), Row("two", "/abs.wav")]
    assert rows_of(f"{top}/l.tsv", "text") == [Row("one", "b/y.mp3"), Row("two", "/abs.wav")]
    (tmp_path / "m.jsonl").write_text(json.dumps({"id": "cut"}) + "\n")
    assert rows_of(f"{top}/m.jsonl", "audio") == [Row("cut", {"id": "cut"})]


@pytest.mark.parametrize(
    "name, text, kind, message",
    [
        ("l.tsv", "no tab\n", "text", "line 1: 'no tab' should be an id, a tab and a text"),
        ("m.jsonl", '{"id": "a"}\n{"id": 5}\n', "audio", "line 2 is no cut"),
        ("m.jsonl", '{"id": "a"}\nnonsense\n', "audio", "line 2 is no cut"),
        ("gone.tsv", None, "text", "there is no .*gone.tsv"),
        ("l.tsv", "", "cuts", "should be a manifest"),
        ("empty", None, "audio", "holds no files that end in .wav"),
    ],
)
def test_bad_sources_are_named(tmp_path: Path, name: str, text: str | None, kind: str, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BulkError, match=message):
        rows_of(str(tmp_path / name), kind)


def test_recordings_become_transcripts(
    stub_recognizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, word in (("one", "ab"), ("more/two", "ba")):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        audio.write(tmp_path / "in" / f"{name}.wav", spell(10, word, 10), RATE)
    (tmp_path / "in" / "bad.wav").write_text("no audio")
    args = ["bulk", "transcribe", "--in", str(tmp_path / "in"), "--recognizer", str(stub_recognizer), "--workers", "2"]
    assert main([*args, "--out", str(tmp_path / "out")]) == 1
    found = contents(tmp_path / "out")
    assert found.keys() == {"one.txt", "more/two.txt", FAILURES}
    assert (found["one.txt"], found["more/two.txt"]) == ("ab\n", "ba\n")
    assert "1 of 3 failed" in capsys.readouterr().err

    import pyarrow.parquet

    assert main([*args, "--out", str(tmp_path / "tables"), "--format", "parquet", "--part-rows", "2"]) == 1
    names = sorted(path.name for path in (tmp_path / "tables").glob("*.parquet"))
    assert names == ["000000.parquet", "000001.parquet"]
    table = pyarrow.parquet.read_table(tmp_path / "tables").to_pylist()
    lines: dict[str, Any] = {line["id"]: line for line in table}
    assert {name: line["text"] for name, line in lines.items()} == {"one": "ab", "more/two": "ba", "bad": None}
    assert "cannot be read as audio" in lines["bad"]["error"] and lines["one"]["error"] is None
    assert [word["text"] for word in lines["one"]["words"]] == ["ab"]


def test_texts_become_speech(stub_voice: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.tsv").write_text("hello\tHello, world.\nnothing\t!!!\n")
    args = ["bulk", "synth", "--in", str(tmp_path / "texts.tsv"), "--voice", str(stub_voice), "--workers", "1"]
    assert main([*args, "--out", str(tmp_path / "out"), "--format", "wav"]) == 1
    from speechnar import load_voice

    wav, rate = audio.read(tmp_path / "out" / "hello.wav")
    expected = load_voice(stub_voice).synthesize("Hello, world.").wav
    np.testing.assert_allclose(wav, expected.clip(-1, 1), atol=1 / 32767)
    assert (tmp_path / "out" / FAILURES).read_text().startswith("nothing\tnothing\t")

    from lhotse import CutSet
    from lhotse.audio.backend import audio_backend

    assert main([*args, "--out", str(tmp_path / "shar"), "--format", "shar"]) == 1
    part = str(tmp_path / "shar" / "000000")
    (cut,) = CutSet.from_shar(fields={"cuts": [f"{part}.cuts.jsonl.gz"], "recording": [f"{part}.recording.tar"]})
    assert (cut.id, cut.supervisions[0].text) == ("hello", "Hello, world.")
    with audio_backend("LibsndfileBackend"):
        np.testing.assert_allclose(cut.load_audio()[0], wav, atol=1 / 32767)


def test_a_model_that_cannot_be_loaded_is_named_before_work_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.tsv").write_text("a\tHello.\n")
    args = ["bulk", "synth", "--in", str(tmp_path / "texts.tsv"), "--voice", "nobody", "--out", str(tmp_path / "out")]
    assert main(args) == 1
    assert "there is no voice 'nobody'" in capsys.readouterr().err


def test_a_control_out_of_range_is_refused_before_work_begins(
    stub_voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.tsv").write_text("a\tHello.\nb\tHello.\n")
    out = tmp_path / "out"
    args = ["bulk", "synth", "--in", str(tmp_path / "texts.tsv"), "--voice", str(stub_voice), "--out", str(out)]
    assert main([*args, "--speed", "99"]) == 1
    assert "speed should be from 0.25 to 4" in capsys.readouterr().err
    assert main([*args, "--speaker", "nobody"]) == 1
    assert "has no speaker 'nobody'" in capsys.readouterr().err
    assert not list(out.rglob("*"))


def test_cuts_become_features_and_durations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hummed import AUDIO, make_cut
    from lhotse import CutSet

    from speechnar.config import save
    from speechnar.data.features import load_utterance
    from speechnar.data.manifest import load_cuts

    cuts = [make_cut(tmp_path, f"utt-{n}", [3, 5, 0, 8, 2 + n], 150 + 10 * n) for n in range(3)]
    CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl.gz")
    save(AUDIO, tmp_path / "audio.yaml")
    args = ["--in", str(tmp_path / "cuts.jsonl.gz"), "--audio", str(tmp_path / "audio.yaml"), "--workers", "2"]
    once, bulk_folder = tmp_path / "once", tmp_path / "bulk"
    assert main(["features", args[1], str(once), *args[2:4]]) == 0
    assert main(["bulk", "features", *args, "--out", str(bulk_folder)]) == 0
    for name in ("audio.json", "tokens.txt", "stats.json"):
        assert (once / name).read_bytes() == (bulk_folder / name).read_bytes()
    for cut in cuts:
        np.testing.assert_array_equal(load_utterance(once, cut.id).mel, load_utterance(bulk_folder, cut.id).mel)

    make_aligner(tmp_path / "aligner", once / "tokens.txt")
    align = ["--aligner", str(tmp_path / "aligner"), "--out", str(tmp_path / "aligned"), "--part-rows", "2"]
    assert main(["bulk", "align", *args, *align]) == 0
    assert main(["align", str(tmp_path / "aligner"), args[1], str(tmp_path / "a.jsonl.gz"), *args[2:4]]) == 0
    parts = sorted((tmp_path / "aligned").glob("*.jsonl.gz"))
    together = [cut.to_dict() for part in parts for cut in load_cuts(part)]
    assert len(parts) == 2 and together == [cut.to_dict() for cut in load_cuts(tmp_path / "a.jsonl.gz")]


def make_aligner(folder: Path, tokens: Path) -> None:
    import torch
    from hummed import AUDIO

    from speechnar.config import Choice
    from speechnar.models.folder import ModelConfig, build, save_model
    from speechnar.models.tts.aligner import AlignerConfig
    from speechnar.text.symbols import SymbolTable

    torch.manual_seed(0)
    symbols = SymbolTable.load(tokens)
    config = ModelConfig(
        AUDIO, Choice("aligner", AlignerConfig(states=(1,) * len(symbols), n_mels=AUDIO.n_mels, n_cepstra=4, d_model=8))
    )
    save_model(folder, config, build(config), symbols)


def test_an_output_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ATTEMPTS).write_text("a file where a folder should be")
    with pytest.raises(OSError, match="cannot write"):
        run(Doubling(str(tmp_path / "log")), rows(1), str(tmp_path / "out"), None, workers=1)


def test_no_workers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "l.tsv").write_text("a\tHello.\n")
    given = ["bulk", "synth", "--in", str(tmp_path / "l.tsv"), "--out", str(tmp_path / "out"), "--workers", "0"]
    assert main(given) == 1 and "there are 0 workers" in capsys.readouterr().err


def test_a_cut_that_is_not_whole_is_one_sentence() -> None:
    from speechnar.infer.bulk_jobs import text_of

    with pytest.raises(BulkError, match="the cut 'a' is not one of Lhotse's"):
        text_of({"id": "a", "type": "MonoCut"})
