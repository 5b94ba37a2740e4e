"""Aligns a corpus with a trained aligner: durations in a manifest, and TextGrids to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from lhotse.cut import Cut
from torch import Tensor
from tqdm import tqdm

from speechnar.audio import AudioConfig, AudioError
from speechnar.data.durations import SILENT, boundaries_of, frames_of, set_durations, to_frames
from speechnar.data.manifest import DataError, load_cuts, save_cuts
from speechnar.data.phonetic import PhoneticBatch, PhoneticData
from speechnar.data.textgrid import Interval, write_textgrid
from speechnar.models.folder import ModelError, load_model
from speechnar.models.tts.aligner import Aligner, AlignerOutput
from speechnar.nar.alignment import AlignmentError, path_shares
from speechnar.text.symbols import SymbolTable

SOFTER = 0.5
"""By which log-likelihoods are scaled once more, so that paths beside the best one count: it moves boundaries nearer to
true ones, on the corpus `heart` by half a millisecond."""


def align_corpus(
    model_dir: Path, cuts_path: Path, out: Path, audio: AudioConfig, lag: float = 0.0, textgrids: Path | None = None
) -> list[Cut]:
    """Writes the manifest with `durations`, `lead` and `trail`, in frames of `audio`; whole or not at all.

    Args:
        audio: of the features that will be computed, whatever the aligner's own is.
        lag: seconds by which every boundary is put later.
        textgrids: a folder for `UTT.TextGrid`.

    Raises:
        ModelError: the model is no aligner.
        DataError: there is no manifest, or utterances cannot be aligned.
        TextError: a phone is not among the aligner's, nor one near it.
    """
    model, config = load_model(model_dir)
    if config.spec.task != "aligner":
        raise ModelError(
            f"{model_dir} holds the model {config.model.name}, not an aligner: see `speechnar train aligner`"
        )
    symbols = SymbolTable.load(model_dir / "tokens.txt")
    cuts = load_cuts(cuts_path)
    data = PhoneticData(cuts, config.audio, symbols, shuffle=False, num_buckets=1)
    failed = []
    for cut in tqdm(cuts, desc="align", unit="utt"):
        try:
            ends = _ends(model, data, cut.id)
            set_durations(cut, whole_frames(ends, config.audio, audio, frames_of(cut, audio), lag))
        except (AlignmentError, AudioError, DataError) as error:
            failed.append(f"{cut.id}: {error}")
    if failed:
        counts = f"{len(failed)} of {len(cuts)} utterances cannot be aligned; the first is {failed[0]}"
        raise DataError(f"{counts}: find out why with `speechnar corpus check`, and drop them by its --fix")
    if textgrids:
        for cut in cuts:
            write_textgrid(textgrids / f"{cut.id}.TextGrid", tiers_of(cut, audio), cut.duration)
    save_cuts(cuts, out)
    return cuts


@torch.no_grad()
def _ends(model: Aligner, data: PhoneticData, utt_id: str) -> np.ndarray:
    """(T_text,) as `token_ends` gives them."""
    batch = data.batch([utt_id])
    return token_ends(model(batch.tokens, batch.token_lengths, batch.mel, batch.mel_lengths), batch)[0].numpy()


def token_ends(output: AlignerOutput, batch: PhoneticBatch) -> Tensor:
    """(B, T_text) frames of the aligner after which each token ends: the median over all paths, each by its weight.

    Raises:
        AlignmentError: more states than frames.
    """
    shares = path_shares(SOFTER * output.log_probs, output.state_lengths, batch.mel_lengths)
    on_token = shares.new_zeros(*shares.shape[:2], batch.tokens.shape[1])
    on_token.scatter_add_(2, output.tokens[:, None, :].expand_as(shares), shares)
    return (on_token.cumsum(2) >= 0.5).sum(1)


def whole_frames(
    ends: np.ndarray, theirs: AudioConfig, audio: AudioConfig, n_frames: int, lag: float = 0.0
) -> np.ndarray:
    """(T_text,) ends in frames of the audio config `theirs` -> durations in frames of `audio`, `n_frames` in all.

    Args:
        lag: seconds by which every boundary is put later.

    Raises:
        DataError: more tokens than frames.
    """
    seconds = ends * theirs.hop_length / theirs.sample_rate + lag
    return to_frames(seconds * audio.sample_rate / audio.hop_length, n_frames, np.ones(len(ends)))


def tiers_of(cut: Cut, audio: AudioConfig) -> dict[str, list[Interval]]:
    """The tiers `words` (written by their phones) and `phones` of an aligned cut; silence is empty."""
    phones = ["", *cut.supervisions[0].custom["phones"], ""]
    ends = [*boundaries_of(cut, audio).clip(max=cut.duration).tolist(), cut.duration]
    tiers: dict[str, list[Interval]] = {"words": [], "phones": []}
    start = 0.0
    for phone, end in zip(phones, ends):
        label = "" if phone in SILENT else phone
        for name, rows in tiers.items():
            last = rows[-1] if rows else None
            if end <= start:
                continue
            if last and (last.text == label == "" or (name == "words" and last.text and label)):
                rows[-1] = Interval(last.text + label, last.start, end)
            else:
                rows.append(Interval(label, start, end))
        start = end
    return tiers
