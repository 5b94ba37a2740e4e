"""The one training loop, top to bottom. It knows modules, phases and batches, and nothing of speech.

    for each batch:  for each phase:  loss -> backward -> clip -> AdamW        (one phase, or discriminator, generator)
                     EMA;  now and then: log, validate with the EMA's weights, checkpoint

A script gives the loop a `Task`. The loop shares every batch out among the processes. A run that is killed at any
moment goes on from its last checkpoint with the losses that it would have had, also with another number of processes:
the checkpoint holds weights, averages, optimizers, random states and the place in the data, counted in whole batches.
Randomness in losses must come from torch's global generator, randomness in the data from the number of the epoch.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate.utils import send_to_device
from safetensors import SafetensorError
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from speechnar.data.sampling import prefetch
from speechnar.train import checkpoint
from speechnar.train.config import LoopConfig, TrainingError
from speechnar.train.ema import EMA
from speechnar.train.keep import average_models, keep, kept_models, note_validation
from speechnar.train.log import Log, Signals
from speechnar.train.provenance import archive_stale_run
from speechnar.train.ranks import Ranks, shares
from speechnar.train.update import Part, Phase, Updater

__all__ = ["LoopConfig", "Phase", "Task", "TrainingError", "train"]

BAD_LOSSES = 10
"""Losses in a row that may be infinite or not a number, each skipped, before the loop gives up."""

PREFETCHED = 2
"""Batches that are loaded in a thread ahead of the one that is trained on."""

NAMED = 6
"""Items of a batch that a message names before it counts the rest."""


class Task(Protocol):
    """The interface between a training script and the loop.

    Attributes:
        modules: every module that is trained, by name.
    """

    modules: dict[str, nn.Module]

    def phases(self) -> tuple[Phase, ...]:
        """Return the updates of each step, in order."""

    def batches(self, epoch: int) -> Sequence[Sequence[Any]]:
        """Return the items of each batch of an epoch, such as utterance ids, without loading any data.

        The batches depend on the number of the epoch alone and are the same in every process; the loop gives each
        process its share of every batch. Items are named in messages by `str`.
        """

    def load(self, items: Sequence[Any]) -> Any:
        """Return a batch of these items: tensors in tuples, lists or dictionaries, or anything with `.to(device)`.

        Called in a thread, ahead of time.
        """

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return metrics of the averaged modules, in the first process alone; may write images and audio.

        Torch's generator is seeded before and restored after.
        """

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        """Write the model folder of the averaged modules, beside what the loop keeps there."""


