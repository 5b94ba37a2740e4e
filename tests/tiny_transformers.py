"""Tiny encoders of transformers, drawn at random, and noise for them to read. Import it where transformers is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from lhotse import Recording, SupervisionSegment

from speechnar.data.manifest import save_cuts
from speechnar.layers.pretrained_encoder import load_transformers

KINDS = ("wav2vec2", "hubert", "wavlm", "whisper")
D = 16


def saved(kind: str, folder: Path, **changed: object) -> Path:
    """Save a tiny model of a kind, drawn at random, and its feature extractor."""
    transformers = load_transformers()
    torch.manual_seed(0)
    if kind == "whisper":
        config = transformers.WhisperConfig(
            vocab_size=8, num_mel_bins=80, d_model=D, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=16,
            decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16, pad_token_id=0, bos_token_id=1,
            eos_token_id=2, decoder_start_token_id=1, **changed,
        )  # fmt: skip
        transformers.WhisperModel(config).save_pretrained(folder)
        transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
        return folder
    names = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}
    sizes = {
        "hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
        "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, **changed,
    }  # fmt: skip
    config = getattr(transformers, f"{names[kind]}Config")(**sizes)
    getattr(transformers, f"{names[kind]}Model")(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0.05, 0.1, samples).astype(np.float32))


def manifest_of(folder: Path, lengths: tuple[int, ...]) -> Path:
    cuts = []
    for number, length in enumerate(lengths):
        path = folder / f"{number}.wav"
        soundfile.write(path, noise(length, number).numpy(), 16000, subtype="FLOAT")
        cut = Recording.from_file(path, recording_id=f"utt{number}").to_cut()
        cut.id = f"utt{number}"
        cut.supervisions = [SupervisionSegment(cut.id, cut.id, 0, cut.duration, text="so it was", speaker="anna")]
        cuts.append(cut)
    save_cuts(cuts, folder / "cuts.jsonl.gz")
    return folder / "cuts.jsonl.gz"
