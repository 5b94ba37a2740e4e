"""Folders of voices and recognizers: a description and ONNX graphs, found by name, loaded and checked."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gzip
import json
import os
import threading
import zlib
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from speechnar import config
from speechnar.runtime.speech import SpeechError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Info = TypeVar("Info")

ASSETS = Path(__file__).parents[1] / "assets"
MOST_THREADS = 9999  # what ONNX Runtime is asked for is capped at the cores; above it, a number is a slip
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True)
class BundleFormat:
    """The format of the folders of voices, or of recognizers.

    Attributes:
        noun: name of such a folder in error messages.
        file: name of the description in the folder.
        format: newest version of the layout that this package reads.
    """

    noun: str
    file: str
    format: int

    def bundled(self, root: Path) -> dict[str, Path]:
        """Return the folders that came with the package, by name."""
        return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{self.file}"))}

    def find(self, name: str | Path, root: Path) -> Path:
        """Return the folder of a bundled name, or the folder itself.

        Raises:
            SpeechError: there is neither.
        """
        here = self.bundled(root)
        if str(name) in here:
            return here[str(name)]
        if Path(name).is_dir():
            return Path(name)
        choice = ", ".join(here) or "one"
        raise SpeechError(f"there is no {self.noun} {str(name)!r}; take {choice} or the folder of a {self.noun}")

    def read(self, cls: type[Info], folder: Path) -> Info:
        """Read the description into the dataclass `cls`.

        Raises:
            SpeechError: it is missing, damaged, or of a newer format.
            ConfigError: a key is missing or has a value of the wrong type.
        """
        path = folder / self.file
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SpeechError(f"no {self.noun} in {folder}: {self.file}: {error.strerror}") from None
        except ValueError:
            raise SpeechError(f"{path} is damaged (not JSON); install or export the {self.noun} again") from None
        version = values.get("format") if isinstance(values, dict) else None
        if isinstance(version, int) and version > self.format:
            raise SpeechError(
                f"the {self.noun} in {folder} has format {version} and this speechnar reads {self.format}; upgrade it"
            )
        return config.from_dict(cls, values, str(path))

    def session(
        self, path: Path, inputs: set[str], threads: int | None, device: str = "cpu", optional: Set[str] = frozenset()
    ) -> InferenceSession:
        """Load one of the graphs of a folder.

        Args:
            path: of an ONNX file; the compressed file with .gz behind this name will do.
            inputs: the names of the graph's inputs.
            threads: CPU threads to use, at most as many as there are cores; 4 by default.
            device: "cpu" or "cuda".
            optional: names of inputs that it may have besides.

        Raises:
            SpeechError: the file is missing, damaged or another graph, or there is no such device.
        """
        import onnxruntime

        if threads is not None and not 1 <= threads <= MOST_THREADS:
            raise SpeechError(f"threads should be from 1 to {MOST_THREADS} but is {threads}")
        if device not in PROVIDERS:
            raise SpeechError(f"device should be one of {', '.join(PROVIDERS)} but is {device!r}")
        if PROVIDERS[device] not in onnxruntime.get_available_providers():
            raise SpeechError(f"this ONNX Runtime has no {device}: pip install onnxruntime-gpu, or take the device cpu")
        packed = path.with_name(f"{path.name}.gz")
        if not (path.is_file() or packed.is_file()):
            raise SpeechError(f"the {self.noun} in {path.parent} lacks {path.name}; install or export it again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(threads or 4, os.cpu_count() or 1)
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # on a busy machine it halves speed
        options.add_session_config_entry("session.disable_quant_qdq", "1")  # else every call unpacks 4-bit weights
        options.enable_mem_pattern = False  # it keeps a third more memory in store, for inputs of one length
        with _registering:
            _share_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.log_severity_level = 4
        try:
            graph = gzip.decompress(packed.read_bytes()) if packed.is_file() else str(path)
        except (OSError, EOFError, zlib.error) as error:
            raise SpeechError(f"{packed} cannot be read, install or export the {self.noun} again: {error}") from None
        try:
            session = onnxruntime.InferenceSession(
                graph, options, providers=[PROVIDERS[device]], disabled_optimizers=["SkipLayerNormFusion"]
            )  # the fused operator takes ten times as long as the two that it stands for
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            cause = str(error).splitlines()[0]
            raise SpeechError(f"{path} cannot be loaded, install or export the {self.noun} again: {cause}") from None
        del graph
        _give_back_memory()
        if PROVIDERS[device] not in session.get_providers():  # it goes on with the CPU where a driver is missing
            raise SpeechError(f"ONNX Runtime finds no usable {device} device; take the device cpu")
        if {i.name for i in session.get_inputs()} - optional != inputs:
            raise SpeechError(
                f"{path} is no model of a {self.noun} of format {self.format}; export the {self.noun} again"
            )
        return session


_registering = threading.Lock()


@functools.cache
def _share_memory() -> None:
    """Let the sessions of this process share one store of memory: else each keeps the most that it ever needed."""
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    with contextlib.suppress(Exception):  # of no class of its own: the program has such a store already
        onnxruntime.create_and_register_allocator(memory, None)


def _give_back_memory() -> None:
    """Return to the system what loading a graph took and freed, a third of it: glibc would keep it."""
    with contextlib.suppress(OSError, TypeError, AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)
