"""Speakers of a voice by name, and blends of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speechnar.runtime.speech import SpeechError


def names_in(blend: str) -> list[str]:
    """Return the names in a blend such as "heart:0.6,michael:0.4", or in a single name."""
    return [part.partition(":")[0].strip() for part in blend.split(",")]


def speaker_weights(blend: str, speakers: Sequence[str], voice: str) -> np.ndarray:
    """Return the weight of each speaker in a blend.

    Args:
        blend: a name, or names with weights, such as "heart:0.6,michael:0.4"; a name without one has the weight 1.
        speakers: the names that a voice has, in the order of its model.
        voice: its name, for error messages.

    Returns:
        (1, len(speakers)) float32, from 0 to 1, which sum to 1.

    Raises:
        SpeechError: there is no such speaker, or a weight is no number, is negative, or all are 0.
    """
    weights = np.zeros((1, len(speakers)), np.float32)
    for part, name in zip(blend.split(","), names_in(blend)):
        if name not in speakers:
            cure = f"take {', '.join(speakers)}" if speakers else "it has only one: leave the speaker out"
            raise SpeechError(f"the voice {voice} has no speaker {name!r}; {cure}")
        _, colon, given = part.partition(":")
        try:
            weight = float(given) if colon else 1.0
        except ValueError:
            weight = -1.0
        if not 0 <= weight < np.inf:
            raise SpeechError(f"the weight of {name} should be a number from 0 on but is {given.strip()!r}")
        weights[0, speakers.index(name)] += weight
    if not weights.sum():
        raise SpeechError(f"the weights in {blend!r} are all 0: give one of the speakers some")
    return weights / weights.sum()
