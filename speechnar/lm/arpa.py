"""Read n-gram models of other programs, in the ARPA format."""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path

import numpy as np

from speechnar.lm.ngram import BEGIN, END, UNKNOWN, LMError, NgramModel, Table, row_keys

NEVER = -20.0  # log10 under which a probability means that the word does not occur


def load_lm(path: str | Path) -> NgramModel:
    """Read a model of `speechnar lm train`, or one whose name ends in .arpa or .arpa.gz.

    Raises:
        LMError: it is neither.
        OSError: it cannot be read.
    """
    return read_arpa(path) if re.search(r"\.arpa(\.gz)?$", str(path)) else NgramModel.load(path)


def read_arpa(path: str | Path) -> NgramModel:
    """Read an ARPA file; if it lacks `<unk>`, that gets the probability of its rarest word.

    Raises:
        LMError: it is not one; the message has the line.
    """
    sections: list[dict[tuple[str, ...], tuple[float, float]]] = []
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if re.fullmatch(rf"\\{len(sections) + 1}-grams:", line):
                sections.append({})
            elif line == "\\end\\":
                break
            elif line and sections:
                parts = line.split()
                n = len(sections)
                try:
                    if not n + 1 <= len(parts) <= n + 2:
                        raise ValueError
                    values = float(parts[0]), float(parts[n + 1]) if len(parts) > n + 1 else 0.0
                except ValueError:
                    raise LMError(f"{path}, line {number}: {line!r} is no {n}-gram of the ARPA format") from None
                sections[-1][tuple(parts[1 : n + 1])] = values
    if not sections:
        raise LMError(f"{path} has no \\1-grams:, so it is not in the ARPA format")
    rarest = min((p for p, _ in sections[0].values() if p > NEVER), default=-1.0)
    for special, log_prob in ((BEGIN, -99.0), (END, rarest), (UNKNOWN, rarest)):
        sections[0].setdefault((special,), (log_prob, 0.0))
    words = sorted(word for (word,) in sections[0])
    ids = {word: n for n, word in enumerate(words)}
    try:
        tables = [_table(section, ids, n) for n, section in enumerate(sections, 1) if section]
    except KeyError as error:
        raise LMError(f"{path} has no 1-gram for {error.args[0]!r}, which stands in a longer one") from None
    return NgramModel.of_tables(words, tables)


def _table(section: dict[tuple[str, ...], tuple[float, float]], ids: dict[str, int], n: int) -> Table:
    rows = np.array([[ids[word] for word in gram] for gram in section], dtype=np.int64).reshape(-1, n)
    values = np.array(list(section.values())) * math.log(10)
    order = np.argsort(row_keys(rows, len(ids)))
    return Table(rows[order], values[order, 0], values[order, 1])
