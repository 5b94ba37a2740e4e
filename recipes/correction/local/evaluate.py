#!/usr/bin/env python3
"""Correct recognized texts; print error rates before and after, and the share of right words that are made wrong.

    python local/evaluate.py FOLDER TSV... [--timed 100]

FOLDER is that of a corrector, the TSV files are of recognize.py. Words are compared after Whisper's English normalizer.
The relative reduction of the WER has a 95 % interval by bootstrap over speakers. A word is harmed if it is right before
and wrong after. The last row gives the corrector the words that were said, of which none should change. A time is the
CPU time of a text that is corrected alone, on one thread.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from speechnar.decode.corrector import Correction, Corrector, corrected_words
from speechnar.evaluate.stats.statistics import bootstrap_interval
from speechnar.evaluate.stats.table import format_table
from speechnar.evaluate.wer.normalizers import normalizer

MOST_HARMED = 0.001  # of right words

SpokenForm = Callable[[str], str]


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

    def corrected(self, threshold: float) -> str:
        """Return the text that is compared, with the corrections of at least this confidence."""
        certain = [each for each in self.proposals if each.confidence >= threshold]
        return self.spoken_form(" ".join(corrected_words(self.words, certain)))


@dataclass(frozen=True)
class Change:
    """The effect of one correction: errors that it removes, and right words that it makes wrong."""

    fewer: int
    harmed: int
    confidence: float
    features: tuple[float, ...]


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
        Change(int(errors[0] - after), int((right[0] & ~hits).sum()), each.confidence, each.features)
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
    harmed = sum(int((a & ~b).sum()) for a, b in zip(before, after))
    return Figures(errors_before, errors_after, sum(map(len, before)), sum(int(a.sum()) for a in before), harmed)


def milliseconds(corrector: Corrector, texts: Sequence[str]) -> float:
    """Return the mean CPU time of a text that is corrected alone, after a few to warm up."""
    for text in texts[:8]:
        corrector(text)
    started = time.process_time()
    for text in texts[8:]:
        corrector(text)
    return 1000 * (time.process_time() - started) / max(1, len(texts) - 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("recognized", type=Path, nargs="+")
    parser.add_argument("--timed", type=int, default=100, metavar="N", help="texts of each row (100)")
    args = parser.parse_args()
    spoken_form = normalizer("whisper")
    rows = [["texts", "system", "WER", "after", "less, relative", "95 %", "right words harmed", "ms a text"]]
    for path in args.recognized:
        systems = {line.split("\t")[2]: None for line in path.read_text(encoding="utf-8").splitlines()}
        for system in (*systems, "said"):
            plain = [line.split("\t")[4] for line in path.read_text("utf-8").splitlines() if f"\t{system}\t" in line]
            times = f"{milliseconds(Corrector(args.folder), plain[: args.timed]):.2f}" if plain else ""
            corrector = Corrector(args.folder)
            texts = read_recognized(path, corrector, spoken_form, system)
            found = figures_of(texts, corrector.threshold)
            less = ["", ""]
            if found.before.sum():
                ratio = bootstrap_interval(found.after, found.before, [text.speaker for text in texts])
                less = [
                    f"{100 - 100 * ratio.value:.1f} %",
                    f"[{100 - 100 * ratio.high:.1f}, {100 - 100 * ratio.low:.1f}]",
                ]
            rates = [f"{100 * errors.sum() / found.words:.2f}" for errors in (found.before, found.after)]
            harmed = f"{found.harmed} of {found.right}, {100 * found.harmed / max(1, found.right):.3f} %"
            rows.append([path.stem, system, *rates, *less, harmed, times])
    print(format_table(rows))


if __name__ == "__main__":
    main()
