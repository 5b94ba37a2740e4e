"""The one training loop, top to bottom. It knows modules, phases and batches, and nothing of speech.

    for each batch:  for each phase:  loss -> backward -> clip -> AdamW        (one phase, or discriminator, generator)
                     EMA;  now and then: log, validate with the EMA's weights, checkpoint

What a script gives to it is a `Task`. A run killed at any moment goes on from its last checkpoint with the losses it
would have had: the checkpoint holds weights, averages, optimizers, random states and the place in the data.
Randomness in losses must come from torch's global generator, randomness in the data from the epoch's number.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import send_to_device
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from speechnar.train import checkpoint
from speechnar.train.ema import EMA
from speechnar.train.log import Log, Signals
from speechnar.train.provenance import make_room

BAD_LOSSES = 10
"""Losses in a row that may be infinite or not a number before the loop gives up."""


class TrainingError(ValueError):
    """Training that cannot go on; the message says why."""


@dataclass(frozen=True)
class LoopConfig:
    """How to train.

    Attributes:
        max_steps: batches to train on.
        log_every, validate_every: steps. Validation also comes at the end, and saves the model folder.
        checkpoint_seconds: between checkpoints; one more at the end.
        learning_rate: peak of AdamW's, after `warmup_steps` of linear rise; then a cosine down to
            `final_learning_rate_ratio` of it at `max_steps`.
        betas, weight_decay: AdamW's; only weights of two or more dimensions decay.
        grad_clip: largest norm of a phase's gradient.
        precision: "no" (float32), "bf16" or "fp16".
        ema_decay: of the averaged weights, per step.
        seed: of torch's generators.
        compile: run the modules through `torch.compile`.
        max_minutes: stop in good order after so long in this process; run again to go on.
        threads: CPU threads of torch; None leaves its choice.
    """

    max_steps: int = 10000
    log_every: int = 10
    validate_every: int = 500
    checkpoint_seconds: float = 180.0
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    final_learning_rate_ratio: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    precision: str = "bf16"
    ema_decay: float = 0.999
    seed: int = 0
    compile: bool = False
    max_minutes: float | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.precision not in ("no", "bf16", "fp16"):
            raise TrainingError(f"precision is {self.precision!r} but should be no, bf16 or fp16")

    def learning_rate_at(self, step: int, first_step: int = 0) -> float:
        """The learning rate of the step after `step` done ones, of what learns from `first_step` on."""
        step, steps = step - first_step, self.max_steps - first_step
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        progress = min(1.0, (step - self.warmup_steps) / max(1, steps - self.warmup_steps))
        ratio = self.final_learning_rate_ratio
        return self.learning_rate * (ratio + (1 - ratio) * 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass(frozen=True)
class Phase:
    """One update for each batch, with its own AdamW.

    Attributes:
        name: how its figures are logged: `name/term`.
        modules: names of the task's modules that it trains; gradients reach no other.
        loss: (batch, steps done) -> named scalar terms. A term without a weight counts once; a term of weight 0 is
            logged only. Phases of one step run in order, so a later one may use what an earlier one computed.
        weights: of the terms.
        learning_rate_ratio: its learning rate, relative to the config's.
        first_step: steps done before it joins; its learning rate rises from there on.
    """

    name: str
    modules: tuple[str, ...]
    loss: Callable[[Any, int], dict[str, Tensor]]
    weights: Mapping[str, float] = field(default_factory=dict)
    learning_rate_ratio: float = 1.0
    first_step: int = 0


class Task(Protocol):
    """What a training script gives to the loop.

    Attributes:
        modules: every module that is trained, by name.
    """

    modules: dict[str, nn.Module]

    def phases(self) -> tuple[Phase, ...]:
        """The updates of each step, in order."""

    def batches(self, epoch: int, skip: int) -> Iterator[Any]:
        """The batches of an epoch but for the first `skip`; anything with `.to(device)`, always in the same order."""

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Figures of the averaged modules; may write images and audio. Torch's generator is seeded, then restored."""

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        """Writes the model folder of the averaged modules, beside what the loop keeps there."""


