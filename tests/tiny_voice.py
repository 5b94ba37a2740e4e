"""The models of a voice of few channels, with random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.export import VoiceCard
from speechnar.models.folder import ModelConfig, save_model
from speechnar.models.tts.fastspeech2 import FastSpeech2, FastSpeech2Config
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.text.symbols import EN_US, SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=300, hop_length=100, win_length=300, n_mels=8, f_max=4000)
TEXT = "Hello there, my friend."


def save_models(folder: Path, vocoder_audio: AudioConfig = AUDIO) -> None:
    torch.manual_seed(0)
    symbols = SymbolTable(EN_US)
    acoustic = FastSpeech2Config(
        n_symbols=len(EN_US), n_mels=8, d_model=16, d_ff=160, n_heads=2, encoder_layers=1, prosody_layers=1,
        decoder_layers=2,
    )  # fmt: skip
    vocoder = HarmonicVocosConfig(d_model=16, d_ff=32, n_layers=2)
    model = FastSpeech2(acoustic)
    model.duration_out.bias.data.fill_(1.8)  # about 5 frames a token
    model.set_statistics(log_f0_mean=5.0, log_f0_std=0.2)
    save_model(folder / "acoustic", ModelConfig(AUDIO, Choice("fastspeech2", acoustic)), model, symbols)
    save_model(
        folder / "vocoder",
        ModelConfig(vocoder_audio, Choice("harmonic_vocos", vocoder)),
        HarmonicVocos(vocoder, vocoder_audio),
    )
    config.save(VoiceCard("tiny", "en-us", "CC0", "none"), folder / "voice.yaml")
