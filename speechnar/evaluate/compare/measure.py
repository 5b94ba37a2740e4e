"""Measure how fast a trained model decodes, and how much memory that takes.

Each model is measured in a new process, so that the peak of memory is its own. Times are CPU time where there is no GPU
and one thread, which other work on the computer affects little; else they are wall time.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import nn

from speechnar.decode.methods import DECODERS, DecodeOptions
from speechnar.evaluate.compare.measurements import Measurements
from speechnar.evaluate.speed.system_info import peak_memory
from speechnar.infer.decode import decode_corpus
from speechnar.infer.translate import Translator
from speechnar.models.folder import load_model
from speechnar.text.symbols import Vocabulary

BATCHES = (8, 32)
WARM_UP = 8
"""Texts that are translated before time is taken."""


def measure_recognizer(
    model_dir: Path, cuts: Path, out: Path, options: DecodeOptions, threads: int = 1
) -> Measurements:
    """Decode a corpus one utterance after another, as `decode_corpus` does, and then in batches of 8 and 32.

    Args:
        cuts: as `decode_corpus` takes them.
        out: the file of the transcripts, made at batch 1.

    Raises:
        ModelError, DataError: as `decode_corpus`.
    """
    return _in_new_process(_recognizer, threads, model_dir, cuts, out, options)


def measure_translator(
    model_dir: Path, sources: Sequence[str], options: DecodeOptions, rescorer: Path | None = None, threads: int = 1
) -> Measurements:
    """Translate texts one by one, and then in batches of 8 and 32.

    Args:
        sources: the texts, some hundreds.
        options: with a method that the model can be decoded by.
        rescorer: as `Translator` takes it.

    Raises:
        ModelError: as `Translator`.
    """
    return _in_new_process(_translator, threads, model_dir, list(sources), options, rescorer)


def _in_new_process(function: Callable[..., Measurements], threads: int, *args: Any) -> Measurements:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_with_threads, function, threads, *args).result()


def _with_threads(function: Callable[..., Measurements], threads: int, *args: Any) -> Measurements:
    torch.set_num_threads(threads)
    return function(*args)


def _recognizer(model_dir: Path, cuts: Path, out: Path, options: DecodeOptions) -> Measurements:
    clock, name = _clock()
    alone = decode_corpus(model_dir, cuts, out, options, clock)
    throughput: list[float | None] = [None, None]
    if DECODERS[options.method](options, Vocabulary.load(model_dir / "tokens.txt")).batched and not options.overlapping:
        taken = [decode_corpus(model_dir, cuts, None, options, clock, batch) for batch in BATCHES]
        throughput = [took.utterances / took.seconds for took in taken]
    whole, decoder = _parameters(load_model(model_dir)[0])
    per_utterance = 1000 / alone.utterances
    return Measurements(
        latency=alone.seconds * per_utterance,
        decoder_latency=(alone.seconds - alone.encoder_seconds) * per_utterance,
        throughput_8=throughput[0],
        throughput_32=throughput[1],
        iterations=alone.iterations,
        peak_memory=_peak(),
        parameters=whole,
        decoder_parameters=decoder,
        clock=name,
    )


def _translator(model_dir: Path, sources: Sequence[str], options: DecodeOptions, rescorer: Path | None) -> Measurements:
    clock, name = _clock()
    translator = Translator(model_dir, options, False, rescorer)
    translator.translate(sources[:WARM_UP], 1)
    translator.decoded = translator.steps = 0
    seconds: dict[int, float] = {}
    for batch in (1, *(BATCHES if translator.batched else ())):
        started = clock()
        translator.translate(sources, batch)
        seconds[batch] = clock() - started
        if batch == 1:
            iterations = translator.steps / max(1, translator.decoded)
    throughput = [len(sources) / seconds[batch] if batch in seconds else None for batch in BATCHES]
    return Measurements(
        latency=1000 * seconds[1] / len(sources),
        throughput_8=throughput[0],
        throughput_32=throughput[1],
        iterations=iterations,
        peak_memory=_peak(),
        parameters=_parameters(translator.model)[0],
        clock=name,
    )


def _clock() -> tuple[Callable[[], float], str]:
    """Return the clock to measure with, and its name."""
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    return (time.process_time, "CPU") if alone else (time.perf_counter, "wall")


def _peak() -> int:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak_memory()


def _parameters(model: nn.Module) -> tuple[int, int]:
    """Return the number of parameters of a model, and of those outside its encoder."""
    counts = {name: weight.numel() for name, weight in model.named_parameters()}
    return sum(counts.values()), sum(n for name, n in counts.items() if not name.startswith("encoder."))
