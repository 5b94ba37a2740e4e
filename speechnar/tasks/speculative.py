"""Trains the two parts around Whisper's encoder on what the encoder, which is not trained, made once of each utterance.

The encoder then costs nothing in training, and the draft and the decoder learn apart, side by side if there are cores.
Augmentation of the audio is fixed in the copies that `encode` makes; that of the states is new each time. The decoder
is taught to write a text after any beginning of it.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.config import ConfigError
from speechnar.infer.encoder_cache import CopyConfig, Encoded
from speechnar.layers.augment import SpecAugmentConfig, spec_augment
from speechnar.losses.ctc import consistency_loss, ctc_loss
from speechnar.models.asr.whisper import Decoder, DraftOutput
from speechnar.models.folder import load_model, save_model
from speechnar.nar.lengths import length_mask
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import PIECES, Pieces
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import origin_of

BLANK_ID = 0


@dataclasses.dataclass(frozen=True)
class WhisperTraining:
    """A training config.

    Attributes:
        part: "draft" or "decoder", which is trained.
        copies: of the training set; the decoder may be trained on the first of those that the draft is trained on.
        batch_seconds: of audio, at most.
        masks: on the states, 50 a second.
        weights: of the draft's terms, `ctc` of the last layer, `intermediate` of the mean of those below, and
            `consistency` of two views of each utterance, masked apart, if it is given; or of the decoder's, `tokens`.
        kept: of the decoder that training starts from, the share that the average with the trained one has, which is
            what is saved (Wortsman et al. 2022, section 3): 0 keeps nothing.
    """

    part: str
    loop: LoopConfig = LoopConfig()
    copies: tuple[CopyConfig, ...] = (CopyConfig(),)
    batch_seconds: float = 90.0
    masks: SpecAugmentConfig = SpecAugmentConfig(band_masks=0, time_masks_per_second=1.0, time_width=15)
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    kept: float = 0.0

    def __post_init__(self) -> None:
        if self.part not in ("draft", "decoder"):
            raise ConfigError(f"part is {self.part!r} but should be draft or decoder")
        if self.part == "decoder" and "consistency" in self.weights:
            raise ConfigError("consistency is a term of the draft's: leave it out of the decoder's weights")
        if self.part == "draft" and self.kept:
            raise ConfigError("a draft is not averaged with what it was: leave kept out")


@dataclasses.dataclass(frozen=True)
class EncodedBatch:
    """states (B, T, d_model), 50 a second; lengths (B,); tokens (B, T_text), 0-padded; token_lengths (B,)."""

    states: Tensor
    lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> EncodedBatch:
        return self._each(lambda part: part.to(device, non_blocking=non_blocking))

    def twice(self) -> EncodedBatch:
        """All utterances, and then all of them once more."""
        return self._each(lambda part: torch.cat([part, part]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> EncodedBatch:
        return EncodedBatch(*(change(part) for part in (self.states, self.lengths, self.tokens, self.token_lengths)))


class WhisperTask:
    """What the loop needs, for either part.

    Args:
        start: the model folder that the audio was encoded with; `encoded` holds train-0, train-1 ... and dev.
    """

    def __init__(self, config: WhisperTraining, start: Path, encoded: Path) -> None:
        self.settings, self.start = config, start
        whisper, self.config = load_model(start)
        self.symbols = SymbolTable.load(start / "tokens.txt")
        self.is_draft = config.part == "draft"
        self.pieces = Pieces.of_symbols(self.symbols.symbols) if self.is_draft else Pieces.load(start / PIECES)
        d_model = whisper.config.d_model
        self.copies = [Encoded(encoded / f"train-{n}", d_model) for n in range(len(config.copies))]
        self.dev = Encoded(encoded / "dev", d_model)
        self.modules: dict[str, nn.Module] = {"model": (whisper.draft if self.is_draft else whisper.decoder).train()}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(self.settings.part, ("model",), self.loss, self.settings.weights),)

    def batches(self, epoch: int, skip: int) -> Iterator[EncodedBatch]:
        """Every text once, by one who says it, alone or in a row; those of similar length together, shuffled."""
        rng = np.random.default_rng((self.settings.loop.seed, epoch))
        runs = [(copy, run) for copy in self.copies for run in copy.runs(rng)]
        rng.shuffle(runs)  # type: ignore[arg-type]
        said: set[str] = set()
        chosen = []
        for copy, run in runs:
            texts = {copy.index[n]["text"] for n in run}
            if not texts & said:
                said |= texts
                chosen.append((copy, run))
        for number, batch in enumerate(self._grouped(chosen, rng)):
            if number >= skip:
                yield self._batch(batch)

    def _grouped(
        self, chosen: list[tuple[Encoded, range]], rng: np.random.Generator
    ) -> list[list[tuple[Encoded, range]]]:
        frames = {item: item[0].index[item[1][-1]]["heard"] - item[0].index[item[1][0]]["start"] for item in chosen}
        groups: list[list[tuple[Encoded, range]]] = [[]]
        for item in sorted(chosen, key=lambda item: frames[item] * rng.uniform(0.9, 1.1)):
            if groups[-1] and (len(groups[-1]) + 1) * frames[item] > 50 * self.settings.batch_seconds:
                groups.append([])
            groups[-1].append(item)
        rng.shuffle(groups)  # type: ignore[arg-type]
        return groups

    def _batch(self, items: list[tuple[Encoded, range]]) -> EncodedBatch:
        states = [copy.states(run, not self.is_draft) for copy, run in items]
        tokens = [torch.tensor(self._tokens(copy.text(run))) for copy, run in items]
        lengths = (torch.tensor([len(part) for part in parts]) for parts in (states, tokens))
        padded = (nn.utils.rnn.pad_sequence(parts, batch_first=True) for parts in (states, tokens))
        return EncodedBatch(next(padded), next(lengths), next(padded), next(lengths))

    def _tokens(self, text: str) -> list[int]:
        """A draft's symbols, the blank being the first of them; or the decoder's pieces."""
        return [piece + self.is_draft for piece in self.pieces.encode(text)]

    def loss(self, batch: EncodedBatch, step: int) -> dict[str, Tensor]:
        two_views = bool(self.settings.weights.get("consistency"))
        batch = batch.twice() if two_views else batch
        states = spec_augment(batch.states, batch.lengths, self.settings.masks)
        terms, logits = self._terms(dataclasses.replace(batch, states=states))
        if two_views:
            half = len(logits) // 2
            view, other = F.log_softmax(logits.float(), 2).chunk(2)
            lengths = (batch.lengths[:half] + 1) // 2
            terms["consistency"] = consistency_loss(view, other, lengths, batch.token_lengths[:half])
        return terms

    def _terms(self, batch: EncodedBatch) -> tuple[dict[str, Tensor], Tensor]:
        """The terms of the loss, and logits: of a draft's frames, or of each place of a given text."""
        model = self.modules["model"]
        if self.is_draft:
            output: DraftOutput = model(batch.states, batch.lengths)
            last, *below = (
                ctc_loss(
                    F.log_softmax(logits.float(), 2), output.lengths, batch.tokens, batch.token_lengths, BLANK_ID,
                )
                for logits in (output.logits, *output.intermediate)
            )  # fmt: skip
            terms = {"ctc": last} | ({"intermediate": torch.stack(below).mean()} if below else {})
            return terms, output.logits
        decoder = cast(Decoder, model)
        logits = decoder(batch.tokens, decoder.memory(batch.states), batch.lengths).float()
        real = length_mask(batch.token_lengths, batch.tokens.shape[1])
        wanted = F.pad(batch.tokens.masked_fill(~real, -1), (0, 1), value=-1)
        wanted[torch.arange(len(wanted)), batch.token_lengths] = self.pieces.end_id
        loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-1)
        return {"tokens": loss}, logits

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """On the dev set: the loss terms, and the word error rate (%) of the draft, or how often (%) the decoder is
        right of the next token; five texts.
        """
        import jiwer

        kept, self.modules = self.modules, {"model": modules["model"].eval()}
        sums: dict[str, float] = {}
        said, heard, right = [], [], 0
        for number in range(len(self.dev.index)):
            batch = self._batch([(self.dev, range(number, number + 1))])
            terms, logits = self._terms(batch)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(batch.tokens[0])
            best = logits[0].argmax(1)
            said.append(self.dev.index[number]["text"])
            if self.is_draft:
                symbols = best.unique_consecutive()
                heard.append(self.pieces.decode((symbols[symbols != BLANK_ID] - 1).tolist()))
            else:
                right += int((best[:-1] == batch.tokens[0]).sum())
                heard.append(self.pieces.decode(best[:-1].tolist()))
        self.modules = kept
        writer.add_text("heard", "\n\n".join(f"{a}\n{b}" for a, b in zip(said[:5], heard)), step)
        tokens = sum(len(self._tokens(text)) for text in said)
        means = {name: value / tokens for name, value in sums.items()}
        if not self.is_draft:
            return means | {"right": 100 * right / tokens}
        return means | {"wer": 100 * jiwer.wer(said, heard), "cer": 100 * jiwer.cer(said, heard)}

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        whole, _ = load_model(self.start)
        part = whole.draft if self.is_draft else whole.decoder
        learned, kept = modules["model"].state_dict(), self.settings.kept
        part.load_state_dict({name: learned[name].cpu().lerp(its, kept) for name, its in part.state_dict().items()})
        save_model(folder, self.config, whole, self.symbols)
        shutil.copy(self.start / PIECES, folder)


def train_whisper(config: WhisperTraining, start: Path, encoded: Path, out: Path) -> None:
    """Trains until the config's end, or goes on from the checkpoint in `out`; leaves a model folder there. What was
    trained from another model or on other utterances is put aside.
    """
    torch.manual_seed(config.loop.seed)
    origin = origin_of(
        {"model to start from": start}
        | {f"list of train-{n}": encoded / f"train-{n}.json" for n in range(len(config.copies))}
    )
    train(WhisperTask(config, start, encoded), config.loop, out, origin=origin)
