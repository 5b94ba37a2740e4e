"""One update of one phase: loss, gradient, clipping, AdamW; over the parts of a batch and over processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from speechnar.losses.mean import Mean
from speechnar.train.config import LoopConfig
from speechnar.train.ranks import Ranks, Share


@dataclass(frozen=True)
class Phase:
    """Describe one update for each batch, with its own AdamW.

    Attributes:
        name: how its terms are logged: `name/term`.
        modules: names of the task's modules that it trains; gradients reach no other.
        loss: (batch, steps done) -> named scalar terms, each a mean over the batch's items or a `Mean` over something
            else. A term without a weight counts once; a term of weight 0 is logged only. Phases of one step run in
            order, so a later one may use what an earlier one computed, if nothing is accumulated.
        weights: of the terms.
        learning_rate_ratio: its learning rate, relative to the config's.
        module_ratios: learning rates of modules, relative to the phase's; those that are not named have 1.
        first_step: steps done before it joins; its learning rate rises from there on.
    """

    name: str
    modules: tuple[str, ...]
    loss: Callable[[Any, int], Mapping[str, Tensor | Mean]]
    weights: Mapping[str, float] = field(default_factory=dict)
    learning_rate_ratio: float = 1.0
    first_step: int = 0
    module_ratios: Mapping[str, float] = field(default_factory=dict)


class Part(NamedTuple):
    """A share of a batch, loaded."""

    share: Share
    batch: Any


class Updater:
    """Train the modules of one phase.

    Args:
        modules: all modules of the task.
    """

    def __init__(self, phase: Phase, modules: Mapping[str, nn.Module], config: LoopConfig, ranks: Ranks) -> None:
        self.phase, self.config, self.ranks = phase, config, ranks
        by_ratio: dict[float, list[nn.Parameter]] = {}
        for name in phase.modules:
            trained = by_ratio.setdefault(phase.module_ratios.get(name, 1.0), [])
            trained += [weight for weight in modules[name].parameters() if weight.requires_grad]
        self.weights = [weight for weights in by_ratio.values() for weight in weights]
        groups, self.ratios = [], []
        for ratio, weights in by_ratio.items():
            for group in _groups(weights, config):
                groups.append(group)
                self.ratios.append(ratio)
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)

    def update(self, parts: Sequence[Part], step: int, learning_rate: float) -> dict[str, float]:
        """Take one step of the optimizer, unless the loss or the gradient is not finite.

        Returns:
            The terms of the whole batch, `loss` and `grad_norm`, which is measured before clipping; the same in every
            process.
        """
        accelerator = self.ranks.accelerator
        scaler = accelerator.scaler  # only for fp16
        for group, ratio in zip(self.optimizer.param_groups, self.ratios, strict=True):
            group["lr"] = learning_rate * ratio
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for part in parts:
            with accelerator.autocast():
                terms = self.phase.loss(part.batch, step)
            total, values = self._total(terms, part.share)
            accelerator.backward(total, inputs=self.weights)  # `inputs`: other phases' modules get no gradient
            for name, value in values.items():
                sums[name] = sums[name] + value if name in sums else value
        self.ranks.sum_gradients(self.weights)
        if scaler:
            scaler.unscale_(self.optimizer)
        clip = self.config.grad_clip
        norm = torch.nn.utils.clip_grad_norm_(self.weights, math.inf if clip is None else clip)
        names = (*sums, "grad_norm")
        measured = dict(zip(names, torch.stack([*sums.values(), norm]).tolist()))  # the only wait for the GPU
        if scaler:
            scaler.step(self.optimizer)
            scaler.update()
        elif self.is_finite(measured):
            self.optimizer.step()
        return measured

    def is_finite(self, measured: Mapping[str, float]) -> bool:
        """Return True if the loss and, except with fp16, the gradient are finite.

        With fp16, gradients overflow until the loss scale has settled.
        """
        return math.isfinite(measured["loss"]) and (
            bool(self.ranks.accelerator.scaler) or math.isfinite(measured["grad_norm"])
        )

    def _total(self, terms: Mapping[str, Tensor | Mean], share: Share) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the scalar whose gradients, summed over parts and processes, are those of the whole batch's loss.

        Also returns each term's and the loss's contribution to the whole batch, summed over processes.
        """
        weights = [self.phase.weights.get(name, 1.0) for name in terms]
        items = torch.full((), float(share.n_own), device=self.ranks.device)
        means = [term if isinstance(term, Mean) else Mean(term, items) for term in terms.values()]
        sizes = [mean.value.numel() for mean in means]
        values = torch.cat([mean.value.float().reshape(-1) for mean in means])
        counts = torch.cat([mean.count.detach().float().reshape(-1) for mean in means]) * (share.n_own > 0)
        everywhere = self.ranks.sum(counts.clone())
        portions = torch.where(everywhere > 0, counts / everywhere, 0) * share.ratio
        scaled = torch.where(portions > 0, values * portions, 0)  # not even NaN counts where nothing is counted
        own = [part.mean() for part in scaled.split(sizes)]
        total = torch.stack([weight * term for weight, term in zip(weights, own)]).sum()
        contributions = torch.stack([*(term.detach() for term in own), total.detach()])
        return total, dict(zip((*terms, "loss"), self.ranks.sum(contributions)))


def _groups(weights: list[nn.Parameter], config: LoopConfig) -> list[dict[str, Any]]:
    """Return the groups of an AdamW that decays matrices and kernels, not biases and scales."""
    groups = [
        {"params": [w for w in weights if w.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
