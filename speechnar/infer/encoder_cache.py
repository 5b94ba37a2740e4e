"""Cache the encoder states of a corpus: a frozen encoder is run once, and training reads its states from the disk.

    cuts -> windows of one or more utterances -> speed, noise -> log-mel -> masks -> encoder -> states, 50 a second

A Whisper with merged frames has 25 states a second.

A cache is a folder. `cuts.jsonl.gz` has a Lhotse cut for each window, whose supervisions are the utterances in it, and
`states.f16` the states of all windows, one after another. Augmentation of the audio is fixed in a cache, so a corpus is
cached in several variants.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lhotse import MonoCut, SupervisionSegment
from lhotse.cut import Cut
from torch import Tensor, nn
from tqdm import tqdm

from speechnar.config import ConfigError
from speechnar.data.manifest import DataError, load_cuts, read_wav, save_cuts
from speechnar.files import atomic_write
from speechnar.infer.pretrained_encoder import FrozenEncoder, is_pretrained, pretrained_folder
from speechnar.infer.shipped_encoder import ShippedEncoder
from speechnar.layers.augment import (
    SpecAugmentConfig,
    band_limited,
    resampled,
    reverberated,
    spec_augment,
    with_noise,
)
from speechnar.models.asr.whisper import HOP_LENGTH, SAMPLE_RATE, SILENCE
from speechnar.models.folder import ModelError, load_model
from speechnar.train.provenance import provenance_of

BATCH_SECONDS = 60.0
"""Audio that the encoder is run on at once."""

STATE_HOP = 2 * HOP_LENGTH
"""Samples between two states of an encoder that does not merge frames."""

LONGEST_SHIPPED = 30 * SAMPLE_RATE
"""The most samples that the encoder of a shipped recognizer is given at once."""

PAUSE_SECONDS = (0.1, 0.6)
"""Shortest and longest pause between two utterances of a window."""

PAUSE_LEVEL = 1e-4
"""Root mean square of the white noise in these pauses."""

REVERBERATION_SECONDS = (0.2, 0.7)
"""Shortest and longest time in which the sound of a room falls by 60 dB."""

TELEPHONE_BAND = (300.0, 3400.0)
"""Hz."""

CUTS, STATES, SOURCES = "cuts.jsonl.gz", "states.f16", "sources.json"


@dataclasses.dataclass(frozen=True)
class Variant:
    """The difference of the audio of a cache from the recordings.

    Attributes:
        joined_seconds: utterances that follow one another in the manifest are joined to windows of up to so many
            seconds, as the runtime's windows hold several sentences; 0 makes a window of each.
        speed: 1 is as recorded, above 1 is faster.
        noise_share: the share of the utterances that noise, white to brown, is added to.
        snr: the lowest and the highest signal-to-noise ratio of these, in dB.
        speed_range: how much slower or faster than `speed` each utterance is at most, in whole hundredths.
        reverb_share: the share of the utterances that are in a room, which reverberates for 0.2 to 0.7 s.
        telephone_share: the share that is limited to the band of a telephone.
        quiet_share, quiet_db: the share that is softer, and by how much at most.
        mask_bands: mel bands that each of two masks covers at most; 0 masks none.
    """

    joined_seconds: float = 0.0
    speed: float = 1.0
    noise_share: float = 0.0
    snr: tuple[float, float] = (5.0, 25.0)
    mask_bands: int = 0
    speed_range: float = 0.0
    reverb_share: float = 0.0
    telephone_share: float = 0.0
    quiet_share: float = 0.0
    quiet_db: float = 20.0

    def __post_init__(self) -> None:
        if self.speed - self.speed_range <= 0:
            raise ConfigError(f"speed_range is {self.speed_range} but should be less than the speed, {self.speed}")


@dataclasses.dataclass(frozen=True)
class Window:
    """Audio (T_wav,) that the encoder is run on at once, and the utterances in it: first sample, last sample + 1."""

    wav: Tensor
    utterances: tuple[tuple[Cut, int, int], ...]


@torch.inference_mode()
def cache_states(
    model_dir: Path,
    cuts_path: Path,
    out: Path,
    variant: Variant = Variant(),
    seed: int = 0,
    layer: int | None = None,
    unpadded: bool = False,
) -> None:
    """Write a cache of the states that the encoder of a model computes from the utterances of a manifest.

    A cache that is complete and was made from the same manifest, encoder, variant and seed is left as it is.
    Utterances that are longer than the encoder's positions allow are left out.

    Args:
        model_dir: a model folder with a Whisper recognizer; a recognizer as it ships, by its name or folder; or a
            wav2vec 2.0, HuBERT, WavLM or Whisper of transformers, by its folder or as `hf:owner/name`.
        cuts_path: each cut has one supervision with a text.
        out: the folder of the cache.
        layer, unpadded: of an encoder of transformers, as `FrozenEncoder` takes them.

    Raises:
        DataError: there is no manifest, audio cannot be read, or an utterance has no text.
        HubError: the model cannot be fetched.
        ModelError: `model_dir` is no model folder, or its encoder cannot do what is asked.
        SpeechError: there is no such recognizer.
    """
    settings = [json.dumps(dataclasses.asdict(variant)), str(seed)]
    if is_pretrained(model_dir):
        model_dir = pretrained_folder(model_dir)
        settings += [str(layer), str(unpadded)]
    elif layer is not None or unpadded:
        raise ModelError(f"{model_dir} is no model of transformers: leave --layer and --unpadded out")
    cuts = load_cuts(cuts_path)
    for cut in cuts:
        if len(cut.supervisions) != 1 or not cut.supervisions[0].text:
            raise DataError(f"utterance {cut.id} of {cuts_path} should have one supervision with a text")
    sources = provenance_of({"manifest": cuts_path, "model": model_dir, "variant and seed": settings})
    noted = out / SOURCES
    if noted.exists() and json.loads(noted.read_text(encoding="utf-8")) == sources:
        print(f"{out} is up to date")
        return
    digest = hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:16]  # another encoder, another manifest
    encode, longest, hop = _encoder(model_dir, variant, layer, unpadded)
    out.mkdir(parents=True, exist_ok=True)
    noted.unlink(missing_ok=True)
    torch.manual_seed(seed)
    cached: list[Cut] = []
    with atomic_write(out / STATES) as part, open(part, "wb") as file:
        progress = tqdm(total=len(cuts), desc=out.name, unit="utt")
        first = 0
        for batch in _batches(_windows(cuts, variant, longest)):
            for window, states in zip(batch, encode(batch)):
                stored = states.half()
                if not stored.isfinite().all():
                    name = window.utterances[0][0].id
                    raise DataError(f"a state of {name} is no number of 16 bits: listen to it, or take another --layer")
                file.write(stored.numpy().tobytes())
                cached.append(_cut_of(window, len(cached), first, states, hop, digest))
                first += len(states)
                progress.update(len(window.utterances))
        progress.close()
    save_cuts(cached, out / CUTS)
    with atomic_write(noted) as part:
        part.write_text(json.dumps(sources), encoding="utf-8")


def _windows(cuts: Sequence[Cut], variant: Variant, longest: int) -> Iterator[Window]:
    """Yield windows of at most `longest` samples, silence at the end included, of the utterances that fit."""
    parts: list[Tensor] = []
    held: list[tuple[Cut, int, int]] = []
    length = 0
    low, high = PAUSE_SECONDS
    for cut in cuts:
        wav = varied(torch.from_numpy(read_wav(cut, SAMPLE_RATE))[None], variant)[0]
        pause = (low + (high - low) * float(torch.rand(()))) * SAMPLE_RATE
        if len(wav) + SILENCE * SAMPLE_RATE > longest:
            continue
        if held and length + pause + len(wav) > variant.joined_seconds * SAMPLE_RATE:
            yield Window(torch.cat(parts), tuple(held))
            parts, held, length = [], [], 0
        if held:  # the next utterance starts at a whole frame of the CTC branch
            frame = 2 * STATE_HOP
            parts.append(PAUSE_LEVEL * torch.randn(round(pause / frame) * frame - length % frame))
            length += len(parts[-1])
        parts.append(wav)
        held.append((cut, length, length + len(wav)))
        length += len(wav)
    if held:
        yield Window(torch.cat(parts), tuple(held))


def _batches(windows: Iterator[Window]) -> Iterator[list[Window]]:
    batch: list[Window] = []
    for window in windows:
        batch.append(window)
        if sum(len(each.wav) for each in batch) >= BATCH_SECONDS * SAMPLE_RATE:
            yield batch
            batch = []
    if batch:
        yield batch


def _encoder(
    model_dir: Path, variant: Variant, layer: int | None, unpadded: bool
) -> tuple[Callable[[Sequence[Window]], list[Tensor]], int, int]:
    """Return a function that encodes windows, the most samples of a window, and the samples between two states."""
    if (model_dir / "config.yaml").exists():
        model, config = load_model(model_dir)
        sizes = config.model.value
        return lambda batch: _encode(model, batch, variant), sizes.max_frames * STATE_HOP, sizes.state_hop
    if variant.mask_bands:
        raise ModelError(f"{model_dir} is used as it is, and its mel bands cannot be masked: drop mask_bands")
    if is_pretrained(model_dir):
        pretrained = FrozenEncoder(model_dir, layer, unpadded)
        return lambda batch: [pretrained(window.wav) for window in batch], pretrained.longest * STATE_HOP, STATE_HOP
    shipped = ShippedEncoder(model_dir)
    return lambda batch: [shipped(window.wav) for window in batch], LONGEST_SHIPPED, shipped.state_hop


def _encode(model: nn.Module, batch: Sequence[Window], variant: Variant) -> list[Tensor]:
    """Return the states (T, d_model) of each window, with those of the silence after it."""
    silence = round(SILENCE * SAMPLE_RATE)
    mels = [model.features(F.pad(window.wav, (0, silence))[None])[0] for window in batch]  # type: ignore[operator]
    lengths = torch.tensor([len(mel) for mel in mels])
    mel = nn.utils.rnn.pad_sequence(mels, batch_first=True)
    if variant.mask_bands:
        mel = spec_augment(mel, lengths, SpecAugmentConfig(band_width=variant.mask_bands, time_masks_per_second=0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = model.encoder(mel, lengths)  # type: ignore[operator]
    return [each[:length] for each, length in zip(states, model.encoder.state_lengths(lengths).tolist())]  # type: ignore


def _cut_of(window: Window, number: int, first: int, its_states: Tensor, hop: int, digest: str) -> Cut:
    """Return the cut of a window whose states (T, d_model), `hop` samples apart, start at state `first` of the cache.

    The supervisions' `states` are the first state of the utterance in the window and the one after its last. `digest`
    is of what the states were made from: training starts anew where a manifest changes, and so where the encoder does.
    """
    supervisions = []
    for cut, start, end in window.utterances:
        spoken = cut.supervisions[0]
        states = [start // hop, min(-(-end // hop), len(its_states))]
        supervisions.append(
            SupervisionSegment(
                cut.id, f"window-{number}", start / SAMPLE_RATE, (end - start) / SAMPLE_RATE,
                text=spoken.text, speaker=spoken.speaker, language=spoken.language, custom={"states": states},
            )
        )  # fmt: skip
    count, d_model = its_states.shape
    custom = {"first_state": first, "n_states": count, "d_model": d_model, "state_hop": hop, "sources": digest}
    return MonoCut(f"window-{number}", 0.0, count * hop / SAMPLE_RATE, 0, supervisions=supervisions, custom=custom)


def varied(wav: Tensor, variant: Variant) -> Tensor:
    """Return audio (1, T_wav) at another speed, in a room, with noise, over a telephone, or softer."""

    def chosen(share: float) -> bool:
        return share > 0 and float(torch.rand(())) < share

    speed = variant.speed
    if variant.speed_range:
        speed += round((2 * float(torch.rand(())) - 1) * variant.speed_range, 2)
    if speed != 1:
        wav = resampled(wav, round(speed, 2))
    if chosen(variant.reverb_share):
        low, high = REVERBERATION_SECONDS
        wav = reverberated(wav, low + (high - low) * float(torch.rand(())), SAMPLE_RATE)
    if variant.noise_share:
        wav = with_noise(wav, torch.tensor([wav.shape[1]]), variant.noise_share, variant.snr)
    if chosen(variant.telephone_share):
        wav = band_limited(wav, TELEPHONE_BAND, SAMPLE_RATE)
    if chosen(variant.quiet_share):
        wav = wav * 10 ** (-variant.quiet_db * float(torch.rand(())) / 20)
    return wav


@dataclasses.dataclass(frozen=True)
class CachedUtterance:
    """An utterance of a cache.

    Attributes:
        window: the number of its window.
        start, end: its first state in the cache, and the one after its last.
        padded_end: the same with the silence at the end of the window, for the last utterance of a window.
    """

    utt_id: str
    text: str
    window: int
    start: int
    end: int
    padded_end: int


class EncoderCache:
    """Reads what `cache_states` wrote. A run is a `range` of utterances that follow one another in one window.

    Args:
        cuts_path: `cuts.jsonl.gz` of the cache, or a part of its cuts beside it.

    Attributes:
        d_states: the width of a state.
        rate: states a second.

    Raises:
        DataError: there is no such file, or the states beside it are missing or fewer than it says.
    """

    def __init__(self, cuts_path: Path) -> None:
        self.utterances: list[CachedUtterance] = []
        last = 0
        custom: dict[str, Any] = {}
        for number, cut in enumerate(load_cuts(cuts_path)):
            custom = cut.custom or {}
            if "first_state" not in custom:
                raise DataError(f"{cuts_path} is no manifest of a cache: make one with `speechnar encode`")
            first, end = custom["first_state"], custom["first_state"] + custom["n_states"]
            for spoken in cut.supervisions:
                begins, ends = (first + state for state in spoken.custom["states"])
                padded = end if spoken is cut.supervisions[-1] else ends
                self.utterances.append(CachedUtterance(spoken.id, spoken.text, number, begins, ends, padded))
            last = max(last, end)
        path = cuts_path.with_name(STATES)
        if not path.exists():
            raise DataError(f"there is no {path}: make it with `speechnar encode`")
        self.d_states: int = custom["d_model"]
        self.rate: float = SAMPLE_RATE / custom.get("state_hop", STATE_HOP)
        self.vectors = np.memmap(path, np.float16, "r").reshape(-1, self.d_states)
        if len(self.vectors) < last:
            raise DataError(f"{path} holds {len(self.vectors)} states of {last}: delete it, and run `speechnar encode`")

    def states(self, run: range, padded: bool = False) -> Tensor:
        """Return the states (T, d_model) of a run, float32; `padded` adds the silence at the end of the window."""
        last = self.utterances[run[-1]]
        end = last.padded_end if padded else last.end
        return torch.from_numpy(self.vectors[self.utterances[run[0]].start : end].astype(np.float32))

    def seconds(self, run: range) -> float:
        """Return how long a run is with the silence at the end of its window."""
        return (self.utterances[run[-1]].padded_end - self.utterances[run[0]].start) / self.rate

    def texts(self, run: range) -> list[str]:
        """Return the texts of a run's utterances."""
        return [self.utterances[n].text for n in run]

    def runs(self, rng: np.random.Generator) -> list[range]:
        """Return all utterances, alone or several of a window together: each border is cut or kept at random."""
        windows = [utterance.window for utterance in self.utterances]
        cuts = [n for n in range(1, len(windows)) if windows[n] != windows[n - 1] or rng.random() < 0.5]
        return [range(*ends) for ends in zip([0, *cuts], [*cuts, len(windows)])]
