"""Train a text model on pairs of texts: translation, correction, letters to phones."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.tensorboard import SummaryWriter

from speechnar.audio import AudioConfig
from speechnar.config import Choice, one_of
from speechnar.data.pairs import PairBatch, PairData
from speechnar.files import atomic_write
from speechnar.losses.mean import Mean, Means
from speechnar.losses.pairs import Pairs
from speechnar.models.folder import ModelConfig, ModelError, build, save_model
from speechnar.models.specs import configs_of
from speechnar.text.tokenizer import SUBWORDS
from speechnar.train.init import freeze, start_from
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """A training config: a text model of `MODELS` under its own key, the loop, the sizes of batches, loss weights.

    Attributes:
        batch_tokens: tokens in a batch, padding included: pairs times the longest source or target.
        max_tokens: of a source or a target; longer pairs are left out.
        freeze: names of modules or weights that stay as `--init` brings them, such as `transformer.encoder`.
        weights: of the loss terms, such as `length`.
    """

    model: Choice = one_of(lambda: configs_of("text2text"))
    loop: LoopConfig = LoopConfig()
    batch_tokens: int = 4096
    max_tokens: int = 64
    freeze: tuple[str, ...] = ()
    weights: dict[str, float] = dataclasses.field(default_factory=dict)


class TextTask:
    """The training of a text model, as the loop needs it."""

    def __init__(
        self, config: TextConfig, tokenizer: Path, train_pairs: Path, dev_pairs: Path, init: Path | None = None
    ) -> None:
        self.training = config
        self.tokenizer = tokenizer
        sizes = config.batch_tokens, config.max_tokens
        self.data = PairData(train_pairs, tokenizer, *sizes, seed=config.loop.seed)
        self.dev = PairData(dev_pairs, tokenizer, *sizes, shuffle=False)
        self.symbols = self.data.symbols
        model = dataclasses.replace(config.model.value, n_symbols=len(self.symbols))
        self.config = ModelConfig(AudioConfig(), Choice(config.model.name, model))  # nothing reads the audio config
        self.model = build(self.config)
        if init is not None:
            start_from(self.model, self.config, init, self.symbols)
        elif config.freeze:
            raise ModelError(f"freeze would keep {', '.join(config.freeze)} as drawn at random: give --init too")
        freeze(self.model, config.freeze)
        self.modules: dict[str, nn.Module] = {"model": self.model}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("text", ("model",), self.loss, self.training.weights),)

    def batches(self, epoch: int) -> list[list[int]]:
        return self.data.batch_ids(epoch)

    def load(self, items: Sequence[int]) -> PairBatch:
        return self.data.batch(items)

    def loss(self, batch: PairBatch, step: int) -> dict[str, Tensor | Mean]:
        return self._terms(self.model, batch, min(1.0, step / self.training.loop.max_steps))

    def _terms(self, model: nn.Module, batch: PairBatch, progress: float) -> dict[str, Tensor | Mean]:
        """Return the loss terms of the model's spec.

        On a CPU, attention is the plain formula: in bf16 the gradient of the fused kernel takes ten times as long for
        sentences, and a whole step twice as long.
        """
        batch_sides = batch.source, batch.source_lengths, batch.tokens, batch.token_lengths
        pairs = Pairs(*batch_sides, self.symbols, progress)
        plain = sdpa_kernel(SDPBackend.MATH) if batch.tokens.device.type == "cpu" else contextlib.nullcontext()
        terms: dict[str, Tensor | Mean] = {}
        with plain:
            for loss in self.config.spec.losses:
                terms |= loss(model, pairs)
        return terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the loss terms on the dev set, and their weighted sum as `loss`."""
        model = modules["model"].eval()
        device = next(model.parameters()).device
        means = Means()
        for batch in self.dev.epoch(0):
            means.add(self._terms(model, batch.to(device), 1.0), float(batch.token_lengths.sum()))
        values = means.values()
        return values | {"loss": sum(self.training.weights.get(name, 1.0) * value for name, value in values.items())}

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"], self.symbols)
        if (self.tokenizer / SUBWORDS).exists():
            with atomic_write(folder / SUBWORDS) as part:
                shutil.copyfile(self.tokenizer / SUBWORDS, part)


def train_text2text(
    config: TextConfig, tokenizer: Path, train_pairs: Path, dev_pairs: Path, out: Path, init: Path | None = None
) -> None:
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there."""
    torch.manual_seed(config.loop.seed)
    provenance = provenance_of(
        {
            "training config": settings_of(config),
            "training pairs": train_pairs,
            "tokenizer": tokenizer,
            "model of --init": init,
        }
    )
    train(TextTask(config, tokenizer, train_pairs, dev_pairs, init), config.loop, out, provenance=provenance)
