"""Train a recognizer on transcribed speech, such as CTC, Mask-CTC or the autoregressive twin.

samples -> speed, noise -> log-mel -> SpecAugment -> encoder -> CTC, intermediate CTC, consistency of two views
           or features of a pre-trained encoder                -> decoder, if there is one
           or cached states of a frozen encoder
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.audio import AudioConfig
from speechnar.config import Choice, one_of, renamed
from speechnar.data.manifest import DataError
from speechnar.data.transcribed import TranscribedBatch, TranscribedData
from speechnar.decode.methods import DecodeOptions
from speechnar.infer.decode import decode_batch
from speechnar.infer.encoded_data import EncodedData
from speechnar.infer.pretrained_encoder import is_pretrained, load_encoder, pretrained_folder, with_architecture
from speechnar.layers.augment import SpecAugmentConfig, change_speed, spec_augment, with_noise
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.losses.ctc import Targets
from speechnar.losses.mean import Mean, Means
from speechnar.models.folder import ModelConfig, ModelError, build, load_model, save_model
from speechnar.models.specs import configs_of
from speechnar.text.symbols import Vocabulary
from speechnar.train.init import freeze, start_from
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of

STATISTICS = 500
"""The number of utterances from which mean and deviation of the features are computed."""


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Augmentation of training audio. Of cached states, whose audio is as it was cached, `spec` alone counts.

    Attributes:
        speeds: speed factors, of which one is drawn for each utterance; (1.0,) changes nothing.
        noise_share: share of the utterances that noise is added to.
        noise_snr: the smallest and the largest signal-to-noise ratio, dB.
        spec: masks on the spectrogram; None for no masks.
    """

    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    noise_share: float = 0.0
    noise_snr: tuple[float, float] = (5.0, 30.0)
    spec: SpecAugmentConfig | None = SpecAugmentConfig()


@dataclasses.dataclass(frozen=True)
class RecognitionConfig:
    """A training config: audio, a recognizer of `MODELS` under its own key, the loop, augmentation, loss weights.

    Attributes:
        batch_seconds: of audio in a batch.
        two_views: whether a batch has each utterance twice, augmented independently, for consistency regularization.
        freeze: names of modules or weights that stay as `--init` brings them, such as `encoder`.
        weights: of the loss terms, such as `ctc`, `intermediate`, `smoothing`, `consistency`, `decoder` and `counts`.
    """

    audio: AudioConfig
    model: Choice = one_of(lambda: configs_of("recognizer"))
    loop: LoopConfig = LoopConfig()
    augmentation: Augmentation = Augmentation()
    batch_seconds: float = 60.0
    two_views: bool = False
    freeze: tuple[str, ...] = dataclasses.field(
        default=(), metadata=renamed("freeze_encoder", convert=lambda frozen: ["encoder"] if frozen else [])
    )
    weights: dict[str, float] = dataclasses.field(default_factory=dict)


