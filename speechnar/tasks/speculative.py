"""Train the two parts around Whisper's frozen encoder, on encoder states that `speechnar encode` cached.

    states -> time masks -> CTC branch (the draft)  -> CTC, intermediate CTC, consistency of two views
    states -> time masks -> decoder                 -> cross-entropy of each token after those before it

The encoder costs nothing in training, and the two parts are trained apart. Augmentation of the audio is fixed in the
caches, masks on the states are drawn anew in every step.

Source: Stern et al. 2018, section 3, for a draft that a decoder verifies; Graves et al. 2006 for CTC; Yao et al. 2024
    (CR-CTC), section 3, for consistency of two views; Wortsman et al. 2022 (WiSE-FT), section 3, for the interpolation.
Differs: the draft comes from a CTC branch on the encoder, not from heads of the decoder.
"""

from __future__ import annotations

import dataclasses
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.tensorboard import SummaryWriter

from speechnar.config import ConfigError, renamed
from speechnar.data.batch import Batch
from speechnar.data.sampling import BucketSampler
from speechnar.decode.greedy import best_path
from speechnar.infer.encoder_cache import EncoderCache
from speechnar.layers.augment import SpecAugmentConfig, spec_augment
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.losses.ctc import Targets, ctc_terms
from speechnar.losses.mean import Mean, Means
from speechnar.models.asr.whisper import Decoder, Draft
from speechnar.models.folder import load_model, save_model
from speechnar.nar.lengths import length_mask
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS, BytePairs, decoder_tokens
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of

NUM_BUCKETS = 30
SHOWN = 5
"""Texts of the dev set that validation writes to TensorBoard."""


@dataclasses.dataclass(frozen=True)
class SpeculativeConfig:
    """A training config.

    Attributes:
        part: "draft" or "decoder", which is trained.
        batch_seconds: of audio in a batch, at most.
        masks: on the states, 50 a second, or 25 where the encoder merges frames.
        weights: of the terms. Of the draft: `ctc` of the last layer, `intermediate` of the mean of the layers below
            it, and `consistency` of two views of each utterance, masked apart, which is computed if it is given. Of the
            decoder: `tokens`.
        interpolation_weight: of the weights that the decoder starts from, in their average with the trained weights,
            which is what is saved: 0 saves the trained ones.
    """

    part: str
    loop: LoopConfig = LoopConfig()
    batch_seconds: float = 90.0
    masks: SpecAugmentConfig = SpecAugmentConfig(band_masks=0, time_masks_per_second=1.0, time_width=15)
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    interpolation_weight: float = dataclasses.field(default=0.0, metadata=renamed("kept"))

    def __post_init__(self) -> None:
        if self.part not in ("draft", "decoder"):
            raise ConfigError(f"part is {self.part!r} but should be draft or decoder")
        if self.part == "decoder" and "consistency" in self.weights:
            raise ConfigError("consistency is a term of the draft: leave it out of the weights of the decoder")
        if self.part == "draft" and self.interpolation_weight:
            raise ConfigError("a draft starts from random weights: leave interpolation_weight out")


@dataclasses.dataclass(frozen=True)
class CachedBatch(Batch):
    """states (B, T, d_model); lengths (B,); tokens (B, T_text), 0-padded; token_lengths (B,)."""

    states: Tensor
    lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor

    def twice(self) -> CachedBatch:
        """Return all utterances, and then all of them once more."""
        parts = (self.states, self.lengths, self.tokens, self.token_lengths)
        return CachedBatch(*(torch.cat([part, part]) for part in parts))


class Run(NamedTuple):
    """Utterances that follow one another in a window of a cache."""

    cache: EncoderCache
    places: range

    def __str__(self) -> str:
        return " and ".join(self.cache.utterances[place].utt_id for place in self.places)


