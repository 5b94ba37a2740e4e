#!/usr/bin/env python3
"""Write transcripts as the words that are said, for a recognizer: in small letters and in Unicode's NFC.

    python prepare.py CUTS OUT --language CODE

Numbers, dates and abbreviations are written out by the language's front end, and punctuation is dropped: `Am 3. Mai!`
is `am dritten mai`. An utterance without a word is named and left out.
"""

import argparse
import re
import sys
import unicodedata
from pathlib import Path

from speechnar.data.manifest import load_cuts, save_cuts
from speechnar.text.languages.front_end import LETTERS, front_end, parse_language


def words_of(text: str, language: str) -> str:
    """Return the words of a text in small letters, in NFC, with single spaces between them.

    Raises:
        TextError: there is no such language.
    """
    code, _ = parse_language(language)
    reader = front_end(code if code == "en" else code + LETTERS)  # only words are asked for: no lexicon is needed
    words = reader.normalize(text).lower()
    return " ".join(re.sub(r"[.,;:?!]", " ", unicodedata.normalize("NFC", words)).split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--language", required=True, metavar="CODE")
    args = parser.parse_args()
    kept = []
    for cut in load_cuts(args.cuts):
        (supervision,) = cut.supervisions
        supervision.text, supervision.language = words_of(supervision.text or "", args.language), args.language
        if supervision.text:
            kept.append(cut)
        else:
            print(f"prepare.py: {cut.id} has no word and is left out", file=sys.stderr)
    save_cuts(kept, args.out)


if __name__ == "__main__":
    main()
