"""Pre-train the encoder of a recognizer on audio without transcripts; `train recognizer --init` goes on from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.tensorboard import SummaryWriter

from speechnar.audio import AudioConfig
from speechnar.config import Choice, one_of
from speechnar.data.batch import Batch
from speechnar.data.manifest import load_cuts
from speechnar.data.sampling import BucketSampler
from speechnar.data.transcribed import load_wav
from speechnar.layers.augment import change_speed
from speechnar.losses.mean import Mean, Means
from speechnar.models.folder import ModelConfig, build, save_model
from speechnar.models.specs import configs_of
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of

STATISTICS = 500
"""The number of utterances from which mean and deviation of the features are computed."""


@dataclasses.dataclass(frozen=True)
class PretrainingConfig:
    """A training config: audio, the model under its own key, the loop.

    Attributes:
        speeds: speed factors, of which one is drawn for each utterance.
        batch_seconds: of audio in a batch.
    """

    audio: AudioConfig
    model: Choice = one_of(lambda: configs_of("pretraining"), default="best_rq")
    loop: LoopConfig = LoopConfig()
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    batch_seconds: float = 60.0
    weights: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class AudioBatch(Batch):
    """Recordings padded with 0: samples (B, T_wav) float32 in [-1, 1], and their lengths (B,)."""

    wav: Tensor
    wav_lengths: Tensor

    def __len__(self) -> int:
        return len(self.wav)


class Recordings:
    """The audio of a manifest in batches of similar length."""

    def __init__(self, cuts: Path, sample_rate: int, batch_seconds: float, buckets: int, seed: int) -> None:
        self.sample_rate = sample_rate
        self.cuts = {cut.id: cut for cut in load_cuts(cuts)}
        seconds = {name: cut.duration for name, cut in self.cuts.items()}
        self.sampler = BucketSampler(seconds, batch_seconds, buckets, buckets > 1, seed)

    def batch(self, names: Sequence[str]) -> AudioBatch:
        wavs = [load_wav(self.cuts[name], self.sample_rate) for name in names]
        return AudioBatch(pad_sequence(wavs, batch_first=True), torch.tensor([len(wav) for wav in wavs]))


class PretrainingTask:
    """The pre-training of an encoder, as the loop needs it."""

    def __init__(self, config: PretrainingConfig, train_cuts: Path, dev_cuts: Path) -> None:
        self.training = config
        rate, seed = config.audio.sample_rate, config.loop.seed
        self.data = Recordings(train_cuts, rate, config.batch_seconds, 10, seed)
        self.dev = Recordings(dev_cuts, rate, config.batch_seconds, 1, seed)
        self.config = ModelConfig(config.audio, config.model)
        self.model = build(self.config)
        self._set_statistics(self.model.encoder)
        self.modules: dict[str, nn.Module] = {"model": self.model}

    @torch.no_grad()
    def _set_statistics(self, encoder: Any) -> None:
        names = list(self.data.cuts)
        chosen = names[:: max(1, len(names) // STATISTICS)]
        frames = torch.cat([encoder.raw_features(self.data.batch([name]).wav, None)[0][0] for name in chosen])
        encoder.mel_mean.copy_(frames.mean(0))
        encoder.mel_std.copy_(frames.std(0).clamp(min=1e-2))

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("pretraining", ("model",), self.loss, self.training.weights),)

    def batches(self, epoch: int) -> Sequence[tuple[Any, ...]]:
        return self.data.sampler.batch_ids(epoch)

    def load(self, names: Sequence[Any]) -> AudioBatch:
        return self.data.batch(names)

    def loss(self, batch: AudioBatch, step: int) -> dict[str, Tensor | Mean]:
        wav, lengths = change_speed(batch.wav, batch.wav_lengths, self.training.speeds)
        return self._terms(self.model, wav, lengths)

    def _terms(self, model: Any, wav: Tensor, lengths: Tensor) -> dict[str, Tensor | Mean]:
        """Return the loss terms of the model's spec."""
        predicted = model(*model.encoder.features(wav, lengths))
        terms: dict[str, Tensor | Mean] = {}
        for loss in self.config.spec.losses:
            terms |= loss(model, predicted)
        return terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the loss terms on the dev set, whose masks are the same each time."""
        model = modules["model"].eval()
        device = next(model.parameters()).device
        means = Means()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for names in self.dev.sampler.batch_ids(0):
                batch = self.dev.batch(names).to(device)
                means.add(self._terms(model, batch.wav, batch.wav_lengths), len(batch))
        return means.values()

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"])


def train_encoder(config: PretrainingConfig, train_cuts: Path, dev_cuts: Path, out: Path) -> None:
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there.

    Args:
        train_cuts, dev_cuts: manifests of audio; transcripts are not read.
    """
    torch.manual_seed(config.loop.seed)
    provenance = provenance_of({"training config": settings_of(config), "training manifest": train_cuts})
    train(PretrainingTask(config, train_cuts, dev_cuts), config.loop, out, provenance=provenance)
