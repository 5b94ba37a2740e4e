"""Times as whole frames, by trying all, and TextGrids there and back."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hummed import AUDIO, make_cut

from speechnar.data.durations import boundaries_of, frames_of, set_durations, to_frames
from speechnar.data.manifest import DataError
from speechnar.data.textgrid import Interval, read_textgrid, write_textgrid


@pytest.mark.parametrize("least", [[0, 0, 0], [1, 1, 1], [0, 2, 1], [1, 0, 3]])
def test_times_far_enough_apart_are_rounded_and_others_moved_as_little_as_needed(least: list[int]) -> None:
    times = [0.0, 0.4, 0.6, 1.49, 2.5, 4.2, 6.0, 7.7]
    n_frames = 6
    for first, second in itertools.product(times, times):
        durations = to_frames(np.array([first, second, 99.0]), n_frames, least)
        assert durations.sum() == n_frames and all(durations >= least)
        rounded = [np.floor(t + 0.5) for t in (first, second)]
        wanted = np.diff([0, *rounded, n_frames])
        if all(wanted >= least):
            assert durations.tolist() == wanted.tolist()


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(DataError, match="2 frames are too few for 3 tokens"):
        to_frames(np.array([1.0, 2.0, 3.0]), 2, [1, 1, 1])


def test_what_is_set_comes_back_as_seconds(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "a", [3, 5, 0, 8, 2], extra=40)  # of 100 samples a frame, at 8 kHz
    assert frames_of(cut, AUDIO) == 22
    set_durations(cut, np.array([4, 1, 2, 3, 4, 5, 3]))
    np.testing.assert_allclose(boundaries_of(cut, AUDIO), np.array([4, 5, 7, 10, 14, 19]) / 80)
    cut.supervisions[0].custom["durations"].pop()
    with pytest.raises(DataError, match="utterance a has 5 phones but 4 durations"):
        boundaries_of(cut, AUDIO)
    del cut.supervisions[0].custom["lead"]
    with pytest.raises(DataError, match="utterance a lacks the custom field 'lead'"):
        boundaries_of(cut, AUDIO)


TIERS = {
    "words": [Interval("", 0, 0.25), Interval('say "x [1]" 2', 0.25, 1.0)],
    "phones": [Interval("", 0, 0.25), Interval("ˈeɪ", 0.25, 0.5), Interval("3", 0.5, 1.0)],
}


def test_textgrids_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    write_textgrid(path, TIERS, 1.0)
    assert read_textgrid(path) == TIERS


def test_the_short_format_in_utf_16_with_a_tier_of_points(tmp_path: Path) -> None:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "1", "<exists>", "3"]
    lines += ['"TextTier"', '"clicks"', "0", "1", "1", "0.5", '"tock"']
    for name, rows in TIERS.items():
        lines += ['"IntervalTier"', f'"{name}"', "0", "1", str(len(rows))]
        for row in rows:
            label = row.text.replace('"', '""')
            lines += [str(row.start), str(row.end), f'"{label}"']
    path = tmp_path / "a.TextGrid"
    path.write_text("\n".join(lines), encoding="utf-16")
    assert read_textgrid(path) == TIERS


@pytest.mark.parametrize("content", [b"", b"hello", b'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n'])
def test_what_is_no_textgrid_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_bytes(content)
    with pytest.raises(DataError, match="a.TextGrid is not a TextGrid"):
        read_textgrid(path)
