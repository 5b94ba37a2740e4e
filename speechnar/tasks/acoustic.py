"""Train an acoustic model, such as FastSpeech 2, on cached features with known durations.

A loss against the recording alone leads to the mean of all mels that suit the text, which is blurred; a discriminator
leads to one of them.

Source: GANSpeech (Yang et al. 2021), section 3.
Differs: the discriminator is not told the text or the speaker; distances of its features are relative to their size.
"""

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
from speechnar.losses.adversarial import discriminator_loss, generator_loss
from speechnar.losses.mean import Mean, Means
from speechnar.models.folder import ModelConfig, build, save_model
from speechnar.models.specs import configs_of
from speechnar.models.tts.fastspeech2 import FastSpeech2Output
from speechnar.models.vocoder.discriminators import Judgment, MelDiscriminator, MelDiscriminatorConfig
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
        discriminator: judges the mel. None trains on the distance from the recording's alone.
        discriminator_learning_rate_ratio: relative to the acoustic model's.
        freeze: names of modules or weights that are not trained, such as `embedding` and `encoder`; for `init`.
    """

    model: Choice = one_of(lambda: configs_of("acoustic"), default="fastspeech2")
    loop: LoopConfig = LoopConfig()
    batch_seconds: float = 75.0
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    discriminator: MelDiscriminatorConfig | None = None
    discriminator_learning_rate_ratio: float = 1.0
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
        self.settings, self.weights = config, config.weights
        if config.discriminator:
            self.modules["discriminator"] = MelDiscriminator(config.discriminator)
        self._made: tuple[SpeechBatch, FastSpeech2Output] | None = None

    def phases(self) -> tuple[Phase, ...]:
        acoustic = Phase("acoustic", ("model",), self.loss, self.weights)
        if not self.settings.discriminator:
            return (acoustic,)
        ratio = self.settings.discriminator_learning_rate_ratio
        return (Phase("discriminator", ("discriminator",), self.adversary, learning_rate_ratio=ratio), acoustic)

    def batches(self, epoch: int) -> list[tuple[str, ...]]:
        return self.data.batch_ids(epoch)

    def load(self, utt_ids: Sequence[str]) -> SpeechBatch:
        return self.data.batch(utt_ids)

    def adversary(self, batch: SpeechBatch, step: int) -> dict[str, Tensor]:
        """Return the discriminator's loss; keep the mel, which `loss` goes on with."""
        output = self._output(self.model, batch)
        self._made = (batch, output)
        return discriminator_loss(self._judge(batch.mel, batch), self._judge(output.mel.detach(), batch))

    def _judge(self, mel: Tensor, batch: SpeechBatch) -> Judgment:
        real = length_mask(batch.mel_lengths, mel.shape[1])[:, :, None]
        return self.modules["discriminator"]((mel - self.model.mel_mean) / self.model.mel_std * real)

    def loss(self, batch: SpeechBatch, step: int) -> dict[str, Tensor | Mean]:
        before, self._made = self._made, None
        output = before[1] if before and before[0] is batch else self._output(self.model, batch)
        terms = self._terms(output, batch)
        if self.settings.discriminator:
            with torch.no_grad():
                recorded = self._judge(batch.mel, batch)
            terms |= generator_loss(recorded, self._judge(output.mel, batch))
        return terms

    @staticmethod
    def _output(model: nn.Module, batch: SpeechBatch) -> FastSpeech2Output:
        return model(
            batch.tokens, batch.token_lengths, batch.durations, batch.mel_lengths, batch.f0, batch.energy,
            batch.speakers, batch.notes,
        )  # fmt: skip

    def _terms(self, output: FastSpeech2Output, batch: SpeechBatch) -> dict[str, Tensor | Mean]:
        prosody = self.model.normalized(batch.f0, batch.energy, batch.speakers)
        lengths = (batch.token_lengths, batch.mel_lengths)
        terms: dict[str, Tensor | Mean] = {}
        for loss in self.config.spec.losses:
            terms |= loss(output, batch.mel, prosody, batch.durations, lengths)
        return terms

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
            output = self._output(model, batch)
            terms = self._terms(output, batch)
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
