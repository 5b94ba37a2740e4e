"""Fixtures for all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import stub
import stub_recognizer as hearing

# A shell that starts the tests in its background leaves Ctrl-C ignored, also in the programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stub_voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the voice in `stub.py`. Copy it before you break it."""
    folder = tmp_path_factory.mktemp("voices") / "stub"
    stub.save_voice(folder)
    return folder


@pytest.fixture(scope="session")
def stub_recognizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the recognizer in `stub_recognizer.py`. Copy it before you break it."""
    folder = tmp_path_factory.mktemp("recognizers") / "stub"
    hearing.save_recognizer(folder)
    return folder


@pytest.fixture(scope="session")
def hummed_features(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The folder of features and the manifests of four training and two dev utterances, 22 to 27 frames each."""
    from hummed import AUDIO, make_cut
    from lhotse import CutSet

    from speechnar.data.features import compute_features

    folder = tmp_path_factory.mktemp("hummed")
    cuts = [make_cut(folder, f"utt-{n}", [3, 5, 0, 8, 2 + n], 150 + 10 * n) for n in range(6)]
    train, dev = CutSet.from_cuts(cuts[:4]), CutSet.from_cuts(cuts[4:])
    train.to_file(folder / "train.jsonl.gz")
    dev.to_file(folder / "dev.jsonl.gz")
    compute_features(train, folder / "features", AUDIO, [dev])
    return folder / "features", folder / "train.jsonl.gz", folder / "dev.jsonl.gz"
