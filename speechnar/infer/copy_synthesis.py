"""Copy-synthesis: the log-mel of a recording, as a vocoder was trained on it, and the vocoder's audio of that mel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from speechnar import audio as audio_files
from speechnar.audio import LOG_FLOOR, AudioConfig, AudioError
from speechnar.hub.published import LoadedVocoder
from speechnar.runtime import frames
from speechnar.runtime.voice import Voice

CHUNK = 400
"""Frames that are computed at once."""


def copy_by_vocoder(vocoder: LoadedVocoder, wav: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the resynthesis of (T_wav,) float32 in pieces, which together are as long.

    Raises:
        AudioError: too few samples for a frame.
    """
    mel = log_mel(wav, vocoder.audio, vocoder.floor, vocoder.centered)
    f0 = _f0(wav, len(mel), vocoder.audio) if vocoder.config.spec.uses_f0 else None
    left = len(wav)
    for piece in vocode(vocoder, mel, f0):
        yield piece[:left]
        left -= len(piece[:left])


@torch.inference_mode()
def vocode(vocoder: LoadedVocoder, mel: np.ndarray, f0: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Yield the audio of a mel (T_mel, n_mels) in pieces.

    Args:
        f0: (T_mel,) in Hz, for a vocoder whose spec has `uses_f0`.
    """
    model, source = vocoder.model, None
    if vocoder.config.spec.uses_f0:
        assert f0 is not None
        generator = torch.Generator().manual_seed(0)
        source = f0, torch.randn(1, len(mel), model.n_noise, generator=generator).numpy()

    def run(given: dict[str, np.ndarray]) -> list[np.ndarray]:
        output = model(*map(torch.from_numpy, given.values()))
        return [output.wav.numpy()] if source is None else [output.wav.numpy(), output.phases.numpy()]

    hop, context = vocoder.audio.hop_length, model.context
    yield from frames.vocode(run, mel, source, hop=hop, context=context, chunk=CHUNK, largest=CHUNK)


def copy_by_voice(voice: Voice, wav: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the resynthesis of (T_wav,) float32 by the vocoder of a voice, in pieces, which together are as long."""
    audio = voice.info.audio
    mel = log_mel(wav, audio, LOG_FLOOR, centered=False)
    sentence = frames.Frames((), (), (), silence=0, mel=mel, f0=_f0(wav, len(mel), audio), seed=(0, 0))
    left = len(wav)
    for piece in voice.vocode(sentence):
        yield piece[:left]
        left -= len(piece[:left])


def log_mel(wav: np.ndarray, audio: AudioConfig, floor: float, centered: bool) -> np.ndarray:
    """Return the mel (T_mel, n_mels), natural logarithm, of a whole recording, computed in pieces: see `Vocoder`.

    Raises:
        AudioError: too few samples for a frame.
    """
    hop = audio.hop_length
    if len(wav) <= audio.n_fft // 2:
        raise AudioError(f"{len(wav)} samples are too few for frames of {audio.n_fft} samples")
    n_frames = -(-len(wav) // hop)
    margin = -(-audio.n_fft // hop)  # mirrored frames at each end, so that no window leaves a piece
    left = margin * hop + (hop // 2 if centered else 0)
    padded = np.pad(wav, (0, n_frames * hop - len(wav)))
    padded = np.pad(padded, (left, (2 * margin) * hop - left), mode="reflect")
    pieces = []
    for start in range(0, n_frames, CHUNK):
        stop = min(start + CHUNK, n_frames)
        spectrum = audio_files.spectrogram(padded[start * hop : (stop + 2 * margin) * hop], audio)
        magnitudes = spectrum[margin : margin + stop - start] @ audio_files.mel_filters(audio).T
        pieces.append(np.log(np.maximum(magnitudes, floor)))
    return np.concatenate(pieces).astype(np.float32)


def _f0(wav: np.ndarray, n_frames: int, audio: AudioConfig) -> np.ndarray:
    f0 = audio_files.track_f0(wav, audio)
    return np.pad(f0, (0, max(0, n_frames - len(f0))))[:n_frames]
