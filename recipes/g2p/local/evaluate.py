#!/usr/bin/env python3
"""Guess the phones of the test words with every trained system on one thread; print the table.

    python local/evaluate.py DATA_DIR EXP_DIR [--words N] [--timed 300]

A word is right if all phones, stress included, are those of one of its pronunciations. The phone error rate counts the
edits to the pronunciation that needs the fewest, over the phones of these pronunciations. Intervals are by bootstrap
over words, p-values by the paired bootstrap of word errors. Times are CPU time, which other work on the computer
affects little, of words that are guessed one by one.

The first row is the model of gruut's data package, whose own training data are another version of CMUdict with most of
the test words in it. WER* also takes the pronunciations of gruut's lexicon for right.

EXP_DIR/letters.onnx, of `speechnar export`, is read as the front end reads it. EXP_DIR/others/NAME.tsv,
`letters<TAB>phones` lines of another program for the test words, become rows too.
"""

import argparse
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from speechnar.data.pairs import read_pairs
from speechnar.decode.methods import DecodeOptions
from speechnar.decode.spelling import edit_distances
from speechnar.evaluate.stats.statistics import bootstrap_interval, paired_difference
from speechnar.evaluate.stats.table import format_p
from speechnar.infer.translate import Translator
from speechnar.text.guesser import Guesser, Phones
from speechnar.text.letters import LetterGuesser

GRUUT, TWIN = "gruut's model, which knows the test words", "twin, beam 4"
EXPORTED = "CTC exported, 8 bits, blanks by a threshold"
SEARCH = DecodeOptions("autoregressive", beam=4, ctc_weight=0.0, length_penalty=1.0)
MODELS = [
    (TWIN, "ar", SEARCH),
    ("twin, greedy", "ar", DecodeOptions("autoregressive", beam=1, ctc_weight=0.0)),
]
for label, folder in (
    ("CTC", "ctc"),
    ("CTC and glancing", "ctc_glat"),
    ("CTC and glancing, distilled", "ctc_glat_distilled"),
):
    MODELS += [
        (f"{label}, best path", folder, DecodeOptions("greedy")),
        (f"{label}, prefix beam 10", folder, DecodeOptions("beam", beam=10)),
    ]
"""Systems: the label, the name of the model folder, how it is decoded."""

Guess = Callable[[Sequence[str]], list[Phones]]


@dataclass(frozen=True)
class Errors:
    """Errors of one system.

    Attributes:
        wrong, wrong_in_both: (N,) bool, words that are none of CMUdict's pronunciations, or of neither dictionary's.
        edits: (N,) to the nearest of CMUdict's pronunciations.
        phones: (N,) of that pronunciation.
    """

    wrong: np.ndarray
    wrong_in_both: np.ndarray
    edits: np.ndarray
    phones: np.ndarray


def read_references(path: Path) -> dict[str, list[Phones]]:
    """Return the pronunciations of each word of a file of prepare.py."""
    words: dict[str, list[Phones]] = {}
    for letters, phones in read_pairs(path):
        words.setdefault("".join(letters.split()), []).append(tuple(phones.split()))
    return words


def nearest(guess: Phones, references: Sequence[Phones]) -> tuple[int, int]:
    """Return the edits from a guess to the reference that needs the fewest, and the phones of that reference."""
    codes = {phone: chr(n) for n, phone in enumerate(dict.fromkeys((*guess, *(p for r in references for p in r))))}
    coded = ["".join(codes[phone] for phone in phones) for phones in (guess, *references)]
    return min((edit_distances(coded[0], [reference])[-1], len(reference)) for reference in coded[1:])


def errors_of(
    guesses: Sequence[Phones], references: dict[str, list[Phones]], lexicon: dict[str, list[Phones]]
) -> Errors:
    """Compare guesses with the references, word by word in their order."""
    wrong = np.array([guess not in its for guess, its in zip(guesses, references.values())])
    known = np.array([guess in lexicon.get(word, ()) for guess, word in zip(guesses, references)])
    edits, phones = np.array([nearest(guess, its) for guess, its in zip(guesses, references.values())]).T
    return Errors(wrong, wrong & ~known, edits, phones)


