"""The computer, the software and the time of a measurement."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Header:
    """A computer at one time.

    Attributes:
        date: ISO 8601, UTC.
        machine: processor and number of cores.
        load: of the last minute, processes that ran or waited; nan where the system does not tell.
    """

    date: str
    machine: str
    system: str
    python: str
    speechnar: str
    threads: int
    load: float


def header(threads: int) -> Header:
    """Return the description of this computer now, with the number of threads that will be used."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        model = found[1] if found else model
    return Header(
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        machine=f"{model}, {os.cpu_count()} cores",
        system=f"{platform.system()} {platform.release().split('-')[0]}",
        python=platform.python_version(),
        speechnar=importlib.metadata.version("speechnar"),
        threads=threads,
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan"),
    )


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError):  # Linux: `getrusage` has the peak of the process that started this one, too
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
        if found:
            return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
