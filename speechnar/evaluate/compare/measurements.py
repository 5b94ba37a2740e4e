"""The speed, memory and size of a system that decodes, and the file that keeps them beside the system's output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from speechnar import config
from speechnar.evaluate.stats.record import write_json


@dataclass(frozen=True)
class Measurements:
    """The measurements of a system on a test set; None for what was not measured.

    Attributes:
        latency: milliseconds for an output at batch 1, on average.
        decoder_latency: of these, milliseconds of the decoder, without the encoder.
        throughput_8, throughput_32: outputs a second in batches of 8 and of 32 inputs of similar length; None too for
            methods that take no batches.
        iterations: steps of the decoder for an output at batch 1, on average.
        peak_memory: bytes: of a process of its own, resident, the batches of 32 included; or allocated on the GPU.
        parameters, decoder_parameters: how many the model has, and of these those outside the encoder.
        clock: "CPU" for the CPU time of one thread, "wall" for time that passed.
        family: a heading that several systems share, such as "fully NAR".
        label: the name of the system in tables, in place of the name of its file.
    """

    latency: float | None = None
    decoder_latency: float | None = None
    throughput_8: float | None = None
    throughput_32: float | None = None
    iterations: float | None = None
    peak_memory: int | None = None
    parameters: int | None = None
    decoder_parameters: int | None = None
    clock: str = "wall"
    family: str = ""
    label: str = ""


def measurements_path(output: Path) -> Path:
    """Return the path of the measurements of a system: `ctc.speed.json` for its output `ctc.txt`."""
    return output.with_name(f"{output.name.removesuffix('.txt')}.speed.json")


def write(path: Path, measured: Measurements) -> None:
    """Write measurements as JSON.

    Raises:
        FileError: the file cannot be written.
    """
    write_json(path, config.to_dict(measured))


def read(path: Path) -> Measurements:
    """Read measurements; keys may be missing.

    Raises:
        ConfigError: the file is no JSON, or has an unknown key or a value of the wrong type.
        OSError: the file cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise config.ConfigError(f"{path} is no JSON ({error})") from None
    values = {key: value for key, value in values.items() if value is not None} if isinstance(values, dict) else values
    return config.from_dict(Measurements, values, str(path))
