"""Work on large corpora in parallel, on this machine or on a Ray cluster.

A corpus is cut into parts. Each part becomes one or more files, written by a worker that loads its model once. A part
whose files exist is not done again, so a run that was stopped goes on where it was, and a worker that is killed costs
only the part it was working on: Ray Data starts another worker and gives it that part.

    rows of a manifest, a folder or a bucket -> parts -> workers, one model each -> files in the output folder
                                                                                 -> _failures.tsv

Sources and outputs are paths or any URL that fsspec knows (s3://, gs://, hdfs://, memory://), by their packages.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol

from speechnar.infer.storage import join, names_in, read, remove, write

FAILURES = "_failures.tsv"
"""The leading underscore keeps it out of what pyarrow and Spark read of a folder of tables."""
ATTEMPTS = ".attempts"
TASK_ROWS = 64
"""Rows of a task of Ray, at most: of short recordings about two seconds of work, beside which Ray's own is small."""
TASK_SHARE = 4
"""A task is at most one part in this many of a worker's share of what is left, so that all workers end together."""
MAX_ATTEMPTS = 3
"""Workers that may die on one part, by a crash of a library or for lack of memory, before its rows count as failed."""
CONNECT_SECONDS = 10.0
WRITERS = 4
"""Files that a worker writes at once, while its model goes on: a disk or a bucket takes its time for each."""


class BulkError(ValueError):
    """Report bulk work that cannot begin or did not end well; the message says why."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One utterance or document of a corpus.

    Attributes:
        id: unique in the corpus; a relative path with forward slashes and without an ending.
        value: what there is to work on: the path or URL of a recording, a text, or a cut as a dict of JSON values.
    """

    id: str
    value: Any


