"""The table of a comparison on values worked by hand, and the verb from files to table, JSON and plot."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from sacrebleu import corpus_bleu, corpus_chrf

from speechnar.cli import main
from speechnar.evaluate.compare.measurements import Measurements, measurements_path
from speechnar.evaluate.compare.quality import Quality, transcript_quality, translation_quality
from speechnar.evaluate.compare.table import Row, format_comparison
from speechnar.evaluate.stats.statistics import Interval

REFERENCE = {f"u{n}": "a b c d" for n in range(20)}
GOOD = REFERENCE | {"u3": "a b c"}
BAD = {name: "a b" if n % 2 else "a b c d e" for n, name in enumerate(REFERENCE)}


def test_error_rates_and_tests_against_the_baseline() -> None:
    found = transcript_quality(REFERENCE, {"bad": BAD, "good": GOOD, "same": GOOD}, "good")
    assert [round(found[name].value.value, 6) for name in ("good", "same", "bad")] == [1.25, 1.25, 37.5]
    assert math.isnan(found["good"].p) and found["same"].p == 1.0 and found["bad"].p < 0.01
    assert found["bad"].value.low < 37.5 < found["bad"].value.high and found["bad"].chrf is None


def test_translations_have_the_scores_of_sacrebleu() -> None:
    references = [f"the house number {n} is green and old" for n in range(12)]
    worse = [line.replace("green", "red") if n % 2 else line for n, line in enumerate(references)]
    found = translation_quality(references, {"worse": worse, "perfect": references}, "perfect")
    assert list(found) == ["worse", "perfect"]
    assert found["perfect"].value.value == pytest.approx(100) and math.isnan(found["perfect"].p)
    assert found["worse"].value.value == pytest.approx(corpus_bleu(worse, [references]).score)
    assert found["worse"].chrf == pytest.approx(corpus_chrf(worse, [references]).score)
    assert found["worse"].p < 0.05
    copies = translation_quality(references, {"worse": worse, "copy": list(worse), "itself": worse[::-1]}, "worse")
    assert copies["copy"].p == 1.0 and math.isnan(copies["worse"].p)
    assert math.isnan(translation_quality(references, {"itself": worse}, "itself")["itself"].p)
    with pytest.raises(ValueError, match="the reference has no text"):
        translation_quality(["", " "], {"worse": ["", ""]}, "worse")
    alone = translation_quality(references, {"worse": worse}, "worse")
    assert alone["worse"].value == found["worse"].value or alone["worse"].value.value == found["worse"].value.value
    with pytest.raises(ValueError, match="worse has 11 lines but the reference has 12"):
        translation_quality(references, {"worse": worse[1:]}, "worse")


def quality(value: float, p: float = math.nan) -> Quality:
    return Quality(Interval(value, value - 1, value + 1), p)


def test_a_table_shows_what_was_measured_and_nothing_else() -> None:
    rows = [
        Row("twin", quality(10), Measurements(20.0, 10.0, 100.0, 200.0, 12.0, 300_000_000, 2_500_000, 990_000)),
        Row("CTC", quality(12, 0.0004), Measurements(11.0, 1.0, 400.0, 800.0, 0.0, 200_000_000, 1_500_000, 0)),
    ]
    head, rule, twin, ctc = format_comparison(rows, "WER", "twin", markdown=True).split("\n")
    assert head == (
        "| system | WER | 95 % interval | p | iterations | latency, ms | decoder, ms | decoder, twin = 1 "
        "| a second, batch 8 | a second, batch 32 | peak memory, MB | parameters, M | of the decoder, M |"
    )
    assert rule == "| " + " | ".join(["---"] * 13) + " |"
    assert twin == "| twin | 10.0 % | 9.0 to 11.0 |  | 12.0 | 20.0 | 10.0 | 1/1.0 | 100.0 | 200.0 | 300 | 2.50 | 0.99 |"
    assert ctc == (
        "| CTC | 12.0 % | 11.0 to 13.0 | <0.001 | 0.0 | 11.0 | 1.0 | 1/10.0 | 400.0 | 800.0 | 200 | 1.50 | 0.00 |"
    )
    plain = format_comparison([Row("a", quality(10)), Row("b", quality(12, 0.2))], "BLEU", "a").split("\n")
    assert [line.split() for line in plain] == [
        ["system", "BLEU", "95", "%", "interval", "p"],
        ["a", "10.0", "9.0", "to", "11.0", "-"],
        ["b", "12.0", "11.0", "to", "13.0", "0.200"],
    ]
    whole = [Row("a", quality(1), Measurements(latency=8.0)), Row("b", quality(1), Measurements(4.0, 1.0))]
    assert "latency, a = 1" in format_comparison(whole, "WER", "a").split("\n")[0]
    assert format_comparison(whole, "WER", "a").split("\n")[2].split()[-1] == "1/2.0"
    assert format_comparison(whole, "WER", "b").split("\n")[1].split()[-1] == "2.0"
    assert "| a\\|b |" in format_comparison([Row("a|b", quality(10))], "WER", "a|b", markdown=True)


def test_every_output_has_measurements_of_its_own() -> None:
    names = {measurements_path(Path(name)).name for name in ("m-0.3", "m-0.5", "m.txt", "m.0.txt")}
    assert names == {"m-0.3.speed.json", "m-0.5.speed.json", "m.speed.json", "m.0.speed.json"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, texts in {"ref": REFERENCE, "good": GOOD, "bad": BAD}.items():
        Path(f"{name}.txt").write_text("".join(f"{k} {v}\n" for k, v in texts.items()), encoding="utf-8")
    Path("good.speed.json").write_text('{"latency": 30, "family": "iterative", "label": "the good one"}')
    Path("bad.speed.json").write_text('{"latency": 3.5, "parameters": 1000000, "iterations": null}')
    return tmp_path


def test_the_verb(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["compare", "bad.txt", "good.txt", "--ref", "ref.txt", "--baseline", "good.txt"]
    assert main([*given, "--plot", "o.svg", "--json", "o.json", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| bad |  | 37.5 % | ") and lines[2].endswith("| 3.5 | 1/8.6 | 1.00 |")
    assert lines[3].startswith("| the good one | iterative | 1.2 % | ") and lines[3].endswith(" |  | 30.0 | 1/1.0 |  |")
    assert "the good one (iterative)" in Path("o.svg").read_text(encoding="utf-8").replace("<!-- ", "").replace(
        " -->", ""
    )
    found = json.loads(Path("o.json").read_text(encoding="utf-8"))
    assert found["baseline"] == "the good one" and found["systems"][0]["measured"]["latency"] == 3.5


@pytest.mark.parametrize(
    ("speed", "more", "sentence"),
    [
        ("[1]", [], "good.speed.json should be a mapping for Measurements but is [1]"),
        ("{", [], "good.speed.json is no JSON"),
        ('{"latncy": 3}', [], "has the unknown key 'latncy'; did you mean 'latency'?"),
        ('{"iterations": 3}', ["--plot", "o.png"], "--plot needs a latency"),
        ("{}", ["--baseline", "ref.txt"], "--baseline ref.txt is none of the outputs: give one of good.txt"),
        ("{}", ["good.txt"], "good.txt is given twice"),
        ("{}", ["--json", "ref.txt"], "is the same as --ref ref.txt, which is read"),
    ],
)
def test_what_is_refused(
    speed: str, more: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("good.speed.json").write_text(speed)
    assert main(["compare", "--ref", "ref.txt", "good.txt", *more]) == 1
    assert sentence in capsys.readouterr().err


def test_lines_of_translations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ref.txt").write_text("ein Haus am See\nzwei Hunde im Garten\n" * 6, encoding="utf-8")
    Path("a.txt").write_text("ein Haus am See\r\nzwei Hunde im Garten\r\n" * 6, encoding="utf-8")
    Path("b.txt").write_text("ein Haus am\x0bSee\nzwei Katzen im Garten\n" * 6, encoding="utf-8")
    assert main(["compare", "a.txt", "b.txt", "--ref", "ref.txt", "--metric", "bleu"]) == 0
    header, a, b = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["system", "BLEU"] and "chrF" in header
    assert a.split()[:2] == ["a", "100.0"] and 20 < float(b.split()[1]) < 90
