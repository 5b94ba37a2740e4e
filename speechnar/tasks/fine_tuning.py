"""Fine-tune Whisper's encoder and decoder and the CTC branch together, on audio.

    wav -> speed, room, noise -> log-mel -> masks -> encoder -> states -> CTC branch (the draft) -> CTC
                                                                       -> decoder -> cross-entropy of each token

Whisper's encoder was trained for a decoder alone. Trained with both terms, its upper layers also hold what the draft
needs, which a frozen encoder (`speechnar.tasks.speculative`) cannot give. Audio is augmented anew in every epoch.

A few hours of speech teach less than Whisper knows. So a teacher, such as Whisper itself, may hear the same audio with
as much silence behind it or more: its states and its distributions over tokens are then targets besides the texts.

Source: joint CTC and attention, Kim et al. 2017, section 2.3; learning rates by part and frozen lower layers, Howard
    and Ruder 2018, section 3.2; Wortsman et al. 2022 (WiSE-FT), section 3, for the interpolation; Gandhi et al. 2023
    (Distil-Whisper), section 3.2, for the teacher.
Differs: the CTC branch has layers of its own.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from lhotse.cut import Cut
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.tensorboard import SummaryWriter

from speechnar.config import ConfigError
from speechnar.data.batch import Batch
from speechnar.data.manifest import DataError, load_cuts, read_wav
from speechnar.data.sampling import BucketSampler
from speechnar.decode.greedy import best_path
from speechnar.infer.encoder_cache import PAUSE_LEVEL, PAUSE_SECONDS, Variant, varied
from speechnar.layers.augment import SpecAugmentConfig, spec_augment
from speechnar.losses.distillation import distributions_term, states_term
from speechnar.losses.mean import Mean, Means
from speechnar.models.asr.whisper import HOP_LENGTH, SAMPLE_RATE, SILENCE, Decoder, Draft, Encoder
from speechnar.models.folder import load_model, save_model
from speechnar.tasks.speculative import NUM_BUCKETS, CachedBatch, decoder_terms, draft_terms, show
from speechnar.tasks.teacher import Teacher, load_whisper, log_mels
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS, BytePairs, decoder_tokens
from speechnar.train.init import freeze
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of

PARTS = ("encoder", "draft", "decoder")
TEACHER_TERMS = ("states", "distributions")
TERMS = ("ctc", "intermediate", "tokens", *TEACHER_TERMS)


@dataclasses.dataclass(frozen=True)
class FineTuningConfig:
    """A training config.

    Attributes:
        batch_seconds: of recordings in a batch, at most, padding included; pauses, the silence at the end and slower
            speech come on top.
        variant: how training audio differs from the recordings. A window of several utterances, which last up to
            `joined_seconds`, is varied as a whole; `mask_bands` has no effect.
        masks: on the log-mel.
        weights: of the terms, 1 where none is given: `ctc` and `intermediate` of the draft, `tokens` of the decoder;
            with a teacher, `states` of the encoder and `distributions` of the decoder.
        frozen_layers: so many of the encoder's lowest layers, and what is below them, stay as they are; the whole
            encoder, if these are all.
        only_cross_attention: whether of the decoder cross-attention alone is trained.
        draft_learning_rate_ratio: relative to that of encoder and decoder, which are trained already; 0 leaves the
            draft as it is.
        teacher_silence: seconds of silence behind what a teacher hears, less where the two are more than it hears; from
            `SILENCE` on, which is what the model hears.
        interpolation_weight: of the weights that encoder and decoder start from, in their average with the trained
            weights, which is what is saved: 0 saves the trained ones.
    """

    loop: LoopConfig = LoopConfig()
    batch_seconds: float = 60.0
    variant: Variant = Variant()
    masks: SpecAugmentConfig = SpecAugmentConfig(band_masks=2, band_width=15)
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    frozen_layers: int = 0
    only_cross_attention: bool = False
    draft_learning_rate_ratio: float = 1.0
    teacher_silence: float = 10.0
    interpolation_weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.interpolation_weight <= 1:
            raise ConfigError(f"interpolation_weight is {self.interpolation_weight} but should be from 0 to 1")
        if self.teacher_silence < SILENCE:
            raise ConfigError(f"teacher_silence is {self.teacher_silence} but should be {SILENCE} or more")
        for name in ("frozen_layers", "draft_learning_rate_ratio"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)} but should be 0 or more")
        for name in self.weights:
            if name not in TERMS:
                raise ConfigError(f"there is no term {name!r} to weigh: the terms are {', '.join(TERMS)}")


@dataclasses.dataclass(frozen=True)
class AudioBatch(Batch):
    """wav (B, T_wav) in [-1, 1], 0-padded; lengths (B,) samples.

    drafted (B, T_text) and written (B, T_text), tokens of the draft and of the decoder, 0-padded; their lengths (B,).
    """

    wav: Tensor
    lengths: Tensor
    drafted: Tensor
    drafted_lengths: Tensor
    written: Tensor
    written_lengths: Tensor


class Joined(NamedTuple):
    """Utterances that become one window, and the seed of the pauses between them."""

    cuts: tuple[Cut, ...]
    seed: int

    def __str__(self) -> str:
        return " and ".join(cut.id for cut in self.cuts)


class FineTuningTask:
    """The task of training all parts of a recognizer.

    Args:
        init: the model folder to start from.
        train_cuts: manifests; each cut has one supervision with a text.
        dev_cuts: the manifest to validate on.
        teacher: a model folder to learn from (`speechnar.tasks.teacher`); None for the terms of the texts alone.

    Utterances that are longer than the model hears, or writes, are left out; stderr says how many.

    Raises:
        DataError: there is no such manifest, an utterance has no text, or all are too long.
        ConfigError: more layers are frozen than the encoder has, windows are longer than it hears, or a term needs a
            teacher.
        ModelError: there is no such model, it is no Whisper, or the teacher does not fit it.
    """

    def __init__(
        self,
        config: FineTuningConfig,
        init: Path,
        train_cuts: Sequence[Path],
        dev_cuts: Path,
        teacher: Path | None = None,
    ) -> None:
        self.settings, self.init = config, init
        whisper, self.config = load_whisper(init)
        self.symbols = SymbolTable.load(init / "tokens.txt")
        self.draft_tokens = BytePairs(self.symbols.symbols)
        self.decoder_tokens = BytePairs.load_lines(decoder_tokens(init))
        self.features: nn.Module = whisper.features
        self.modules: dict[str, nn.Module] = {name: whisper.get_submodule(name).train() for name in PARTS}
        sizes = self.config.model.value
        self.teacher = None if teacher is None else Teacher(teacher, init, sizes, config.teacher_silence)
        for name in TEACHER_TERMS if teacher is None else ():
            if config.weights.get(name):
                raise ConfigError(f"the weight of {name} needs a teacher: give --teacher, or leave it out")
        if config.frozen_layers > sizes.n_layers:
            raise ConfigError(f"frozen_layers is {config.frozen_layers} but the encoder has {sizes.n_layers}")
        if config.frozen_layers:
            lowest = [f"blocks.{number}" for number in range(config.frozen_layers)]
            merges = [f"merge.{n}" for n in cast(Encoder, whisper.encoder).merge if int(n) < config.frozen_layers]
            freeze(self.modules["encoder"], ["conv1", "conv2", *lowest, *merges])
        if config.frozen_layers == sizes.n_layers:
            self.modules["encoder"].requires_grad_(False)
        if not config.draft_learning_rate_ratio:
            self.modules["draft"].requires_grad_(False)
        if config.only_cross_attention:
            for name, weight in self.modules["decoder"].named_parameters():
                weight.requires_grad_(".cross_" in name)
        longest = sizes.max_frames * 2 * HOP_LENGTH / SAMPLE_RATE - SILENCE
        slowest = min(1.0, config.variant.speed - config.variant.speed_range)
        if config.variant.joined_seconds > longest * slowest:
            raise ConfigError(
                f"joined_seconds is {config.variant.joined_seconds:g} but the model hears {longest * slowest:.3g} s"
            )
        self.corpora = [self._transcribed(path, longest * slowest) for path in train_cuts]
        self.dev = self._transcribed(dev_cuts, longest)

    def phases(self) -> tuple[Phase, ...]:
        """Return the one update of a step."""
        ratios = {"draft": self.settings.draft_learning_rate_ratio}
        return (Phase("whisper", PARTS, self.loss, self.settings.weights, module_ratios=ratios),)

    def batches(self, epoch: int) -> list[list[Joined]]:
        """Return every utterance once, alone or with the next ones; windows of similar length together."""
        rng = np.random.default_rng((self.settings.loop.seed, epoch))
        windows: list[list[Cut]] = []
        for cuts in self.corpora:
            windows.append([])
            for cut in cuts:
                if windows[-1] and (rng.random() < 0.5 or not self._fit([*windows[-1], cut])):
                    windows.append([])
                windows[-1].append(cut)
        chosen = {str(n): Joined(tuple(cuts), int(rng.integers(2**31))) for n, cuts in enumerate(windows)}
        seconds = {name: sum(cut.duration for cut in window.cuts) for name, window in chosen.items()}
        seed = self.settings.loop.seed
        sampler = BucketSampler(seconds, self.settings.batch_seconds, NUM_BUCKETS, True, seed)
        return [[chosen[name] for name in names] for names in sampler.batch_ids(epoch)]

    def _fit(self, cuts: Sequence[Cut]) -> bool:
        """Return True if utterances may be one window."""
        seconds = sum(cut.duration + PAUSE_SECONDS[1] for cut in cuts)
        return seconds <= self.settings.variant.joined_seconds and self._is_writable(cuts)

    def _is_writable(self, cuts: Sequence[Cut]) -> bool:
        written = self.decoder_tokens.encode(" ".join(cut.supervisions[0].text for cut in cuts))
        return len(written) <= self.config.model.value.max_tokens

    def _transcribed(self, cuts_path: Path, longest: float) -> list[Cut]:
        """Load the utterances of a manifest that last `longest` seconds at most; each should have a text."""
        cuts = list(load_cuts(cuts_path))
        for cut in cuts:
            if len(cut.supervisions) != 1 or not (cut.supervisions[0].text or "").strip():
                raise DataError(f"utterance {cut.id} of {cuts_path} should have one supervision with a text")
        kept = [cut for cut in cuts if cut.duration <= longest and self._is_writable([cut])]
        if not kept:
            raise DataError(f"{cuts_path} has no utterance of {longest:.3g} s or less")
        if len(kept) < len(cuts):
            print(f"speechnar: {len(cuts) - len(kept)} of {cuts_path} are too long and left out", file=sys.stderr)
        return kept

    def load(self, windows: Sequence[Joined]) -> AudioBatch:
        """Return windows as a batch."""
        wavs = [torch.from_numpy(_wav_of(window)) for window in windows]
        texts = [" ".join(cut.supervisions[0].text for cut in window.cuts) for window in windows]
        drafted = [torch.tensor(self.draft_tokens.encode(text), dtype=torch.long) for text in texts]
        written = [torch.tensor(self.decoder_tokens.encode(text), dtype=torch.long) for text in texts]
        padded = [
            (pad_sequence(each, batch_first=True), torch.tensor([len(row) for row in each]))
            for each in (wavs, drafted, written)
        ]
        return AudioBatch(*(part for pair in padded for part in pair))

    def features_of(self, rows: Sequence[Tensor], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-mel (B, T_mel, n_mels) with silence at its end, and the lengths (B,) with and without it."""
        mel, lengths = log_mels(self.features, rows, SILENCE)
        spoken = torch.tensor([row.shape[1] // HOP_LENGTH for row in rows])
        return mel.to(device), lengths.to(device), spoken.to(device)

    def encoded(
        self, batch: AudioBatch, mel: Tensor, lengths: Tensor, spoken: Tensor
    ) -> tuple[CachedBatch, CachedBatch]:
        """Return what the draft is given, the states of speech, and what the decoder is given, those of silence too."""
        encoder = cast(Encoder, self.modules["encoder"])
        states, spoken = encoder(mel, lengths), encoder.state_lengths(spoken)
        return (
            CachedBatch(states[:, : int(spoken.max())], spoken, batch.drafted, batch.drafted_lengths),
            CachedBatch(states, encoder.state_lengths(lengths), batch.written, batch.written_lengths),
        )

    def loss(self, batch: AudioBatch, step: int) -> dict[str, Mean]:
        """Return the loss terms of a batch, augmented."""
        rows = [varied(row, self.settings.variant) for row in _rows(batch)]
        mel, lengths, spoken = self.features_of(rows, batch.wav.device)
        mel = spec_augment(mel, lengths, self.settings.masks)
        for_draft, for_decoder = self.encoded(batch, mel, lengths, spoken)
        terms, _ = draft_terms(cast(Draft, self.modules["draft"]), for_draft, self.symbols)
        of_tokens, logits = decoder_terms(
            cast(Decoder, self.modules["decoder"]), for_decoder, self.decoder_tokens.eos_id
        )
        terms |= of_tokens
        if self.teacher is not None:
            states, distributions = self.teacher(rows, batch.written)
            terms["states"] = states_term(for_draft.states, states, for_draft.lengths)
            knows_end = self.settings.teacher_silence == SILENCE  # else it finds the end by more silence
            terms["distributions"] = distributions_term(logits, distributions, batch.written_lengths + knows_end)
        return terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the terms (nats a token), the draft's error rates, and how many next tokens are right (%)."""
        import jiwer

        own, self.modules = self.modules, {name: module.eval() for name, module in modules.items()}
        device = next(modules["draft"].parameters()).device
        of_draft, of_decoder = Means(), Means()
        references, hypotheses = [], []
        for batch, text in self._dev_batches(device):
            for_draft, for_decoder = self.encoded(batch, *self.features_of(_rows(batch), device))
            drafted, log_probs = draft_terms(cast(Draft, self.modules["draft"]), for_draft, self.symbols)
            written, logits = decoder_terms(
                cast(Decoder, self.modules["decoder"]), for_decoder, self.decoder_tokens.eos_id
            )
            right = (logits[0, :-1].argmax(1) == batch.written[0]).float().mean()
            of_draft.add(drafted, len(batch.drafted[0]))
            of_decoder.add(written | {"right": 100 * right}, len(batch.written[0]))
            path = best_path(log_probs[0].float().cpu().numpy(), self.draft_tokens)
            references.append(text)
            hypotheses.append(self.draft_tokens.decode(path.tokens.tolist()))
        self.modules = own
        show(writer, references, hypotheses, step)
        rates = {"wer": jiwer.wer(references, hypotheses), "cer": jiwer.cer(references, hypotheses)}
        return of_draft.values() | of_decoder.values() | {name: 100 * rate for name, rate in rates.items()}

    def _dev_batches(self, device: torch.device) -> Iterator[tuple[AudioBatch, str]]:
        for cut in self.dev:
            yield self.load([Joined((cut,), 0)]).to(device), cut.supervisions[0].text

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        """Write the model folder, with encoder and decoder interpolated."""
        whole, _ = load_model(self.init)
        for name in PARTS:
            part, trained = whole.get_submodule(name), modules[name].state_dict()
            share = 0.0 if name == "draft" else self.settings.interpolation_weight
            part.load_state_dict({key: trained[key].cpu().lerp(old, share) for key, old in part.state_dict().items()})
        save_model(folder, self.config, whole, self.symbols)
        shutil.copy(decoder_tokens(self.init), folder / DECODER_TOKENS)


def _rows(batch: AudioBatch) -> list[Tensor]:
    """Return the audio of each window, (1, T_wav), on the CPU."""
    return [wav[:length][None] for wav, length in zip(batch.wav.cpu(), batch.lengths.tolist())]


def _wav_of(window: Joined) -> np.ndarray:
    """Return the audio of a window, (T_wav,) float32 at 16 kHz, with pauses between its utterances."""
    rng = np.random.default_rng(window.seed)
    parts: list[np.ndarray] = []
    for cut in window.cuts:
        if parts:
            pause = rng.uniform(*PAUSE_SECONDS)
            parts.append((PAUSE_LEVEL * rng.standard_normal(round(pause * SAMPLE_RATE))).astype(np.float32))
        parts.append(read_wav(cut, SAMPLE_RATE))
    return np.concatenate(parts)


def fine_tune(
    config: FineTuningConfig,
    init: Path,
    train_cuts: Sequence[Path],
    dev_cuts: Path,
    out: Path,
    teacher: Path | None = None,
) -> None:
    """Train until the config's end, or go on from the checkpoint in `out`; leave a model folder there.

    A folder that was trained from another model, teacher or manifest is renamed (`speechnar.train.provenance`).
    """
    torch.manual_seed(config.loop.seed)
    manifests = {f"manifest {n} of --train": path for n, path in enumerate(train_cuts)}
    models = {"model of --init": init, "model of --teacher": teacher}
    provenance = provenance_of({"training config": settings_of(config), **models, **manifests})
    task = FineTuningTask(config, init, train_cuts, dev_cuts, teacher)
    train(task, config.loop, out, provenance=provenance)
