"""A corpus of eight hummed utterances."""

from __future__ import annotations

import pytest
from hummed import make_cut
from lhotse import CutSet


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> CutSet:
    folder = tmp_path_factory.mktemp("corpus")
    lengths = [[3, 5, 0, 8, 2 + n] for n in range(8)]
    return CutSet.from_cuts(make_cut(folder, f"utt-{n}", d, 150 + 10 * n) for n, d in enumerate(lengths))
