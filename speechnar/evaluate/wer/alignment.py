"""Alignments of transcripts with the reference for reading, as text in the style of sclite or as HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

from speechnar.evaluate.wer.error_rate import Alignment, Score, WerError
from speechnar.files import atomic_write

KINDS = {"S": "substitution", "D": "deletion", "I": "insertion"}

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 0; }
p { margin: .2rem 0; }
.error { border-radius: .2rem; display: inline-block; line-height: 1.2; padding: 0 .2rem; text-align: center;
  vertical-align: top; }
.error > * { display: block; text-decoration: none; }
.error small { font-weight: bold; }
.S { background: light-dark(#ffe08a, #6b5200); }
.D { background: light-dark(#ffc0c0, #7a2020); }
.I { background: light-dark(#b8dcff, #17456f); }
#wrong:checked ~ section.right { display: none; }
"""


def check(path: str | Path) -> None:
    """Check that `write` has a format for the file's ending; raise WerError otherwise."""
    if Path(path).suffix.lower() not in WRITERS:
        raise WerError(f"{path} should end in {' or '.join(WRITERS)}")


def write(path: str | Path, scores: Sequence[Score]) -> None:
    """Write the alignments of systems, utterance by utterance, to `.txt` or `.html`.

    Args:
        scores: of the same reference, one or more.

    Raises:
        WerError: another ending.
        FileError: the file cannot be written.
    """
    check(path)
    with atomic_write(path) as part, open(part, "w", encoding="utf-8") as file:
        file.writelines(WRITERS[Path(path).suffix.lower()](scores))


def kind_of(reference: str, hypothesis: str) -> str:
    """Return S, D or I; "" where both are the same."""
    if reference == hypothesis:
        return ""
    return "I" if not reference else "S" if hypothesis else "D"


def _text(scores: Sequence[Score]) -> Iterator[str]:
    for alignments in zip(*(score.alignments for score in scores)):
        yield f"id: {alignments[0].utterance}\n"
        for score, alignment in zip(scores, alignments):
            yield f"system: {score.system}\nscores: {_counts(alignment)}\n"
            yield from _lines(alignment)
        yield "\n"


def _lines(alignment: Alignment) -> Iterator[str]:
    rows: tuple[list[str], ...] = (["REF: "], ["HYP: "], ["EVAL:"])
    for reference, hypothesis in alignment.pairs:
        width = max(len(reference), len(hypothesis))
        kind = kind_of(reference, hypothesis)
        cells = (reference or "*" * width, hypothesis or "*" * width, kind)
        for row, cell in zip(rows, cells):
            row.append((cell.upper() if kind else cell).ljust(width))
    for row in rows:
        yield " ".join(row).rstrip() + "\n"


def _counts(alignment: Alignment) -> str:
    right = alignment.length - alignment.substitutions - alignment.deletions
    return f"C {right}, S {alignment.substitutions}, D {alignment.deletions}, I {alignment.insertions}"


def _html(scores: Sequence[Score]) -> Iterator[str]:
    title = "Alignments of " + escape(", ".join(score.system for score in scores))
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>Above what was said, below what was heard: "
    yield ", ".join(f'<span class="{kind}">{kind} {name}</span>' for kind, name in KINDS.items())
    yield '.</p>\n<input type="checkbox" id="wrong"><label for="wrong"> only utterances with errors</label>\n'
    for alignments in zip(*(score.alignments for score in scores)):
        right = "" if any(alignment.errors for alignment in alignments) else ' class="right"'
        yield f"<section{right}>\n<h2>{escape(alignments[0].utterance)}</h2>\n"
        for score, alignment in zip(scores, alignments):
            yield f"<p>{escape(score.system)} ({_counts(alignment)}):\n"
            yield f'<bdi dir="auto">{"".join(_cells(score, alignment))}</bdi></p>\n'
        yield "</section>\n"
    yield "</body>\n</html>\n"


def _cells(score: Score, alignment: Alignment) -> Iterator[str]:
    space = " " if score.unit == "word" else ""
    for reference, hypothesis in alignment.pairs:
        kind = kind_of(reference, hypothesis)
        if kind:
            said, heard = (escape(unit).replace(" ", "␣") or "&nbsp;" for unit in (reference, hypothesis))
            yield f'<span class="error {kind}"><del>{said}</del><ins>{heard}</ins><small>{kind}</small></span>{space}'
        else:
            yield escape(reference) + space


WRITERS: dict[str, Callable[[Sequence[Score]], Iterator[str]]] = {".txt": _text, ".html": _html}