class SpeculativeTask(ABC):
    """The task of training a part of a recognizer; `DraftTask` and `DecoderTask` complete it.

    Args:
        init: the model folder whose encoder made the caches; what is not trained is saved as it is there.
        train_cuts: manifests of caches, of one corpus in several variants or of several corpora.
        dev_cuts: the manifest of a cache.
    """

    part: str

    def __init__(self, config: SpeculativeConfig, init: Path, train_cuts: Sequence[Path], dev_cuts: Path) -> None:
        self.settings, self.init = config, init
        whisper, self.config = load_model(init)
        self.symbols = SymbolTable.load(init / "tokens.txt")
        self.caches = [EncoderCache(path) for path in train_cuts]
        self.dev = EncoderCache(dev_cuts)
        self.modules: dict[str, nn.Module] = {"model": whisper.get_submodule(self.part).train()}

    @abstractmethod
    def tokens(self, text: str) -> list[int]:
        """Return the ids that the part should write for a text."""

    @abstractmethod
    def terms(self, model: nn.Module, batch: CachedBatch) -> dict[str, Mean]:
        """Return the loss terms of a batch as it is, each a mean over tokens."""

    @abstractmethod
    def loss(self, batch: CachedBatch, step: int) -> dict[str, Mean]:
        """Return the loss terms of a batch, masked."""

    @abstractmethod
    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the loss terms on the dev set and how well the part writes its texts."""

    def phases(self) -> tuple[Phase, ...]:
        """Return the one update of a step."""
        return (Phase(self.part, ("model",), self.loss, self.settings.weights),)

    def batches(self, epoch: int) -> list[list[Run]]:
        """Return every text once, in one variant, alone or with its neighbors; those of similar length together."""
        rng = np.random.default_rng((self.settings.loop.seed, epoch))
        runs = [(cache, run) for cache in self.caches for run in cache.runs(rng)]
        rng.shuffle(runs)  # type: ignore[arg-type]
        taken: set[str] = set()
        chosen: dict[str, Run] = {}
        for cache, run in runs:
            texts = cache.texts(run)
            if taken.isdisjoint(texts):
                taken.update(texts)
                chosen[str(len(chosen))] = Run(cache, run)
        seconds = {name: cache.seconds(run) for name, (cache, run) in chosen.items()}
        sampler = BucketSampler(seconds, self.settings.batch_seconds, NUM_BUCKETS, True, self.settings.loop.seed)
        return [[chosen[name] for name in names] for names in sampler.batch_ids(epoch)]

    def load(self, runs: Sequence[Run]) -> CachedBatch:
        """Return runs as a batch."""
        states = [cache.states(run, padded=self.part == "decoder") for cache, run in runs]
        tokens = [torch.tensor(self.tokens(" ".join(cache.texts(run)))) for cache, run in runs]
        lengths, token_lengths = (torch.tensor([len(each) for each in part]) for part in (states, tokens))
        return CachedBatch(
            pad_sequence(states, batch_first=True), lengths, pad_sequence(tokens, batch_first=True), token_lengths
        )

    def masked(self, batch: CachedBatch) -> CachedBatch:
        """Return a batch with time masks on its states."""
        states = spec_augment(batch.states, batch.lengths, self.settings.masks)
        return dataclasses.replace(batch, states=states)

    def dev_batches(self, device: torch.device) -> Iterator[tuple[str, CachedBatch]]:
        """Yield each utterance of the dev set by itself, and its text."""
        for number, utterance in enumerate(self.dev.utterances):
            yield utterance.text, self.load([Run(self.dev, range(number, number + 1))]).to(device)

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        """Write the model folder: `init`, with the part trained and interpolated."""
        whole, _ = load_model(self.init)
        part, trained = whole.get_submodule(self.part), modules["model"].state_dict()
        share = self.settings.interpolation_weight
        part.load_state_dict({name: trained[name].cpu().lerp(old, share) for name, old in part.state_dict().items()})
        save_model(folder, self.config, whole, self.symbols)
        shutil.copy(decoder_tokens(self.init), folder / DECODER_TOKENS)


class DraftTask(SpeculativeTask):
    """Train the CTC branch. Its symbol n + 1 is token n of the decoder, after the blank."""

    part = "draft"

    def __init__(self, config: SpeculativeConfig, init: Path, train_cuts: Sequence[Path], dev_cuts: Path) -> None:
        super().__init__(config, init, train_cuts, dev_cuts)
        self.tokenizer = BytePairs(self.symbols.symbols)

    def tokens(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)

    def terms(self, model: nn.Module, batch: CachedBatch) -> dict[str, Mean]:
        return draft_terms(cast(Draft, model), batch, self.symbols)[0]

    def loss(self, batch: CachedBatch, step: int) -> dict[str, Mean]:
        model = cast(Draft, self.modules["model"])
        if self.settings.weights.get("consistency"):
            return draft_terms(model, self.masked(batch.twice()), self.symbols, views=2)[0]
        return draft_terms(model, self.masked(batch), self.symbols)[0]

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the terms (nats a token), and the error rates of words and characters of the best path (%)."""
        import jiwer

        model = cast(Draft, modules["model"].eval())
        means = Means()
        references, hypotheses = [], []
        for text, batch in self.dev_batches(next(model.parameters()).device):
            terms, log_probs = draft_terms(model, batch, self.symbols)
            means.add(terms, len(batch.tokens[0]))
            path = best_path(log_probs[0].cpu().numpy(), self.tokenizer)
            references.append(text)
            hypotheses.append(self.tokenizer.decode(path.tokens.tolist()))
        show(writer, references, hypotheses, step)
        rates = {"wer": jiwer.wer(references, hypotheses), "cer": jiwer.cer(references, hypotheses)}
        return means.values() | {name: 100 * rate for name, rate in rates.items()}


