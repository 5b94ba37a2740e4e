"""A server with the stub voice and the stub recognizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Running, serving


@pytest.fixture(scope="session")
def server(stub_voice: Path, stub_recognizer: Path) -> Iterator[Running]:
    with serving(stub_voice, stub_recognizer) as running:
        yield running
