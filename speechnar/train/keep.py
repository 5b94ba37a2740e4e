"""Model folders of past validations: the last ones, the best ones, and the average of some.

Source: averages of checkpoints, Vaswani et al. 2017, section 6.1; of the best by validation, as recognizers are trained
    in ESPnet and icefall.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from speechnar.files import atomic_write
from speechnar.train.config import LoopConfig, TrainingError

KEPT = "kept"
"""The folder, beside the checkpoint, that has one model folder `step-N` for each kept validation."""


def note_validation(state: dict[str, Any], config: LoopConfig, step: int, metrics: dict[str, float]) -> None:
    """Note in the loop's state how good a validation was.

    Raises:
        TrainingError: `best_by` is no validation metric of this task.
    """
    state["kept"] = [entry for entry in state.get("kept", []) if entry[0] != step]
    if config.best_by is None:
        state["kept"].append([step, 0.0])
        return
    if config.best_by not in metrics:
        raise TrainingError(f"best_by is {config.best_by!r} but validation gives {', '.join(metrics)}")
    metric = metrics[config.best_by]
    state["kept"].append([step, metric])
    if config.better(metric, state.get("best")):
        state["best"], state["stale"] = metric, 0
    else:
        state["stale"] = state.get("stale", 0) + 1


def to_keep(config: LoopConfig, entries: Sequence[Sequence[Any]]) -> list[list[int]]:
    """Return the steps of the `keep_last` last entries (step, metric) and of the `keep_best` best, best first."""
    last = [step for step, _ in entries[max(0, len(entries) - config.keep_last) :]]
    sign = 1 if config.best_is == "lowest" else -1
    ranked = sorted((entry for entry in entries if entry[1] == entry[1]), key=lambda entry: sign * entry[1])
    return [last, [step for step, _ in ranked[: config.keep_best]]]


def keep(folder: Path, state: dict[str, Any], config: LoopConfig, save: Callable[[Path], None]) -> None:
    """Save the model of the newest entry of `state["kept"]` if it is to be kept, and delete what no longer is.

    Args:
        folder: of the run.
        save: writes a model folder.
    """
    last, best = to_keep(config, state["kept"])
    steps = {*last, *best}
    newest = state["kept"][-1][0]
    state["kept"] = [entry for entry in state["kept"] if entry[0] in steps]
    kept = folder / KEPT
    if newest in steps:
        part = kept / f".step-{newest}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save(part)
        shutil.rmtree(kept / f"step-{newest}", ignore_errors=True)
        part.rename(kept / f"step-{newest}")
    for path in kept.glob("step-*") if kept.exists() else ():
        if path.name not in {f"step-{step}" for step in steps}:
            shutil.rmtree(path)


def kept_models(folder: Path, state: dict[str, Any], config: LoopConfig) -> list[Path]:
    """Return the kept model folders that `average_kept` averages."""
    last, best = to_keep(config, state["kept"])
    return [folder / KEPT / f"step-{step}" for step in best or last]


def average_models(models: Sequence[Path], out: Path) -> None:
    """Write a model folder whose weights are the mean of those of other model folders.

    Args:
        models: folders of the same model with other weights; all other files are taken from the first.
        out: may hold a model already, which is replaced.

    Raises:
        TrainingError: there are no models, or they have other weights or shapes.
    """
    if not models:
        raise TrainingError("there are no models to average: name at least one model folder")
    first = models[0]
    for path in sorted(path for path in first.rglob("*") if path.is_file()):
        name = path.relative_to(first)
        with atomic_write(out / name) as part:
            if path.suffix != ".safetensors":
                shutil.copyfile(path, part)
                continue
            weights = load_file(path)
            sums = {key: value.double() for key, value in weights.items()}
            for model in models[1:]:
                others = load_file(model / name)
                if {k: v.shape for k, v in others.items()} != {k: v.shape for k, v in weights.items()}:
                    raise TrainingError(f"{model / name} has other weights than {path}: average models of one run")
                for key in sums:
                    sums[key] += others[key].double()
            mean = {key: (sums[key] / len(models)).to(value.dtype) for key, value in weights.items()}
            save_file({key: value.contiguous() for key, value in mean.items()}, part)
