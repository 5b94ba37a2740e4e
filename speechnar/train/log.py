"""Write `log.jsonl` and TensorBoard, and note Ctrl-C and SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from speechnar.files import FileError


class Log:
    """Write `log.jsonl` and TensorBoard; lines after `step`, left by a run that was killed, are dropped."""

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / "log.jsonl"
        kept = []
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("}\n") and json.loads(line)["step"] <= step]
        part = path.with_name(path.name + ".part")
        part.write_text("".join(kept) if step else "", encoding="utf-8")
        os.replace(part, path)
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by `close`)
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def train(self, state: dict[str, Any], learning_rate: float, means: Mapping[str, float]) -> None:
        line = {"step": state["step"], "epoch": state["epoch"], "seconds": round(state["seconds"], 1)}
        self._write({**line, "learning_rate": learning_rate, "skipped": state["skipped"], **means})
        for name, value in {"learning_rate": learning_rate, "skipped": state["skipped"], **means}.items():
            self.writer.add_scalar(f"train/{name}", value, state["step"])

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        self._write({"step": step, **{f"validation/{name}": value for name, value in metrics.items()}})
        for name, value in metrics.items():
            self.writer.add_scalar(f"validation/{name}", value, step)
        tqdm.write(f"step {step}: " + ", ".join(f"{n} {v:.4g}" for n, v in metrics.items()), file=sys.stderr)

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        except OSError as error:
            raise FileError(f"cannot write {self.file.name}: {error.strerror}") from None

    def close(self) -> None:
        self.file.close()
        self.writer.close()


class Signals:
    """Note Ctrl-C and SIGTERM, so that the step in progress ends; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._note) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number
        tqdm.write("finishing this step and writing a checkpoint; Ctrl-C again to stop at once", file=sys.stderr)
