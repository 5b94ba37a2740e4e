"""Train a vocoder, such as Harmonic Vocos or HiFi-GAN, by spectral losses and discriminators, on recorded mels or on
mels that an acoustic model predicted.

Source: HiFi-GAN (Kong, Kim and Bae 2020), section 2.4, for its generator and discriminators.
Differs: the mel distance is that of several resolutions, and distances of features are relative to their size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.config import Choice, one_of
from speechnar.data.batch import Batch
from speechnar.data.dataset import SpeechData
from speechnar.data.features import DataError
from speechnar.data.sampling import random_segments
from speechnar.files import safe_file_name
from speechnar.losses.adversarial import discriminator_loss, generator_loss
from speechnar.losses.mean import Mean, Means
from speechnar.models.folder import ModelConfig, build, save_model
from speechnar.models.specs import configs_of
from speechnar.models.vocoder.discriminators import (
    DiscriminatorConfig,
    Discriminators,
    Panel,
    WaveDiscriminatorConfig,
    WaveDiscriminators,
)
from speechnar.train.init import freeze, start_from
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of


@dataclasses.dataclass(frozen=True)
class VocoderConfig:
    """A training config.

    Attributes:
        model: a vocoder of `MODELS` under its own key; the key `model` is short for `harmonic_vocos`.
        discriminators, wave_discriminators: on STFT frames, and HiFi-GAN's on samples; both may judge. None trains on
            the spectral losses alone.
        batch_size, segment_frames: segments in a batch and their length.
        recorded_share: the share of segments whose mel is the recording's where ground-truth-aligned mels are given.
        weights: of the loss terms of the generator.
        discriminator_learning_rate_ratio: relative to the generator's.
        freeze: names of the generator's modules or weights that stay as they are; for `init`.
    """

    model: Choice = one_of(lambda: configs_of("vocoder"), default="harmonic_vocos")
    discriminators: DiscriminatorConfig | None = None
    wave_discriminators: WaveDiscriminatorConfig | None = None
    loop: LoopConfig = LoopConfig()
    batch_size: int = 16
    segment_frames: int = 48
    recorded_share: float = 0.0
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    discriminator_learning_rate_ratio: float = 1.0
    freeze: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class SegmentBatch(Batch):
    """mel (B, T, n_mels); f0 (B, T) Hz; wav (B, T * hop_length) in [-1, 1]."""

    mel: Tensor
    f0: Tensor
    wav: Tensor


class Segment(NamedTuple):
    """A segment of an utterance: its first frame, and whether its mel is the recording's own."""

    utt_id: str
    start: int
    recorded: bool

    def __str__(self) -> str:
        return f"{self.utt_id} from frame {self.start}"