def train(
    task: Task, config: LoopConfig, folder: Path, resume: bool = True, origin: Mapping[str, str] | None = None
) -> None:
    """Trains until `max_steps`, `max_minutes` or Ctrl-C, whichever is first; a checkpoint is written in each case.

    `folder` gets the model folder, `checkpoint/`, `tensorboard/` and `log.jsonl`.

    Args:
        resume: go on from `folder/checkpoint` if there is one; False starts again and replaces it.
        origin: digests of what the task learns from (`origin_of`). A folder with a checkpoint from something else is
            put aside, for its model is another one.

    Raises:
        TrainingError: the loss was not finite 10 times in a row, or there are no batches.
        CheckpointError: the checkpoint is of another model, or broken.
        SystemExit: 130 after Ctrl-C, 143 after SIGTERM, with a checkpoint written.
    """
    started = last_checkpoint = time.monotonic()
    if config.threads:
        torch.set_num_threads(config.threads)
    cuda = torch.cuda.is_available()
    AcceleratorState._reset_state()  # a second run in this process may want another precision
    accelerator = Accelerator(mixed_precision=config.precision, cpu=not cuda)
    device, scaler = accelerator.device, accelerator.scaler  # a scaler only for fp16
    torch.manual_seed(config.seed + accelerator.process_index)
    main = accelerator.is_main_process
    if main and resume and origin:
        make_room(folder, origin)
    accelerator.wait_for_everyone()
    folder.mkdir(parents=True, exist_ok=True)

    modules = {name: module.to(device).train() for name, module in task.modules.items()}
    _same_everywhere(accelerator, modules)
    average = EMA(modules, config.ema_decay)
    phases = task.phases()
    parameters = {p.name: [w for m in p.modules for w in modules[m].parameters() if w.requires_grad] for p in phases}
    optimizers = {name: _adamw(weights, config, fused=cuda) for name, weights in parameters.items()}
    # Where the run stands: plain numbers, written to the checkpoint as they are.
    state: dict[str, Any] = {"step": 0, "epoch": 0, "batch": 0, "seconds": 0.0, "bad": {}, "skipped": 0, "meter": {}}
    saved = checkpoint.latest(folder / "checkpoint") if resume else None
    if saved:
        state = checkpoint.load(saved, modules, average.modules, optimizers)
        if scaler and "scaler" in state:
            scaler.load_state_dict(state["scaler"])
    state["origin"] = dict(origin or {})
    if config.compile:
        for module in modules.values():
            module.compile()

    log = Log(folder, state["step"]) if main else None
    bar = tqdm(total=config.max_steps, initial=state["step"], unit="step", disable=not main, dynamic_ncols=True)
    if saved:
        checkpoint.load_rng(saved, accelerator.process_index)  # last: nothing random comes between here and the loss
    seconds_before = state["seconds"]
    with Signals() as signals, bar:
        for batch in _batches(task, state) if state["step"] < config.max_steps else ():
            batch = send_to_device(batch, device)
            step = state["step"]
            figures: dict[str, float] = {}
            for phase in phases:
                if step < phase.first_step:
                    continue
                weights, optimizer = parameters[phase.name], optimizers[phase.name]
                learning_rate = config.learning_rate_at(step, phase.first_step) * phase.learning_rate_ratio
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate
                optimizer.zero_grad(set_to_none=True)
                with accelerator.autocast():
                    terms = phase.loss(batch, step)
                total = torch.stack([phase.weights.get(n, 1.0) * t.float() for n, t in terms.items()]).sum()
                accelerator.backward(total, inputs=weights)  # `inputs`: other phases' modules get no gradient
                _average_gradients(accelerator, weights)
                if scaler:
                    scaler.unscale_(optimizer)
                norm = torch.nn.utils.clip_grad_norm_(weights, config.grad_clip)
                values = torch.stack([t.detach().float() for t in (*terms.values(), total, norm)])
                names = (*terms, "loss", "grad_norm")
                measured = dict(zip(names, accelerator.reduce(values, "mean").tolist()))  # the only wait for the GPU
                # fp16 overflows by design while its scale settles, so there only the loss tells.
                finite = math.isfinite(measured["loss"]) and (bool(scaler) or math.isfinite(measured["grad_norm"]))
                if scaler:
                    scaler.step(optimizer)
                    scaler.update()
                elif finite:
                    optimizer.step()
                if finite:
                    state["bad"][phase.name] = 0
                    figures.update({f"{phase.name}/{name}": value for name, value in measured.items()})
                else:
                    state["bad"][phase.name] = state["bad"].get(phase.name, 0) + 1
                    state["skipped"] += 1
                    if state["bad"][phase.name] >= BAD_LOSSES:
                        seen = ", ".join(f"{name} {value:.3g}" for name, value in measured.items())
                        raise TrainingError(
                            f"the {phase.name} loss was not finite {BAD_LOSSES} times in a row, to step {step}"
                            f" ({seen}): lower the learning rate"
                        )
            average.update(modules, step)
            state["step"] = step = step + 1
            state["seconds"] = seconds_before + time.monotonic() - started
            for name, value in figures.items():
                if math.isfinite(value):
                    total_so_far, count = state["meter"].get(name, (0.0, 0))
                    state["meter"][name] = (total_so_far + value, count + 1)

            late = config.max_minutes is not None and time.monotonic() - started >= 60 * config.max_minutes
            due = time.monotonic() - last_checkpoint >= config.checkpoint_seconds
            late, due, interrupted = _agreed(accelerator, late, due, signals.number is not None)
            stop = late or interrupted or step >= config.max_steps
            if log:
                bar.update()
                if step % config.log_every == 0:
                    means = {name: total_so_far / count for name, (total_so_far, count) in state["meter"].items()}
                    state["meter"] = {}
                    log.train(state, config.learning_rate_at(step - 1), means)
                    bar.set_postfix({p.name: f"{means.get(f'{p.name}/loss', math.nan):.4g}" for p in phases})
                if step % config.validate_every == 0 or (stop and not interrupted):
                    log.validation(step, _validate(task, average, log.writer, config.seed, step))
                    task.save(folder, average.modules)
            if due or stop:
                state["scaler"] = scaler.state_dict() if scaler else {}
                _checkpoint(accelerator, folder / "checkpoint", modules, average, optimizers, state)
                last_checkpoint = time.monotonic()
            if stop:
                break
    if log:
        log.close()
    if signals.number is not None:
        where = folder / "checkpoint"
        if main:
            print(f"speechnar: stopped after step {state['step']}; run again to go on from {where}", file=sys.stderr)
        raise SystemExit(128 + signals.number)


