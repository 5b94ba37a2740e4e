"""A tiny task of every kind that is trained, without random numbers in its loss, for tests with several processes.

torchrun --nproc-per-node 2 tests/every_kind.py DATA OUT      one step of each, in OUT/NAME
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch
from cached import cached
from hummed import AUDIO as HUMMED
from hummed import make_cut
from lhotse import CutSet
from spoken import AUDIO as SPOKEN
from spoken import make_corpus
from tiny_fastspeech2 import CONFIG as FASTSPEECH2
from tones import RATE
from tones import spoken as tones
from torch import nn

from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.data.features import compute_features
from speechnar.data.manifest import save_cuts
from speechnar.layers.augment import SpecAugmentConfig
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.autoregressive.aed import AEDConfig
from speechnar.models.tts.aligner import AlignerConfig
from speechnar.models.vocoder.discriminators import WaveDiscriminatorConfig
from speechnar.models.vocoder.hifigan import HiFiGANConfig
from speechnar.tasks.acoustic import AcousticConfig, AcousticTask
from speechnar.tasks.aligner import AlignerTask, AlignerTraining
from speechnar.tasks.joint import JointConfig, JointTask
from speechnar.tasks.recognizer import Augmentation, RecognitionConfig, RecognitionTask
from speechnar.tasks.speculative import SpeculativeConfig, task_of
from speechnar.tasks.vocoder import VocoderConfig, VocoderTask
from speechnar.text.tokenizer import train_tokenizer
from speechnar.train.loop import LoopConfig, Task, train

LOOP = LoopConfig(max_steps=3, log_every=1, validate_every=0, warmup_steps=0, precision="no", threads=1)
NAMES = ("acoustic", "vocoder", "aligner", "joint", "recognizer", "draft", "decoder")


def prepare(folder: Path) -> None:
    """Write the corpora of all kinds."""
    cuts = [make_cut(folder, f"utt-{n}", [3, 5, 0, 8, 2 + n], 150 + 10 * n) for n in range(6)]
    splits = {"train": cuts[:5], "dev": cuts[5:]}
    for name, its in splits.items():
        save_cuts(its, folder / f"hummed-{name}.jsonl.gz")
    compute_features(CutSet.from_cuts(splits["train"]), folder / "hummed", HUMMED, [CutSet.from_cuts(splits["dev"])])
    made = [tones(folder, n)[0] for n in range(6)]
    save_cuts(made[:5], folder / "tones-train.jsonl.gz")
    save_cuts(made[5:], folder / "tones-dev.jsonl.gz")
    audio = AudioConfig(RATE, 256, 100, 256, 12, 0.0, 4000.0)
    compute_features(CutSet.from_cuts(made[:5]), folder / "tones", audio, [CutSet.from_cuts(made[5:])])
    texts = ["ab", "ba c", "cab", "b a", "ac"]
    train_tokenizer(texts, folder / "units")
    make_corpus(folder, texts, "letters")
    cached(folder / "cached")


def task(name: str, folder: Path) -> Task:
    """Return a new task on what `prepare` wrote."""
    torch.manual_seed(0)
    hummed = (folder / "hummed", folder / "hummed-train.jsonl.gz", folder / "hummed-dev.jsonl.gz")
    tones = (folder / "tones-train.jsonl.gz", folder / "tones-dev.jsonl.gz")
    acoustic = AcousticConfig(Choice("fastspeech2", dataclasses.replace(FASTSPEECH2, n_mels=12)))
    aligner = AlignerTraining(
        AudioConfig(RATE, 200, 40, 200, 16, 0.0, 4000.0), Choice("aligner", AlignerConfig(n_cepstra=8, d_model=8)),
        phone_states=2, pause_states=2, prior_steps=2,
    )  # fmt: skip
    made: Task
    if name == "acoustic":
        made = AcousticTask(dataclasses.replace(acoustic, batch_seconds=2.0), *hummed)
    elif name == "vocoder":
        gan = WaveDiscriminatorConfig((2, 3), (4, 4), 2, (4,) * 7, (1, 2, 2, 2, 2, 2, 1))
        model = Choice("hifigan", HiFiGANConfig(1, (10, 10), (20, 20), 8, (3,), ((1, 3),)))
        made = VocoderTask(VocoderConfig(model, wave_discriminators=gan, batch_size=3, segment_frames=20), *hummed)
    elif name == "aligner":
        made = AlignerTask(aligner, *tones)
    elif name == "joint":
        made = JointTask(JointConfig(aligner, acoustic, acoustic_step=0), folder / "tones", *tones)
    elif name == "recognizer":
        encoder = CTCEncoderConfig(ConformerConfig(16, 2, 2, 32, 3, 2, 4), (1,), True)
        config = RecognitionConfig(
            SPOKEN, Choice("aed", AEDConfig(0, encoder, DecoderConfig(16, 2, 1, 16))), two_views=True,
            augmentation=Augmentation((1.0,), spec=None), weights={"smoothing": 0.1},
        )  # fmt: skip
        letters = folder / "letters.jsonl.gz"
        made = RecognitionTask(config, folder / "units", letters, letters)
    else:
        caches = [folder / "cached" / which / "cuts.jsonl.gz" for which in ("plain", "slow")]
        masks = SpecAugmentConfig(band_masks=0, time_masks_per_second=0.0)
        made = task_of(SpeculativeConfig(name, masks=masks), folder / "cached" / "model", caches, caches[0])
    for module in made.modules.values():
        for layer in module.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    return made


def train_all(data: Path, out: Path, config: LoopConfig) -> None:
    for name in NAMES:
        train(task(name, data), config, out / name)


if __name__ == "__main__":
    train_all(Path(sys.argv[1]), Path(sys.argv[2]), dataclasses.replace(LOOP, max_minutes=0.0))
