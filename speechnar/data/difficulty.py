"""The difficulty of pairs of texts for a parallel model: the conditional entropy of the targets given the sources.

A source token that has been translated in many ways leaves a parallel model in doubt, because its outputs do not see
each other. Distillation makes the targets less varied, which the measure shows.

Source: Zhou et al. 2020, "Understanding knowledge distillation in non-autoregressive machine translation", section 3.2,
    C(d). IBM model 1: Brown et al. 1993, "The mathematics of statistical machine translation", section 4.
Differs: tokens are aligned by IBM model 1 with a source token that stands for none, where the paper has fast_align.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ITERATIONS = 5
"""Of expectation maximization."""

NONE = 0
"""The source token of target tokens that translate none."""

Pair = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True, eq=False)
class Links:
    """Every target token of a corpus beside every token of its source, L links in all.

    Attributes:
        source: (L,) numbers of source tokens; NONE where there is none.
        target: (L,) numbers of target tokens.
        place: (L,) the target token's number in the corpus, ascending.
    """

    source: np.ndarray
    target: np.ndarray
    place: np.ndarray


def links_of(pairs: Sequence[Pair], with_none: bool = True) -> Links:
    """Return the links of (source tokens, target tokens), numbered in the order in which they first stand.

    Args:
        with_none: whether target tokens may translate no token.
    """
    source_ids: dict[str, int] = {"": NONE} if with_none else {}
    target_ids: dict[str, int] = {}
    sources, targets, places, place = [], [], [], 0
    for source, target in pairs:
        own = [source_ids.setdefault(token, len(source_ids)) for token in source]
        own += [NONE] if with_none else []
        translated = [target_ids.setdefault(token, len(target_ids)) for token in target]
        sources.append(np.tile(np.array(own, np.int32), len(translated)))
        targets.append(np.repeat(np.array(translated, np.int32), len(own)))
        places.append(np.repeat(np.arange(place, place + len(translated), dtype=np.int32), len(own)))
        place += len(translated)
    empty = np.zeros(0, np.int32)
    return Links(*(np.concatenate([empty, *parts]) for parts in (sources, targets, places)))


def translation_probabilities(links: Links, iterations: int = ITERATIONS) -> np.ndarray:
    """Return (L,) IBM model 1's probability of each link's target token given its source token, uniform at first."""
    n_targets = int(links.target.max(initial=0)) + 1
    keys, of_link = np.unique(links.source.astype(np.int64) * n_targets + links.target, return_inverse=True)
    source_of_key = keys // n_targets
    probabilities = np.full(len(keys), 1 / n_targets)
    for _ in range(iterations):
        here = probabilities[of_link]
        here /= np.bincount(links.place, here)[links.place]
        counts = np.bincount(of_link, here, len(keys))
        probabilities = counts / np.bincount(source_of_key, counts)[source_of_key]
    return probabilities[of_link]


def conditional_entropy(pairs: Sequence[Pair]) -> float:
    """Return C(d) in nats: the entropy of the target tokens that a source token is aligned with, a mean over types.

    Each target token is aligned with the source token that gives it the highest probability, the first of equals.
    Source types that no target token is aligned with have no part in the mean.

    Args:
        pairs: (source tokens, target tokens).

    Returns:
        the mean; nan where nothing is aligned.
    """
    links = links_of(pairs)
    probabilities = translation_probabilities(links)
    order = np.lexsort((-probabilities, links.place))
    first = np.unique(links.place[order], return_index=True)[1]
    chosen = order[first]
    chosen = chosen[links.source[chosen] != NONE]
    if not len(chosen):
        return float("nan")
    n_targets = int(links.target.max()) + 1
    keys, counts = np.unique(
        links.source[chosen].astype(np.int64) * n_targets + links.target[chosen], return_counts=True
    )
    _, types = np.unique(keys // n_targets, return_inverse=True)
    share = counts / np.bincount(types, counts)[types]
    return float(np.bincount(types, -share * np.log(share)).mean())
