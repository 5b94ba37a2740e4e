"""German, Spanish and French text against readings written by hand, from the grammars that the modules name."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechnar.text.languages.front_end import front_end

LANGUAGES = ("de", "es", "fr")
LINES = [
    (language, *line.split("\t"))
    for language in LANGUAGES
    for line in (Path(__file__).parent / f"{language}.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_table_has_sixty_lines(language: str) -> None:
    assert sum(line[0] == language for line in LINES) >= 60


@pytest.mark.parametrize(("language", "written", "spoken"), LINES, ids=[f"{line[0]}: {line[1]}" for line in LINES])
def test_table(language: str, written: str, spoken: str) -> None:
    assert front_end(language).normalize(written) == spoken


@pytest.mark.parametrize(("language", "spoken"), [(line[0], line[2]) for line in LINES])
def test_spoken_text_is_left_alone(language: str, spoken: str) -> None:
    assert front_end(language).normalize(spoken) == spoken
