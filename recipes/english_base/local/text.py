#!/usr/bin/env python3
"""Makes the text that the language model learns from, of books and transcripts, without what the tests say.

    python local/text.py BOOKS_DIR OUT.txt --books local/books.tsv --transcripts TSV... \\
        --no-book-with TSV... --no-line-with TSV...

BOOKS_DIR holds plain text files of Project Gutenberg (`1342.txt`, `1342-0.txt`, `1342-8.txt` or `pg1342.txt`); the
books that books.tsv names (number<TAB>title<TAB>author) are read, and must be there. The other files have a text in
the last column. A book that shares eight words in a row with a text of --no-book-with is left out, and said so; so is
a line that does with a text of --no-line-with. Each line of OUT.txt is some sentences of a paragraph, in lower-case
words as they are spoken.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from prepare import words
from tqdm import tqdm

from speechnar.audio import replacing
from speechnar.text.normalise import normalise

SHARED = 8  # words in a row that are no coincidence
LINE_WORDS = 16  # a line goes on to the end of the sentence in which it reaches this length, as an utterance does
START = re.compile(r"^\*\*\* ?START OF.*$|^\*END[* ]*THE SMALL PRINT.*$", re.MULTILINE | re.IGNORECASE)
END = re.compile(r"^\*\*\* ?END OF.*$|^End of (the |this )?Project Gutenberg.*$", re.MULTILINE | re.IGNORECASE)
APPARATUS = re.compile(r"\[[^\]]*\]|\{[^}]*\}|https?://\S+")  # notes, pictures, page numbers
MODERN = (("to-day", "today"), ("to-night", "tonight"), ("to-morrow", "tomorrow"))


def body(path: Path) -> str:
    """A book without what Project Gutenberg says before and after it."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    starts = [match.end() for match in START.finditer(text)]
    text = text[starts[-1] :] if starts else text
    end = END.search(text)
    return text[: end.start()] if end else text


def lines_of(text: str) -> Iterator[str]:
    """Lower-case words, a line for some sentences of a paragraph."""
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        paragraph = APPARATUS.sub(" ", paragraph).replace("_", "")
        if sum(c.isalpha() for c in paragraph) < 0.6 * len("".join(paragraph.split())):
            continue  # tables, rules of asterisks
        for old, new in MODERN:
            paragraph = paragraph.replace(old, new).replace(old.capitalize(), new.capitalize())
        line: list[str] = []
        for sentence in re.split(r"[.?!]+", normalise(paragraph)):
            line += (words(sentence) or "").split()
            if len(line) >= LINE_WORDS:
                yield " ".join(line)
                line = []
        if line:
            yield " ".join(line)


def last_column(paths: Iterable[Path]) -> list[str]:
    return [line.split("\t")[-1] for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def sequences(texts: Iterable[str]) -> dict[int, set[str]]:
    """Runs of SHARED words by their length; a shorter text is a run itself."""
    found: dict[int, set[str]] = {}
    for text in texts:
        tokens = text.split()
        size = min(SHARED, len(tokens))
        for start in range(len(tokens) - size + 1):
            found.setdefault(size, set()).add(" ".join(tokens[start : start + size]))
    return found


def shared(line: str, runs: dict[int, set[str]]) -> str | None:
    """The first run that a line holds; one of fewer words than SHARED only where it is the whole line."""
    tokens = line.split()
    if line in runs.get(len(tokens), ()):
        return line
    for start in range(len(tokens) - SHARED + 1):
        if (run := " ".join(tokens[start : start + SHARED])) in runs.get(SHARED, ()):
            return run
    return None


def book_file(folder: Path, number: str) -> Path:
    names = (f"{number}-0.txt", f"{number}-8.txt", f"{number}.txt", f"pg{number}.txt")
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        sys.exit(f"text.py: {folder} has none of {', '.join(names)}: get book {number} from Project Gutenberg")
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--books", type=Path, required=True)
    for option in ("--transcripts", "--no-book-with", "--no-line-with"):
        parser.add_argument(option, type=Path, nargs="*", default=[])
    args = parser.parse_args()

    books_apart, lines_apart = sequences(last_column(args.no_book_with)), sequences(last_column(args.no_line_with))
    total = dropped = 0
    with replacing(args.out) as part, open(part, "w", encoding="utf-8") as out:

        def write(lines: Iterable[str]) -> None:
            nonlocal total, dropped
            for line in lines:
                if shared(line, lines_apart) or shared(line, books_apart):
                    dropped += 1
                else:
                    total += len(line.split())
                    out.write(line + "\n")

        for row in tqdm(args.books.read_text(encoding="utf-8").splitlines()[1:], unit="book", disable=None):
            number, title, _ = row.split("\t")
            lines = list(lines_of(body(book_file(args.folder, number))))
            text = " ".join(lines)
            if run := shared(text, books_apart):
                print(f"book {number}, {title}, is left out: held-out speech says {run!r} too", file=sys.stderr)
                continue
            write(lines)
        for text in last_column(args.transcripts):
            write(lines_of(text))
    print(f"{total} words, {dropped} lines left out")


if __name__ == "__main__":
    main()
