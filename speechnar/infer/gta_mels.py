"""Write ground-truth-aligned (GTA) mels: those of an acoustic model that is given durations and prosody of recordings.

A vocoder that is tuned on them learns from the mels that it will be given in synthesis, which are less sharp than those
of recordings.

Source: Shen et al. 2018, section 3.1, where WaveNet is trained on the ground-truth-aligned predictions of Tacotron 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from speechnar.data.dataset import SpeechData
from speechnar.data.manifest import DataError
from speechnar.files import atomic_write, safe_file_name
from speechnar.models.folder import load_model


@torch.inference_mode()
def write_gta_mels(acoustic: Path, features: Path, cuts: Sequence[Path], out: Path) -> None:
    """Write `out/UTT.npy`, (T_mel, n_mels) float32, for each utterance of the manifests.

    Raises:
        ModelError: `acoustic` is no model folder.
        DataError: features are missing, or of other speakers than the model's.
    """
    model, _ = load_model(acoustic)
    out.mkdir(parents=True, exist_ok=True)
    for manifest in cuts:
        data = SpeechData(manifest, features, max_duration=30, shuffle=False)
        if data.speakers != model.config.speakers:
            theirs, ours = (", ".join(names) or "one" for names in (data.speakers, model.config.speakers))
            raise DataError(f"{features} has the speakers {theirs}, {acoustic} has {ours}: train it on these features")
        with tqdm(total=len(data), desc="GTA mels", unit="utt") as bar:
            for batch in data.epoch(0):
                mels = model(
                    batch.tokens, batch.token_lengths, batch.durations, batch.mel_lengths, batch.f0, batch.energy,
                    batch.speakers, batch.notes,
                ).mel  # fmt: skip
                for utt_id, mel, length in zip(batch.utt_ids, mels, batch.mel_lengths.tolist()):
                    with atomic_write(out / f"{safe_file_name(utt_id)}.npy") as part, open(part, "wb") as file:
                        np.save(file, mel[:length].numpy())
                bar.update(len(batch))
