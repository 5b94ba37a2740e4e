"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechnar.files import atomic_write


@pytest.mark.parametrize("name", ["a" * 251 + ".wav", "ü" * 125 + ".wav"])
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path, name: str) -> None:
    with atomic_write(tmp_path / name) as part:
        part.write_bytes(b"whole")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"whole")]
