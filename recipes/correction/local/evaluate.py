#!/usr/bin/env python3
"""Correct recognized texts; print error rates before and after, and the share of right words that are made wrong.

    python local/evaluate.py FOLDER TSV... [--timed 100]

FOLDER is that of a corrector, the TSV files are of recognize.py. Recognized text is corrected twice: as text alone, as
`speechnar correct` does, and by the audio, as `speechnar transcribe --correct` does. Words are compared after Whisper's
English normalizer. The relative reduction of the WER has a 95 % interval by bootstrap over speakers. A word is harmed
if it is right, a correction replaces it, and a right word is lost. A word that no correction replaces is not harmed:
where a neighbor changes, it may be aligned otherwise. The last row gives the corrector of text the words that were
said, of which none should change. A time is the CPU time of a text that is corrected alone, on one thread.
"""

import argparse
import functools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import jiwer
import numpy as np

from speechnar.decode.acoustic_correction import AcousticCorrector, Utterance, without_overlap
from speechnar.decode.corrector import Correction, Corrector, corrected_words
from speechnar.evaluate.stats.statistics import bootstrap_interval
from speechnar.evaluate.stats.table import format_table
from speechnar.evaluate.wer.normalizers import normalizer
from speechnar.runtime.recognizer_folder import RecognizerInfo, find_recognizer
from speechnar.text.whisper_bpe import BytePairs

MOST_HARMED = 0.001  # of right words

SpokenForm = Callable[[str], str]
T = TypeVar("T")


@dataclass(frozen=True)
class Recognized:
    """A recognized text with all corrections that are proposed, certain or not.

    Attributes:
        said: what was said, in the form that is compared.
        spoken_form: returns the form of a text that is compared.
    """

    speaker: str
    said: str
    words: list[str]
    proposals: list[Correction]
    spoken_form: SpokenForm

    def certain(self, threshold: float) -> list[Correction]:
        """Return the corrections of at least this confidence."""
        return without_overlap(each for each in self.proposals if each.confidence >= threshold)

    def corrected(self, threshold: float) -> str:
        """Return the text that is compared, with the corrections of at least this confidence."""
        return self.spoken_form(" ".join(corrected_words(self.words, self.certain(threshold))))

    @functools.cached_property
    def right(self) -> list[bool] | None:
        """True for each recognized word that is right as a whole; None if the compared form is not that of the words.

        A nonword such as "your're" is wrong, though its form, "your are", has a right word. Numbers of several words
        and some contractions are compared in another form than that of their words.
        """
        parts = [self.spoken_form(word).split() for word in self.words]
        flat = [part for its in parts for part in its]
        if flat != self.spoken_form(" ".join(self.words)).split():
            return None
        hits = np.zeros(len(flat), bool)
        for chunk in jiwer.process_words([self.said], [" ".join(flat)]).alignments[0]:
            if chunk.type == "equal":
                hits[chunk.hyp_start_idx : chunk.hyp_end_idx] = True
        ends = np.cumsum([len(its) for its in parts])
        return [bool(its) and bool(hits[end - len(its) : end].all()) for its, end in zip(parts, ends)]

    def harmed(self, corrections: Sequence[Correction], lost: int) -> int:
        """Return how many right words corrections replace by others, at most as many as are lost.

        Args:
            lost: said words that are right before the corrections and wrong after. All of them count if `right` is
                None.
        """
        if self.right is None:
            return lost
        replaced = 0
        for each in corrections:
            places = range(each.place, each.place + each.count)
            old = Counter(self.spoken_form(self.words[place]) for place in places if self.right[place])
            replaced += (old - Counter(map(self.spoken_form, each.words))).total()
        return min(replaced, lost)


@dataclass(frozen=True)
class Change:
    """The effect of one correction: errors that it removes, and right words that it makes wrong."""

    fewer: int
    harmed: int
    confidence: float
    features: tuple[float, ...]
    is_unknown: bool


def audio_path(path: Path, utt_id: str, system: str) -> Path:
    """Return the file of the words and the output of CTC of a line of a file of recognize.py."""
    return path.with_suffix("") / f"{utt_id.replace('/', '_')}.{system}.npz"


def read_audio(path: Path, utt_id: str, system: str) -> Utterance:
    with np.load(audio_path(path, utt_id, system)) as found:
        frames, log_probs = found["frames"].tolist(), found["log_probs"].astype(np.float32)
        return Utterance(found["words"].tolist(), frames, found["confidences"].tolist(), log_probs)


def is_verified(system: str) -> bool:
    return system.startswith("default")


def acoustic(corrector: Corrector, recognizer: str = "english_base") -> AcousticCorrector:
    """Return the corrector by audio, for the CTC of a recognizer."""
    return AcousticCorrector(corrector, BytePairs(RecognizerInfo.load(find_recognizer(recognizer)).symbols))


def read_spoken(path: Path, corrector: Corrector, spoken_form: SpokenForm, system: str) -> list[Recognized]:
    """Return the texts of one system in a file of recognize.py, with the corrections that the audio proposes too."""
    found = []
    by_audio = acoustic(corrector)
    for line in path.read_text(encoding="utf-8").splitlines():
        utt_id, speaker, name, said, _ = line.split("\t")
        if name == system and (spoken := spoken_form(said)):
            text = read_audio(path, utt_id, system)
            proposals = by_audio.proposals(text)
            found.append(Recognized(speaker, spoken, list(text.words), proposals, spoken_form))
    return found