def train(
    task: Task, config: LoopConfig, folder: Path, resume: bool = True, provenance: Mapping[str, str] | None = None
) -> None:
    """Train until `max_steps`, `max_minutes`, early stopping or Ctrl-C, whichever is first; then write a checkpoint.

    `folder` gets the model folder, `checkpoint/`, `kept/`, `tensorboard/` and `log.jsonl`.

    Args:
        resume: go on from `folder/checkpoint` if there is one; False starts again and replaces it.
        provenance: digests of what the task learns from (`provenance_of`). A folder with a checkpoint from something
            else is archived under another name, for its model is another one.

    Raises:
        TrainingError: the loss was not finite 10 times in a row, there are no batches, another process of this run has
            ended, or the disk is full; the last checkpoint stays whole.
        CheckpointError: the checkpoint is of another model, or broken.
        SystemExit: 130 after Ctrl-C, 143 after SIGTERM, with a checkpoint written.
    """
    started = last_checkpoint = time.monotonic()
    if config.threads:
        torch.set_num_threads(config.threads)
    ranks = Ranks(config.precision)
    device, scaler = ranks.device, ranks.accelerator.scaler  # a scaler only for fp16
    torch.manual_seed(config.seed + ranks.rank)
    if ranks.main and resume and provenance:
        archive_stale_run(folder, provenance)
    ranks.wait()
    folder.mkdir(parents=True, exist_ok=True)

    modules = {name: module.to(device).train() for name, module in task.modules.items()}
    ranks.same_weights(modules)
    average = EMA(modules, config.ema_decay)
    phases = task.phases()
    updaters = {p.name: Updater(p, modules, config, ranks) for p in phases}
    optimizers = {name: updater.optimizer for name, updater in updaters.items()}
    # Where the run stands: plain numbers, written to the checkpoint as they are.
    state: dict[str, Any] = {"step": 0, "epoch": 0, "batch": 0, "seconds": 0.0, "bad": {}, "skipped": 0, "meter": {}}
    saved = checkpoint.latest(folder / "checkpoint") if resume else None
    if saved:
        state = checkpoint.load(saved, modules, average.modules, optimizers)
        if scaler and state.get("scaler"):
            scaler.load_state_dict(state["scaler"])
    state["provenance"] = dict(provenance or {})
    _set_schedule(state, config, ranks.main)
    if config.compile:
        for module in modules.values():
            module.compile()

    log = Log(folder, state["step"]) if ranks.main else None
    bar = tqdm(total=config.max_steps, initial=state["step"], unit="step", disable=not ranks.main, dynamic_ncols=True)
    if saved and not checkpoint.load_rng(saved, ranks.rank):  # a process more than there were
        torch.manual_seed(config.seed + ranks.rank + state["step"] * ranks.count)
    seconds_before = state["seconds"]  # nothing random comes between here and the loss
    with Signals() as signals, bar:
        for items, parts in _batches(task, state, ranks, config) if not _finished(state, config) else ():
            parts = [Part(part.share, send_to_device(part.batch, device)) for part in parts]
            step = state["step"]
            for phase in phases:
                if step < phase.first_step:
                    continue
                updater = updaters[phase.name]
                learning_rate = config.learning_rate_at(step, phase.first_step, state["schedule_until"])
                measured = updater.update(parts, step, learning_rate * phase.learning_rate_ratio)
                if updater.is_finite(measured):
                    state["bad"][phase.name] = 0
                    _add(state["meter"], {f"{phase.name}/{name}": value for name, value in measured.items()})
                else:
                    _skip(state, phase, step, measured, items, ranks.main)
            average.update(modules, step)
            state["step"] = step = step + 1
            state["seconds"] = seconds_before + time.monotonic() - started

            late = config.max_minutes is not None and time.monotonic() - started >= 60 * config.max_minutes
            due = time.monotonic() - last_checkpoint >= config.checkpoint_seconds
            late, due, interrupted = ranks.any(late, due, signals.number is not None)
            stop = late or interrupted or step >= config.max_steps
            at_end = stop and not interrupted
            validated = bool(config.validate_every) and (at_end or step % config.validate_every == 0)
            if log:
                bar.update()
                if config.log_every and step % config.log_every == 0:
                    means = {name: total / count for name, (total, count) in state["meter"].items()}
                    state["meter"] = {}
                    log.train(state, config.learning_rate_at(step - 1, 0, state["schedule_until"]), means)
                    bar.set_postfix({p.name: f"{means.get(f'{p.name}/loss', math.nan):.4g}" for p in phases})
                if validated:
                    metrics = _validate(task, average, log.writer, config.seed, step)
                    log.validation(step, metrics)
                    note_validation(state, config, step, metrics)
                    with _room_for(folder):
                        keep(folder, state, config, lambda path: task.save(path, average.modules))
                if validated or at_end:
                    with _room_for(folder):
                        task.save(folder, average.modules)
            if validated and config.patience:
                (early,) = ranks.any(_finished(state, config))
                stop = stop or early
            if due or stop:
                state["scaler"] = scaler.state_dict() if scaler else {}
                with _room_for(folder / "checkpoint"):
                    _checkpoint(ranks, folder / "checkpoint", modules, average, optimizers, state)
                last_checkpoint = time.monotonic()
            if stop:
                break
    if log:
        log.close()
        if config.average_kept and _finished(state, config) and state.get("kept"):
            with _room_for(folder):
                average_models(kept_models(folder, state, config), folder)
    if signals.number is not None:
        if ranks.main:
            where = f"run again to go on from {folder / 'checkpoint'}"
            print(f"speechnar: stopped after step {state['step']}; {where}", file=sys.stderr)
        raise SystemExit(128 + signals.number)


def _finished(state: Mapping[str, Any], config: LoopConfig) -> bool:
    """Return True if all steps are done, or if `patience` validations in a row did not improve."""
    stale = bool(config.patience) and state.get("stale", 0) >= (config.patience or 0)
    return stale or state["step"] >= config.max_steps


