"""The figure of all tasks is drawn from the table in docs/, whose sources are there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "nar_tradeoff.py"
HEAD = "task\tsystem\tpeer\tmeasure\tquality\tpeer_quality\tspeed\tsource\n"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False)


def test_the_share_of_quality_is_printed_and_drawn(tmp_path: Path) -> None:
    table, out = tmp_path / "t.tsv", tmp_path / "t.png"
    table.write_text(HEAD + "translation\tCTC\tbeam 4\tBLEU\t30\t40\t5\tx\n", encoding="utf-8")
    found = run("--table", str(table), "--out", str(out))
    assert found.returncode == 0, found.stderr
    assert found.stdout == "translation: CTC, 75.0 % of BLEU, 5 times as fast as beam 4\n"
    assert out.read_bytes().startswith(b"\x89PNG")
    table.write_text(HEAD + "recognition\tCTC\tbeam 4\tWER\t55\t10\t5\tx\n", encoding="utf-8")
    assert run("--table", str(table), "--out", str(out)).stdout.startswith("recognition: CTC, 50.0 % of WER, 5 times")
    table.write_text(HEAD + "translation\tCTC\tbeam 4\tBLEU\t30\tmany\t5\tx\n", encoding="utf-8")
    assert "line 2: peer_quality should be a number" in run("--table", str(table), "--out", str(out)).stderr
    table.write_text(HEAD, encoding="utf-8")
    assert "has no systems" in run("--table", str(table), "--out", str(out)).stderr


def test_every_figure_of_the_table_names_a_file_of_this_repository() -> None:
    lines = (ROOT / "docs" / "nar_tradeoff.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] + "\n" == HEAD and len(lines) > 4
    for line in lines[1:]:
        source = line.split("\t")[-1]
        text = (ROOT / source).read_text(encoding="utf-8")
        for value in line.split("\t")[4:6]:
            assert value in text, (source, value)