@dataclasses.dataclass(frozen=True)
class Part:
    """Rows that are done together, and the name of their files without the ending."""

    name: str
    rows: tuple[Row, ...]

    def dumps(self) -> str:
        """Return the part as JSON."""
        return json.dumps([self.name, [[row.id, row.value] for row in self.rows]])

    @classmethod
    def loads(cls, text: str) -> Part:
        """Read what `dumps` wrote."""
        name, rows = json.loads(text)
        return cls(name, tuple(Row(*row) for row in rows))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The end of a part.

    Attributes:
        files: contents by ending, such as {".wav": b"RIFF..."}; empty if nothing came of the part.
        failures: id to reason, of the rows that could not be done.
    """

    files: Mapping[str, bytes]
    failures: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Job(Protocol):
    """The work: a dataclass of options that can be pickled and sent to a worker.

    Attributes:
        endings: of the files that each part becomes, the last to be written last.
    """

    @property
    def endings(self) -> Sequence[str]: ...

    def load(self) -> Any:
        """Return what the worker keeps for all its parts, such as a model."""

    def run(self, loaded: Any, part: Part) -> Outcome:
        """Do one part."""


def check_ids(rows: Sequence[Row]) -> None:
    """Refuse ids that stand twice or that would lead out of the output folder.

    Raises:
        BulkError: there are no rows, or an id is unfit.
    """
    if not rows:
        raise BulkError("there is nothing to do: the source holds no recordings, texts or cuts")
    seen: set[str] = set()
    for row in rows:
        path = PurePosixPath(row.id)
        unfit = path.is_absolute() or ".." in path.parts or "\\" in row.id or "\0" in row.id
        # Another spelling of a path, such as ./a, is not found among the files that an earlier run has written.
        if unfit or str(path) != row.id or row.id == "." or path.parts[0] == ATTEMPTS:
            raise BulkError(f"the id {row.id!r} is no name for a file in the output folder: give it another")
        if row.id in seen:
            raise BulkError(f"the id {row.id!r} stands twice in the source: every id stands once")
        seen.add(row.id)


def parts_of(rows: Sequence[Row], size: int | None) -> list[Part]:
    """Cut rows into parts of `size`, named by number; with None each row is a part of its own, named by its id."""
    if size is None:
        return [Part(row.id, (row,)) for row in rows]
    if size < 1:
        raise BulkError(f"a part has {size} rows but should have 1 or more")
    return [Part(f"{n:06d}", tuple(rows[start : start + size])) for n, start in enumerate(range(0, len(rows), size))]


def tasks_of(parts: Sequence[Part], workers: int) -> list[list[Part]]:
    """Cut parts, in their order, into the tasks of Ray: large ones first, and towards the end ones of a single part."""
    tasks: list[list[Part]] = []
    start = 0
    while start < len(parts):
        share = (len(parts) - start) // (TASK_SHARE * workers)
        size = max(1, min(share, TASK_ROWS // len(parts[start].rows)))
        tasks.append(list(parts[start : start + size]))
        start += size
    return tasks


class _Worker:
    """One process with one model; Ray Data calls it with the column "part" of a task, each a `Part` as JSON."""

    def __init__(self, job: Job, out: str) -> None:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        self._job, self._out = job, out
        self._writers = concurrent.futures.ThreadPoolExecutor(WRITERS)
        self._loaded = job.load()

    def __call__(self, task: dict[str, Any]) -> dict[str, list[Any]]:
        """Do the parts of a task; return the number of its rows and, as JSON, (part, id, reason) of each that failed.

        Nothing tells on which part of a task a worker died. So when a task is begun again, each part of it is counted
        before it is begun, and the part that kills workers is found.
        """
        parts = [Part.loads(text) for text in task["part"]]
        died = self._begin(parts[0].name + ".task") > 0
        failures: list[tuple[str, str, str]] = []
        written = []
        for part in parts:
            attempts = self._begin(part.name) if died else 0
            if attempts < MAX_ATTEMPTS:
                outcome = self._job.run(self._loaded, part)
            else:
                outcome = Outcome({}, {row.id: f"{attempts} workers died on it" for row in part.rows})
            if outcome.files:
                written.append(self._writers.submit(self._write, part.name, outcome.files))
            failures += [(part.name, name, reason) for name, reason in outcome.failures.items()]
        for file in written:
            file.result()
        return {"rows": [sum(len(part.rows) for part in parts)], "failures": [json.dumps(failures)]}

    def _begin(self, name: str) -> int:
        """Return how often a part or task was begun before in this run, and not ended; count this time too."""
        mark = join(self._out, f"{ATTEMPTS}/{name}")
        attempts = 0
        with contextlib.suppress(OSError, ValueError):
            attempts = int(read(mark))
        write(mark, str(attempts + 1).encode())
        return attempts

    def _write(self, name: str, files: Mapping[str, bytes]) -> None:
        for ending in self._job.endings:
            write(join(self._out, name + ending), files[ending])


def run(job: Job, rows: Sequence[Row], out: str, size: int | None, workers: int, address: str | None = None) -> int:
    """Do all parts that are not done yet, and list the rows that failed in `_failures.tsv` of the output folder.

    Args:
        out: the output folder, a path or a URL.
        size: rows of a part; None for files of their own, one a row.
        workers: processes at once, each with a model and one thread.
        address: of a Ray cluster, such as "auto" or "ray://host:10001"; None for this machine alone.

    Returns:
        The number of rows that failed, in this run and in those before it.

    Raises:
        BulkError: ids are unfit, or the model cannot be loaded.
        FileError: the output folder cannot be written.
    """
    check_ids(rows)
    if workers < 1:
        raise BulkError(f"there are {workers} workers but there should be 1 or more")
    parts = parts_of(rows, size)
    waiting: list[Part] = []
    done: list[Part] = []
    present = names_in(out)
    for part in parts:
        finished = all(part.name + ending in present for ending in job.endings)
        (done if finished else waiting).append(part)
    failures = _failures_before(out, {part.name for part in done})
    remove(join(out, ATTEMPTS))
    if waiting:
        job.load()  # here first, where an error is one sentence
        write(join(out, f"{ATTEMPTS}/begun"), b"")  # so is here an output folder that cannot be written
        remove(join(out, ATTEMPTS))
        failures += _run(job, waiting, len(rows) - sum(len(part.rows) for part in waiting), out, workers, address)
        remove(join(out, ATTEMPTS))
    if failures or FAILURES in present:
        write(join(out, FAILURES), "".join("\t".join(line) + "\n" for line in sorted(failures)).encode())
    return len(failures)


def _run(
    job: Job, parts: Sequence[Part], done: int, out: str, workers: int, address: str | None
) -> list[tuple[str, str, str]]:
    """Return (part, id, reason) of each failure."""
    import pyarrow
    import ray
    from tqdm import tqdm

    failures: list[tuple[str, str, str]] = []
    total = done + sum(len(part.rows) for part in parts)
    tasks = [pyarrow.table({"part": [part.dumps() for part in task]}) for task in tasks_of(parts, workers)]
    size = min(workers, len(tasks))
    notes = contextlib.redirect_stdout(sys.stderr)  # Ray writes its own to stdout, which belongs to results
    with (
        notes,
        _cluster(address, workers),
        tqdm(total=total, initial=done, unit="row", disable=None, file=sys.stderr) as bar,
    ):
        worker: Any = _Worker
        found = ray.data.from_arrow(tasks).map_batches(
            worker,
            batch_size=None,  # a task is a block of its own
            fn_constructor_args=(job, out),
            compute=ray.data.ActorPoolStrategy(min_size=size, max_size=size, max_tasks_in_flight_per_actor=2),
            num_cpus=1,
        )
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # only now: creating a data set sets it
        try:
            for line in found.iter_rows():
                for part, name, reason in json.loads(line["failures"]):
                    failures.append((part, name, _one_line(reason)))
                    bar.write(f"speechnar: {name}: {_one_line(reason)}", file=sys.stderr)
                bar.update(line["rows"])
        except (ray.exceptions.RayError, RuntimeError) as error:
            raise BulkError(f"the workers stopped ({_cause(error)}); what is done is kept: run it again") from None
    return failures


@contextlib.contextmanager
def _cluster(address: str | None, workers: int) -> Iterator[None]:
    """Join a Ray cluster, or start one on this machine for the time of the block; keep one that was joined before."""
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    try:
        if address:
            _check_address(address)
            ray.init(address=address, **quiet)
        else:
            os.environ.setdefault("RAY_worker_niceness", "0")  # workers are the work: Ray would let all else go first
            ray.init(num_cpus=workers, include_dashboard=False, **quiet)
    except (OSError, ray.exceptions.RayError, RuntimeError, ValueError) as error:
        raise BulkError(f"no Ray cluster answers at {address or 'this machine'} ({_cause(error)})") from None
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Raise OSError if nothing listens at the address of a cluster: Ray itself waits for more than a minute."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


def _cause(error: BaseException) -> str:
    """Return the first line of the innermost cause of an error of Ray: what happened in the worker."""
    while inner := getattr(error, "cause", None) or error.__cause__:
        error = inner
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


def _failures_before(out: str, done: set[str]) -> list[tuple[str, str, str]]:
    """Return the failures that an earlier run listed of the parts that are done."""
    path = join(out, FAILURES)
    with contextlib.suppress(FileNotFoundError):
        lines = [line.split("\t", 2) for line in read(path).decode().splitlines() if line.count("\t") == 2]
        return [(part, name, reason) for part, name, reason in lines if part in done]
    return []
