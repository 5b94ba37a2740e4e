"""TextGrids and CTM of other aligners, worked by hand at 80 frames a second: 12.5 ms each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hummed import AUDIO, make_cut
from lhotse import MonoCut

from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.data.alignments import apply, read_ctm, read_textgrids
from speechnar.data.manifest import load_cuts, save_cuts
from speechnar.data.textgrid import Interval, write_textgrid

PHONES = ["j", "ˈɛ", "s", ",", " ", "h", "ˈi"]
ROWS = [("j", 0.1, 0.2), ("ɛ", 0.2, 0.3), ("s", 0.3, 0.4), ("", 0.4, 0.55), ("h", 0.55, 0.6), ("i", 0.6, 0.7)]
FRAMES = {"lead": 8, "durations": [8, 8, 8, 12, 0, 4, 8], "trail": 8}


def cut_of(folder: Path, name: str = "a", phones: list[str] | None = PHONES) -> MonoCut:
    """64 frames, 0.8 s, without durations."""
    cut = make_cut(folder, name, [60])
    cut.supervisions[0].custom = {"phones": phones} if phones else None
    return cut


def textgrid(folder: Path, name: str = "a", rows: list[tuple[str, float, float]] = ROWS) -> None:
    words = [Interval("yes", 0.1, 0.4), Interval("", 0.4, 0.55), Interval("he", 0.55, 0.7)]
    write_textgrid(folder / f"{name}.TextGrid", {"words": words, "phones": [Interval(*row) for row in rows]}, 0.8)


def fields(cut: MonoCut) -> dict[str, object]:
    return {name: cut.supervisions[0].custom[name] for name in FRAMES}


def test_silence_goes_to_the_punctuation(tmp_path: Path) -> None:
    textgrid(tmp_path / "speaker")
    cuts, problems = apply([cut_of(tmp_path)], read_textgrids(tmp_path, ["a"]), AUDIO)
    assert not problems
    assert fields(cuts[0]) == FRAMES


def test_without_punctuation_it_goes_to_the_space_and_without_a_space_to_the_phone_before(tmp_path: Path) -> None:
    textgrid(tmp_path)
    cuts = [cut_of(tmp_path, phones=["j", "ˈɛ", "s", " ", "h", "ˈi"]), cut_of(tmp_path, phones=[*"jɛshi", "."])]
    done, _ = apply(cuts, read_textgrids(tmp_path, ["a"]), AUDIO)
    assert fields(done[0])["durations"] == [8, 8, 8, 12, 4, 8]
    assert fields(done[1])["durations"] == [8, 8, 20, 4, 8, 0]


def test_a_manifest_without_phones_takes_those_of_the_alignment(tmp_path: Path) -> None:
    textgrid(tmp_path)
    cuts, _ = apply([cut_of(tmp_path, phones=None)], read_textgrids(tmp_path, ["a"]), AUDIO)
    assert cuts[0].supervisions[0].custom["phones"] == ["j", "ɛ", "s", " ", "h", "i"]
    assert fields(cuts[0])["durations"] == [8, 8, 8, 12, 4, 8]


def test_arpabet_becomes_ipa(tmp_path: Path) -> None:
    labels = ["Y", "EH1", "S", "", "HH", "IY0"]
    textgrid(tmp_path, rows=[(label, start, end) for label, (_, start, end) in zip(labels, ROWS)])
    cuts, problems = apply([cut_of(tmp_path, phones=None)], read_textgrids(tmp_path, ["a"]), AUDIO)
    assert cuts[0].supervisions[0].custom["phones"] == ["j", "ˈɛ", "s", " ", "h", "i"]
    done, problems = apply([cut_of(tmp_path)], read_textgrids(tmp_path, ["a"]), AUDIO)
    assert not problems and fields(done[0]) == FRAMES


def test_phones_of_other_languages_are_taken_as_they_are(tmp_path: Path) -> None:
    labels = ["ʁ", "yː", "t͡s", "", "p͡f", "ã"]
    textgrid(tmp_path, rows=[(label, start, end) for label, (_, start, end) in zip(labels, ROWS)])
    cuts, _ = apply([cut_of(tmp_path, phones=None)], read_textgrids(tmp_path, ["a"]), AUDIO)
    assert cuts[0].supervisions[0].custom["phones"] == ["ʁ", "yː", "t͡s", " ", "p͡f", "ã"]


def test_kaldi_s_ctm_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ctm"
    positions = ["_B", "_I", "_E", "", "_B", "_E"]
    lines = [
        f"a 1 {start:.2f} {end - start:.2f} {phone or 'SIL'}{position}\n"
        for (phone, start, end), position in zip(ROWS, positions)
    ]
    path.write_text("".join(lines) + "other 1 0 1 x\n", encoding="utf-8")
    for phones, durations in ((PHONES, FRAMES["durations"]), (None, [8, 8, 8, 12, 4, 8])):
        cuts, problems = apply([cut_of(tmp_path, phones=phones)], read_ctm(path, ["a"]), AUDIO)
        assert not problems
        assert fields(cuts[0])["durations"] == durations


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (("s", 0.305, 0.41), "alignment repaired"),  # a gap of 5 ms before, and 10 ms into the pause
        (("s", 0.295, 0.4), "alignment repaired"),
        (("s", 0.25, 0.4), "alignment"),
        (("s", 0.3, 0.6), "alignment"),
    ],
)
def test_a_frame_of_disagreement_is_repaired_and_more_is_not(
    row: tuple[str, float, float], kind: str, tmp_path: Path
) -> None:
    rows = [row if r[0] == "s" else r for r in ROWS if r[0]]
    textgrid(tmp_path, rows=rows)
    cuts, problems = apply([cut_of(tmp_path)], read_textgrids(tmp_path, ["a"]), AUDIO)
    if kind == "alignment":
        assert not cuts
        assert [problem.kind for problem in problems] == [kind]
    else:
        assert sum(fields(cuts[0])["durations"]) + 16 == 64  # type: ignore[operator, call-overload]
        assert {problem.kind for problem in problems} <= {kind}


def test_an_end_a_frame_after_the_audio_s_is_cut_off(tmp_path: Path) -> None:
    textgrid(tmp_path, rows=[*ROWS[:-1], ("i", 0.6, 0.81)])
    cuts, problems = apply([cut_of(tmp_path)], read_textgrids(tmp_path, ["a"]), AUDIO)
    assert fields(cuts[0]) == {"lead": 8, "durations": [8, 8, 8, 12, 0, 4, 16], "trail": 0}
    assert [problem.kind for problem in problems] == ["alignment repaired"]


def test_every_problem_is_told_at_once_and_fix_keeps_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from speechnar import config

    cuts = [cut_of(tmp_path, name) for name in ("a", "b", "c", "d")]
    cuts[1].supervisions[0].custom["phones"] = ["j", "ˈɛ", "z"]
    cuts[3].supervisions[0].custom["phones"] = ["j"]
    for name in ("a", "b", "d"):
        textgrid(tmp_path / "grids", name)
    save_cuts(cuts, tmp_path / "cuts.jsonl.gz")
    config.save(AUDIO, tmp_path / "audio.yaml")
    out = tmp_path / "out.jsonl.gz"
    verb = ["corpus", "durations", str(tmp_path / "cuts.jsonl.gz"), str(out), "--audio", str(tmp_path / "audio.yaml")]
    verb += ["--textgrids", str(tmp_path / "grids")]
    assert main(verb) == 1
    said = capsys.readouterr()
    assert "phone 3 is 'z' in the manifest and 's' in the alignment" in said.out
    assert "the manifest has 1 phones, without pauses, and the alignment 5" in said.out
    assert "there is no c.TextGrid" in said.out
    assert "3 of 4 utterances" in said.err and not out.exists()
    assert main([*verb, "--fix"]) == 0
    assert [cut.id for cut in load_cuts(out)] == ["a"]


def test_another_hop_gives_other_frames(tmp_path: Path) -> None:
    textgrid(tmp_path)
    cuts, _ = apply([cut_of(tmp_path)], read_textgrids(tmp_path, ["a"]), AudioConfig(16000, 800, 160, 800))
    assert fields(cuts[0]) == {"lead": 10, "durations": [10, 10, 10, 15, 0, 5, 10], "trail": 10}