class RecognitionTask:
    """The training of a recognizer, as the loop needs it."""

    def __init__(
        self,
        config: RecognitionConfig,
        tokenizer: Path,
        train_cuts: Path | Sequence[Path],
        dev_cuts: Path,
        init: Path | None = None,
        teacher: Path | None = None,
    ) -> None:
        self.training = config
        manifests = [train_cuts] if isinstance(train_cuts, Path) else list(train_cuts)
        rate, seconds, seed = config.audio.sample_rate, config.batch_seconds, config.loop.seed
        self.data: TranscribedData | EncodedData
        self.dev: TranscribedData | EncodedData
        if config.model.value.encoder.d_states:
            self.data = EncodedData(manifests, tokenizer, max_duration=seconds, seed=seed)
            self.dev = EncodedData([dev_cuts], tokenizer, max_duration=seconds, num_buckets=1, shuffle=False)
        elif len(manifests) == 1:
            self.data = TranscribedData(manifests[0], tokenizer, rate, max_duration=seconds, seed=seed)
            self.dev = TranscribedData(dev_cuts, tokenizer, rate, max_duration=seconds, num_buckets=1, shuffle=False)
        else:
            raise DataError(f"there are {len(manifests)} manifests to train on, which caches alone may be: join them")
        self.symbols = self.data.symbols
        model = dataclasses.replace(config.model.value, n_symbols=len(self.symbols))
        if isinstance(self.data, EncodedData):
            model = dataclasses.replace(model, encoder=dataclasses.replace(model.encoder, d_states=self.data.d_states))
        pretrained = model.encoder.pretrained
        if init is not None and pretrained is None and is_pretrained(init):
            raise ModelError(f"{init} is an encoder of transformers: add `pretrained: {{}}` to the config's encoder")
        if init is not None and pretrained is not None:
            pretrained = with_architecture(pretrained, init)
            model = dataclasses.replace(model, encoder=dataclasses.replace(model.encoder, pretrained=pretrained))
        self.config = ModelConfig(config.audio, Choice(config.model.name, model))
        self.model = build(self.config)
        if init is None:
            if config.freeze:
                raise ModelError(f"freeze would keep {', '.join(config.freeze)} as drawn at random: give --init too")
            if pretrained is None:  # which has statistics of its own
                _set_statistics(self.model.encoder, self.data)  # type: ignore[arg-type]
        elif is_pretrained(init):
            loaded = load_encoder(pretrained_folder(init), pretrained)
            self.model.encoder.pretrained.model.load_state_dict(loaded.state_dict())  # type: ignore[union-attr]
        else:
            start_from(self.model, self.config, init, self.symbols)
        freeze(self.model, config.freeze)
        self.teacher: Any = None if teacher is None else _teacher(teacher, self.config, self.symbols)
        self.modules: dict[str, nn.Module] = {"model": self.model}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("recognizer", ("model",), self.loss, self.training.weights),)

    def batches(self, epoch: int) -> Sequence[tuple[Any, ...]]:
        return self.data.batch_ids(epoch)

    def load(self, utt_ids: Sequence[Any]) -> TranscribedBatch:
        return self.data.batch(utt_ids)

    def loss(self, batch: TranscribedBatch, step: int) -> dict[str, Tensor | Mean]:
        """Return the loss terms of an augmented batch, or of two augmented views of it."""
        augmentation = self.training.augmentation
        audio = not self.config.model.value.encoder.d_states
        given, lengths = batch.given, batch.given_lengths
        if audio:
            given, lengths = change_speed(given, lengths, augmentation.speeds)
        views = 2 if self.training.two_views else 1
        given, lengths, tokens, token_lengths = (
            x.repeat(views, *[1] * (x.dim() - 1)) for x in (given, lengths, batch.tokens, batch.token_lengths)
        )
        if audio and augmentation.noise_share:
            given = with_noise(given, lengths, augmentation.noise_share, augmentation.noise_snr)
        if pretrained := self.model.encoder.pretrained:
            pretrained.resting = step < pretrained.config.frozen_steps
        mel, mel_lengths = self.model.encoder.features(given, lengths)  # type: ignore[operator, union-attr]
        if augmentation.spec:
            mel = spec_augment(mel, mel_lengths, augmentation.spec)
        smoothing = bool(self.training.weights.get("smoothing", 0.0))
        encoder_out = self.model(mel, mel_lengths)
        progress = min(1.0, step / self.training.loop.max_steps)
        taught = None if self.teacher is None else self._taught(given, lengths, encoder_out)
        targets = Targets(tokens, token_lengths, self.symbols, views, smoothing, progress, taught)
        return self._terms(self.model, encoder_out, targets)

    @torch.no_grad()
    def _taught(self, given: Tensor, lengths: Tensor, encoder_out: EncoderOutput) -> Tensor:
        """Return the teacher's log-probabilities for the same audio or states, without masks."""
        teacher = self.teacher.to(given.device)
        log_probs: Tensor = teacher(*teacher.encoder.features(given, lengths)).log_probs
        if log_probs.shape != encoder_out.log_probs.shape:
            frames, own = log_probs.shape[1], encoder_out.log_probs.shape[1]
            raise ModelError(f"the teacher has {frames} frames where the model has {own}: give both one subsampling")
        return log_probs

    def _terms(self, model: nn.Module, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Tensor | Mean]:
        """Return the loss terms of the model's spec; in training, without terms that depend on frozen weights alone."""
        terms: dict[str, Tensor | Mean] = {}
        for loss in self.config.spec.losses:
            terms |= loss(model, encoder_out, targets)
        if model.training:
            terms = {name: value for name, value in terms.items() if value.requires_grad}
        return terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the loss terms on the dev set and the word error rate of greedy decoding; log a transcript."""
        import jiwer

        model = modules["model"].eval()
        device = next(model.parameters()).device
        smoothing = bool(self.training.weights.get("smoothing", 0.0))
        means = Means()
        said, read = [], []
        for batch in self.dev.epoch(0):
            batch = batch.to(device)
            encoder_out = model(*model.encoder.features(batch.given, batch.given_lengths))  # type: ignore[operator, union-attr]
            targets = Targets(batch.tokens, batch.token_lengths, self.symbols, smoothing=smoothing)
            means.add(self._terms(model, encoder_out, targets))
            read += decode_batch(model, encoder_out, self.symbols, DecodeOptions())
            said += [self.dev.texts[utt_id] for utt_id in batch.utt_ids]
        writer.add_text("said / read", f"{said[0]} / {read[0]}", step)
        return means.values() | {"wer": jiwer.wer(said, read)}

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"], self.symbols)


@torch.no_grad()
def _set_statistics(encoder: nn.Module, data: TranscribedData | EncodedData) -> None:
    """Set the encoder's mean and deviation of each mel band, or state, from some of the training data."""
    step = max(1, len(data) // STATISTICS)
    mels = [encoder.raw_features(data.given(utt_id)[None], None)[0][0] for utt_id in list(data.texts)[::step]]  # type: ignore[operator]
    frames = torch.cat(mels)
    encoder.mel_mean.copy_(frames.mean(0))  # type: ignore[operator, union-attr]
    encoder.mel_std.copy_(frames.std(0).clamp(min=1e-2))  # type: ignore[operator, union-attr]


def _teacher(folder: Path, config: ModelConfig, symbols: Vocabulary) -> Any:
    """Return a trained recognizer.

    Raises:
        ModelError: it is none, or reads other input or has other tokens than the model that it teaches, whose config
            and symbols these are.
    """
    model, its = load_model(folder)
    if its.spec.task != "recognizer":
        raise ModelError(f"{folder} holds the model {its.model.name}: a teacher is of `speechnar train recognizer`")
    if differences := its.audio.differences(config.audio):
        raise ModelError(f"{folder} and this model differ in {'; '.join(differences)}: a teacher reads the same audio")
    if its.model.value.encoder.d_states != config.model.value.encoder.d_states:
        raise ModelError(f"{folder} and this model do not both read audio, or the same states: take another teacher")
    if Vocabulary.load(folder / "tokens.txt").symbols != symbols.symbols:
        raise ModelError(f"{folder} has other tokens than this model: train both with one tokenizer")
    return model.requires_grad_(False)


def train_recognizer(
    config: RecognitionConfig,
    tokenizer: Path,
    train_cuts: Path | Sequence[Path],
    dev_cuts: Path,
    out: Path,
    init: Path | None = None,
    teacher: Path | None = None,
) -> None:
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there.

    Args:
        train_cuts: a manifest; or, of a model that reads cached states, manifests of caches.
        teacher: a recognizer with the same tokens and frame rate, from whose CTC the model's is not to diverge (the
            term `distillation`).
    """
    torch.manual_seed(config.loop.seed)
    first, *others = [train_cuts] if isinstance(train_cuts, Path) else train_cuts
    provenance = provenance_of(
        {
            "training config": settings_of(config),
            "training manifest": first,
            **{f"training manifest {number}": path for number, path in enumerate(others, 2)},
            "units": tokenizer,  # a run that was begun under the former name goes on
            "model of --init": init,
            **({} if teacher is None else {"model of --teacher": teacher}),
        }
    )
    train(
        RecognitionTask(config, tokenizer, train_cuts, dev_cuts, init, teacher), config.loop, out, provenance=provenance
    )
