from __future__ import annotations

from pathlib import Path

import pytest

from speechnar.text.normalise import normalise

TABLE = [
    line.split("\t")
    for line in (Path(__file__).parent / "normalise.tsv").read_text(encoding="utf-8").splitlines()
    if "\t" in line
]


def test_table_is_large():
    assert len(TABLE) >= 150


@pytest.mark.parametrize(("written", "spoken"), TABLE, ids=[written for written, _ in TABLE])
def test_table(written, spoken):
    assert normalise(written) == spoken


@pytest.mark.parametrize("spoken", [spoken for _, spoken in TABLE])
def test_spoken_text_is_left_alone(spoken):
    assert normalise(spoken) == spoken
