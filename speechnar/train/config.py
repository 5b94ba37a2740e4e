"""The options of the training loop and the learning-rate schedules.

Source: cosine decay, Loshchilov and Hutter 2017 (one cycle, no restarts); inverse square root, Vaswani et al. 2017,
    section 5.3 ("noam"), written relative to the peak that the linear warm-up reaches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SCHEDULES: Mapping[str, Callable[[float, float], float]] = {
    "constant": lambda progress, final: 1.0,
    "linear": lambda progress, final: 1 + (final - 1) * progress,
    "cosine": lambda progress, final: final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)),
    "exponential": lambda progress, final: max(final, 1e-8) ** progress,
}
"""Share of the peak learning rate by the progress from the end of the warm-up (0) to `max_steps` (1), given the final
share. `inverse_sqrt` (also called `noam`) depends on the number of steps alone: sqrt(warmup_steps / step)."""

NAMES = (*SCHEDULES, "inverse_sqrt", "noam")


class TrainingError(ValueError):
    """Report training that cannot start or go on; the message says why and what to change."""


@dataclass(frozen=True)
class LoopConfig:
    """Configure the training loop.

    Steps, batches and the learning rate mean the same whatever the number of processes: every batch is shared out
    among them, so that a run gives the same losses on one device as on eight.

    Attributes:
        max_steps: batches to train on, all processes together.
        accumulate: parts in which each process works through its share of a batch, one after another, to save memory.
            The gradient is that of the whole batch, but for terms that are means over something other than utterances:
            each part counts by its utterances.
        log_every, validate_every: steps; 0 means never. Validation also comes at the end, and saves the model folder,
            which is saved at the end in any case.
        checkpoint_seconds: time between checkpoints; one more is written at the end.
        keep_last, keep_best: how many model folders of past validations stay in `kept/step-N`: of the last ones, and
            of those with the best `best_by`. Older and worse ones are deleted.
        average_kept: whether the model folder gets, at the end, the average of the kept models' weights: of the
            `keep_best` best if that is given, else of the `keep_last` last.
        best_by: the validation metric for `keep_best` and `patience`.
        best_is: "lowest" or "highest", which value of `best_by` is best.
        patience: validations without a better `best_by` before training stops early; None never stops early.
        learning_rate: peak of AdamW's, reached after `warmup_steps` of linear rise.
        schedule: what comes after the warm-up: constant, linear, cosine, exponential (the last three fall to
            `final_learning_rate_ratio` of the peak at `max_steps`), or inverse_sqrt, also called noam.
        flat_when_extended: where a run is continued with more `max_steps` than it was started with, keep the learning
            rate with which the shorter run ended; otherwise the schedule is stretched to the new `max_steps`.
        betas, weight_decay: AdamW's; only weights of two or more dimensions decay.
        grad_clip: largest norm of a phase's gradient; None does not clip.
        precision: "no" (float32), "bf16" or "fp16".
        ema_decay: of the averaged weights, per step.
        seed: of torch's generators and of the order of the data.
        compile: run the modules through `torch.compile`.
        max_minutes: stop in good order after this time in this process; run again to go on.
        threads: CPU threads of torch in each process; None leaves torch's choice.
    """

    max_steps: int = 10000
    accumulate: int = 1
    log_every: int = 10
    validate_every: int = 500
    checkpoint_seconds: float = 180.0
    keep_last: int = 0
    keep_best: int = 0
    average_kept: bool = False
    best_by: str | None = None
    best_is: str = "lowest"
    patience: int | None = None
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    schedule: str = "cosine"
    final_learning_rate_ratio: float = 0.05
    flat_when_extended: bool = False
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    grad_clip: float | None = 1.0
    precision: str = "bf16"
    ema_decay: float = 0.999
    seed: int = 0
    compile: bool = False
    max_minutes: float | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        choices = {"precision": ("no", "bf16", "fp16"), "schedule": NAMES, "best_is": ("lowest", "highest")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise TrainingError(f"{name} is {getattr(self, name)!r} but should be one of {', '.join(known)}")
        least = {"max_steps": 1, "accumulate": 1, "threads": 1, "patience": 1}
        least |= dict.fromkeys(("log_every", "validate_every", "keep_last", "keep_best", "warmup_steps"), 0)
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise TrainingError(f"{name} is {value} but should be {bound} or more")
        if self.grad_clip is not None and self.grad_clip <= 0:
            raise TrainingError(f"grad_clip is {self.grad_clip} but should be above 0, or null for no clipping")
        if (self.keep_best or self.patience) and not self.best_by:
            raise TrainingError("keep_best and patience need best_by: name the validation metric, such as wer")
        if self.average_kept and not (self.keep_best or self.keep_last):
            raise TrainingError("average_kept needs models to average: set keep_best or keep_last")

    def learning_rate_at(self, step: int, first_step: int = 0, until: int | None = None) -> float:
        """Return the learning rate of a step.

        Args:
            step: steps done before it.
            first_step: steps done before the weights in question were trained at all; their warm-up begins there.
            until: the step at which the schedule ends; `max_steps` by default.
        """
        step, steps = step - first_step, (self.max_steps if until is None else until) - first_step
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.schedule in ("inverse_sqrt", "noam"):
            return self.learning_rate * math.sqrt(max(1, self.warmup_steps) / (step + 1))
        progress = min(1.0, (step - self.warmup_steps) / max(1, steps - self.warmup_steps))
        return self.learning_rate * SCHEDULES[self.schedule](progress, self.final_learning_rate_ratio)

    def better(self, metric: float, best: float | None) -> bool:
        """Return True if a value of `best_by` is better than `best`, the best so far, which is None at first."""
        if math.isnan(metric) or best is None:
            return best is None and not math.isnan(metric)
        return metric < best if self.best_is == "lowest" else metric > best
