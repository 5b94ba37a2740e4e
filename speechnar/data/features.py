"""Compute the features of a corpus, once: one `.npz` an utterance, `tokens.txt`, `stats.json`, `audio.json`.

Each cut has one supervision with the text and the custom fields `phones` (list of symbols), `durations` (frames of
each phone), `lead` and `trail` (frames before and after, given to `<s>` and `</s>`), and optionally `f0` (Hz of each
frame, 0 where unvoiced; without it `audio.track_f0` estimates it). A song also has, for each phone, `note_pitch`
(MIDI), `note_durations` (seconds of the note) and `slurs` (1 where the note continues the syllable before it). A cut
without durations is not aligned: it is enough
for what learns the alignment too. The supervision's `speaker` says who it is, where more than one speaks.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lhotse import CutSet
from lhotse.cut import Cut

from speechnar import config as config_files
from speechnar.audio import AudioConfig, log_mel_of, mel_filters, spectrogram, track_f0
from speechnar.data.batch import Utterance
from speechnar.data.durations import frames_of
from speechnar.data.manifest import DataError, mapped, read_wav
from speechnar.files import atomic_write, safe_file_name
from speechnar.text.symbols import BOS, EOS, PAD, SymbolTable, TextError

ARRAYS = ("tokens", "durations", "mel", "f0", "energy", "wav")
NOTES = ("note_pitch", "note_durations", "slurs")
TOLERANCE = 2
"""Frames by which audio and F0 may differ from the durations; they are trimmed or padded to fit."""


@dataclass(frozen=True)
class FeatureStats:
    """Hold the statistics of the training cuts that `stats.json` stores.

    Attributes:
        mel_mean, mel_std: n_mels numbers, natural log magnitude.
        log_f0_mean, log_f0_std: ln Hz, over voiced frames (0 and 1 if there are none).
        energy_mean, energy_std: natural log magnitude.
        utterances: how many.
        seconds: their audio.
        speakers: log_f0_mean and log_f0_std of each speaker, in the order of their names, where there are several.
    """

    mel_mean: tuple[float, ...]
    mel_std: tuple[float, ...]
    log_f0_mean: float
    log_f0_std: float
    energy_mean: float
    energy_std: float
    utterances: int
    seconds: float
    speakers: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sums:
    """Hold counts, sums and sums of squares, from which `FeatureStats` come; float64."""

    utterances: int
    frames: int
    voiced: int
    mel: np.ndarray
    mel_squares: np.ndarray
    log_f0: np.ndarray
    energy: np.ndarray

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values())))


def compute_features(
    cuts: CutSet, folder: str | Path, audio: AudioConfig, other_cuts: Iterable[CutSet] = (), jobs: int = 1
) -> FeatureStats:
    """Compute the features of `cuts` and `other_cuts`, `jobs` processes at once; existing files are kept.

    Statistics come from `cuts`, the training set, alone; the others (validation, test) share the folder. So do symbols,
    but for a phone of another set where training has neither it nor one near it: it is added, with a notice on stderr.

    Raises:
        DataError: durations do not fit the audio, a field is missing, or the folder was made with other settings.
        AudioError: audio cannot be read.
        FileError: a file cannot be written.
    """
    folder = Path(folder)
    others = [cut for other in other_cuts for cut in other]
    symbols = prepare_folder(folder, cuts, audio, others)
    training = list(cuts)
    if not training:
        raise DataError("the training manifest holds no cuts; run the stage that prepares it")
    names = _speakers(training)
    mel_filters(audio)  # imported once, not by every process
    work = functools.partial(_of_cut, folder=folder, audio=audio, symbols=symbols)
    sums: dict[str, _Sums] = {}
    for number, these in enumerate(mapped(work, training + others, jobs, "features")):
        if number < len(training):
            name = names[number]
            sums[name] = sums[name] + these if name in sums else these
    stats = _stats(sums, audio)
    config_files.save(stats, folder / "stats.json")
    return stats


def prepare_folder(folder: Path, cuts: CutSet, audio: AudioConfig, others: Iterable[Cut] = ()) -> SymbolTable:
    """Write `audio.json` and `tokens.txt` of a features folder, or check those that are there.

    Returns:
        The table of the symbols of `cuts`, the training set, and of those of `others` that none of these is near.

    Raises:
        DataError: the folder was made with another audio config, or lacks symbols.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _keep_audio_config(folder / "audio.json", audio)
    return _keep_symbols(folder / "tokens.txt", cuts, others)


