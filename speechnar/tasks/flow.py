"""Train a flow-matching decoder (`speechnar.models.tts.flow_matching`) on what a frozen acoustic model leaves open.

The acoustic model is given the recordings' durations, F0 and energy. As its weights stay as they are, what it makes of
an utterance is computed once and kept in memory, as float16: 0.4 GB for two hours of speech of 80 frames a second.

Few steps give a blurred mel; an acoustic model that was trained against a discriminator does not. So the decoder may be
trained further on its own samples of few steps, against a discriminator too.

Source: GANSpeech (Yang et al. 2021), section 3, for the discriminator. Judged samples of few steps: Sauer et al.
    2023, "Adversarial Diffusion Distillation", section 3.
Differs: the judged samples start from noise and take all of their steps; the loss of flow matching stays, in place of
    distillation from a teacher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.config import Choice, ConfigError, one_of
from speechnar.data.batch import Batch, SpeechBatch
from speechnar.data.dataset import SpeechData
from speechnar.data.sampling import random_segments
from speechnar.losses.adversarial import discriminator_loss, generator_loss
from speechnar.losses.mean import Means
from speechnar.models.folder import ModelConfig, ModelError, build, load_model, save_model
from speechnar.models.specs import configs_of
from speechnar.models.vocoder.discriminators import Judgment, MelDiscriminator, MelDiscriminatorConfig
from speechnar.nar.lengths import length_mask, token_of_frame
from speechnar.text.symbols import SymbolTable
from speechnar.train.init import start_from
from speechnar.train.loop import LoopConfig, train
from speechnar.train.provenance import digest_of, provenance_of, settings_of
from speechnar.train.update import Phase

MEASURED = 100
"""Training utterances by which the deviation of the residual is measured."""


@dataclasses.dataclass(frozen=True)
class FlowConfig:
    """A training config.

    Attributes:
        model: a model of `MODELS` that samples, under its own key; the key `model` is short for `flow_matching`.
        batch_size, segment_length: segments in a batch and their length, in frames for the latent mel and in tokens for
            the latent prosody. A shorter utterance is a segment of its own length.
        weights: of the terms: flow and, with a discriminator, adversarial and features.
        discriminator: judges mels that are sampled; None trains by the loss of flow matching alone.
        discriminator_learning_rate_ratio: relative to the decoder's.
        sample_steps: of the samples that are judged.
    """

    model: Choice = one_of(lambda: configs_of("flow"), default="flow_matching")
    loop: LoopConfig = LoopConfig()
    batch_size: int = 16
    segment_length: int = 200
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    discriminator: MelDiscriminatorConfig | None = None
    discriminator_learning_rate_ratio: float = 1.0
    sample_steps: int = 2

    def __post_init__(self) -> None:
        if self.discriminator and self.model.value.latent != "mel":
            raise ConfigError("a discriminator judges mels: leave it out for the latent prosody")
        if self.sample_steps < 1:
            raise ConfigError(f"sample_steps is {self.sample_steps} but should be 1 or more")


@dataclasses.dataclass(frozen=True)
class FlowBatch(Batch):
    """residual (B, T, n_features) and condition (B, T, d_condition), 0-padded; lengths (B,) frames or tokens."""

    residual: Tensor
    condition: Tensor
    lengths: Tensor


class Segment(NamedTuple):
    """A segment of an utterance, by its first frame or token."""

    utt_id: str
    start: int

    def __str__(self) -> str:
        return f"{self.utt_id} from {self.start}"


class FlowTask:
    """The training of a flow-matching decoder, as the loop needs it.

    Args:
        acoustic: the folder of the acoustic model, which stays as it is.
        init: a model folder whose weights are the start, with their deviation of the residual.

    Raises:
        ModelError: `init` is another model, or one of another latent or acoustic model; `acoustic` is no acoustic
            model, or one of other symbols, speakers or audio than the features.
    """

    def __init__(
        self, config: FlowConfig, features: Path, train_cuts: Path, dev_cuts: Path, acoustic: Path,
        init: Path | None = None,
    ) -> None:  # fmt: skip
        self.settings = config
        self.data, self.dev = SpeechData(train_cuts, features), SpeechData(dev_cuts, features)
        self.acoustic: Any = self._acoustic(acoustic).requires_grad_(False)
        self._of: Callable[[Any, SpeechBatch], FlowBatch] = RESIDUALS[config.model.value.latent]
        self._known: dict[str, tuple[Tensor, Tensor]] = {}
        residuals = torch.cat([self._residual(self.data, utt_id)[0] for utt_id in self.data.utt_ids[:MEASURED]])
        (_, condition) = self._residual(self.data, self.data.utt_ids[0])
        sizes = {"n_features": residuals.shape[1], "d_condition": condition.shape[1]}
        model = dataclasses.replace(config.model.value, **sizes, acoustic=digest_of(acoustic))
        self.config = ModelConfig(self.data.audio, Choice(config.model.name, model))
        self.model: Any = build(self.config)
        self.model.set_statistics(residual_std=residuals.float().std(dim=0).clamp(min=1e-3))
        if init:
            self._start(init, model)
        self.modules: dict[str, nn.Module] = {"model": self.model}
        if config.discriminator:
            self.modules["discriminator"] = MelDiscriminator(config.discriminator)
        self._sampled: tuple[FlowBatch, Tensor] | None = None

    def _start(self, init: Path, model: Any) -> None:
        """Take the weights of a decoder of the same latent and the same acoustic model."""
        start_from(self.model, self.config, init)
        its = load_model(init)[1].model.value
        if its.latent != model.latent or its.acoustic != model.acoustic:
            raise ModelError(
                f"{init} samples the {its.latent} of another acoustic model, or another latent: "
                f"start from one that was trained for the {model.latent} of this one"
            )

    def _acoustic(self, folder: Path) -> nn.Module:
        model, config = load_model(folder)
        if config.spec.task != "acoustic":
            raise ModelError(f"{folder} holds the model {config.model.name}: it should be an acoustic one")
        if differences := config.audio.differences(self.data.audio):
            raise ModelError(f"{folder} and the features differ in {'; '.join(differences)}: train on its own features")
        if model.config.speakers != self.data.speakers:
            theirs, ours = (", ".join(names) or "one" for names in (self.data.speakers, model.config.speakers))
            raise ModelError(
                f"the features have the speakers {theirs}, {folder} has {ours}: train it on these features"
            )
        if SymbolTable.load(folder / "tokens.txt") != self.data.symbols:
            raise ModelError(
                f"{folder} and the features have other symbols: train on the features of the acoustic model"
            )
        return model

    @torch.no_grad()
    def _residual(self, data: SpeechData, utt_id: str) -> tuple[Tensor, Tensor]:
        """Return residual (T, n_features) and condition (T, d_condition) of an utterance, float16."""
        if utt_id not in self._known:
            made = self._of(self.acoustic, data.batch([utt_id]))
            self._known[utt_id] = made.residual[0].half(), made.condition[0].half()
        return self._known[utt_id]

    def phases(self) -> tuple[Phase, ...]:
        flow = Phase("flow", ("model",), self.loss, self.settings.weights)
        if not self.settings.discriminator:
            return (flow,)
        ratio = self.settings.discriminator_learning_rate_ratio
        return (Phase("discriminator", ("discriminator",), self.adversary, learning_rate_ratio=ratio), flow)

    def adversary(self, batch: FlowBatch, step: int) -> dict[str, Tensor]:
        """Return the discriminator's loss; keep the sample, which `loss` goes on with."""
        sample = self._sample(batch)
        self._sampled = (batch, sample)
        return discriminator_loss(self._judge(batch.residual, batch), self._judge(sample.detach(), batch))

    def loss(self, batch: FlowBatch, step: int) -> dict[str, Any]:
        """Return the terms of the decoder."""
        terms = self._terms(self.model, batch)
        if self.settings.discriminator:
            before, self._sampled = self._sampled, None
            sample = before[1] if before and before[0] is batch else self._sample(batch)
            with torch.no_grad():
                recorded = self._judge(batch.residual, batch)
            terms |= generator_loss(recorded, self._judge(sample, batch))
        return terms

    def _sample(self, batch: FlowBatch) -> Tensor:
        mask = length_mask(batch.lengths, batch.residual.shape[1])
        noise = torch.randn_like(batch.residual)
        return self.model.sample(noise, batch.condition, self.settings.sample_steps, mask)

    def _judge(self, residual: Tensor, batch: FlowBatch) -> Judgment:
        """Judge the mel of a residual: the condition ends with the predicted mel."""
        real = length_mask(batch.lengths, residual.shape[1])[:, :, None]
        return self.modules["discriminator"]((batch.condition[:, :, -residual.shape[2] :] + residual) * real)

    def batches(self, epoch: int) -> list[list[Segment]]:
        """Return random segments, as many as cover the corpus once; longer utterances are drawn more often."""
        of_tokens = self.settings.model.value.latent == "prosody"
        utterances = ((utt_id, self.data[utt_id]) for utt_id in self.data.utt_ids)
        lengths = {utt_id: len(u.tokens if of_tokens else u.mel) for utt_id, u in utterances}
        rng = np.random.default_rng((self.settings.loop.seed, epoch))
        drawn = random_segments(rng, lengths, self.settings.segment_length, self.settings.batch_size)
        return [[Segment(*segment) for segment in batch] for batch in drawn]

    def load(self, segments: Sequence[Segment]) -> FlowBatch:
        length = self.settings.segment_length
        pairs = [(self._residual(self.data, utt_id), start) for utt_id, start in segments]
        return _collate([(r[start : start + length], c[start : start + length]) for (r, c), start in pairs])

    def _terms(self, model: nn.Module, batch: FlowBatch) -> dict[str, Any]:
        terms: dict[str, Any] = {}
        for loss in self.config.spec.losses:
            terms |= loss(model, batch.residual, batch.condition, batch.lengths)
        return terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the loss of whole dev utterances, with the same noise each time."""
        model = modules["model"].eval()
        device = next(model.parameters()).device
        means = Means()
        for utt_id in self.dev.utt_ids:
            means.add(self._terms(model, _collate([self._residual(self.dev, utt_id)]).to(device)))
        return means.values()

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"])


def _collate(pairs: Sequence[tuple[Tensor, Tensor]]) -> FlowBatch:
    residual, condition = (
        nn.utils.rnn.pad_sequence([tensor.float() for tensor in tensors], batch_first=True) for tensors in zip(*pairs)
    )
    return FlowBatch(residual, condition, torch.tensor([len(residual) for residual, _ in pairs]))


def mel_residual(model: Any, batch: SpeechBatch) -> FlowBatch:
    """Return the normalized mel less the prediction, and what `FastSpeech2.read_mel` makes of each frame."""
    mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
    hidden, _ = model.encode(batch.tokens, length_mask(batch.token_lengths, batch.tokens.shape[1]), batch.speakers)
    frames = model.frames(hidden, batch.durations, batch.mel.shape[1])
    prosody = model.normalized(batch.f0, batch.energy, batch.speakers)
    condition = model.read_mel(model.decode_hidden(frames, prosody, mask, batch.speakers))
    mel = (batch.mel - model.mel_mean) / model.mel_std
    return FlowBatch(mel - condition[:, :, -mel.shape[2] :], condition, batch.mel_lengths)


def prosody_residual(model: Any, batch: SpeechBatch) -> FlowBatch:
    """Return log duration, and mean log F0 and energy of each token, less the prediction; and the hidden vectors.

    F0 is measured where it is voiced; a token without a voiced frame has the residual 0.
    """
    token_mask = length_mask(batch.token_lengths, batch.tokens.shape[1])
    mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
    hidden, log_durations = model.encode(batch.tokens, token_mask, batch.speakers)
    frames = model.frames(hidden, batch.durations, batch.mel.shape[1])
    predicted = model.predict_prosody(frames, mask)
    given = model.normalized(batch.f0, batch.energy, batch.speakers)
    frame_tokens = token_of_frame(batch.durations, batch.mel.shape[1])
    voiced, real = given.voiced * mask, mask.float()
    log_f0 = _token_mean(given.log_f0 - predicted.log_f0, voiced, frame_tokens, batch.tokens.shape[1])
    energy = _token_mean(given.energy - predicted.energy, real, frame_tokens, batch.tokens.shape[1])
    log_duration = batch.durations.float().log1p() - log_durations
    return FlowBatch(torch.stack([log_duration, log_f0, energy], dim=2), hidden, batch.token_lengths)


def _token_mean(values: Tensor, weights: Tensor, frame_tokens: Tensor, n_tokens: int) -> Tensor:
    """Return the weighted mean (B, T_text) of values (B, T_mel) over the frames of each token; 0 without weight."""
    empty = values.new_zeros(len(values), n_tokens)
    total = empty.scatter_add(1, frame_tokens, weights)
    return empty.scatter_add(1, frame_tokens, values * weights) / total.clamp(min=1)


RESIDUALS: dict[str, Callable[[Any, SpeechBatch], FlowBatch]] = {"mel": mel_residual, "prosody": prosody_residual}
"""Functions that return what is sampled and what is read, by the latent of `FlowMatchingConfig`."""


def train_flow(
    config: FlowConfig, features: Path, train_cuts: Path, dev_cuts: Path, out: Path, acoustic: Path,
    init: Path | None = None,
) -> None:  # fmt: skip
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there."""
    torch.manual_seed(config.loop.seed)
    sources = {
        "training manifest": train_cuts, "features": features / "stats.json", "acoustic model": acoustic,
        "model of --init": init,
    }  # fmt: skip
    provenance = provenance_of(sources | {"training config": settings_of(config)})
    train(FlowTask(config, features, train_cuts, dev_cuts, acoustic, init), config.loop, out, provenance=provenance)