def _batches(task: Task, state: dict[str, Any]) -> Iterator[Any]:
    """Batches without end, from where `state` says the run stands; moves `state` on as each is taken."""
    while True:
        for batch in task.batches(state["epoch"], state["batch"]):
            state["batch"] += 1
            yield batch
        if not state["batch"]:
            raise TrainingError(f"epoch {state['epoch']} gave no batches: is the training set empty?")
        state["epoch"] += 1
        state["batch"] = 0


def _adamw(weights: list[nn.Parameter], config: LoopConfig, fused: bool) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels, not biases and scales."""
    groups = [
        {"params": [w for w in weights if w.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=fused)


def _validate(task: Task, average: EMA, writer: SummaryWriter, seed: int, step: int) -> dict[str, float]:
    """The task's figures, with the same random numbers each time and none taken from training."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(seed)
        return {name: float(value) for name, value in task.validate(average.modules, writer, step).items()}


def _checkpoint(
    accelerator: Accelerator,
    folder: Path,
    modules: Mapping[str, nn.Module],
    average: EMA,
    optimizers: Mapping[str, torch.optim.Optimizer],
    state: dict[str, Any],
) -> None:
    """The main process writes; the others add their random states."""
    part = folder.with_name(folder.name + ".part")
    if accelerator.is_main_process:
        checkpoint.begin(folder)
        checkpoint.save(part, modules, average.modules, optimizers, state)
    accelerator.wait_for_everyone()
    checkpoint.save_rng(part, accelerator.process_index)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        checkpoint.commit(folder)


# Several processes (torchrun): modules are not wrapped, so that a phase may call any of them in any way; what must be
# equal everywhere is made equal by hand.


def _same_everywhere(accelerator: Accelerator, modules: Mapping[str, nn.Module]) -> None:
    """Gives every process the first one's weights."""
    if accelerator.num_processes > 1:
        for module in modules.values():
            for tensor in module.state_dict().values():
                torch.distributed.broadcast(tensor, src=0)


def _average_gradients(accelerator: Accelerator, weights: list[nn.Parameter]) -> None:
    """Averages gradients over processes, in one message."""
    if accelerator.num_processes > 1:
        gradients = [w.grad if w.grad is not None else torch.zeros_like(w) for w in weights]
        flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
        for weight, gradient in zip(weights, flat.split([w.numel() for w in weights])):
            weight.grad = gradient.view_as(weight)


def _agreed(accelerator: Accelerator, *flags: bool) -> list[bool]:
    """Each flag is true if it is so in any process."""
    if accelerator.num_processes == 1:
        return list(flags)
    counts = torch.tensor([float(flag) for flag in flags], device=accelerator.device)
    return [count > 0 for count in accelerator.reduce(counts, "sum").tolist()]
