"""Trains Whisper's encoder with a CTC output on what its lower half, which is not trained, made once of each utterance.

Half of the encoder then costs nothing in training, and the other half runs at half the rate. Augmentation of the audio
is fixed in the copies that `encode` makes; that of the hidden vectors is new each time.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from speechnar import audio
from speechnar.core.augment import SpecAugmentConfig, add_noise, coloured_noise, resampled, spec_augment
from speechnar.data.features import DataError
from speechnar.losses.ctc import ctc_loss
from speechnar.models.folder import load_model, save_model
from speechnar.models.whisper_ctc import HOP_LENGTH, SAMPLE_RATE, WhisperCTC, WhisperCTCOutput
from speechnar.text.units import load_units, spelled
from speechnar.train.loop import LoopConfig, Phase, train

BATCH_SECONDS = 60.0  # of audio that `encode` takes at once


@dataclasses.dataclass(frozen=True)
class CopyConfig:
    """How one copy of the training audio differs from the recordings.

    Attributes:
        speed: 1 is as recorded.
        noise_share: of the utterances, those that get noise, white to brown, at `snr` dB (lowest, highest).
        bands: mel bands that are masked at most, twice; 0 masks none.
    """

    speed: float = 1.0
    noise_share: float = 0.0
    snr: tuple[float, float] = (5.0, 25.0)
    bands: int = 0


@dataclasses.dataclass(frozen=True)
class WhisperCTCTraining:
    """A training config.

    Attributes:
        copies: of the training set.
        batch_seconds: of audio, at most.
        masks: on the hidden vectors, 50 a second.
        weights: `ctc` of the last layer, `intermediate` of the mean of those below.
    """

    loop: LoopConfig = LoopConfig()
    copies: tuple[CopyConfig, ...] = (CopyConfig(),)
    batch_seconds: float = 90.0
    masks: SpecAugmentConfig = SpecAugmentConfig(band_masks=0, time_masks_per_second=1.0, time_width=15)
    weights: dict[str, float] = dataclasses.field(default_factory=lambda: {"ctc": 0.7, "intermediate": 0.3})


@dataclasses.dataclass(frozen=True)
class EncodedBatch:
    """hidden (B, T, d_model), 50 a second; lengths (B,); tokens (B, T_text), 0-padded; token_lengths (B,)."""

    hidden: Tensor
    lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> EncodedBatch:
        parts = (self.hidden, self.lengths, self.tokens, self.token_lengths)
        return EncodedBatch(*(part.to(device, non_blocking=non_blocking) for part in parts))


@torch.inference_mode()
def encode(model_dir: Path, table: Path, out: Path, config: CopyConfig, seed: int = 0) -> None:
    """Writes what the lower half makes of the utterances of a table.

    Args:
        table: lines of utt_id<TAB>speaker<TAB>audio<TAB>text.
        out: `out.f16` gets the hidden vectors of all, one after the other, `out.json` where each lies and its text.

    Raises:
        AudioError: a file cannot be read; ModelError: `model_dir` is no model folder.
    """
    model, _ = load_model(model_dir)
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    torch.manual_seed(seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    index, start, waiting = [], 0, []
    longest = model.config.max_frames * 2 * HOP_LENGTH
    masks = SpecAugmentConfig(band_width=config.bands, time_masks_per_second=0)
    part = out.with_suffix(".part")
    with open(part, "wb") as file:
        for number, (utt_id, _, path, text) in enumerate(tqdm(rows, desc=out.name, unit="utt", disable=None)):
            wav = torch.from_numpy(audio.read(path, SAMPLE_RATE)[0])[None]
            if config.speed != 1:
                wav = resampled(wav, config.speed)
            if wav.shape[1] <= longest:
                waiting.append((utt_id, wav[0], text))
            if sum(len(w) for _, w, _ in waiting) < BATCH_SECONDS * SAMPLE_RATE and number + 1 < len(rows):
                continue
            mels = [model.features(_noisy(w[None], config))[0] for _, w, _ in waiting]
            lengths = torch.tensor([len(mel) for mel in mels])
            mel = nn.utils.rnn.pad_sequence(mels, batch_first=True)
            if config.bands:
                mel = spec_augment(mel, lengths, masks)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                hidden = model.lower(mel, lengths)
            for (name, _, words), vectors, length in zip(waiting, hidden, ((lengths + 1) // 2).tolist()):
                file.write(vectors[:length].half().numpy().tobytes())
                index.append({"utt_id": name, "start": start, "frames": length, "text": words})
                start += length
            waiting = []
    part.replace(out.with_suffix(".f16"))
    out.with_suffix(".json").write_text(json.dumps(index), encoding="utf-8")


def _noisy(wav: Tensor, config: CopyConfig) -> Tensor:
    if float(torch.rand(())) >= config.noise_share:
        return wav
    low, high = config.snr
    noise = coloured_noise(wav, 2 * torch.rand(1))
    return add_noise(wav, torch.tensor([wav.shape[1]]), noise, low + (high - low) * torch.rand(1))


class Encoded:
    """What `encode` wrote, read where it is needed."""

    def __init__(self, path: Path, d_model: int) -> None:
        if not path.with_suffix(".json").exists():
            raise DataError(f"there is no {path.with_suffix('.json')}: run the stage that encodes the audio")
        self.index = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        self.vectors = np.memmap(path.with_suffix(".f16"), np.float16, "r").reshape(-1, d_model)

    def hidden(self, number: int) -> Tensor:
        row = self.index[number]
        return torch.from_numpy(self.vectors[row["start"] : row["start"] + row["frames"]].astype(np.float32))


class WhisperCTCTask:
    """What the loop needs.

    Args:
        start: the model folder that the audio was encoded with; `encoded` holds train-0, train-1 ... and dev.
    """

    def __init__(self, config: WhisperCTCTraining, start: Path, encoded: Path) -> None:
        self.settings = config
        model, self.config = load_model(start)
        self.model: WhisperCTC = model.train()
        for layer in (model.conv1, model.conv2, *model.blocks[: model.config.lower_layers]):
            layer.requires_grad_(False)
        self.symbols, self.tokens_of = load_units(start)
        d_model = model.config.d_model
        self.copies = [Encoded(encoded / f"train-{n}", d_model) for n in range(len(config.copies))]
        self.dev = Encoded(encoded / "dev", d_model)
        self.modules: dict[str, nn.Module] = {"model": model}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("recogniser", ("model",), self.loss, self.settings.weights),)

    def batches(self, epoch: int, skip: int) -> Iterator[EncodedBatch]:
        """Utterances of similar length together, each in one of its copies, in an order that the epoch decides."""
        rng = np.random.default_rng((self.settings.loop.seed, epoch))
        chosen = [(int(copy), n) for copy in range(len(self.copies)) for n in range(len(self.copies[copy].index))]
        rng.shuffle(chosen)
        chosen = chosen[: len(self.copies[0].index)]
        for number, batch in enumerate(self._grouped(chosen, rng)):
            if number >= skip:
                yield self._batch([(self.copies[copy], n) for copy, n in batch])

    def _grouped(self, chosen: list[tuple[int, int]], rng: np.random.Generator) -> list[list[tuple[int, int]]]:
        frames = {key: self.copies[key[0]].index[key[1]]["frames"] for key in chosen}
        chosen = sorted(chosen, key=lambda key: frames[key] * rng.uniform(0.9, 1.1))
        groups: list[list[tuple[int, int]]] = [[]]
        for key in chosen:
            if groups[-1] and (len(groups[-1]) + 1) * frames[key] > 50 * self.settings.batch_seconds:
                groups.append([])
            groups[-1].append(key)
        rng.shuffle(groups)
        return groups

    def _batch(self, items: list[tuple[Encoded, int]]) -> EncodedBatch:
        hidden = [copy.hidden(n) for copy, n in items]
        tokens = [torch.tensor(self.tokens_of(copy.index[n]["text"])) for copy, n in items]
        lengths = (torch.tensor([len(part) for part in parts]) for parts in (hidden, tokens))
        padded = (nn.utils.rnn.pad_sequence(parts, batch_first=True) for parts in (hidden, tokens))
        return EncodedBatch(next(padded), next(lengths), next(padded), next(lengths))

    def loss(self, batch: EncodedBatch, step: int) -> dict[str, Tensor]:
        hidden = spec_augment(batch.hidden, batch.lengths, self.settings.masks)
        return self._terms(self.model.upper(hidden, batch.lengths), batch)

    def _terms(self, output: WhisperCTCOutput, batch: EncodedBatch) -> dict[str, Tensor]:
        last, *below = (
            ctc_loss(
                F.log_softmax(logits.float(), 2), output.lengths, batch.tokens, batch.token_lengths,
                self.symbols.blank_id,
            )
            for logits in (output.logits, *output.intermediate)
        )  # fmt: skip
        return {"ctc": last, "intermediate": torch.stack(below).mean()}

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """The loss terms and the word error rate (%) of greedy decoding on the dev set; five transcripts as text."""
        import jiwer

        model = cast(WhisperCTC, modules["model"].eval())
        sums: dict[str, float] = {}
        said, heard = [], []
        for number in range(len(self.dev.index)):
            batch = self._batch([(self.dev, number)])
            output = model.upper(batch.hidden, batch.lengths)
            for name, value in self._terms(output, batch).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(batch.tokens[0])
            best = output.logits[0].argmax(1).unique_consecutive().tolist()
            said.append(self.dev.index[number]["text"])
            heard.append(spelled(self.symbols, best))
        writer.add_text("heard", "\n\n".join(f"{a}\n{b}" for a, b in zip(said[:5], heard)), step)
        tokens = sum(len(self.tokens_of(text)) for text in said)
        errors = {"wer": 100 * jiwer.wer(said, heard), "cer": 100 * jiwer.cer(said, heard)}
        return {name: value / tokens for name, value in sums.items()} | errors

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"], self.symbols)


def train_whisper_ctc(config: WhisperCTCTraining, start: Path, encoded: Path, out: Path) -> None:
    """Trains until the config's end, or goes on from the checkpoint in `out`; leaves a model folder there."""
    torch.manual_seed(config.loop.seed)
    train(WhisperCTCTask(config, start, encoded), config.loop, out)
