"""Training in two processes is training in one: for every kind of model, and after a change of their number."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import every_kind
import pytest
import torch

from speechnar.train.ranks import shares

# Logarithms of the spectrum of near silence, of which the vocoder's loss has many, make more of float32's rounding: one
# process in float64 differs from itself in float32 as much.
TOLERANCE = {name: 1e-5 for name in every_kind.NAMES} | {"vocoder": 1e-4}

pytestmark = pytest.mark.filterwarnings("ignore:Empty filters detected")


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_every_item_is_in_one_share_of_one_process(count: int, accumulate: int, ranks: int) -> None:
    items = list(range(count))
    of_each = [shares(items, rank, ranks, accumulate) for rank in range(ranks)]
    assert len({len(found) for found in of_each}) == 1  # all send as many messages
    owned = [item for found in of_each for share in found for item in share.items[: share.n_own]]
    assert sorted(owned) == items
    assert all(len(share.items) for found in of_each for share in found)
    assert all(share.n_own in (0, len(share.items)) for found in of_each for share in found)
    for at_once in zip(*of_each):
        assert {share.ratio for share in at_once} == {sum(share.n_own for share in at_once) / count}
    assert sum(share.ratio for share in of_each[0]) == pytest.approx(1)


def environment(**more: str) -> dict[str, str]:
    paths = os.pathsep.join([*sys.path, str(Path(every_kind.__file__).parent)])
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **more}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one` and `two`: a step of every kind in one process and in two, then two more steps in one process."""
    folder = tmp_path_factory.mktemp("ranks")
    every_kind.prepare(folder)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command += [every_kind.__file__, str(folder), str(folder / "two")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    config = every_kind.LOOP
    every_kind.train_all(folder, folder / "one", dataclasses.replace(config, max_minutes=0.0))
    for run in ("one", "two"):
        for name in every_kind.NAMES:
            (folder / run / name / "checkpoint" / "optimizers.pt").rename(folder / run / f"{name}.pt")
            os.link(folder / run / f"{name}.pt", folder / run / name / "checkpoint" / "optimizers.pt")
        every_kind.train_all(folder, folder / run, config)
    return folder


@pytest.mark.parametrize("name", every_kind.NAMES)
def test_half_batches_have_the_gradient_of_the_whole(runs: Path, name: str) -> None:
    """AdamW's first moment after one step is the gradient, times a constant."""
    one, two = (torch.load(runs / run / f"{name}.pt", weights_only=True) for run in ("one", "two"))
    for phase in one:
        of_one, of_two = ({n: x["exp_avg"] for n, x in run[phase]["state"].items()} for run in (one, two))
        norm = float(torch.cat([gradient.flatten() for gradient in of_one.values()]).norm())
        assert norm > 1e-3
        torch.testing.assert_close(of_two, of_one, rtol=10 * TOLERANCE[name], atol=3 * TOLERANCE[name] * norm)


@pytest.mark.parametrize("name", every_kind.NAMES)
def test_losses_are_the_same_also_after_going_on_with_fewer_processes(runs: Path, name: str) -> None:
    one, two = ((runs / run / name / "log.jsonl").read_text().splitlines() for run in ("one", "two"))
    assert len(one) == len(two) == 3
    for step, lines in enumerate(zip(one, two)):
        first, second = map(json.loads, lines)
        values = {key: value for key, value in first.items() if "/" in key}
        assert len(values) > 2
        norms = {key: values.pop(key) for key in list(values) if key.endswith("grad_norm")}
        loose = 1 if step == 0 else 100
        assert {key: second[key] for key in values} == pytest.approx(values, rel=loose * TOLERANCE[name], abs=1e-7)
        assert {key: second[key] for key in norms} == pytest.approx(norms, rel=10 * loose * TOLERANCE[name])
        assert first["epoch"] == second["epoch"]
