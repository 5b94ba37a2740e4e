"""Train an aligner on speech and its phones, without any times.

forward sum, with a diagonal prior that fades -> with the correction by neighboring tokens -> the best path alone
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
from speechnar.config import Choice, one_of
from speechnar.data.durations import SILENT
from speechnar.data.manifest import load_cuts
from speechnar.data.phonetic import PhoneticBatch, PhoneticData, symbols_of
from speechnar.losses.mean import Mean, Means
from speechnar.models.folder import ModelConfig, ModelError, build, save_model
from speechnar.models.specs import configs_of
from speechnar.models.tts.aligner import AlignerOutput
from speechnar.nar.alignment import (
    beta_binomial_prior,
    binarization_loss,
    forward_sum,
    monotonic_alignment_search,
)
from speechnar.text.symbols import BOS, EOS, SymbolTable
from speechnar.train.init import start_from
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of

STATISTICS = 300
"""The number of utterances from which mean and deviation of the features are computed."""


FAR = -1e4
"""The smallest log of the prior: added to anything smaller, log-likelihoods would be lost in float32."""

LOOP = LoopConfig(
    max_steps=320, learning_rate=0.01, warmup_steps=20, grad_clip=5.0, precision="no", ema_decay=0.98, validate_every=80
)
"""Sufficient for half an hour of speech and for many hours."""


@dataclasses.dataclass(frozen=True)
class AlignerTraining:
    """A training config.

    Attributes:
        audio: settings of the aligner's own log-mel: short windows and hops resolve where a sound begins.
        phone_states, pause_states: states of a phone, and of a space or punctuation; also a token's shortest duration
            in frames.
        batch_seconds: seconds of audio in a batch.
        prior_steps: steps over which the diagonal prior fades.
        context_step: the step from which neighbors correct a token's means: earlier, they would explain each other's
            frames.
        search_step: the step from which the loss is that of the best path alone.
    """

    audio: AudioConfig = AudioConfig(16000, 400, 80, 400, 40, 0.0, 8000.0)
    model: Choice = one_of(lambda: configs_of("aligner"), default="aligner")
    loop: LoopConfig = LOOP
    phone_states: int = 5
    pause_states: int = 5
    batch_seconds: float = 60.0
    prior_steps: int = 40
    context_step: int = 60
    search_step: int = 270

    def shape(self, symbols: SymbolTable) -> Choice:
        """Return the model's config for these symbols."""
        counts = {BOS: 1, EOS: 1} | dict.fromkeys(SILENT, self.pause_states)
        states = tuple(counts.get(symbol, self.phone_states) for symbol in symbols.symbols)
        sized = dataclasses.replace(self.model.value, states=states, n_mels=self.audio.n_mels)
        return Choice(self.model.name, sized)


class AlignerTask:
    """The training of an aligner, as the loop needs it.

    Args:
        init: the model folder of another aligner, whose weights are the start; training then begins with the correction
            by neighboring tokens and without the prior.
    """

    def __init__(self, config: AlignerTraining, train_cuts: Path, dev_cuts: Path, init: Path | None = None) -> None:
        self.training = config
        cuts = load_cuts(train_cuts)
        self.symbols = symbols_of(cuts)
        self.data = PhoneticData(cuts, config.audio, self.symbols, config.batch_seconds, seed=config.loop.seed)
        self.dev = PhoneticData.load(dev_cuts, config.audio, self.symbols, config.batch_seconds)
        self.config = ModelConfig(config.audio, config.shape(self.symbols))
        self.model = build(self.config)
        self.started = init is not None
        if init is None:
            _set_statistics(self.model, self.data)
        elif left := start_from(self.model, self.config, init, self.symbols):
            raise ModelError(f"{init} is an aligner of other sizes ({left[0]}): make the config equal to its own")
        self.modules: dict[str, nn.Module] = {"model": self.model}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("aligner", ("model",), self.loss),)

    def batches(self, epoch: int) -> list[tuple[str, ...]]:
        return self.data.batch_ids(epoch)

    def load(self, utt_ids: Sequence[str]) -> PhoneticBatch:
        return self.data.batch(utt_ids)

    def loss(self, batch: PhoneticBatch, step: int) -> dict[str, Tensor | Mean]:
        """Return minus the log-likelihood of a frame, over all paths, later on the best path."""
        context = self.started or step >= self.training.context_step
        output: AlignerOutput = self.model(
            batch.tokens, batch.token_lengths, batch.mel, batch.mel_lengths, context=context
        )
        log_probs, lengths = output.log_probs, (output.state_lengths, batch.mel_lengths)
        if step >= self.training.search_step:
            durations = monotonic_alignment_search(log_probs, *lengths)
            loss = binarization_loss(log_probs, durations, batch.mel_lengths)
            return {"best_path": Mean(loss, batch.mel_lengths.sum())}
        if step < self.training.prior_steps and not self.started:
            prior = beta_binomial_prior(batch.token_lengths, batch.mel_lengths).clamp(min=FAR)
            index = output.tokens[:, None, :].expand_as(log_probs)
            log_probs = log_probs + (1 - step / self.training.prior_steps) * prior.gather(2, index)
        return {"forward_sum": -(forward_sum(log_probs, *lengths) / batch.mel_lengths).mean()}

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return minus the log-likelihood of a dev frame on the best path; log an image of one utterance's path."""
        model = modules["model"].eval()
        device = next(model.parameters()).device
        means = Means()
        for number, batch in enumerate(self.dev.epoch(0)):
            batch = batch.to(device)
            output = model(batch.tokens, batch.token_lengths, batch.mel, batch.mel_lengths)
            durations = monotonic_alignment_search(output.log_probs, output.state_lengths, batch.mel_lengths)
            means.add({"best_path": binarization_loss(output.log_probs, durations, batch.mel_lengths)})
            if number == 0:
                writer.add_image("log-mel, and where tokens begin", _picture(batch, output, durations)[None], step)
        return means.values()

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"], self.symbols)


def _picture(batch: PhoneticBatch, output: AlignerOutput, durations: Tensor) -> Tensor:
    """Return (n_mels, T_mel) in [0, 1]: the first utterance's log-mel with a white line at the start of each token."""
    length, tokens = int(batch.mel_lengths[0]), int(batch.token_lengths[0])
    image = batch.mel[0, :length].T.flip(0)
    image = (image - image.min()) / (image.max() - image.min()).clamp(min=1e-5)
    begins = output.token_durations(durations, batch.tokens.shape[1])[0, :tokens].cumsum(0)[:-1]
    image[:, begins.clamp(max=length - 1)] = 1
    return image


@torch.no_grad()
def _set_statistics(model: Any, data: PhoneticData) -> None:
    """Set the statistics that features are normalized by, from some of the training data."""
    names = list(data.cuts)[:: max(1, len(data) // STATISTICS)]
    mels = (data.mel(name)[None] for name in names)
    frames = torch.cat([model.features(mel, torch.tensor([mel.shape[1]]))[0] for mel in mels])
    model.set_statistics(frames.mean(0), frames.std(0))


def train_aligner(
    config: AlignerTraining, train_cuts: Path, dev_cuts: Path, out: Path, init: Path | None = None
) -> None:
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there."""
    torch.manual_seed(config.loop.seed)
    provenance = provenance_of(
        {"training config": settings_of(config), "training manifest": train_cuts, "model of --init": init}
    )
    train(AlignerTask(config, train_cuts, dev_cuts, init), config.loop, out, provenance=provenance)