def _set_schedule(state: dict[str, Any], config: LoopConfig, main: bool) -> None:
    """Note the step at which the learning-rate schedule ends; say what a change of `max_steps` does to a run."""
    before = state.setdefault("schedule_until", state.get("max_steps", config.max_steps))
    if before == config.max_steps:
        return
    step = state["step"]
    old, new = (config.learning_rate_at(step, 0, until) for until in (before, config.max_steps))
    if not config.flat_when_extended:
        state["schedule_until"] = config.max_steps
    if main and step and step < config.max_steps and not math.isclose(old, new, rel_tol=1e-3):
        kept = f"stays on the schedule of {before} steps: {old:.3g}"
        stretched = f"goes from {old:.3g} to {new:.3g}; flat_when_extended: true keeps it"
        what = kept if config.flat_when_extended else stretched
        print(f"speechnar: max_steps was {before} and is {config.max_steps}: at step {step} the learning rate {what}",
              file=sys.stderr)  # fmt: skip


def _batches(
    task: Task, state: dict[str, Any], ranks: Ranks, config: LoopConfig
) -> Iterator[tuple[Sequence[Any], list[Part]]]:
    """Yield batches without end, from where `state` says the run stands; move `state` on as each is taken.

    Yields:
        the items of the whole batch, and this process's parts of it, loaded.
    """

    def load(items: Sequence[Any]) -> tuple[Sequence[Any], list[Part]]:
        mine = shares(items, ranks.rank, ranks.count, config.accumulate)
        return items, [Part(share, task.load(share.items)) for share in mine]

    while True:
        batches = [batch for batch in task.batches(state["epoch"]) if len(batch)]
        if not batches:
            raise TrainingError(f"epoch {state['epoch']} gave no batches: is the training set empty?")
        for loaded in prefetch(map(load, batches[state["batch"] :]), PREFETCHED):
            state["batch"] += 1
            yield loaded
        state["epoch"] += 1
        state["batch"] = 0


def _add(meter: dict[str, Any], measured: Mapping[str, float]) -> None:
    """Add finite values to the sums, and their counts, of which the log shows the means."""
    for name, value in measured.items():
        if math.isfinite(value):
            total, count = meter.get(name, (0.0, 0))
            meter[name] = (total + value, count + 1)


def _skip(
    state: dict[str, Any], phase: Phase, step: int, measured: Mapping[str, float], items: Sequence[Any], main: bool
) -> None:
    """Count an update that was skipped, and name the items of its batch."""
    state["bad"][phase.name] = bad = state["bad"].get(phase.name, 0) + 1
    state["skipped"] += 1
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    held = ", ".join(str(item) for item in items[:NAMED]) + more
    seen = ", ".join(f"{name} {value:.3g}" for name, value in measured.items())
    if bad >= BAD_LOSSES:
        raise TrainingError(
            f"the {phase.name} loss was not finite {BAD_LOSSES} times in a row, to step {step} ({seen}): lower the"
            f" learning rate, or look for broken data in the last batch: {held}"
        )
    if main:
        line = f"speechnar: the {phase.name} loss of step {step} is not finite ({seen}); its batch is skipped: {held}"
        tqdm.write(line, file=sys.stderr)


def _validate(task: Task, average: EMA, writer: SummaryWriter, seed: int, step: int) -> dict[str, float]:
    """Return the task's metrics, with the same random numbers each time and none taken from training."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(seed)
        return {name: float(value) for name, value in task.validate(average.modules, writer, step).items()}


def _checkpoint(
    ranks: Ranks,
    folder: Path,
    modules: Mapping[str, nn.Module],
    average: EMA,
    optimizers: Mapping[str, torch.optim.Optimizer],
    state: dict[str, Any],
) -> None:
    """Write a checkpoint: the main process all but the other processes' random states."""
    part = folder.with_name(folder.name + ".part")
    if ranks.main:
        checkpoint.begin(folder)
        try:
            checkpoint.save(part, modules, average.modules, optimizers, state)
        except BaseException:
            checkpoint.discard(folder)
            raise
    ranks.wait()
    checkpoint.save_rng(part, ranks.rank)
    ranks.wait()
    if ranks.main:
        checkpoint.commit(folder)


@contextlib.contextmanager
def _room_for(path: Path) -> Iterator[None]:
    """Turn a write that the system refuses into one sentence."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "write" not in str(error):
            raise  # torch.save's own is "PytorchStreamWriter failed writing file"
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:160]
        raise TrainingError(
            f"cannot write {path} ({reason}): the checkpoint before it is whole; free some space and run again"
        ) from None
