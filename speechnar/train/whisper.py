"""Trains the two parts around Whisper's encoder on what the encoder, which is not trained, made once of each utterance.

The encoder then costs nothing in training, and the draft and the decoder learn apart, side by side if there are cores.
Augmentation of the audio is fixed in the copies that `encode` makes; that of the states is new each time. The decoder
is taught to write a text after any beginning of it, at last with the weights that four bits leave of its own.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from speechnar import audio
from speechnar.config import ConfigError
from speechnar.core.augment import SpecAugmentConfig, add_noise, coloured_noise, resampled, spec_augment
from speechnar.core.lengths import length_mask
from speechnar.core.rounding import FEW_SHARES, round_module, rounded_weights
from speechnar.data.features import DataError
from speechnar.decode.pieces import Pieces
from speechnar.losses.ctc import ctc_loss
from speechnar.models.folder import load_model, save_model
from speechnar.models.whisper import HOP_LENGTH, SAMPLE_RATE, SILENCE, Decoder, DraftOutput, Whisper
from speechnar.text.symbols import SymbolTable
from speechnar.train.loop import LoopConfig, Phase, train

BATCH_SECONDS = 60.0  # of audio that `encode` takes at once
STATE_HOP = 2 * HOP_LENGTH  # samples
PIECES = "pieces.txt"
"""In a model folder: what the decoder writes with. The draft has the first of them, after the blank."""
BLANK_ID = 0


@dataclasses.dataclass(frozen=True)
class CopyConfig:
    """How one copy of the training audio differs from the recordings.

    Attributes:
        joined_seconds: utterances that follow one another are heard together, up to so many seconds, and read one by
            one or some in a row, as the runtime does with long recordings; 0 hears each by itself.
        speed: 1 is as recorded.
        noise_share: of the utterances, those that get noise, white to brown, at `snr` dB (lowest, highest).
        bands: mel bands that are masked at most, twice; 0 masks none.
    """

    joined_seconds: float = 0.0
    speed: float = 1.0
    noise_share: float = 0.0
    snr: tuple[float, float] = (5.0, 25.0)
    bands: int = 0


@dataclasses.dataclass(frozen=True)
class WhisperTraining:
    """A training config.

    Attributes:
        part: "draft" or "decoder", which is trained.
        copies: of the training set; the draft and the decoder are trained on the same.
        batch_seconds: of audio, at most.
        masks: on the states, 50 a second.
        weights: of the draft's terms, `ctc` of the last layer, `intermediate` of the mean of those below; or of the
            decoder's, `tokens`.
        kept: of the decoder that training starts from, the share that the average with the trained one has, which is
            what is saved (Wortsman et al. 2022, section 3): 0 keeps nothing.
        rounded: the decoder learns to say with the weights that four bits leave of its own what it said at the start
            with all of theirs.
    """

    part: str
    loop: LoopConfig = LoopConfig()
    copies: tuple[CopyConfig, ...] = (CopyConfig(),)
    batch_seconds: float = 90.0
    masks: SpecAugmentConfig = SpecAugmentConfig(band_masks=0, time_masks_per_second=1.0, time_width=15)
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    kept: float = 0.0
    rounded: bool = False

    def __post_init__(self) -> None:
        if self.part not in ("draft", "decoder"):
            raise ConfigError(f"part is {self.part!r} but should be draft or decoder")
        if self.part == "draft" and (self.rounded or self.kept):
            raise ConfigError("a draft is neither rounded nor averaged: leave rounded and kept out")


@dataclasses.dataclass(frozen=True)
class EncodedBatch:
    """states (B, T, d_model), 50 a second; lengths (B,); tokens (B, T_text), 0-padded; token_lengths (B,)."""

    states: Tensor
    lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> EncodedBatch:
        parts = (self.states, self.lengths, self.tokens, self.token_lengths)
        return EncodedBatch(*(part.to(device, non_blocking=non_blocking) for part in parts))


@dataclasses.dataclass(frozen=True)
class Stretch:
    """One utterance in a window: its name and text, and where it lies, in samples."""

    utt_id: str
    text: str
    start: int
    end: int


def _windows(
    rows: list[list[str]], config: CopyConfig, longest: int
) -> Iterator[tuple[Tensor, tuple[Stretch, ...]]]:
    """What the encoder hears at once, and the utterances in it; those that are too long for it are left out."""
    parts: list[Tensor] = []
    held: list[Stretch] = []
    length = 0

    def window() -> tuple[Tensor, tuple[Stretch, ...]]:
        return torch.cat(parts), tuple(held)

    for utt_id, _, path, text in rows:
        wav = torch.from_numpy(audio.read(path, SAMPLE_RATE)[0])[None]
        if config.speed != 1:
            wav = resampled(wav, config.speed)
        wav = _noisy(wav, config)[0]
        gap = (0.1 + 0.5 * float(torch.rand(()))) * SAMPLE_RATE
        if len(wav) + SILENCE * SAMPLE_RATE > longest:
            continue
        if held and length + gap + len(wav) > config.joined_seconds * SAMPLE_RATE:
            yield window()
            parts, held, length = [], [], 0
        if held:
            parts.append(1e-4 * torch.randn(round(gap / (2 * STATE_HOP)) * 2 * STATE_HOP - length % (2 * STATE_HOP)))
            length += len(parts[-1])
        parts.append(wav)
        held.append(Stretch(utt_id, text, length, length + len(wav)))
        length += len(wav)
    if held:
        yield window()


@torch.inference_mode()
def encode(model_dir: Path, table: Path, out: Path, config: CopyConfig, seed: int = 0) -> None:
    """Writes the states that the encoder makes of the utterances of a table.

    Args:
        table: lines of utt_id<TAB>speaker<TAB>audio<TAB>text.
        out: `out.f16` gets the states of all windows, one after the other, `out.json` of each utterance its text, its
            window, and where it lies: from `start` to before `end`, or to `heard` with the silence at a window's end.

    Raises:
        AudioError: a file cannot be read; ModelError: `model_dir` is no model folder.
    """
    model, _ = load_model(model_dir)
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    torch.manual_seed(seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, object]] = []
    start = windows = 0
    masks = SpecAugmentConfig(band_width=config.bands, time_masks_per_second=0)
    progress = tqdm(total=len(rows), desc=out.name, unit="utt", disable=None)
    part = out.with_suffix(".part")
    with open(part, "wb") as file:

        def write(waiting: list[tuple[Tensor, tuple[Stretch, ...]]]) -> None:
            nonlocal start, windows
            mels = [model.features(F.pad(wav, (0, round(SILENCE * SAMPLE_RATE)))[None])[0] for wav, _ in waiting]
            lengths = torch.tensor([len(mel) for mel in mels])
            mel = nn.utils.rnn.pad_sequence(mels, batch_first=True)
            if config.bands:
                mel = spec_augment(mel, lengths, masks)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                states = model.encoder(mel, lengths)
            for (_, stretches), its, length in zip(waiting, states, ((lengths + 1) // 2).tolist()):
                file.write(its[:length].half().numpy().tobytes())
                for n, stretch in enumerate(stretches):
                    end = start + -(-stretch.end // STATE_HOP)
                    its_own = {"utt_id": stretch.utt_id, "text": stretch.text, "window": windows}
                    at = {"start": start + stretch.start // STATE_HOP, "end": end}
                    heard = start + length if n + 1 == len(stretches) else end
                    index.append(its_own | at | {"heard": heard})
                start += length
                windows += 1
                progress.update(len(stretches))

        waiting: list[tuple[Tensor, tuple[Stretch, ...]]] = []
        for window in _windows(rows, config, model.config.max_frames * STATE_HOP):
            waiting.append(window)
            if sum(len(wav) for wav, _ in waiting) >= BATCH_SECONDS * SAMPLE_RATE:
                write(waiting)
                waiting = []
        if waiting:
            write(waiting)
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

    def states(self, run: range, silence: bool = False) -> Tensor:
        """(T, d_model) of utterances in a row, with what follows a window's last one on demand."""
        end = self.index[run[-1]]["heard" if silence else "end"]
        return torch.from_numpy(self.vectors[self.index[run[0]]["start"] : end].astype(np.float32))

    def text(self, run: range) -> str:
        return " ".join(self.index[n]["text"] for n in run)

    def runs(self, rng: np.random.Generator) -> list[range]:
        """All utterances, one by one or some in a row, cut at random."""
        windows = [row["window"] for row in self.index]
        cuts = [n for n in range(1, len(windows)) if windows[n] != windows[n - 1] or rng.random() < 0.5]
        return [range(*ends) for ends in zip([0, *cuts], [*cuts, len(windows)])]


