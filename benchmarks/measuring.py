"""Run systems in processes of their own, measure their time and memory, and format tables: shared by the benchmarks.

A system may have a virtual environment of its own: `serve`, which runs there, needs only the standard library.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def environment(threads: int) -> dict[str, str]:
    """Return the environment of this process, with numerical libraries limited to some threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict(os.environ) | {name: str(threads) for name in names}


class Worker:
    """Run a system in a process of its own, which calls `serve`.

    Attributes:
        info: its first reply.
    """

    def __init__(self, name: str, command: list[str], threads: int = 1) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(threads)
        )
        self.info = self._reply()

    def ask(self, method: str, argument: str) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(json.dumps([method, argument]) + "\n")
        self.process.stdin.flush()
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} stopped (exit code {self.process.wait()}): see its messages above")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def serve(load: Callable[[], Any], describe: Callable[[Any], dict[str, Any]], result: str) -> None:
    """Load a system and print a line of JSON with its `info`, then answer each line of stdin with another.

    Args:
        describe: answers the method "describe", which is not timed.
        result: the key of what the system's other methods return, in the replies.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not be mixed with the replies
    began = time.perf_counter()
    system = load()
    print(json.dumps({"load_seconds": time.perf_counter() - began} | system.info), file=replies, flush=True)
    for line in sys.stdin:
        method, argument = json.loads(line)
        reply = describe(system) if method == "describe" else timed(getattr(system, method), argument, result)
        print(json.dumps(reply), file=replies, flush=True)


def timed(method: Callable[[str], Any], argument: str, result: str) -> dict[str, Any]:
    """Call a method; return wall and processor seconds, its result, and the peak memory of the process so far."""
    wall, cpu = time.perf_counter(), time.process_time()
    returned = method(argument)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, result: returned, "peak_bytes": peak_memory()}


# Runs a command from a process that is small: on Linux a peak of memory includes that of the process that began it.
LAUNCH = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.call(sys.argv[2:], stdout=sys.stderr)
wall, usage = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump({"code": code, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "maxrss": usage.ru_maxrss}, file)
"""


def cold_start(name: str, command: list[str], folder: Path, threads: int = 1) -> dict[str, Any]:
    """Run a command line in a folder, so that `python -c` imports no checkout; return seconds and peak memory."""
    used = folder / "used.json"
    launch = [sys.executable, "-I", "-c", LAUNCH, str(used), *command]
    said = subprocess.run(launch, env=environment(threads), cwd=folder, stderr=subprocess.PIPE, text=True).stderr
    found = json.loads(used.read_text())
    if found["code"]:
        sys.exit(f"the command line of {name} failed:\n{said}")
    return {"wall": found["wall"], "cpu": found["cpu"], "peak_bytes": in_bytes(found["maxrss"])}


def installed_bytes(packages: list[str]) -> int:
    """Return the size on disk of packages and all their requirements, each counted once."""
    seen: set[str] = set()
    total = 0
    while packages:
        name = re.sub(r"[-_.]+", "-", packages.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # a requirement of another platform
            continue
        paths = {Path(str(f.locate())) for f in package.files or ()}
        if name == "speechnar":  # installed with -e, its files are elsewhere
            import speechnar

            paths |= {p for p in Path(speechnar.__file__).parent.rglob("*") if "__pycache__" not in p.parts}
        total += sum(p.stat().st_size for p in paths if p.is_file())
        needs = [r for r in package.requires or () if "extra ==" not in r]
        packages += [re.split(r"[^\w.-]", r, maxsplit=1)[0] for r in needs]
    return total


def peak_memory() -> int:
    """Return the peak resident bytes of this process."""
    import resource

    return in_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def in_bytes(maxrss: int) -> int:
    return maxrss if sys.platform == "darwin" else maxrss * 1024


def header(threads: int) -> dict[str, Any]:
    """Return date, hardware, threads and commit, which belong to every measured figure."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model

    def git(*arguments: str) -> str:
        try:
            command = ["git", "-C", str(ROOT), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return ""

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{model}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "threads": threads,
        "load_average": [round(x, 2) for x in os.getloadavg()],
        "commit": commit + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else ""),
    }


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table, after an empty one."""
    yield ""
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " ---: |" * (len(head) - 1)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
