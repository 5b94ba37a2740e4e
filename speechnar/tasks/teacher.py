"""A Whisper that another one learns from: it hears the same audio, with at least as much silence, and reads the texts.

Source: Gandhi et al. 2023 (Distil-Whisper), section 3.2: the known text, and the teacher's distribution of each token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from speechnar.models.asr.whisper import HOP_LENGTH, SAMPLE_RATE, SILENCE, Whisper, WhisperConfig, halved
from speechnar.models.folder import ModelConfig, ModelError, load_model
from speechnar.text.whisper_bpe import decoder_tokens


def load_whisper(folder: Path) -> tuple[Whisper, ModelConfig]:
    """Load a recognizer with all its parts, and its config.

    Raises:
        ModelError: it is no Whisper.
        ConfigError: there is no such model.
    """
    model, config = load_model(folder)
    if config.spec.graph != "whisper":
        raise ModelError(f"{folder} holds the model {config.model.name}, which is no Whisper recognizer")
    return cast(Whisper, model), config


def log_mels(features: nn.Module, rows: Sequence[Tensor], silence: float) -> tuple[Tensor, Tensor]:
    """Return log-mel (B, T_mel, n_mels) of rows (1, T_wav) with `silence` seconds behind each, and its lengths (B,)."""
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        mels = [features(F.pad(row, (0, round(silence * SAMPLE_RATE))))[0] for row in rows]
    return pad_sequence(mels, batch_first=True), torch.tensor([len(mel) for mel in mels])


class Teacher:
    """A model that another one learns from, besides texts.

    Args:
        folder: the teacher's model folder.
        learner: that of the model that learns; own: its sizes.
        silence: seconds of silence behind the audio; less where the two are more than the teacher hears, which for
            Whisper is 30 s.

    Raises:
        ModelError: it is no Whisper, or its tokens, or its states, do not fit the learner's.
        ConfigError: there is no such model.
    """

    def __init__(self, folder: Path, learner: Path, own: WhisperConfig, silence: float) -> None:
        whisper, config = load_whisper(folder)
        its = config.model.value
        if decoder_tokens(folder).read_bytes() != decoder_tokens(learner).read_bytes():
            raise ModelError(f"the teacher {folder} has other tokens than {learner}: start both from one vocabulary")
        if its.d_model != own.d_model:
            raise ModelError(f"the teacher {folder} has states of {its.d_model} values, {learner} of {own.d_model}")
        if its.state_hop > own.state_hop:
            raise ModelError(f"the teacher {folder} merges frames, and {learner} does not")
        if its.max_tokens < own.max_tokens:
            raise ModelError(
                f"the teacher {folder} reads {its.max_tokens} tokens, and {learner} writes {own.max_tokens}"
            )
        self.silence = silence
        self.merges = its.state_hop < own.state_hop
        self.hears = its.max_frames * 2 * HOP_LENGTH / SAMPLE_RATE
        self.features = whisper.features  # stays on the CPU, as audio does
        self.encoder = whisper.encoder.eval().requires_grad_(False)
        self.decoder = whisper.decoder.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, rows: Sequence[Tensor], written: Tensor) -> tuple[Tensor, Tensor]:
        """Return states (B, T, d_model), as many a second as the learner's, and logits (B, N + 1, V) of each token.

        Args:
            rows: the audio of each text, (1, T_wav).
            written: (B, N) tokens of the decoder.
        """
        spoken = max(row.shape[1] for row in rows) / SAMPLE_RATE
        silence = max(SILENCE, min(self.silence, self.hears - spoken))
        mel, lengths = (each.to(written.device) for each in log_mels(self.features, rows, silence))
        encoder, decoder = self.encoder.to(written.device), self.decoder.to(written.device)
        states = encoder(mel, lengths)
        logits = decoder(written, decoder.memory(states), encoder.state_lengths(lengths))
        return (halved(states).unflatten(2, (2, -1)).mean(2) if self.merges else states), logits
