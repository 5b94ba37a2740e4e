"""A tiny Whisper recognizer, three recordings of noise, and caches of its encoder's states."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from lhotse import Recording, SupervisionSegment

from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.data.manifest import save_cuts
from speechnar.infer.encoder_cache import Variant, cache_states
from speechnar.models.asr.whisper import Whisper, WhisperConfig
from speechnar.models.folder import ModelConfig, save_model
from speechnar.text.symbols import BLANK, BOS, EOS, PAD, SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS

TEXTS = ("so it was", "was it", "it was so so")
SECONDS = (1.0, 0.6, 1.5)
LETTERS = ("▁", *"aiostw")
SLOW = Variant(speed=0.9, noise_share=1.0, mask_bands=2)
JOINED = Variant(joined_seconds=2.6)
D_MODEL = 64


@dataclass(frozen=True)
class Cached:
    """The model folder, the manifest, and the manifests of three training caches and of a dev cache."""

    model: Path
    manifest: Path
    train: tuple[Path, Path, Path]
    dev: Path


def cached(root: Path) -> Cached:
    """Make all of it below a folder."""
    symbols = SymbolTable((BLANK, *LETTERS, PAD, BOS, EOS))
    config = WhisperConfig(
        n_symbols=len(symbols), n_tokens=len(LETTERS) + 2, n_mels=8, d_model=D_MODEL, d_ff=64, n_heads=4, n_layers=2,
        decoder_layers=1, max_frames=200, max_tokens=20, d_draft=16, draft_layers=2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = root / "model"
    save_model(
        model, ModelConfig(AudioConfig(16000, 400, 160, 400, 8), Choice("whisper", config)), Whisper(config), symbols
    )
    (model / DECODER_TOKENS).write_text("\n".join((*LETTERS, "▁s", EOS)) + "\n", encoding="utf-8")
    rng = np.random.default_rng(0)
    cuts = []
    for number, (text, seconds) in enumerate(zip(TEXTS, SECONDS)):
        path = root / f"{number}.wav"
        soundfile.write(path, rng.normal(size=int(seconds * 16000)) * 0.1, 16000)
        cut = Recording.from_file(path, recording_id=f"utt{number}").to_cut()
        cut.id = f"utt{number}"
        cut.supervisions = [SupervisionSegment(cut.id, cut.id, 0, cut.duration, text=text, speaker="anna")]
        cuts.append(cut)
    manifest = root / "utterances.jsonl.gz"
    save_cuts(cuts, manifest)
    paths = []
    for name, variant in (("plain", Variant()), ("slow", SLOW), ("joined", JOINED), ("dev", Variant())):
        cache_states(model, manifest, root / name, variant)
        paths.append(root / name / "cuts.jsonl.gz")
    plain, slow, joined, dev = paths
    return Cached(model, manifest, (plain, slow, joined), dev)
