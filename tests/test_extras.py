"""A read-only install, where numba finds no folder that it can write, works all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

READ_ONLY = """
import os, tempfile
import numba.core.caching as caching

def refuse(self):
    raise PermissionError("read-only")

for name in ("InTreeCacheLocator", "UserWideCacheLocator", "IPythonCacheLocator", "ZipCacheLocator"):
    getattr(caching, name).ensure_cache_path = refuse
"""
FILTERS = """
from speechnar.audio import AudioConfig, mel_filters
assert mel_filters(AudioConfig()).shape == (80, 513)
"""
ALIGNMENT = """
import torch
from speechnar.nar.alignment import forward_sum
log_probs = torch.zeros(1, 4, 3)  # 3 paths of 4 frames over 3 tokens, each of probability 1
print(forward_sum(log_probs, torch.tensor([3]), torch.tensor([4])).exp().round().tolist())
"""
AXE = """
import torch
from speechnar.losses.axe import axe_loss
log_probs = torch.full((1, 4, 2), 0.5).log()  # 3 tokens and a blank, each of probability 1/2
tokens, lengths = torch.ones(1, 3, dtype=torch.int64), (torch.tensor([4]), torch.tensor([3]))
print(round(float((3 * axe_loss(log_probs, lengths[0], tokens, lengths[1], 0)).exp()), 4))
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", READ_ONLY + script], capture_output=True, text=True)


def test_librosa_itself_fails() -> None:
    assert "no locator available" in run("import librosa.util.utils").stderr


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        (FILTERS, ""),
        (ALIGNMENT, "[3.0]\n"),
        (FILTERS + ALIGNMENT, "[3.0]\n"),
        (AXE, "16.0\n"),
        (AXE + FILTERS, "16.0\n"),
    ],
)
def test_without_a_cache_mels_alignments_and_losses_are_computed(script: str, printed: str) -> None:
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


def test_the_temporary_cache_is_removed() -> None:
    done = run(FILTERS + "import numba; print(numba.config.CACHE_DIR, os.path.isdir(numba.config.CACHE_DIR))")
    folder, existed = done.stdout.split()
    assert existed == "True" and "speechnar-numba-" in folder
    gone = subprocess.run([sys.executable, "-c", f"import os; print(os.path.exists({folder!r}))"], capture_output=True)
    assert gone.stdout == b"False\n"