class DecoderTask(SpeculativeTask):
    """Train the decoder to write a text after any beginning of it, and where it ends."""

    part = "decoder"

    def __init__(self, config: SpeculativeConfig, init: Path, train_cuts: Sequence[Path], dev_cuts: Path) -> None:
        super().__init__(config, init, train_cuts, dev_cuts)
        self.tokenizer = BytePairs.load_lines(decoder_tokens(init))

    def tokens(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)

    def terms(self, model: nn.Module, batch: CachedBatch) -> dict[str, Mean]:
        return decoder_terms(cast(Decoder, model), batch, self.tokenizer.eos_id)[0]

    def loss(self, batch: CachedBatch, step: int) -> dict[str, Mean]:
        return self.terms(self.modules["model"], self.masked(batch))

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the cross-entropy (nats a token) and how many of the next tokens are the right ones (%)."""
        model = cast(Decoder, modules["model"].eval())
        means = Means()
        references, hypotheses = [], []
        for text, batch in self.dev_batches(next(model.parameters()).device):
            terms, logits = decoder_terms(model, batch, self.tokenizer.eos_id)
            best = logits[0, :-1].argmax(1)
            right = (best == batch.tokens[0]).float().mean()
            means.add({**terms, "right": 100 * right}, len(best))
            references.append(text)
            hypotheses.append(self.tokenizer.decode(best.tolist()))
        show(writer, references, hypotheses, step)
        return means.values()


def draft_terms(
    model: Draft, batch: CachedBatch, symbols: SymbolTable, views: int = 1
) -> tuple[dict[str, Mean], Tensor]:
    """Return the terms of CTC, and the log-probabilities (B, T, V) of the last layer, at 25 frames a second."""
    output = model(batch.states, batch.lengths)
    log_probs, *below = (logits.float().log_softmax(2) for logits in (output.logits, *output.intermediate))
    encoder_out = EncoderOutput(batch.states, output.lengths, log_probs, tuple(below))
    targets = Targets(batch.tokens, batch.token_lengths, symbols, views)
    return ctc_terms(model, encoder_out, targets), log_probs


def decoder_terms(model: Decoder, batch: CachedBatch, eos_id: int) -> tuple[dict[str, Mean], Tensor]:
    """Return the cross-entropy, and logits (B, T_text + 1, V) of each token and of the end."""
    logits = model(batch.tokens, model.memory(batch.states), batch.lengths).float()
    real = length_mask(batch.token_lengths, batch.tokens.shape[1])
    targets = F.pad(batch.tokens.masked_fill(~real, -1), (0, 1), value=-1)
    targets[torch.arange(len(targets)), batch.token_lengths] = eos_id
    term = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
    return {"tokens": Mean(term, (batch.token_lengths + 1).sum())}, logits


def show(writer: SummaryWriter, references: Sequence[str], hypotheses: Sequence[str], step: int) -> None:
    """Write the first texts of the dev set, and what the model made of them, to TensorBoard."""
    pairs = list(zip(references, hypotheses))[:SHOWN]
    writer.add_text("reference, hypothesis", "\n\n".join(f"{a}\n{b}" for a, b in pairs), step)


def task_of(config: SpeculativeConfig, init: Path, train_cuts: Sequence[Path], dev_cuts: Path) -> SpeculativeTask:
    """Return the task of the part that a config trains."""
    kind = DraftTask if config.part == "draft" else DecoderTask
    return kind(config, init, train_cuts, dev_cuts)


def train_speculative(
    config: SpeculativeConfig, init: Path, train_cuts: Sequence[Path], dev_cuts: Path, out: Path
) -> None:
    """Train until the config's end, or go on from the checkpoint in `out`; leave a model folder there.

    A folder that was trained from another model or other caches is renamed (`speechnar.train.provenance`).
    """
    torch.manual_seed(config.loop.seed)
    manifests = {f"manifest {n} of --train": path for n, path in enumerate(train_cuts)}
    provenance = provenance_of({"training config": settings_of(config), "model of --init": init, **manifests})
    train(task_of(config, init, train_cuts, dev_cuts), config.loop, out, provenance=provenance)
