"""A job for bulk work, in a module that workers can import."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Sequence

from speechnar.infer.bulk import Outcome, Part


@dataclasses.dataclass(frozen=True)
class Doubling:
    """Doubles numbers; refuses negative ones; 13 kills the worker as often as `log` has fewer than `deaths` lines."""

    log: str
    deaths: int = 0
    endings: Sequence[str] = (".txt",)

    def load(self) -> None:
        return None

    def run(self, loaded: None, part: Part) -> Outcome:
        lines, failures = [], {}
        for row in part.rows:
            with open(self.log, "a+") as log:
                log.write(f"{row.id}\n")
                log.flush()
                log.seek(0)
                begun = log.read().split().count(row.id)
            if row.value == 13 and begun <= self.deaths:
                os.kill(os.getpid(), signal.SIGKILL)
            if row.value < 0:
                failures[row.id] = f"{row.value} is below\nzero"
            else:
                lines.append(f"{2 * row.value}\n")
        return Outcome({".txt": "".join(lines).encode()} if lines else {}, failures)
