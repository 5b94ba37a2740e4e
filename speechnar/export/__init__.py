"""Export trained models to folders that the runtime reads, and restore models from such folders."""

from speechnar.export.letters import export_letters
from speechnar.export.recognizer import RecognizerCard, export_recognizer
from speechnar.export.restore import restore_voice
from speechnar.export.restore_whisper import restore_recognizer
from speechnar.export.singing import export_singing
from speechnar.export.voice import VoiceCard, export_voice

__all__ = [
    "RecognizerCard",
    "VoiceCard",
    "export_letters",
    "export_recognizer",
    "export_singing",
    "export_voice",
    "restore_recognizer",
    "restore_voice",
]
