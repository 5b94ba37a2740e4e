"""Train an acoustic model, such as FastSpeech 2, on cached features with known durations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.config import Choice, one_of
from speechnar.data.batch import SpeechBatch
from speechnar.data.dataset import SpeechData
from speechnar.losses.acoustic import masked_mean
from speechnar.losses.mean import Mean, Means
from speechnar.models.folder import ModelConfig, build, save_model
from speechnar.models.specs import configs_of
from speechnar.models.tts.fastspeech2 import FastSpeech2Output
from speechnar.nar.lengths import length_mask
from speechnar.train.init import freeze, start_from
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of


@dataclasses.dataclass(frozen=True)
class AcousticConfig:
    """A training config.

    Attributes:
        model: an acoustic model of `MODELS` under its own key; the key `model` is short for `fastspeech2`.
        batch_seconds: seconds of audio in a batch.
        weights: weights of the loss terms.
        freeze: names of modules or weights that are not trained, such as `embedding` and `encoder`; for `init`.
    """

    model: Choice = one_of(lambda: configs_of("acoustic"), default="fastspeech2")
    loop: LoopConfig = LoopConfig()
    batch_seconds: float = 75.0
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    freeze: tuple[str, ...] = ()


class AcousticTask:
    """The training of an acoustic model, as the loop needs it.

    Args:
        init: a model folder whose weights are the start. The statistics are those of the features all the same: the
            model's mel, F0 and energy are relative to them, and so move to the new voice's level and pitch.
        aligned: whether durations are the features'; if not, `loss` and `metrics` are called with batches that have
            durations.
    """

    def __init__(
        self, config: AcousticConfig, features: Path, train_cuts: Path, dev_cuts: Path, init: Path | None = None,
        aligned: bool = True,
    ) -> None:  # fmt: skip
        seconds = config.batch_seconds
        self.data = SpeechData(train_cuts, features, max_duration=seconds, seed=config.loop.seed, aligned=aligned)
        self.dev = SpeechData(dev_cuts, features, max_duration=seconds, num_buckets=1, shuffle=False, aligned=aligned)
        model = dataclasses.replace(
            config.model.value,
            n_symbols=len(self.data.symbols.symbols),
            n_mels=self.data.audio.n_mels,
            speakers=self.data.speakers,
        )
        self.config = ModelConfig(self.data.audio, Choice(config.model.name, model))
        self.model: Any = build(self.config)
        stats = dataclasses.asdict(self.data.stats)
        for name in ("utterances", "seconds"):
            del stats[name]
        if speakers := stats.pop("speakers"):
            stats["common_log_f0_mean"], stats["common_log_f0_std"] = stats["log_f0_mean"], stats["log_f0_std"]
            stats["log_f0_mean"], stats["log_f0_std"] = map(list, zip(*speakers.values()))
        self.model.set_statistics(**stats)
        if init:
            statistics = [name for name, _ in self.model.named_buffers()]
            start_from(self.model, self.config, init, self.data.symbols, kept=statistics)
        freeze(self.model, config.freeze)
        self.modules: dict[str, nn.Module] = {"model": self.model}
        self.weights = config.weights

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("acoustic", ("model",), self.loss, self.weights),)

    def batches(self, epoch: int) -> list[tuple[str, ...]]:
        return self.data.batch_ids(epoch)

    def load(self, utt_ids: Sequence[str]) -> SpeechBatch:
        return self.data.batch(utt_ids)

    def loss(self, batch: SpeechBatch, step: int) -> dict[str, Tensor | Mean]:
        return self._terms(self.model, batch)[0]

    def _terms(self, model: nn.Module, batch: SpeechBatch) -> tuple[dict[str, Tensor | Mean], FastSpeech2Output]:
        output = model(
            batch.tokens, batch.token_lengths, batch.durations, batch.mel_lengths, batch.f0, batch.energy,
            batch.speakers, batch.notes,
        )  # fmt: skip
        prosody = self.model.normalized(batch.f0, batch.energy, batch.speakers)
        lengths = (batch.token_lengths, batch.mel_lengths)
        terms: dict[str, Tensor | Mean] = {}
        for loss in self.config.spec.losses:
            terms |= loss(output, batch.mel, prosody, batch.durations, lengths)
        return terms, output

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the metrics of the dev set."""
        return self.metrics(modules["model"], self.dev.epoch(0), writer, step)

    def metrics(
        self, model: nn.Module, batches: Iterable[SpeechBatch], writer: SummaryWriter, step: int
    ) -> dict[str, float]:
        """Return the loss terms, and errors of F0 in cents and durations in frames; log images of an utterance."""
        model = model.eval()
        device = next(model.parameters()).device
        means = Means()
        for number, batch in enumerate(batches):
            batch = batch.to(device)
            terms, output = self._terms(model, batch)
            mask = length_mask(batch.mel_lengths, batch.mel.shape[1]) & (batch.f0 > 0)
            tokens = length_mask(batch.token_lengths, batch.tokens.shape[1])
            mean, std = self.model.log_f0_moments(batch.speakers)
            log_f0 = output.prosody.log_f0 * std + mean
            cents = (log_f0 - batch.f0.clamp(min=1).log()).abs() * (1200 / torch.log(torch.tensor(2.0)))
            terms["f0_cents"] = masked_mean(cents, mask)
            terms["duration_frames"] = masked_mean((output.log_durations.expm1() - batch.durations).abs(), tokens)
            means.add(terms)
            if number == 0:
                length = int(batch.mel_lengths[0])
                both = torch.cat([batch.mel[0, :length], output.mel[0, :length]], dim=1).T.flip(0)
                writer.add_image("mel (below: recorded, above: predicted)", _gray(both)[None], step)
        return means.values()

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"], self.data.symbols)


def _gray(values: Tensor) -> Tensor:
    return (values - values.min()) / (values.max() - values.min()).clamp(min=1e-5)


def train_acoustic(
    config: AcousticConfig, features: Path, train_cuts: Path, dev_cuts: Path, out: Path, init: Path | None = None
) -> None:
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there."""
    torch.manual_seed(config.loop.seed)
    sources = {"training manifest": train_cuts, "features": features / "stats.json", "model of --init": init}
    provenance = provenance_of(sources | {"training config": settings_of(config)})
    train(AcousticTask(config, features, train_cuts, dev_cuts, init), config.loop, out, provenance=provenance)
