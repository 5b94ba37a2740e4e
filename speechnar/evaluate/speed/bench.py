"""Speed of a voice or a recognizer by length, number of requests at once and threads; cold and warm; and its memory.

Each number of threads is measured in a process of its own, so that peak memory is its own too. A batch is as many
requests at once as a server might get: one loaded model, a Python thread for each request. Latency is from the batch's
start to the end of a request; RTF is the batch's seconds over those of all its audio.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from speechnar.evaluate.speed.system_info import Header, header, peak_memory

Kind = Literal["tts", "asr"]

SAMPLE_RATE = 16000  # Hz, of recordings
DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}

PASSAGE = """\
The harbour was quiet before sunrise. Two boats had come in during the night, and their crews were asleep. A woman in \
a yellow coat walked along the wall and counted the ropes. She had done this every morning for thirty years, and she \
knew each of them by its knots. When the first gulls began to call, she sat down on an upturned crate, took a flask \
of tea out of her bag, and waited. It did not take long. The light rose behind the church, the windows along the \
front turned from grey to gold, and somewhere a radio was switched on. By seven the fish had been sold, the ice had \
been shovelled back into the shed, and nobody would have guessed that half the town had been standing there."""


@dataclass(frozen=True)
class Case:
    """A request to a system: the length of texts in characters or of recordings in seconds, and how many at once."""

    length: float
    batch: int


@dataclass(frozen=True)
class Row:
    """The measurement of one case with one number of threads, warm.

    Attributes:
        rtf: of each repeat.
        latencies: seconds, of each request of each repeat.
        audio: seconds of one request, the median.
        peak_bytes: resident memory of the process up to the end of this case.
    """

    threads: int
    length: float
    batch: int
    rtf: tuple[float, ...]
    latencies: tuple[float, ...]
    audio: float
    peak_bytes: int

    @property
    def median_rtf(self) -> float:
        return statistics.median(self.rtf)

    def latency(self, percent: float) -> float:
        """Return a percentile of the latencies, in seconds."""
        return float(np.percentile(self.latencies, percent))


@dataclass(frozen=True)
class Start:
    """A cold start: a new process loads the model and answers its first request, which is of the shortest case.

    Attributes:
        total: seconds from asking for the process to the answer.
        load, first: of these, loading the model; the first request.
        warm: the same request once more.
        peak_bytes: resident memory of the process then.
    """

    threads: int
    total: float
    load: float
    first: float
    warm: float
    peak_bytes: int


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        kind: "tts" or "asr".
        unit: of lengths.
        model: its name.
        provider, dtype: of ONNX Runtime; of the graphs' outputs.
    """

    kind: str
    unit: str
    model: str
    model_bytes: int
    provider: str
    dtype: str
    header: Header
    rows: tuple[Row, ...]
    starts: tuple[Start, ...]


def text_of(length: int, start: int) -> str:
    """Return words of the passage, at most `length` characters, from its sentence `start` on, in a circle."""
    sentences = re.findall(r"[^.]+\.", PASSAGE)
    first = start % len(sentences)
    words = " ".join(sentences[first:] + sentences[:first]).split()
    text = words[0]
    for word in itertools.cycle(words[1:] + words[:1]):
        if len(text) + 1 + len(word) > length:
            break
        text += " " + word
    return text.rstrip(",;.") + "."


def input_of(kind: Kind, length: float, number: int) -> str | np.ndarray:
    """Return the input of a system: a text, or the passage spoken repeatedly, from another second for each number.

    Returns:
        A text of `length` characters, or a recording of `length` seconds, (T_wav,) float32 at SAMPLE_RATE.
    """
    if kind == "tts":
        return text_of(int(length), number)
    return np.resize(np.roll(_spoken_passage(), -number * SAMPLE_RATE), round(length * SAMPLE_RATE))


@functools.lru_cache(maxsize=1)
def _spoken_passage() -> np.ndarray:
    from speechnar.audio import resample
    from speechnar.runtime import load_voice

    speech = load_voice(threads=1).synthesize(PASSAGE)
    return resample(speech.wav, speech.sample_rate, SAMPLE_RATE)