class VocoderTask:
    """The training of a vocoder, as the loop needs it.

    Args:
        gta_mels: a folder of `UTT.npy` mels (T_mel, n_mels) that an acoustic model made with the recordings'
            durations and prosody; None trains on the recordings' own.
        init: a model folder whose weights are the start, its statistics included: a mel means the same to it whoever
            speaks.

    Raises:
        DataError: every utterance is shorter than a segment, or ground-truth-aligned mels are missing or do not fit.
    """

    def __init__(
        self, config: VocoderConfig, features: Path, train_cuts: Path, dev_cuts: Path,
        gta_mels: Path | None = None, init: Path | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.gta_mels = config, gta_mels
        self.data = SpeechData(train_cuts, features)
        self.dev = SpeechData(dev_cuts, features)
        self.config = ModelConfig(self.data.audio, config.model)
        self.generator: Any = build(self.config)
        self.spec = self.config.spec
        if self.spec.statistics:
            self.generator.set_statistics(**{name: getattr(self.data.stats, name) for name in self.spec.statistics})
        if init:
            start_from(self.generator, self.config, init)
        if self.spec.weight_norm:
            self.generator.normalize_weights()
        freeze(self.generator, config.freeze)
        self.modules: dict[str, nn.Module] = {"generator": self.generator}
        judges: list[nn.Module] = []
        if config.discriminators:
            judges.append(Discriminators(config.discriminators))
        if config.wave_discriminators:
            judges.append(WaveDiscriminators(config.wave_discriminators))
        if judges:
            self.modules["discriminators"] = judges[0] if len(judges) == 1 else Panel(judges)
        self._mels: dict[str, np.ndarray] = {}
        self._made: tuple[SegmentBatch, Tensor] | None = None

    def phases(self) -> tuple[Phase, ...]:
        generator = Phase("generator", ("generator",), self.generator_terms, self.settings.weights)
        if "discriminators" not in self.modules:
            return (generator,)
        ratio = self.settings.discriminator_learning_rate_ratio
        return (
            Phase("discriminators", ("discriminators",), self.discriminator_terms, learning_rate_ratio=ratio),
            generator,
        )

    def batches(self, epoch: int) -> list[list[Segment]]:
        """Return random segments, as many as cover the corpus once; longer utterances are drawn more often."""
        rng = np.random.default_rng((self.settings.loop.seed, epoch))
        length, size = self.settings.segment_frames, self.settings.batch_size
        frames = {u: n for u in self.data.utt_ids if (n := len(self.data[u].mel)) >= length}
        if not frames:
            raise DataError(f"no utterance has the {length} frames of a segment: lower segment_frames")
        share = self.settings.recorded_share
        return [
            [Segment(utt_id, start, bool(r)) for (utt_id, start), r in zip(batch, rng.random(size) < share)]
            for batch in random_segments(rng, frames, length, size)
        ]

    def load(self, segments: Sequence[Segment]) -> SegmentBatch:
        length, hop = self.settings.segment_frames, self.data.audio.hop_length
        mels, f0s, wavs = [], [], []
        for utt_id, start, own in segments:
            utterance = self.data[utt_id]
            mel = utterance.mel if own else self._mel(self.data, utt_id)
            mels.append(mel[start : start + length])
            f0s.append(utterance.f0[start : start + length])
            wavs.append(utterance.wav[start * hop : (start + length) * hop])
        wav = torch.from_numpy(np.stack(wavs)).float() / 32768
        return SegmentBatch(torch.from_numpy(np.stack(mels)), torch.from_numpy(np.stack(f0s)), wav)

    def _mel(self, data: SpeechData, utt_id: str) -> np.ndarray:
        """Return the vocoder's input mel for an utterance: predicted, if there are such mels, else the recording's."""
        if self.gta_mels is None:
            return data[utt_id].mel
        if utt_id not in self._mels:
            path = self.gta_mels / f"{safe_file_name(utt_id)}.npy"
            if not path.exists():
                raise DataError(f"there is no mel at {path}: run the stage of `speechnar gta-mels`")
            mel = np.load(path, allow_pickle=False).astype(np.float32)
            if mel.shape != data[utt_id].mel.shape:
                raise DataError(f"{path} is {mel.shape}, not {data[utt_id].mel.shape}: predict the mels again")
            self._mels[utt_id] = mel
        return self._mels[utt_id]

    def _generate(self, generator: Any, batch: SegmentBatch) -> Tensor:
        if not self.spec.uses_f0:
            return generator(batch.mel).wav
        noise = torch.randn(*batch.f0.shape, generator.n_noise, device=batch.mel.device)
        phase = torch.rand(batch.f0.shape[0], device=batch.mel.device)
        return generator(batch.mel, batch.f0, noise, phase).wav

    def discriminator_terms(self, batch: SegmentBatch, step: int) -> dict[str, Tensor]:
        made = self._generate(self.generator, batch)
        self._made = (batch, made)
        judge = self.modules["discriminators"]
        return discriminator_loss(judge(batch.wav), judge(made.detach()))

    def _terms(self, made: Tensor, recorded: Tensor) -> dict[str, Tensor | Mean]:
        terms: dict[str, Tensor | Mean] = {}
        for loss in self.spec.losses:
            terms |= loss(made, recorded, self.data.audio.sample_rate)
        return terms

    def generator_terms(self, batch: SegmentBatch, step: int) -> dict[str, Tensor | Mean]:
        """Return the generator's terms, on the output that the discriminators' update made if it had the same batch."""
        before, self._made = self._made, None
        made = before[1] if before and before[0] is batch else self._generate(self.generator, batch)
        terms = self._terms(made.float(), batch.wav)
        if "discriminators" in self.modules:
            judge = self.modules["discriminators"]
            with torch.no_grad():
                real = judge(batch.wav)
            terms |= generator_loss(real, judge(made))
        return terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return spectral losses of whole dev utterances; log two of them as audio and one as an image."""
        generator = modules["generator"].eval()
        device = next(generator.parameters()).device
        means = Means()
        for number, utt_id in enumerate(self.dev.utt_ids):
            utterance = self.dev[utt_id]
            mel = torch.from_numpy(self._mel(self.dev, utt_id))[None]
            wav = torch.from_numpy(utterance.wav).float()[None] / 32768
            whole = SegmentBatch(mel, torch.from_numpy(utterance.f0)[None], wav).to(device)
            made = self._generate(generator, whole)
            means.add(self._terms(made, whole.wav))
            if number < 2:
                writer.add_audio(utt_id, made[0].clamp(-1, 1), step, self.dev.audio.sample_rate)
            if number == 0:
                window = torch.hann_window(1024, device=device)
                picture = torch.stft(made[0], 1024, 256, window=window, return_complex=True).abs().clamp(min=1e-4).log()
                writer.add_image("spectrogram", ((picture.flip(0) + 9.3) / 14).clamp(0, 1)[None], step)
        return means.values()

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        generator: Any = modules["generator"]
        save_model(folder, self.config, generator.folded() if self.spec.weight_norm else generator)


def train_vocoder(
    config: VocoderConfig, features: Path, train_cuts: Path, dev_cuts: Path, out: Path,
    gta_mels: Path | None = None, init: Path | None = None,
) -> None:  # fmt: skip
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there."""
    torch.manual_seed(config.loop.seed)
    task = VocoderTask(config, features, train_cuts, dev_cuts, gta_mels, init)
    provenance = provenance_of(
        {
            "training config": settings_of(config),
            "set of utterances": task.data.utt_ids,  # and not the manifest, whose alignment a vocoder never sees
            "features": features / "stats.json",
            "predicted mels": gta_mels,
            "model of --init": init,
        }
    )
    train(task, config.loop, out, provenance=provenance)
