"""What a user's machine needs: voices on ONNX Runtime and NumPy."""

from speechnar.runtime.speech import Controls, Speech, SpeechError, Timing, Timings
from speechnar.runtime.voice import Voice, VoiceInfo, load_voice, synthesize

__all__ = ["Controls", "Speech", "SpeechError", "Timing", "Timings", "Voice", "VoiceInfo", "load_voice", "synthesize"]