def by_model(folder: Path, options: DecodeOptions) -> Guess:
    """Return a trained model as a function of words."""
    translator = Translator(folder, options, False)

    def guess(words: Sequence[str]) -> list[Phones]:
        return [tuple(text.split()) for text in translator.translate([" ".join(word) for word in words], 64)]

    return guess


def by_letters(path: Path) -> Guess:
    """Return an exported model as a function of words."""
    guesser = LetterGuesser(path)
    return lambda words: [guesser(word) for word in words]


def milliseconds(guess: Guess, words: Sequence[str]) -> float:
    """Return the mean CPU time of a word that is guessed alone, after a few to warm up."""
    for word in words[:8]:
        guess([word])
    started = time.process_time()
    for word in words[8:]:
        guess([word])
    return 1000 * (time.process_time() - started) / max(1, len(words) - 8)


def gruut_data() -> tuple[Guess, dict[str, list[Phones]]]:
    """Return the model of gruut's data package, and its lexicon."""
    import gruut_lang_en

    folder = Path(gruut_lang_en.get_lang_dir())
    lexicon = defaultdict(list)
    for word, phones in sqlite3.connect(folder / "lexicon.db").execute("SELECT word, phonemes FROM word_phonemes"):
        lexicon[word].append(tuple(phones.split()))
    guesser = Guesser(folder / "g2p" / "model.crf")
    return lambda words: [guesser(word) for word in words], lexicon


def row(label: str, errors: Errors, baselines: Sequence[Errors], took: float | None) -> str:
    """Return a row of the table; `baselines` are compared with, unless they are the system itself."""
    rates = bootstrap_interval(errors.wrong.astype(float))
    per = errors.edits.sum() / errors.phones.sum()
    tests = [
        "" if one is errors else format_p(paired_difference(one.wrong.astype(float), errors.wrong.astype(float)).p)
        for one in baselines
    ]
    cells = [label, f"{100 * per:.2f}", f"{100 * rates.value:.1f}", f"[{100 * rates.low:.1f}, {100 * rates.high:.1f}]"]
    cells += [f"{100 * errors.wrong_in_both.mean():.1f}", *tests, "" if took is None else f"{took:.2f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("exp", type=Path)
    parser.add_argument("--words", type=int, metavar="N", help="of the test set; all by default")
    parser.add_argument("--timed", type=int, default=300, metavar="N", help="words that are timed")
    args = parser.parse_args()
    torch.set_num_threads(1)
    references = dict(list(read_references(args.data / "test.tsv").items())[: args.words])
    words = list(references)
    timed = words[:: max(1, len(words) // args.timed)]  # the words are in the order of the alphabet
    gruut, lexicon = gruut_data()
    systems = [(label, by_model(args.exp / name, options)) for label, name, options in MODELS
               if (args.exp / name / "model.safetensors").exists()]  # fmt: skip
    if (args.exp / "letters.onnx").exists():
        systems.append((EXPORTED, by_letters(args.exp / "letters.onnx")))
    found: list[tuple[str, Errors, float | None]] = []
    for label, guess in [(GRUUT, gruut), *systems]:
        took = milliseconds(guess, timed)
        found.append((label, errors_of(guess(words), references, lexicon), took))
    for path in sorted((args.exp / "others").glob("*.tsv")):
        its = {word: phones[0] for word, phones in read_references(path).items()}
        found.append((path.stem, errors_of([its.get(word, ()) for word in words], references, lexicon), None))
    twin = next((errors for label, errors, _ in found if label == TWIN), None)
    baselines = [found[0][1], *([twin] if twin else [])]
    heads = ["system", "PER", "WER", "95 % interval", "WER*", "p, gruut", *(["p, twin"] if twin else []), "ms a word"]
    print(f"{len(words)} words\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for label, errors, took in found:
        print(row(label, errors, baselines, took))


if __name__ == "__main__":
    main()
