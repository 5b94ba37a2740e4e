"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import stub
import stub_recognizer as hearing


@pytest.fixture(scope="session")
def stub_voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the voice in `stub.py`. Copy it before you break it."""
    folder = tmp_path_factory.mktemp("voices") / "stub"
    stub.save_voice(folder)
    return folder


@pytest.fixture(scope="session")
def stub_recognizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the recogniser in `stub_recognizer.py`. Copy it before you break it."""
    folder = tmp_path_factory.mktemp("recognizers") / "stub"
    hearing.save_recognizer(folder)
    return folder
