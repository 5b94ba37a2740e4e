"""What Whisper's encoder, which is not trained, makes of the recordings: written once, read in training.

Augmentation of the audio is fixed in the copies that `encode` makes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from speechnar import audio
from speechnar.data.features import DataError
from speechnar.layers.augment import SpecAugmentConfig, add_noise, colored_noise, resampled, spec_augment
from speechnar.models.asr.whisper import HOP_LENGTH, SAMPLE_RATE, SILENCE
from speechnar.models.folder import load_model

BATCH_SECONDS = 60.0  # of audio that `encode` takes at once
STATE_HOP = 2 * HOP_LENGTH  # samples


@dataclasses.dataclass(frozen=True)
class CopyConfig:
    """One copy of the training audio, and how it differs from the recordings.

    Attributes:
        table: of the recordings: `train` is train.tsv.
        joined_seconds: utterances that follow one another are heard together, up to so many seconds, and read one by
            one or some in a row, as the runtime does with long recordings; 0 hears each by itself.
        speed: 1 is as recorded.
        noise_share: of the utterances, those that get noise, white to brown, at `snr` dB (lowest, highest).
        bands: mel bands that are masked at most, twice; 0 masks none.
    """

    table: str = "train"
    joined_seconds: float = 0.0
    speed: float = 1.0
    noise_share: float = 0.0
    snr: tuple[float, float] = (5.0, 25.0)
    bands: int = 0


@dataclasses.dataclass(frozen=True)
class Stretch:
    """One utterance in a window: its name and text, and where it lies, in samples."""

    utt_id: str
    text: str
    start: int
    end: int


def _windows(rows: list[list[str]], config: CopyConfig, longest: int) -> Iterator[tuple[Tensor, tuple[Stretch, ...]]]:
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
    noise = colored_noise(wav, 2 * torch.rand(1))
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
