"""Train an aligner and an acoustic model at once, on recordings and their phones alone.

    each step:  the aligner's loss -> its update -> the end of each token -> FastSpeech 2 on these durations

The durations are those that `speechnar align` would find with the aligner of that step, and carry no gradient: the
aligner learns as it does alone. Both models get the same utterances in a step. For the first steps (`acoustic_step`)
the aligner trains alone: its durations follow the diagonal prior then, and would undo what a trained acoustic model
has learned.

Source: One TTS Alignment To Rule Them All (Badlani et al. 2022): parallel models that train with their aligner.
Differs: the aligner shares no weights with the acoustic model, and its durations are medians over all paths.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.config import renamed
from speechnar.data.batch import Batch, SpeechBatch
from speechnar.data.manifest import DataError
from speechnar.data.phonetic import PhoneticBatch, PhoneticData
from speechnar.infer.align import token_ends, whole_frames
from speechnar.losses.mean import Mean
from speechnar.tasks.acoustic import AcousticConfig, AcousticTask
from speechnar.tasks.aligner import AlignerTask, AlignerTraining
from speechnar.train.loop import LoopConfig, Phase, TrainingError, train
from speechnar.train.provenance import provenance_of, settings_of

ALIGNER = "aligner"
"""Name of the aligner's folder within that of the acoustic model."""


@dataclasses.dataclass(frozen=True)
class JointConfig:
    """A training config.

    Attributes:
        aligner, acoustic: as the two train alone, but for `loop` and `batch_seconds`, which they share.
        loop: of both; its learning rate is the acoustic model's.
        batch_seconds: of audio in a batch.
        aligner_learning_rate: the peak of the aligner's.
        acoustic_step: from which the acoustic model learns too; its learning rate rises from there on.
        boundary_offset: ms that are added to every boundary for the acoustic model, as `speechnar align` can.
    """

    aligner: AlignerTraining = AlignerTraining()
    acoustic: AcousticConfig = AcousticConfig()
    loop: LoopConfig = LoopConfig()
    batch_seconds: float = 24.0
    aligner_learning_rate: float = 0.01
    acoustic_step: int = 100
    boundary_offset: float = dataclasses.field(default=0.0, metadata=renamed("lag"))

    def __post_init__(self) -> None:
        for section, alone in (("aligner", AlignerTraining()), ("acoustic", AcousticConfig())):
            for name in ("loop", "batch_seconds"):
                if getattr(getattr(self, section), name) != getattr(alone, name):
                    raise TrainingError(f"{section} has a {name} of its own: move it to the top, it is one for both")


@dataclasses.dataclass(frozen=True)
class JointBatch(Batch):
    """The same utterances as batches of the aligner and of the acoustic model."""

    phonetic: PhoneticBatch
    speech: SpeechBatch


