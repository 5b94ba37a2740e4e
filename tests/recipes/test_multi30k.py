"""The pairs of recipes/multi30k, from packed files as they are published."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

from speechnar.data.pairs import read_pairs

PREPARE = Path(__file__).parents[2] / "recipes" / "multi30k" / "local" / "prepare.py"


def prepared(corpus: Path, data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(PREPARE), str(corpus), str(data), *options], capture_output=True,
                          text=True, check=False)  # fmt: skip


def test_lines_of_both_languages_are_paired(tmp_path: Path) -> None:
    texts = {
        "en": "A dog  runs .\n\nTwo\u2028men.\n",  # an empty line; U+2028 ends no line of the published files
        "de": "Ein Hund rennt .\nNichts.\nZwei Männer.\n",
    }
    for stem in ("train", "val", "test_2016_flickr"):
        for language, text in texts.items():
            with gzip.open(tmp_path / f"{stem}.{language}.gz", "wt", encoding="utf-8") as file:
                file.write(text)
    assert prepared(tmp_path, tmp_path / "data").returncode == 0
    for name in ("train", "dev", "test"):
        wanted = [("A dog runs .", "Ein Hund rennt ."), ("Two men.", "Zwei Männer.")]
        assert read_pairs(tmp_path / "data" / f"{name}.tsv") == wanted
    assert prepared(tmp_path, tmp_path / "data", "--from", "de").returncode == 0
    assert read_pairs(tmp_path / "data" / "dev.tsv")[0] == ("Ein Hund rennt .", "A dog runs .")

    with gzip.open(tmp_path / "val.de.gz", "wt", encoding="utf-8") as file:
        file.write("Ein Hund rennt .\n")
    found = prepared(tmp_path, tmp_path / "data")
    assert found.returncode and "val.en.gz and val.de.gz differ in their numbers of lines" in found.stderr
    (tmp_path / "train.de.gz").unlink()
    found = prepared(tmp_path, tmp_path / "data")
    assert found.returncode and "there is no" in found.stderr and "train.de.gz" in found.stderr
