"""The split of recipes/tatoeba: no sentence of dev or test has a twin in training."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from speechnar.data.pairs import read_pairs

PREPARE = Path(__file__).parents[2] / "recipes" / "tatoeba" / "local" / "prepare.py"


def plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def test_no_sentence_has_a_twin_in_another_set(tmp_path: Path) -> None:
    lines = [f"Number {n}.\tZahl {n}." for n in range(3200)]
    lines += [f"number {n}!\tDie Zahl ist {n}." for n in range(0, 3200, 3)]  # another translation of the same sentence
    lines += [f"It is number {n}.\tdie zahl ist {n}" for n in range(0, 3200, 9)]  # which has another one too
    lines += ["word " * 25 + "\tWort", "Same.\tGleich.", "Same.\tGleich."]
    with zipfile.ZipFile(tmp_path / "deu-eng.zip", "w") as archive:
        archive.writestr("deu.txt", "\n".join(lines))
    command = [sys.executable, str(PREPARE), str(tmp_path / "deu-eng.zip"), str(tmp_path / "data")]
    subprocess.run(command, check=True, capture_output=True)
    sets = {name: read_pairs(tmp_path / "data" / f"{name}.tsv") for name in ("train", "dev", "test")}
    assert len(sets["dev"]) == 1000 and len(sets["test"]) == 2000 and len(sets["train"]) > 200
    for side in range(2):
        seen = {name: {plain(pair[side]) for pair in pairs} for name, pairs in sets.items()}
        assert not seen["train"] & seen["dev"] and not seen["train"] & seen["test"] and not seen["dev"] & seen["test"]
    everything = [pair for pairs in sets.values() for pair in pairs]
    assert len(everything) == len(set(everything))
    assert all(source.startswith(("Zahl", "Die", "die", "Gleich")) for source, _ in everything)
