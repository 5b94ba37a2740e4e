#!/usr/bin/env python3
"""Write the words of texts that the bigram model and the pronouncing lexicon lack, for a corrector to leave alone.

    python local/rare_words.py SENTENCES.txt FOLDER [--times 3]

SENTENCES.txt is of texts.py; FOLDER has `lm.npz`, of `speechnar lm train`, and gets `rare_words.txt`.
"""

import argparse
from collections import Counter
from pathlib import Path

from speechnar.decode.corrector import LM, RARE_WORDS
from speechnar.decode.letter_channel import LETTERS, LONGEST
from speechnar.files import atomic_write
from speechnar.lm.ngram import NgramModel
from speechnar.text.g2p import pronouncer

SHORTEST = 3  # letters; shorter words are abbreviations and parts of words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--times", type=int, default=3, metavar="N", help="fewest times that a word is in the texts (3)"
    )
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    with open(args.sentences, encoding="utf-8") as file:
        for line in file:
            counts.update(line.split())
    common, letters = set(NgramModel.load(args.folder / LM).words), frozenset(LETTERS)
    words = {word for word, n in counts.items() if n >= args.times and SHORTEST <= len(word) < LONGEST}
    rare = {word for word in words - common if letters.issuperset(word) and not pronouncer().knows(word)}
    known = rare | common
    found = {word for word in rare if not {word.removesuffix("s"), word.removesuffix("'s")} & (known - {word})}
    with atomic_write(args.folder / RARE_WORDS) as part:
        part.write_text("".join(f"{word}\n" for word in sorted(found)), encoding="utf-8")
    print(f"{len(found)} words that neither the bigram model nor the lexicon has, with or without a final s")


if __name__ == "__main__":
    main()