class JointTask:
    """The training of both models, as the loop needs it.

    Args:
        features: folder of `speechnar features`, made of a manifest with or without durations.
        init: a model folder of an acoustic model, whose weights are the start.
    """

    def __init__(
        self, config: JointConfig, features: Path, train_cuts: Path, dev_cuts: Path, init: Path | None = None
    ) -> None:
        self.settings = config
        of_aligner = dataclasses.replace(config.aligner, loop=config.loop, batch_seconds=config.batch_seconds)
        of_acoustic = dataclasses.replace(config.acoustic, loop=config.loop, batch_seconds=config.batch_seconds)
        self.aligner = AlignerTask(of_aligner, train_cuts, dev_cuts)
        self.acoustic = AcousticTask(of_acoustic, features, train_cuts, dev_cuts, init, aligned=False)
        self.modules: dict[str, nn.Module] = {"aligner": self.aligner.model, "acoustic": self.acoustic.model}

    def phases(self) -> tuple[Phase, ...]:
        ratio = self.settings.aligner_learning_rate / self.settings.loop.learning_rate
        first = self.settings.acoustic_step
        return (
            Phase("aligner", ("aligner",), self.aligner_loss, learning_rate_ratio=ratio),
            Phase("acoustic", ("acoustic",), self.acoustic_loss, self.acoustic.weights, first_step=first),
        )

    def batches(self, epoch: int) -> list[tuple[str, ...]]:
        return self.acoustic.batches(epoch)

    def load(self, utt_ids: Sequence[str]) -> JointBatch:
        return _paired(self.aligner.data, self.acoustic.load(utt_ids))

    def aligner_loss(self, batch: JointBatch, step: int) -> dict[str, Tensor | Mean]:
        return self.aligner.loss(batch.phonetic, step)

    def acoustic_loss(self, batch: JointBatch, step: int) -> dict[str, Tensor | Mean]:
        return self.acoustic.loss(self.timed(self.aligner.model, batch), step)

    @torch.no_grad()
    def timed(self, aligner: nn.Module, batch: JointBatch) -> SpeechBatch:
        """Return the acoustic model's batch with the durations that an aligner finds."""
        phonetic, speech = batch.phonetic, batch.speech
        output = aligner(phonetic.tokens, phonetic.token_lengths, phonetic.mel, phonetic.mel_lengths)
        ends = token_ends(output, phonetic).cpu().numpy()
        audios = self.aligner.config.audio, self.acoustic.config.audio
        durations = torch.zeros(ends.shape, dtype=torch.int64)
        lengths = zip(phonetic.token_lengths.tolist(), speech.mel_lengths.tolist())
        for row, (n_tokens, n_frames) in enumerate(lengths):
            its = whole_frames(ends[row, :n_tokens], *audios, n_frames, self.settings.boundary_offset / 1000)
            durations[row, :n_tokens] = torch.from_numpy(its)
        return dataclasses.replace(speech, durations=durations.to(speech.mel.device))

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the metrics of both models; those of the acoustic model by durations of the averaged aligner."""
        aligner = modules["aligner"].eval()
        device = next(aligner.parameters()).device
        pairs = (_paired(self.aligner.dev, speech).to(device) for speech in self.acoustic.dev.epoch(0))
        timed = (self.timed(aligner, pair) for pair in pairs)
        metrics = self.aligner.validate({"model": aligner}, writer, step)
        return metrics | self.acoustic.metrics(modules["acoustic"], timed, writer, step)

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        self.acoustic.save(folder, {"model": modules["acoustic"]})
        self.aligner.save(folder / ALIGNER, {"model": modules["aligner"]})


def _paired(data: PhoneticData, speech: SpeechBatch) -> JointBatch:
    phonetic = data.batch(speech.utt_ids)
    for utt_id, phones, tokens in zip(speech.utt_ids, phonetic.token_lengths.tolist(), speech.token_lengths.tolist()):
        if phones != tokens:
            counts = f"{phones - 2} phones in the manifest but {tokens - 2} in the features"
            raise DataError(f"utterance {utt_id} has {counts}: run the features stage again")
    return JointBatch(phonetic, speech)


def train_joint(
    config: JointConfig, features: Path, train_cuts: Path, dev_cuts: Path, out: Path, init: Path | None = None
) -> None:
    """Train until the config's end, from the checkpoint in `out` if there is one.

    `out` becomes the acoustic model's folder, and `out/aligner` the aligner's.
    """
    if config.acoustic_step >= config.loop.max_steps:
        print(f"speechnar: of {config.loop.max_steps} steps the acoustic model learns in none: it joins at step "
              f"{config.acoustic_step} (acoustic_step)", file=sys.stderr)  # fmt: skip
    torch.manual_seed(config.loop.seed)
    sources = {"training manifest": train_cuts, "features": features / "stats.json", "model of --init": init}
    provenance = provenance_of(sources | {"training config": settings_of(config)})
    train(JointTask(config, features, train_cuts, dev_cuts, init), config.loop, out, provenance=provenance)