def read_recognized(path: Path, corrector: Corrector, spoken_form: SpokenForm, system: str) -> list[Recognized]:
    """Return the texts of one system in a file of recognize.py; `said` is what was said."""
    found: dict[str, Recognized] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        utt_id, speaker, name, said, text = line.split("\t")
        if system == "said":
            text = said.lower() if said == said.upper() else said
        elif name != system:
            continue
        words = text.split()
        if spoken := spoken_form(said):
            found[utt_id] = Recognized(speaker, spoken, words, corrector.proposals(words), spoken_form)
    return list(found.values())


def is_right(said: Sequence[str], texts: Sequence[str]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return for each text which of the said words are right, and its (N,) errors."""
    output = jiwer.process_words(list(said), list(texts))
    right, errors = [], []
    for words, chunks in zip(output.references, output.alignments):
        hits, wrong = np.zeros(len(words), bool), 0
        for chunk in chunks:
            if chunk.type == "equal":
                hits[chunk.ref_start_idx : chunk.ref_end_idx] = True
            else:
                wrong += max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        right.append(hits)
        errors.append(wrong)
    return right, np.array(errors)


def changes_of(text: Recognized) -> list[Change]:
    """Return the effect of each proposed correction of a text, made alone."""
    if not text.proposals:
        return []
    texts = [" ".join(corrected_words(text.words, each)) for each in ([], *([one] for one in text.proposals))]
    right, errors = is_right([text.said] * len(texts), [text.spoken_form(each) for each in texts])
    return [
        Change(
            int(errors[0] - after),
            text.harmed([each], int((right[0] & ~hits).sum())),
            each.confidence,
            each.features,
            each.is_unknown,
        )
        for each, hits, after in zip(text.proposals, right[1:], errors[1:])
    ]


@dataclass(frozen=True)
class Figures:
    """Errors (N,) of texts before and after, words, words that are right before, and those of them that are harmed."""

    before: np.ndarray
    after: np.ndarray
    words: int
    right: int
    harmed: int


def figures_of(texts: Sequence[Recognized], threshold: float) -> Figures:
    """Return the effect of the corrections of at least this confidence."""
    said = [text.said for text in texts]
    (before, errors_before), (after, errors_after) = (
        is_right(said, [text.corrected(least) for text in texts]) for least in (2.0, threshold)
    )
    harmed = sum(text.harmed(text.certain(threshold), int((a & ~b).sum())) for text, a, b in zip(texts, before, after))
    return Figures(errors_before, errors_after, sum(map(len, before)), sum(int(a.sum()) for a in before), harmed)


def right_words(texts: Sequence[Recognized]) -> int:
    """Return how many of the said words are right."""
    right, _ = is_right([text.said for text in texts], [text.spoken_form(" ".join(text.words)) for text in texts])
    return sum(int(each.sum()) for each in right)


def milliseconds(correct: Callable[[T], object], texts: Sequence[T]) -> str:
    """Return the mean CPU time of a text that is corrected alone, after a few to warm up."""
    for text in texts[:8]:
        correct(text)
    started = time.process_time()
    for text in texts[8:]:
        correct(text)
    return f"{1000 * (time.process_time() - started) / max(1, len(texts) - 8):.2f}"


def row_of(texts: Sequence[Recognized], threshold: float) -> list[str]:
    """Return the figures of a row of the table."""
    found = figures_of(texts, threshold)
    less = ["", ""]
    if found.before.sum():
        ratio = bootstrap_interval(found.after, found.before, [text.speaker for text in texts])
        less = [f"{100 - 100 * ratio.value:.1f} %", f"[{100 - 100 * ratio.high:.1f}, {100 - 100 * ratio.low:.1f}]"]
    rates = [f"{100 * errors.sum() / found.words:.2f}" for errors in (found.before, found.after)]
    return [*rates, *less, f"{found.harmed} of {found.right}, {100 * found.harmed / max(1, found.right):.3f} %"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("recognized", type=Path, nargs="+")
    parser.add_argument("--timed", type=int, default=100, metavar="N", help="texts of each row (100)")
    args = parser.parse_args()
    spoken_form = functools.cache(normalizer("whisper"))
    rows = [["texts", "system", "by", "WER", "after", "less, relative", "95 %", "right words harmed", "ms a text"]]
    for path in args.recognized:
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        for system in (*dict.fromkeys(line[2] for line in lines), "said"):
            ours = [line for line in lines if line[2] == system][: args.timed]
            corrector = Corrector(args.folder)
            times = milliseconds(corrector, [line[4] for line in ours]) if ours else ""
            texts = read_recognized(path, corrector, spoken_form, system)
            rows.append([path.stem, system, "text", *row_of(texts, corrector.threshold), times])
            if not ours:
                continue
            corrector, verified = Corrector(args.folder), is_verified(system)
            by_audio = acoustic(corrector)
            correct = functools.partial(by_audio.corrections, verified=verified)
            times = milliseconds(correct, [read_audio(path, line[0], system) for line in ours])
            texts = read_spoken(path, corrector, spoken_form, system)
            rows.append([path.stem, system, "audio", *row_of(texts, by_audio.threshold(verified)), times])
    print(format_table(rows))


if __name__ == "__main__":
    main()