def utterance_of(cut: Cut, audio: AudioConfig, symbols: SymbolTable) -> Utterance:
    """Return the features of one cut.

    Raises:
        DataError: a field is missing, or phones, durations, audio and F0 do not fit one another.
        TextError: a phone is not in `symbols`, and none near it.
    """
    tokens, durations = _tokens_and_durations(cut, symbols)
    frames = int(durations.sum()) or frames_of(cut, audio)
    if not frames:
        raise DataError(f"utterance {cut.id} is shorter than a frame: leave it out")
    wav = read_wav(cut, audio.sample_rate)
    wav = _fitted(wav, frames, audio.hop_length, cut.id, "audio")
    pcm = np.clip(np.rint(wav * 32768), -32768, 32767).astype(np.int16)
    wav = pcm.astype(np.float32) / 32768
    f0 = cut.supervisions[0].custom.get("f0")
    if f0 is None:
        f0 = track_f0(wav, audio)
    else:
        f0 = _fitted(np.asarray(f0, dtype=np.float32), frames, 1, cut.id, "F0")
    spectrum = spectrogram(wav, audio)
    power = np.square(spectrum, dtype=np.float64).mean(axis=1)
    energy = (0.5 * np.log(power + 1e-10)).astype(np.float32)
    mel = log_mel_of(spectrum, audio)
    return Utterance(cut.id, tokens, durations, mel, f0, energy, pcm, notes=_notes(cut))


def _notes(cut: Cut) -> np.ndarray | None:
    """Return the notes of `<s>`, the phones and `</s>`, (T_text, 3) float32; None of speech."""
    fields: dict[str, Any] = cut.supervisions[0].custom or {}
    if not any(name in fields for name in NOTES):
        return None
    sizes = {name: len(fields.get(name, ())) for name in ("phones", *NOTES)}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{size} {name}" for name, size in sizes.items())
        raise DataError(f"utterance {cut.id} has {counts}, which should be as many: prepare it again")
    notes = np.array([fields[name] for name in NOTES], np.float32).T
    return np.concatenate([notes[:1], notes, notes[-1:]])


def load_utterance(folder: str | Path, utt_id: str) -> Utterance:
    """Read the features of one utterance.

    Raises:
        DataError: they have not been computed, or the file is broken.
    """
    path = _path(Path(folder), utt_id)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            notes = arrays["notes"] if "notes" in arrays else None
            return dataclasses.replace(Utterance(utt_id, *(arrays[name] for name in ARRAYS)), notes=notes)
    except FileNotFoundError:
        raise DataError(f"there are no features of utterance {utt_id} at {path}: run the features stage") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}): delete it and run the features stage again") from None


def _path(folder: Path, utt_id: str) -> Path:
    return folder / "utterances" / f"{safe_file_name(utt_id)}.npz"


