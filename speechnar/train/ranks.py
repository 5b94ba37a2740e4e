"""Training in several processes: which share of a batch each process gets, and what they tell each other.

Modules are not wrapped, so that a loss may call any of them in any way; what must be equal in all processes (weights at
the start, gradients, the decision to stop) is made equal here, in few messages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor, nn

from speechnar.train.config import TrainingError

VALIDATION_TIMEOUT = timedelta(hours=6)
"""Time that processes wait for the first one while it validates; torchrun ends them earlier if one of them dies."""


class Share(NamedTuple):
    """A part of a batch that one process works through at once.

    Attributes:
        items: what is in it; where there are fewer items than processes, the first item of the batch.
        n_own: how many of the items are this process's own: 0 where the item is borrowed.
        ratio: the items that all processes have at once, as a share of the batch.
    """

    items: Sequence[Any]
    n_own: int
    ratio: float


def shares(items: Sequence[Any], rank: int, ranks: int, accumulate: int) -> list[Share]:
    """Return this process's shares of a batch, one after another.

    Every item is in one share of one process, and every process gets as many shares: a process without an item
    borrows one that counts for nothing, so that all send the same messages.
    """
    parts = ranks * accumulate
    found = []
    for first in range(0, parts, ranks):
        own = items[first + rank :: parts]
        at_once = sum(len(items[part::parts]) for part in range(first, first + ranks))
        if at_once:
            found.append(Share(own if len(own) else items[:1], len(own), at_once / len(items)))
    return found


class Ranks:
    """Hold the processes of one run.

    Args:
        precision: "no", "bf16" or, on a GPU, "fp16".

    Attributes:
        rank: this process's number, from 0; count: how many there are.
        main: whether this process writes checkpoints and logs.
    """

    def __init__(self, precision: str) -> None:
        AcceleratorState._reset_state()  # a second run in this process may want another precision
        handlers = [InitProcessGroupKwargs(timeout=VALIDATION_TIMEOUT)]
        cpu = not torch.cuda.is_available()
        if cpu and precision == "fp16":  # it would be float32 in silence
            raise TrainingError("precision fp16 needs a GPU: use bf16 or no on a CPU")
        with _told():
            self.accelerator = Accelerator(mixed_precision=precision, cpu=cpu, kwargs_handlers=handlers)
        self.rank, self.count = self.accelerator.process_index, self.accelerator.num_processes
        self.main = self.accelerator.is_main_process
        self.device = self.accelerator.device

    def wait(self) -> None:
        """Wait until every process is here."""
        with _told():
            self.accelerator.wait_for_everyone()

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, in place."""
        if self.count > 1:
            with _told():
                torch.distributed.all_reduce(tensor)
        return tensor

    def any(self, *flags: bool) -> list[bool]:
        """Return each flag as true if it is so in any process."""
        if self.count == 1:
            return list(flags)
        return [n > 0 for n in self.sum(torch.tensor([float(flag) for flag in flags], device=self.device)).tolist()]

    def same_weights(self, modules: Mapping[str, nn.Module]) -> None:
        """Give every process the weights and buffers of the first one."""
        if self.count > 1:
            for module in modules.values():
                for tensor in module.state_dict().values():
                    with _told():
                        torch.distributed.broadcast(tensor, src=0)

    def sum_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Sum gradients over processes, in one message; a weight without gradient in any process keeps none."""
        if self.count == 1 or not weights:
            return
        used = torch.tensor([float(w.grad is not None) for w in weights], device=self.device)
        gradients = [(w.grad if w.grad is not None else torch.zeros_like(w)).flatten() for w in weights]
        flat = self.sum(torch.cat([*gradients, used]))
        *parts, used = flat.split([*(w.numel() for w in weights), len(weights)])
        for weight, gradient, is_used in zip(weights, parts, used.tolist()):
            weight.grad = gradient.view_as(weight) if is_used else None


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what the backends raise when a process is gone into one sentence."""
    try:
        yield
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:120]
        if torch.distributed.is_initialized():  # its threads can abort a process that exits with them
            with contextlib.suppress(Exception):
                torch.distributed.destroy_process_group()
        raise TrainingError(
            f"another process of this training has ended ({reason}): look for its own message, then run the command"
            " again to go on from the last checkpoint"
        ) from None