class _Heard(nn.Module):
    """A decoder from the states on."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = cast(Decoder, decoder)

    def forward(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        return self.decoder(tokens, self.decoder.memory(states), lengths)


class WhisperTask:
    """What the loop needs, for either part.

    Args:
        start: the model folder that the audio was encoded with; `encoded` holds train-0, train-1 ... and dev.
    """

    def __init__(self, config: WhisperTraining, start: Path, encoded: Path) -> None:
        self.settings, self.start = config, start
        whisper, self.config = load_model(start)
        self.whisper: Whisper = whisper
        self.symbols = SymbolTable.load(start / "tokens.txt")
        self.is_draft = config.part == "draft"
        self.pieces = Pieces.of_symbols(self.symbols.symbols) if self.is_draft else Pieces.load(start / PIECES)
        self.before = deepcopy(whisper.decoder).eval().requires_grad_(False)
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
        states = spec_augment(batch.states, batch.lengths, self.settings.masks)
        batch = dataclasses.replace(batch, states=states)
        terms, logits = self._terms(batch)
        return {"tokens": self._distance(batch, logits)} if self.settings.rounded else terms

    def _distance(self, batch: EncodedBatch, logits: Tensor) -> Tensor:
        """The Kullback-Leibler divergence of what the decoder says from what it said at the start, in nats a token."""
        with torch.no_grad():
            said = _Heard(self.before)(batch.tokens, batch.states, batch.lengths).float()
        real = length_mask(batch.token_lengths + 1, said.shape[1])
        log_probs, wanted = logits[real].log_softmax(1), said[real].log_softmax(1)
        return F.kl_div(log_probs, wanted, reduction="batchmean", log_target=True)

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
        heard = _Heard(model)
        weights = rounded_weights(heard) if self.settings.rounded else {}
        text = (batch.tokens, batch.states, batch.lengths)
        logits = torch.func.functional_call(heard, weights, text).float()
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
        whole = deepcopy(self.whisper)
        part = whole.draft if self.is_draft else whole.decoder
        part.load_state_dict(modules["model"].state_dict())
        if self.settings.kept:
            with torch.no_grad():
                for its, start in zip(part.parameters(), self.before.parameters()):
                    its.lerp_(start, self.settings.kept)
        if self.settings.rounded:
            round_module(part, FEW_SHARES)
        save_model(folder, self.config, whole, self.symbols)
        shutil.copy(self.start / PIECES, folder)


def train_whisper(config: WhisperTraining, start: Path, encoded: Path, out: Path) -> None:
    """Trains until the config's end, or goes on from the checkpoint in `out`; leaves a model folder there."""
    torch.manual_seed(config.loop.seed)
    train(WhisperTask(config, start, encoded), config.loop, out)
