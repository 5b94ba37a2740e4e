"""Trains a recognizer on transcribed speech: CTC, Mask-CTC or the autoregressive twin.

samples -> speed, noise -> log-mel -> SpecAugment -> encoder -> CTC, intermediate CTC, consistency of two views
                                                              -> decoder, if there is one
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.audio import AudioConfig
from speechnar.data.transcribed import TranscribedBatch, TranscribedData
from speechnar.infer.decode import DecodeOptions, decode_batch
from speechnar.layers.augment import SpecAugmentConfig, add_noise, change_speed, colored_noise, spec_augment
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.losses.ctc import consistency_loss, ctc_loss, smoothing_loss
from speechnar.models.asr.ctc import CTCConfig
from speechnar.models.asr.mask_ctc import MaskCTC, MaskCTCConfig
from speechnar.models.autoregressive.aed import AED, AEDConfig
from speechnar.models.folder import ModelConfig, ModelError, build, load_model, save_model
from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import insert_masks, merge_masks, random_masks
from speechnar.text.symbols import SymbolTable
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import origin_of

STATISTICS = 500
"""Utterances from which the mean and deviation of the features are taken."""

EMPTY_MASKS = 0.1
"""Share of the tokens before which a mask that hides nothing is put, for dynamic length prediction."""

SMOOTHING = 0.1
"""Of the decoders' targets: a decoder that is too sure of itself weighs wrongly beside CTC."""


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to training audio.

    Attributes:
        speeds: of which each utterance gets one; (1.0,) leaves it.
        noise_share: of the utterances that get noise.
        noise_snr: dB, the least and the most.
        spec: masks on the spectrogram; None for none.
    """

    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    noise_share: float = 0.0
    noise_snr: tuple[float, float] = (5.0, 30.0)
    spec: SpecAugmentConfig | None = SpecAugmentConfig()


@dataclasses.dataclass(frozen=True)
class RecognitionConfig:
    """A training config: audio, one of the three models, the loop, augmentation and weights of the loss terms.

    Attributes:
        batch_seconds: of audio in a batch.
        two_views: whether each utterance is heard twice, augmented apart, for consistency regularization.
        freeze_encoder: whether the encoder stays as `--init` brings it, and only the decoder learns.
        weights: of `ctc`, `intermediate`, `smoothing`, `consistency`, `decoder` and `counts`.
    """

    audio: AudioConfig
    ctc: CTCConfig | None = None
    mask_ctc: MaskCTCConfig | None = None
    aed: AEDConfig | None = None
    loop: LoopConfig = LoopConfig()
    augmentation: Augmentation = Augmentation()
    batch_seconds: float = 60.0
    two_views: bool = False
    freeze_encoder: bool = False
    weights: dict[str, float] = dataclasses.field(default_factory=dict)

    def model(self, n_symbols: int) -> ModelConfig:
        """The model folder's config.

        Raises:
            ModelError: there is not exactly one model.
        """
        named = {name: getattr(self, name) for name in ("ctc", "mask_ctc", "aed")}
        given = {name: dataclasses.replace(c, n_symbols=n_symbols) for name, c in named.items() if c is not None}
        if len(given) != 1:
            raise ModelError(f"a recognizer's config should have one of ctc, mask_ctc and aed but has {list(given)}")
        return ModelConfig(self.audio, **given)


class RecognitionTask:
    """What the loop needs to train a recognizer."""

    def __init__(
        self, config: RecognitionConfig, units: Path, train_cuts: Path, dev_cuts: Path, init: Path | None = None
    ) -> None:
        self.training = config
        rate, seconds = config.audio.sample_rate, config.batch_seconds
        self.data = TranscribedData(train_cuts, units, rate, max_duration=seconds, seed=config.loop.seed)
        self.dev = TranscribedData(dev_cuts, units, rate, max_duration=seconds, num_buckets=1, shuffle=False)
        self.symbols: SymbolTable = self.data.symbols
        self.config = config.model(len(self.symbols))
        self.model = build(self.config)
        if config.freeze_encoder and (init is None or config.ctc is not None):
            raise ModelError("freeze_encoder leaves nothing to learn with: give --init, and a model with a decoder")
        if init is None:
            _set_statistics(self.model.encoder, self.data)  # type: ignore[arg-type]
        else:
            _start_from(self.model, init, self.symbols)
        if config.freeze_encoder:
            self.model.encoder.requires_grad_(False)  # type: ignore[union-attr]
        self.modules: dict[str, nn.Module] = {"model": self.model}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("recognizer", ("model",), self.loss, self.training.weights),)

    def batches(self, epoch: int, skip: int) -> Iterator[TranscribedBatch]:
        return self.data.epoch(epoch, skip)

    def loss(self, batch: TranscribedBatch, step: int) -> dict[str, Tensor]:
        """The terms of an augmented batch, or of two augmented copies of it."""
        augmentation = self.training.augmentation
        wav, wav_lengths = change_speed(batch.wav, batch.wav_lengths, augmentation.speeds)
        copies = 2 if self.training.two_views else 1
        wav, wav_lengths, tokens, token_lengths = (
            x.repeat(copies, *[1] * (x.dim() - 1)) for x in (wav, wav_lengths, batch.tokens, batch.token_lengths)
        )
        if augmentation.noise_share:
            wav = _noisy(wav, wav_lengths, augmentation)
        mel, mel_lengths = self.model.encoder.features(wav, wav_lengths)  # type: ignore[operator, union-attr]
        if augmentation.spec:
            mel = spec_augment(mel, mel_lengths, augmentation.spec)
        heard = self.model(mel, mel_lengths)
        return self._terms(self.model, heard, tokens, token_lengths, copies)

    def _terms(
        self, model: nn.Module, heard: EncoderOutput, tokens: Tensor, token_lengths: Tensor, copies: int = 1
    ) -> dict[str, Tensor]:
        if isinstance(model, MaskCTC):
            decoder_terms = masked_terms(model, heard, tokens, token_lengths, self.symbols)
        elif isinstance(model, AED):
            decoder_terms = {"decoder": causal_term(model, heard, tokens, token_lengths, self.symbols)}
        else:
            decoder_terms = {}
        if self.training.freeze_encoder and model.training:
            return decoder_terms
        lengths, blank_id = heard.lengths, self.symbols.blank_id
        assert lengths is not None
        terms = {"ctc": ctc_loss(heard.log_probs, lengths, tokens, token_lengths, blank_id)}
        if heard.intermediate:
            losses = [ctc_loss(x, lengths, tokens, token_lengths, blank_id) for x in heard.intermediate]
            terms["intermediate"] = torch.stack(losses).mean()
        if self.training.weights.get("smoothing", 0.0):
            terms["smoothing"] = smoothing_loss(heard.log_probs, lengths, token_lengths, blank_id)
        if copies == 2:
            view, other = heard.log_probs.chunk(2)
            half = len(tokens) // 2
            terms["consistency"] = consistency_loss(view, other, lengths[:half], token_lengths[:half])
        return terms | decoder_terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """The loss terms on the dev set, and the word error rate of the fastest decoding; a transcript to look at."""
        import jiwer

        model = modules["model"].eval()
        device = next(model.parameters()).device
        figures: dict[str, list[float]] = {}
        said, read = [], []
        for batch in self.dev.epoch(0):
            batch = batch.to(device)
            heard = model(*model.encoder.features(batch.wav, batch.wav_lengths))  # type: ignore[operator, union-attr]
            for name, value in self._terms(model, heard, batch.tokens, batch.token_lengths).items():
                figures.setdefault(name, []).append(float(value))
            read += decode_batch(model, heard, self.symbols, DecodeOptions())
            said += [self.dev.texts[utt_id] for utt_id in batch.utt_ids]
        writer.add_text("said / read", f"{said[0]} / {read[0]}", step)
        return {name: sum(v) / len(v) for name, v in figures.items()} | {"wer": jiwer.wer(said, read)}

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"], self.symbols)


def masked_terms(
    model: MaskCTC, heard: EncoderOutput, tokens: Tensor, token_lengths: Tensor, symbols: SymbolTable
) -> dict[str, Tensor]:
    """Cross-entropy of masked tokens, smoothed, and of how many tokens merged masks hide, in nats for each mask."""
    mask_id = symbols.mask_id
    memory = model.listen(heard, symbols.blank_id)
    hidden = random_masks(tokens, token_lengths, mask_id)
    masks = (hidden == mask_id) & length_mask(token_lengths, tokens.shape[1])
    logits = model.decode(memory, hidden, token_lengths).logits
    decoder = F.cross_entropy(logits[masks], tokens[masks], label_smoothing=SMOOTHING)

    hidden = random_masks(tokens, token_lengths, mask_id)
    merged, lengths, counts = insert_masks(*merge_masks(hidden, token_lengths, mask_id), EMPTY_MASKS, mask_id)
    masks = (merged == mask_id) & length_mask(lengths, merged.shape[1])
    logits = model.decode(memory, merged, lengths).count_logits
    return {"decoder": decoder, "counts": F.cross_entropy(logits[masks], counts[masks].clamp(max=logits.shape[2] - 1))}


def causal_term(
    model: AED, heard: EncoderOutput, tokens: Tensor, token_lengths: Tensor, symbols: SymbolTable
) -> Tensor:
    """Cross-entropy of each token, and of the end, after those before it; smoothed."""
    given = F.pad(tokens, (1, 0), value=symbols.bos_id)
    wanted = F.pad(tokens, (0, 1)).scatter(1, token_lengths[:, None], symbols.eos_id)
    real = length_mask(token_lengths + 1, wanted.shape[1])
    logits = model.decode(model.listen(heard, symbols.blank_id), given)
    return F.cross_entropy(logits[real], wanted[real], label_smoothing=SMOOTHING)


def _noisy(wav: Tensor, wav_lengths: Tensor, augmentation: Augmentation) -> Tensor:
    """Adds noise between white and brown to a share of the utterances."""
    device = wav.device
    low, high = augmentation.noise_snr
    snr = low + (high - low) * torch.rand(len(wav), device=device)
    chosen = torch.rand(len(wav), device=device) < augmentation.noise_share
    noise = colored_noise(wav, 2 * torch.rand(len(wav), device=device))
    return add_noise(wav, wav_lengths, noise, snr.where(chosen, torch.inf))


@torch.no_grad()
def _set_statistics(encoder: nn.Module, data: TranscribedData) -> None:
    """Sets the encoder's mean and deviation of each mel band from some of the training data."""
    step = max(1, len(data) // STATISTICS)
    mels = [encoder.log_mel(data.wav(utt_id)[None], None)[0][0] for utt_id in list(data.texts)[::step]]  # type: ignore[operator]
    frames = torch.cat(mels)
    encoder.mel_mean.copy_(frames.mean(0))  # type: ignore[operator, union-attr]
    encoder.mel_std.copy_(frames.std(0).clamp(min=1e-2))  # type: ignore[operator, union-attr]


def _start_from(model: nn.Module, folder: Path, symbols: SymbolTable) -> None:
    """Takes the encoder of a trained recognizer.

    Raises:
        ModelError: that model's units or encoder are others.
    """
    source, _ = load_model(folder)
    if SymbolTable.load(folder / "tokens.txt") != symbols:
        raise ModelError(f"{folder} was trained with other units: train it on these, or leave --init out")
    try:
        model.encoder.load_state_dict(source.encoder.state_dict())  # type: ignore[operator, union-attr]
    except (RuntimeError, AttributeError):
        raise ModelError(f"{folder} has another encoder than this config's: make the two equal") from None


def train_recognizer(
    config: RecognitionConfig, units: Path, train_cuts: Path, dev_cuts: Path, out: Path, init: Path | None = None
) -> None:
    """Trains until the config's end, or goes on from the checkpoint in `out`; leaves a model folder there."""
    torch.manual_seed(config.loop.seed)
    origin = origin_of({"training manifest": train_cuts, "units": units, "model of --init": init})
    train(RecognitionTask(config, units, train_cuts, dev_cuts, init), config.loop, out, origin=origin)