def _tokens_and_durations(cut: Cut, symbols: SymbolTable) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and frames of `<s>`, the phones and `</s>`, (T_text,) int64 each; 0 frames if not aligned."""
    if len(cut.supervisions) != 1:
        raise DataError(f"utterance {cut.id} has {len(cut.supervisions)} supervisions but should have one: cut it up")
    fields: dict[str, Any] = cut.supervisions[0].custom or {}
    if "phones" not in fields:
        raise DataError(f"utterance {cut.id} lacks the custom field 'phones': run `speechnar corpus phonemize`")
    missing = [name for name in ("durations", "lead", "trail") if name not in fields]
    if len(missing) == 3:
        tokens = np.array(symbols.encode(fields["phones"]), dtype=np.int64)
        return tokens, np.zeros_like(tokens)
    if missing:
        raise DataError(f"utterance {cut.id} lacks the custom field {missing[0]!r}: align it again")
    phones, durations = fields["phones"], [fields["lead"], *fields["durations"], fields["trail"]]
    if len(phones) + 2 != len(durations):
        counts = f"{len(phones)} phones but {len(durations) - 2} durations"
        raise DataError(f"utterance {cut.id} has {counts}: align it again")
    if min(durations) < 0 or not sum(durations):
        raise DataError(f"utterance {cut.id} has durations from {min(durations)}, {sum(durations)} in all: align again")
    return np.array(symbols.encode(phones), dtype=np.int64), np.array(durations, dtype=np.int64)


def save_features(cut: Cut, folder: Path, audio: AudioConfig, symbols: SymbolTable) -> Utterance:
    """Compute and write the features of one cut, unless they are there with the same alignment, and return them.

    Raises:
        As `utterance_of`.
    """
    path = _path(folder, cut.id)
    utterance = load_utterance(folder, cut.id) if path.exists() else None
    tokens, durations = _tokens_and_durations(cut, symbols)
    if utterance is None or not all(map(np.array_equal, (utterance.tokens, utterance.durations), (tokens, durations))):
        frames = int(durations.sum()) or frames_of(cut, audio)
        if utterance is not None and len(utterance.mel) == frames and "f0" not in cut.supervisions[0].custom:
            utterance = dataclasses.replace(utterance, tokens=tokens, durations=durations)  # its sound is the same
        else:
            utterance = utterance_of(cut, audio, symbols)
        with atomic_write(path) as part, open(part, "wb") as file:
            arrays = {name: getattr(utterance, name) for name in (*ARRAYS, "notes")}
            np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    return utterance


def _of_cut(cut: Cut, folder: Path, audio: AudioConfig, symbols: SymbolTable) -> _Sums:
    """Save the features of one cut and return its part of the statistics."""
    utterance = save_features(cut, folder, audio, symbols)
    mel, energy = utterance.mel.astype(np.float64), utterance.energy.astype(np.float64)
    log_f0 = np.log(utterance.f0[utterance.f0 > 0].astype(np.float64))
    return _Sums(
        utterances=1,
        frames=len(mel),
        voiced=len(log_f0),
        mel=mel.sum(axis=0),
        mel_squares=np.square(mel).sum(axis=0),
        log_f0=np.array([log_f0.sum(), np.square(log_f0).sum()]),
        energy=np.array([energy.sum(), np.square(energy).sum()]),
    )


def _speakers(cuts: list[Cut]) -> list[str]:
    """Return the speaker of each cut; "" where none is named."""
    names = [cut.supervisions[0].speaker or "" if cut.supervisions else "" for cut in cuts]
    if len(set(names)) > 1 and "" in names:
        raise DataError(f"utterance {cuts[names.index('')].id} has no speaker, but others have: name it, or none")
    return names


def _stats(of_speakers: dict[str, _Sums], audio: AudioConfig) -> FeatureStats:
    first, *rest = of_speakers.values()
    sums = sum(rest, start=first)

    def mean_std(total: Any, squares: Any, count: int) -> tuple[Any, Any]:
        mean = total / count
        return mean, np.sqrt(np.maximum(squares / count - mean**2, 1e-10))

    mel_mean, mel_std = mean_std(sums.mel, sums.mel_squares, sums.frames)
    energy_mean, energy_std = mean_std(sums.energy[0], sums.energy[1], sums.frames)

    def log_f0(sums: _Sums) -> tuple[float, float]:
        if not sums.voiced:
            return 0.0, 1.0
        mean, std = mean_std(sums.log_f0[0], sums.log_f0[1], sums.voiced)
        return float(mean), float(std)

    log_f0_mean, log_f0_std = log_f0(sums)
    speakers = {name: log_f0(of_speakers[name]) for name in sorted(of_speakers)}
    return FeatureStats(
        mel_mean=tuple(float(v) for v in mel_mean),
        mel_std=tuple(float(v) for v in mel_std),
        log_f0_mean=log_f0_mean,
        log_f0_std=log_f0_std,
        energy_mean=float(energy_mean),
        energy_std=float(energy_std),
        utterances=sums.utterances,
        seconds=sums.frames * audio.hop_length / audio.sample_rate,
        speakers=speakers if len(speakers) > 1 else {},
    )


def _keep_audio_config(path: Path, audio: AudioConfig) -> None:
    """Write `audio.json`, or refuse a folder that was made with another audio config."""
    if path.exists():
        differences = config_files.load(AudioConfig, path).differences(audio)
        if differences:
            raise DataError(f"{path.parent} was made with another audio config ({'; '.join(differences)}): delete it")
    config_files.save(audio, path)


def _phones(cuts: Iterable[Cut]) -> set[str]:
    return {phone for cut in cuts for s in cut.supervisions for phone in (s.custom or {}).get("phones", ())}


def _known(phone: str, symbols: SymbolTable) -> bool:
    try:
        symbols.id_of(phone)
    except TextError:
        return False
    return True


def _keep_symbols(path: Path, cuts: CutSet, others: Iterable[Cut]) -> SymbolTable:
    """Return the table in `path` if it has every symbol, else a new one; refuse to change ids in use."""
    seen = _phones(cuts)
    trained = SymbolTable((PAD, BOS, EOS, *sorted(seen)))
    strange = sorted(phone for phone in _phones(others) if not _known(phone, trained))
    if strange:
        print(
            f"speechnar: no training utterance has {' '.join(map(repr, strange))}, or a phone near it: the model cannot"
            " learn to say it",
            file=sys.stderr,
        )
        seen.update(strange)
    if path.exists():
        symbols = SymbolTable.load(path)
        new = sorted(seen - set(symbols.symbols))
        if new:
            raise DataError(f"{path} lacks the symbols {' '.join(map(repr, new))}: delete {path.parent}")
        return symbols
    symbols = SymbolTable((PAD, BOS, EOS, *sorted(seen)))
    symbols.save(path)
    return symbols


def _fitted(values: np.ndarray, frames: int, hop_length: int, utt_id: str, what: str) -> np.ndarray:
    """Trim or zero-pad (T,) to `frames * hop_length`, by `TOLERANCE` frames at most."""
    length = frames * hop_length
    if abs(len(values) - length) > TOLERANCE * hop_length:
        has = f"{what} has {len(values) / hop_length:.1f}"
        raise DataError(f"durations sum to {frames} frames but {has} (utterance {utt_id}): align it again")
    return np.pad(values[:length], (0, max(0, length - len(values))))
