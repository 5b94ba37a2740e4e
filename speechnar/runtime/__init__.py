"""Voices and recognizers on ONNX Runtime and NumPy, without torch."""

from speechnar.runtime.captions import Caption, StreamConfig
from speechnar.runtime.recognizer import Recognizer, load_recognizer, transcribe
from speechnar.runtime.recognizer_folder import RecognizerInfo
from speechnar.runtime.speech import Controls, Speech, SpeechError, Timing, Timings
from speechnar.runtime.streaming import Stream
from speechnar.runtime.transcript import Transcript
from speechnar.runtime.voice import Voice, load_voice, synthesize
from speechnar.runtime.voice_folder import VoiceInfo

__all__ = [
    "Caption",
    "Controls",
    "Recognizer",
    "RecognizerInfo",
    "Speech",
    "SpeechError",
    "Stream",
    "StreamConfig",
    "Timing",
    "Timings",
    "Transcript",
    "Voice",
    "VoiceInfo",
    "load_recognizer",
    "load_voice",
    "synthesize",
    "transcribe",
]
