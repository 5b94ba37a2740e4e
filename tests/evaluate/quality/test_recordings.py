"""Recordings of folders, lists and manifests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechnar import audio
from speechnar.evaluate.quality.recordings import RecordingError, recordings_of, systems_of


@pytest.fixture
def wavs(tmp_path: Path) -> Path:
    for name, seconds, rate in (("one.wav", 1, 8000), ("sub/two.flac", 2, 22050)):
        audio.write(tmp_path / "wavs" / name, np.full(seconds * rate, 0.25, np.float32), rate)
    (tmp_path / "wavs" / "notes.txt").write_text("no audio")
    return tmp_path / "wavs"


def seconds(source: Path) -> dict[str, float]:
    return {recording.name: round(len(recording.read(16000)) / 16000, 3) for recording in recordings_of(source)}


def test_a_folder_names_recordings_by_their_place_in_it(wavs: Path) -> None:
    assert seconds(wavs) == {"one": 1.0, "sub/two": 2.0}


def test_a_file_is_one_recording(wavs: Path) -> None:
    assert seconds(wavs / "one.wav") == {"one": 1.0}


def test_lists(wavs: Path, tmp_path: Path) -> None:
    scp, plain = tmp_path / "wav.scp", tmp_path / "files.txt"
    scp.write_text(f"a {wavs}/one.wav\nb {wavs}/sub/two.flac\n")
    plain.write_text(f"{wavs}/one.wav\n{wavs}/sub/two.flac\n")
    assert seconds(scp) == {"a": 1.0, "b": 2.0}
    assert seconds(plain) == {"one": 1.0, "two": 2.0}


def test_cuts_are_read_where_they_lie(wavs: Path, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    recording = lhotse.Recording.from_file(wavs / "sub" / "two.flac")
    cut = lhotse.MonoCut("c", start=0.5, duration=0.75, channel=0, recording=recording)
    for name, items in (
        ("cuts.jsonl.gz", lhotse.CutSet.from_cuts([cut])),
        ("recordings.jsonl", lhotse.RecordingSet.from_recordings([recording])),
    ):
        items.to_file(tmp_path / name)
    assert seconds(tmp_path / "cuts.jsonl.gz") == {"c": 0.75}
    assert seconds(tmp_path / "recordings.jsonl") == {"two": 2.0}


def test_a_cut_whose_audio_is_gone(wavs: Path, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    lhotse.CutSet.from_cuts([lhotse.Recording.from_file(wavs / "one.wav").to_cut()]).to_file(tmp_path / "cuts.jsonl")
    (wavs / "one.wav").unlink()
    (recording,) = recordings_of(tmp_path / "cuts.jsonl")
    with pytest.raises(RecordingError, match="one"):
        recording.read(16000)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("a sox a.wav -t wav - |\n", "has a command for a .* only files are read"),
        ("x/a.wav\ny/a.wav\n", "two recordings named a"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path: Path, lines: str, sentence: str) -> None:
    (tmp_path / "list").write_text(lines)
    with pytest.raises(RecordingError, match=sentence):
        recordings_of(tmp_path / "list")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no file or folder at"):
        recordings_of(tmp_path / "gone")
    with pytest.raises(RecordingError, match="holds no recordings"):
        recordings_of(tmp_path)


def test_systems_are_named_by_the_last_part_of_their_paths() -> None:
    assert systems_of(["x/a", "y/b/"]) == {"a": "x/a", "b": "y/b/"}
    assert systems_of(["x/a", "y/a"]) == {"x/a": "x/a", "y/a": "y/a"}
    with pytest.raises(RecordingError, match="x/a is given twice"):
        systems_of(["x/a", "x/a"])
