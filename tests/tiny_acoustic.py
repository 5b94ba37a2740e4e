"""A training config of an acoustic model of few channels."""

from __future__ import annotations

from speechnar.config import Choice
from speechnar.models.tts.fastspeech2 import FastSpeech2Config
from speechnar.tasks.acoustic import AcousticConfig
from speechnar.train.loop import LoopConfig

MODEL = FastSpeech2Config(
    n_mels=12, d_model=8, d_ff=8, kernel_size=3, n_heads=2, encoder_layers=1, prosody_layers=1, decoder_layers=1
)
CONFIG = AcousticConfig(
    Choice("fastspeech2", MODEL),
    LoopConfig(max_steps=2, log_every=1, validate_every=2, warmup_steps=0, precision="no", ema_decay=0.0, threads=1),
    batch_seconds=1.0,
)
