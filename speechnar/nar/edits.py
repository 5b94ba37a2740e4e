"""Edits that turn one sequence into another: tokens to delete, and how many to insert at each gap.

    source      a x b d          x is deleted
    kept        a   b   d        no token is inserted before a, none between a and b, one between b and d
    target      a   b c d

The tokens that are kept are a longest common subsequence, so the edits are as few as deletions and insertions can be.

Source: Levenshtein Transformer (Gu et al. 2019), section 3.3, the optimal action sequence of the expert policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Edits:
    """Edits of a source of N tokens, of which K are kept.

    Attributes:
        deleted: N bools.
        inserted: K + 1 numbers of tokens to insert: before the first token that is kept, after it, and so on.
    """

    deleted: tuple[bool, ...]
    inserted: tuple[int, ...]


def edits(source: Sequence[int], target: Sequence[int]) -> Edits:
    """Return the fewest deletions and insertions that turn a source into a target."""
    n_source, n_target = len(source), len(target)
    same = np.equal.outer(np.array(source, np.int64), np.array(target, np.int64))
    common = np.zeros((n_source + 1, n_target + 1), np.int64)  # length for the tokens from here to the end
    for i in range(n_source - 1, -1, -1):
        longer = common[i + 1].copy()
        longer[:-1] = np.where(same[i], common[i + 1, 1:] + 1, longer[:-1])
        common[i] = np.maximum.accumulate(longer[::-1])[::-1]
    deleted, inserted = [True] * n_source, [0]
    i = j = 0
    while i < n_source and j < n_target:
        if source[i] == target[j] and common[i, j] == common[i + 1, j + 1] + 1:
            deleted[i] = False
            inserted.append(0)
            i, j = i + 1, j + 1
        elif common[i, j] == common[i + 1, j]:
            i += 1
        else:
            inserted[-1] += 1
            j += 1
    inserted[-1] += n_target - j
    return Edits(tuple(deleted), tuple(inserted))