@dataclass(frozen=True)
class System:
    """A voice or a recognizer that is loaded in a process of its own.

    Attributes:
        model: its name or folder.
    """

    kind: Kind
    model: str
    threads: int

    def start(self, given: str | np.ndarray) -> Start:
        """Measure one cold start in a new process; the operating system may have the files in memory."""
        begin = time.perf_counter()
        with _process() as process:
            load = process.submit(_load, self).result()
            first, warm, peak_bytes = process.submit(_first, self, given).result()
            total = time.perf_counter() - begin - warm
        return Start(self.threads, total, load, first, warm, peak_bytes)

    def rows(self, cases: Sequence[Case], repeats: int) -> Iterator[Row]:
        """Measure cases, warm, in one new process."""
        with _process() as process:
            process.submit(_load, self).result()
            for case in cases:
                batches = []
                for repeat in range(repeats + 1):
                    numbers = range(repeat * case.batch, (repeat + 1) * case.batch)
                    given = [input_of(self.kind, case.length, number) for number in numbers]
                    batches.append(process.submit(_answer, self, given).result())
                yield self._row(case, batches[1:])  # the first one warms up

    def _row(self, case: Case, batches: Sequence[_Batch]) -> Row:
        return Row(
            self.threads,
            case.length,
            case.batch,
            rtf=tuple(max(batch.latencies) / sum(batch.audio) for batch in batches),
            latencies=tuple(latency for batch in batches for latency in batch.latencies),
            audio=statistics.median(seconds for batch in batches for seconds in batch.audio),
            peak_bytes=batches[-1].peak_bytes,
        )


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _load(system: System) -> float:
    begin = time.perf_counter()
    _loaded(system)
    return time.perf_counter() - begin


@functools.lru_cache(maxsize=1)
def _loaded(system: System) -> Callable[[Any], float]:
    """Return a function that processes one input and returns the seconds of its audio."""
    from speechnar.runtime import load_recognizer, load_voice

    if system.kind == "tts":
        voice = load_voice(system.model, system.threads)

        def speak(text: str) -> float:
            return len(voice.synthesize(text).wav) / voice.sample_rate

        return speak
    recognizer = load_recognizer(system.model, system.threads)

    def transcribe(wav: np.ndarray) -> float:
        recognizer.transcribe(wav, SAMPLE_RATE)
        return len(wav) / SAMPLE_RATE

    return transcribe


def _first(system: System, given: str | np.ndarray) -> tuple[float, float, int]:
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        _loaded(system)(given)
        times.append(time.perf_counter() - begin)
    return times[0], times[1], peak_memory()


@dataclass(frozen=True)
class _Batch:
    """Answered requests: seconds from the batch's start to the end of each, and of the audio of each."""

    latencies: list[float]
    audio: list[float]
    peak_bytes: int


def _answer(system: System, given: Sequence[str | np.ndarray]) -> _Batch:
    work = _loaded(system)
    with ThreadPoolExecutor(len(given)) as pool:
        begin = time.perf_counter()
        done = list(pool.map(lambda item: (work(item), time.perf_counter() - begin), given))
    return _Batch([latency for _, latency in done], [seconds for seconds, _ in done], peak_memory())


def describe(kind: Kind, folder: Path, threads: int) -> Result:
    """Return a result that has no rows yet."""
    import onnxruntime

    graphs = sorted(folder.glob("*.onnx"))
    sessions = [onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in graphs]
    types = {output.type for session in sessions for output in session.get_outputs()[:1]}
    return Result(
        kind=kind,
        unit={"tts": "characters", "asr": "seconds"}[kind],
        model=folder.name,
        model_bytes=sum(file.stat().st_size for file in folder.iterdir()),
        provider=", ".join(sorted({session.get_providers()[0] for session in sessions})),
        dtype=", ".join(sorted(DTYPES.get(name, name) for name in types)),
        header=header(threads),
        rows=(),
        starts=(),
    )
