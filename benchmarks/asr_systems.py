"""The systems that `asr_cpu.py` measures, each in a process and a virtual environment of its own.

    python asr_systems.py NAME MODEL THREADS

prints a line of JSON when it has loaded, then answers each line of stdin: `["transcribe", FILE.wav]` with the text and
the time and memory that it took, `["describe", ""]` with version and sizes. Files are 16-bit WAV at 16 kHz. Only the
standard library and the system itself are needed. With `--once FILE.wav` it transcribes one file and ends, for systems
without a command line.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import wave
from pathlib import Path
from typing import Any

from measuring import installed_bytes, serve

ONE_PIECE = 60  # seconds, above which the audio is cut by pocketsphinx's own segmenter


class Speechnar:
    """This repository's runtime; MODEL is a recognizer's name or folder."""

    package = "speechnar"

    def __init__(self, model: str, threads: int) -> None:
        import speechnar
        from speechnar.runtime.recognizer_folder import bundled

        self.recognizer = speechnar.load_recognizer(model, threads)
        self.info = {"model_bytes": size_of(bundled().get(model) or Path(model))}

    def transcribe(self, path: str) -> str:
        return self.recognizer.transcribe(path).text


class FasterWhisper:
    """Whisper by CTranslate2, int8; MODEL is a converted folder, or a name that it downloads."""

    package = "faster-whisper"
    beam = 1

    def __init__(self, model: str, threads: int) -> None:
        import faster_whisper

        self.model = faster_whisper.WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=threads)
        self.info = {"model_bytes": size_of(Path(model))}

    def transcribe(self, path: str) -> str:
        segments, _ = self.model.transcribe(path, language="en", beam_size=self.beam)
        return " ".join(segment.text.strip() for segment in segments)


class FasterWhisper5(FasterWhisper):
    """The same with its default beam."""

    beam = 5


class PocketSphinx:
    """CMU's GMM-HMM with its only model, for American English: MODEL is unused. One thread."""

    package = "pocketsphinx"

    def __init__(self, model: str, threads: int) -> None:
        import pocketsphinx

        self.decoder = pocketsphinx.Decoder(samprate=16000, loglevel="ERROR")
        self.info = {"model_bytes": size_of(Path(pocketsphinx.get_model_path("en-us")))}

    def transcribe(self, path: str) -> str:
        with wave.open(path) as file:
            samples = file.readframes(file.getnframes())
        return " ".join(filter(None, map(self._decoded, self._pieces(samples))))

    def _pieces(self, samples: bytes) -> list[bytes]:
        import io

        import pocketsphinx

        if len(samples) <= 2 * 16000 * ONE_PIECE:
            return [samples]
        return [piece.pcm for piece in pocketsphinx.Segmenter(sample_rate=16000).segment(io.BytesIO(samples))]

    def _decoded(self, samples: bytes) -> str:
        self.decoder.start_utt()
        self.decoder.process_raw(samples, full_utt=True)
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return found.hypstr if found else ""


SYSTEMS: dict[str, type] = {
    "speechnar": Speechnar,
    "faster-whisper, beam 1": FasterWhisper,
    "faster-whisper, beam 5": FasterWhisper5,
    "pocketsphinx": PocketSphinx,
}


def size_of(model: Path) -> int:
    return sum(path.stat().st_size for path in model.rglob("*") if path.is_file())


def describe(system: Any) -> dict[str, Any]:
    """Return version and size of a system, seen from inside its own environment."""
    return {
        "version": importlib.metadata.version(system.package),
        "python": platform.python_version(),
        "installed_bytes": installed_bytes([system.package]),
    }


def main() -> None:
    name, model, threads, *once = sys.argv[1:]
    if once:
        print(SYSTEMS[name](model, int(threads)).transcribe(once[1]))
    else:
        serve(lambda: SYSTEMS[name](model, int(threads)), describe, result="text")


if __name__ == "__main__":
    main()
