"""speechnar: speech synthesis and recognition in which every frame is produced in parallel.

    voice = speechnar.load_voice()
    speech = voice.synthesize("Hello, world.")

    recognizer = speechnar.load_recognizer()
    print(recognizer.transcribe("talk.wav").text)

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speechnar.runtime import load_recognizer, load_voice, synthesize, transcribe

__version__ = "0.1.0"
__all__ = ["load_recognizer", "load_voice", "synthesize", "transcribe"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from speechnar import runtime

        return getattr(runtime, name)
    raise AttributeError(f"module 'speechnar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
