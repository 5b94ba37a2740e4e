"""Align a corpus with a trained aligner: durations and a score in a manifest, and TextGrids to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from speechnar.data.problems import Problem
from speechnar.data.textgrid import Interval, write_textgrid
from speechnar.files import safe_file_name
from speechnar.models.folder import ModelError, load_model
from speechnar.models.tts.aligner import Aligner, AlignerOutput
from speechnar.nar.alignment import AlignmentError, forward_sum, path_shares
from speechnar.text.symbols import SymbolTable

POSTERIOR_SCALE = 0.5
"""Factor on the log-likelihoods for posteriors, so that paths beside the best one have more weight: on the corpus
`heart` it moves boundaries half a millisecond nearer to the true ones."""

DEVIATIONS = 3.5
"""Robust standard deviations by which the score of a wrong transcript is below the corpus's median, at least: the
modified z-score that Iglewicz and Hoaglin (How to detect and handle outliers, 1993) call an outlier."""

SCORE = "alignment_score"
"""Custom field of a supervision: how well its phones fit its audio, see `Alignment`."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """An aligned utterance.

    Attributes:
        ends: (T_text,) frames of the aligner after which each token ends, `<s>` and `</s>` included.
        score: mean log-likelihood of a frame over all paths, in nats. Wrong transcripts have low scores: compare the
            utterances of one corpus.
    """

    ends: np.ndarray
    score: float


def align_corpus(
    model_dir: Path,
    cuts_path: Path,
    out: Path,
    audio: AudioConfig,
    boundary_offset: float = 0.0,
    textgrids: Path | None = None,
) -> list[Cut]:
    """Write the manifest with `durations`, `lead` and `trail`, in frames of `audio`, and `alignment_score`.

    The manifest is written whole or not at all.

    Args:
        audio: of the features that will be computed, which may differ from the aligner's own.
        boundary_offset: seconds that are added to every boundary.
        textgrids: a folder for `UTT.TextGrid`.

    Returns:
        The aligned cuts.

    Raises:
        ModelError: the model is no aligner.
        DataError: there is no manifest, or utterances cannot be aligned.
    """
    cuts = load_cuts(cuts_path)
    model, data = _aligner(model_dir, cuts)
    failed = []
    for cut in tqdm(cuts, desc="align", unit="utt"):
        try:
            found = _align(model, data, cut.id)
            frames = frames_of(cut, audio)
            set_durations(cut, whole_frames(found.ends, data.audio, audio, frames, boundary_offset))
            cut.supervisions[0].custom[SCORE] = round(found.score, 4)
        except (AlignmentError, AudioError, DataError) as error:
            failed.append(f"{cut.id}: {error}")
    if failed:
        counts = f"{len(failed)} of {len(cuts)} utterances cannot be aligned; the first is {failed[0]}"
        raise DataError(f"{counts}: find out why with `speechnar corpus check`, and drop them by its --fix")
    if textgrids:
        for cut in cuts:
            write_textgrid(textgrids / f"{safe_file_name(cut.id)}.TextGrid", tiers_of(cut, audio), cut.duration)
    save_cuts(cuts, out)
    return cuts


def wrong_transcripts(model_dir: Path, cuts: Sequence[Cut]) -> list[Problem]:
    """Return the utterances whose transcripts hardly fit their audio, beside the others of the corpus.

    An utterance is named if its score is `DEVIATIONS` below the median, or if it cannot be aligned at all.

    Args:
        cuts: with phones; of names that differ.

    Raises:
        ModelError: the model is no aligner.
        DataError: a cut has no phones.
    """
    model, data = _aligner(model_dir, cuts)
    scores: dict[str, float] = {}
    problems = []
    for cut in tqdm(cuts, desc="align", unit="utt"):
        try:
            scores[cut.id] = _align(model, data, cut.id).score
        except (AlignmentError, AudioError) as error:
            problems.append(Problem("transcript", cut.id, str(error)))
    if not scores:
        return problems
    values = np.array(list(scores.values()))
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    for name, score in scores.items():
        if score < median - DEVIATIONS * spread:
            problems.append(Problem("transcript", name, f"score {score:.2f}; the corpus has {median:.2f}"))
    return problems


def _aligner(model_dir: Path, cuts: Sequence[Cut]) -> tuple[Aligner, PhoneticData]:
    model, config = load_model(model_dir)
    if config.spec.task != "aligner":
        raise ModelError(
            f"{model_dir} holds the model {config.model.name}, not an aligner: see `speechnar train aligner`"
        )
    symbols = SymbolTable.load(model_dir / "tokens.txt")
    return model, PhoneticData(cuts, config.audio, symbols, shuffle=False, num_buckets=1)


@torch.no_grad()
def _align(model: Aligner, data: PhoneticData, utt_id: str) -> Alignment:
    batch = data.batch([utt_id])
    output = model(batch.tokens, batch.token_lengths, batch.mel, batch.mel_lengths)
    total = forward_sum(output.log_probs, output.state_lengths, batch.mel_lengths)
    return Alignment(token_ends(output, batch)[0].numpy(), float(total / batch.mel_lengths))


def token_ends(output: AlignerOutput, batch: PhoneticBatch) -> Tensor:
    """Return (B, T_text) frames of the aligner after which each token ends: the median over paths, by probability.

    Raises:
        AlignmentError: there are more states than frames.
    """
    shares = path_shares(POSTERIOR_SCALE * output.log_probs, output.state_lengths, batch.mel_lengths)
    on_token = shares.new_zeros(*shares.shape[:2], batch.tokens.shape[1])
    on_token.scatter_add_(2, output.tokens[:, None, :].expand_as(shares), shares)
    return (on_token.cumsum(2) >= 0.5).sum(1)


def whole_frames(
    ends: np.ndarray, aligner_audio: AudioConfig, audio: AudioConfig, n_frames: int, boundary_offset: float = 0.0
) -> np.ndarray:
    """Return durations (T_text,) in frames of `audio`, which sum to `n_frames`.

    Args:
        ends: (T_text,) in frames of `aligner_audio`.
        boundary_offset: seconds that are added to every boundary.

    Raises:
        DataError: there are more tokens than frames.
    """
    seconds = ends * aligner_audio.hop_length / aligner_audio.sample_rate + boundary_offset
    return to_frames(seconds * audio.sample_rate / audio.hop_length, n_frames, np.ones(len(ends)))


def tiers_of(cut: Cut, audio: AudioConfig) -> dict[str, list[Interval]]:
    """Return the tiers `words` (written by their phones) and `phones` of an aligned cut; silence is empty."""
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
