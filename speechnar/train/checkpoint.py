"""Write and read checkpoints of the training loop: a folder that is replaced whole or not at all.

checkpoint/
  weights.safetensors   every trained module, as `module.parameter`
  ema.safetensors       their averages
  optimizers.pt         the optimizers' states, read with `weights_only=True`
  rng-0.safetensors     torch's random states, one file a process
  state.json            plain numbers: step, epoch, batches done in it ...
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class CheckpointError(ValueError):
    """Report a checkpoint that cannot be read; the message says what to do."""


def save_modules(modules: Mapping[str, nn.Module], path: Path) -> None:
    """Write the modules' states to one safetensors file."""
    state = {f"{name}.{key}": v for name, module in modules.items() for key, v in module.state_dict().items()}
    save_file({key: value.detach().cpu().clone() for key, value in state.items()}, path)


def load_modules(modules: Mapping[str, nn.Module], path: Path) -> None:
    """Read what `save_modules` wrote into the same modules.

    Raises:
        CheckpointError: the file holds other modules or other shapes, or cannot be read.
    """
    try:
        state = load_file(path)
        for name, module in modules.items():
            module.load_state_dict({k[len(name) + 1 :]: v for k, v in state.items() if k.startswith(name + ".")})
    except Exception as error:  # safetensors raises its own; load_state_dict RuntimeError
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path} does not fit this model ({reason}): train in another folder") from None


def save(
    folder: Path,
    modules: Mapping[str, nn.Module],
    averages: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    state: dict[str, Any],
) -> None:
    """Write all but the random states to `folder`, which is new; `begin` and `commit` stand around it."""
    save_modules(modules, folder / "weights.safetensors")
    save_modules(averages, folder / "ema.safetensors")
    torch.save({name: optimizer.state_dict() for name, optimizer in optimizers.items()}, folder / "optimizers.pt")
    (folder / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def load(
    folder: Path,
    modules: Mapping[str, nn.Module],
    averages: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> dict[str, Any]:
    """Read what `save` wrote into the same objects and return the state.

    Raises:
        CheckpointError: the checkpoint is of another model, or broken.
    """
    load_modules(modules, folder / "weights.safetensors")
    load_modules(averages, folder / "ema.safetensors")
    try:
        states = torch.load(folder / "optimizers.pt", map_location="cpu", weights_only=True)
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(states[name])
        return json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except Exception as error:  # torch.load raises half a dozen kinds
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{folder} cannot be resumed ({reason}): delete it to start again") from None


def save_rng(folder: Path, rank: int) -> None:
    """Write this process's random states, CPU's and the current GPU's."""
    states: dict[str, Tensor] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    save_file(states, folder / f"rng-{rank}.safetensors")


def load_rng(folder: Path, rank: int) -> bool:
    """Restore what `save_rng` wrote, the GPU's as far as there is one; return False if there was no such process."""
    path = folder / f"rng-{rank}.safetensors"
    if not path.exists():
        return False
    states = load_file(path)
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    return True


def begin(folder: Path) -> Path:
    """Make an empty folder beside `folder` to write into, and return it."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def discard(folder: Path) -> None:
    """Delete what `begin` started beside `folder`, and what it takes of the disk."""
    shutil.rmtree(folder.with_name(folder.name + ".part"), ignore_errors=True)


def commit(folder: Path) -> None:
    """Put the finished folder of `begin` in the place of `folder`.

    A folder cannot be renamed over another: killed between the two renames, `latest` finds the old one.
    """
    old = folder.with_name(folder.name + ".old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    folder.with_name(folder.name + ".part").rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def latest(folder: Path) -> Path | None:
    """Return the newest complete checkpoint at `folder`, if there is one."""
    old = folder.with_name(folder.name + ".old")
    return folder if folder.exists() else old if old.exists() else None
