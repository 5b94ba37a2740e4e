from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from speechnar.files import FileError
from speechnar.runtime import SpeechError, Timing, Timings, load_voice
from speechnar.runtime.timings import intervals, write

# 'Say "so", Tom & I.' from 0.1 s, and an hour later a second sentence
SAID = Timings(
    sentences=(Timing('Say "so" & go.', 0.1, 1.0), Timing("Late.", 3661.0005, 3662.25)),
    words=(Timing("Say", 0.2, 0.45), Timing('"so"', 0.5, 0.7), Timing("Late", 3661.1, 3662.0)),
    phones=(
        Timing("s", 0.2, 0.3),
        Timing("ˈeɪ", 0.3, 0.45),
        Timing(" ", 0.45, 0.5),
        Timing("s", 0.5, 0.6),
        Timing("ˈoʊ", 0.6, 0.7),
        Timing(".", 0.7, 0.9),
        Timing("l", 3661.1, 3662.0),
    ),
)


def test_srt(tmp_path: Path) -> None:
    write(tmp_path / "a.srt", SAID)
    assert (tmp_path / "a.srt").read_text(encoding="utf-8") == (
        '1\n00:00:00,100 --> 00:00:01,000\nSay "so" & go.\n\n2\n01:01:01,000 --> 01:01:02,250\nLate.\n'
    )


def test_vtt_escapes_its_markup(tmp_path: Path) -> None:
    write(tmp_path / "a.VTT", SAID)
    assert (tmp_path / "a.VTT").read_text(encoding="utf-8") == (
        'WEBVTT\n\n00:00:00.100 --> 00:00:01.000\nSay "so" &amp; go.\n\n01:01:01.000 --> 01:01:02.250\nLate.\n'
    )


def test_json(tmp_path: Path) -> None:
    write(tmp_path / "a.json", SAID)
    read = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert list(read) == ["text", "sentences", "words", "phones"]
    assert read["text"] == 'Say "so" & go. Late.'
    assert read["sentences"][0] == {"text": 'Say "so" & go.', "start": 0.1, "end": 1.0}
    assert read["words"][2] == {"text": "Late", "start": 3661.1, "end": 3662.0}
    assert [p["text"] for p in read["phones"]] == ["s", "ˈeɪ", " ", "s", "ˈoʊ", ".", "l"]


def test_subtitles_show_the_text_as_it_is_written(stub_voice: Path, tmp_path: Path) -> None:
    text = "“No. 14,” he said, “costs $5 a day & 3 kg of good paper, which I bought on May 3rd, 2021.”\nBye."
    speech = load_voice(stub_voice).synthesize(text)
    assert [line.text for line in speech.lines] == text.split("\n")
    assert speech.text == text.replace("\n", " ")
    write(tmp_path / "a.srt", speech)
    rows = (tmp_path / "a.srt").read_text(encoding="utf-8").split("\n")
    shown = [row for row in rows if row and not row.isdecimal() and "-->" not in row]
    assert " ".join(shown) == speech.text
    assert max(map(len, shown)) <= 42
    write(tmp_path / "a.json", speech)
    read = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [text[slice(*row["span"])] for row in read["sentences"]] == text.split("\n")
    spoken = {row["text"]: text[slice(*row["span"])] for row in read["words"]}
    assert (spoken["fourteen"], spoken["dollars"], spoken["kilograms"]) == ("“No. 14,”", "$5", "& 3 kg")
    assert read["sentences"][0]["text"].startswith("number fourteen")


def test_textgrid_is_what_praat_reads(tmp_path: Path) -> None:
    write(tmp_path / "a.TextGrid", SAID)
    text = (tmp_path / "a.TextGrid").read_text(encoding="utf-8")
    assert text.startswith(
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        "xmin = 0\nxmax = 3662.250000\ntiers? <exists>\nsize = 3\nitem []:\n"
    )
    names, tiers = [], []
    for tier in re.split(r"    item \[\d\]:\n", text)[1:]:
        names.append(re.search(r'name = "(.*)"', tier)[1])  # type: ignore[index]
        rows = re.findall(r'intervals \[(\d+)\]:\s+xmin = (\S+)\s+xmax = (\S+)\s+text = "(.*)"\n', tier)
        assert f"intervals: size = {len(rows)}\n" in tier
        assert [int(n) for n, *_ in rows] == list(range(1, len(rows) + 1))
        tiers.append([(float(start), float(end), label) for _, start, end, label in rows])
    assert names == ["sentences", "words", "phones"]
    sentences, tiers = tiers[0], tiers[1:]
    assert sentences == [
        (0.0, 0.1, ""),
        (0.1, 1.0, 'Say ""so"" & go.'),
        (1.0, 3661.0005, ""),
        (3661.0005, 3662.25, "Late."),
    ]
    assert tiers[0] == [
        (0.0, 0.2, ""),
        (0.2, 0.45, "Say"),
        (0.45, 0.5, ""),
        (0.5, 0.7, '""so""'),
        (0.7, 3661.1, ""),
        (3661.1, 3662.0, "Late"),
        (3662.0, 3662.25, ""),
    ]
    assert [label for *_, label in tiers[1]] == ["", "s", "ˈeɪ", "", "s", "ˈoʊ", "", "l", ""]
    for tier in tiers:
        assert tier[0][0] == 0 and tier[-1][1] == 3662.25
        assert all(a[1] == b[0] for a, b in zip(tier, tier[1:]))


def test_intervals_of_no_length_are_dropped() -> None:
    phones = (Timing("t", 0.0, 0.1), Timing("ə", 0.1, 0.1), Timing("d", 0.1, 0.2))
    assert list(intervals(phones, 0.2)) == [phones[0], phones[2]]


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match=r"a.txt should end in one of .json, .srt, .vtt, .TextGrid"):
        write(tmp_path / "a.txt", SAID)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"cannot write .*a.srt"):
        write(tmp_path / "file" / "a.srt", SAID)
