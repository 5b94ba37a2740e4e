"""Phrases of a song between the acoustic model and the vocoder: tokens, speeds, and frames at their places.

tokens           t   w        ɪ         ŋ    k
acoustic model   |---|--|-----------|-----|----|         mel at speeds that give at most the lengths of speech
places           |||||||||  | | | |  |||||||||||         where in it each frame of the song is taken from
song             |---|--|-----------------|-----|----|   the middle of the vowel is stretched, its ends are not
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.score.lyrics import SungSyllable, is_vowel
from speechnar.score.timing import TimedPhone

LONGEST_PHRASE = 160  # phones, about two of the longest sentences that acoustic models are trained on
PHRASE_GAP = 0.25  # seconds of silence that end a phrase; a shorter one is a pause within it
BLEND = 5  # frames over which one pass takes over from another
VOICELESS = frozenset([*"ptkfθsʃh", "t͡ʃ"])


@dataclass(frozen=True)
class Slot:
    """A phone, or a short silence, with the tokens that it is made of and the frames that it will have.

    Attributes:
        tokens: the phone and, where a word ends, the break after it; or a pause.
        frames: wanted number.
        phone: None for a silence.
    """

    tokens: tuple[str, ...]
    frames: int
    phone: TimedPhone | None


def ends_word(phone: TimedPhone, following: TimedPhone, syllables: Sequence[SungSyllable]) -> bool:
    """Return whether a word ends between two phones that follow each other."""
    return phone.syllable != following.syllable and syllables[phone.syllable].ends_word


def phrases_of(phones: Sequence[TimedPhone], syllables: Sequence[SungSyllable]) -> list[list[TimedPhone]]:
    """Return phones in groups between silences; a group that would be too long ends with a word, or anywhere."""
    phrases: list[list[TimedPhone]] = [[phones[0]]]
    for before, phone in zip(phones, phones[1:]):
        size = len(phrases[-1])
        full = size >= 2 * LONGEST_PHRASE or (size >= LONGEST_PHRASE and ends_word(before, phone, syllables))
        if full or phone.onset - before.end >= PHRASE_GAP:
            phrases.append([])
        phrases[-1].append(phone)
    return phrases


def speeds_for(natural: np.ndarray, frames: int) -> np.ndarray:
    """Return the speeds at which the tokens of a slot have so many frames; a word break is never made longer.

    Args:
        natural: (n,) frames at speed 1.
        frames: in all, 0 or more.
    """
    natural = np.maximum(natural, 0.5)
    wanted = np.full(len(natural), float(frames))
    if len(natural) > 1:
        wanted[1] = min(natural[1], frames / 3)
        wanted[0] = frames - wanted[1]
    return natural / np.maximum(wanted, 0.01)


def places_of(slots: Sequence[Slot], edges: np.ndarray, n_frames: int, edge: int, tail: int) -> np.ndarray:
    """Return where in the acoustic model's frames each frame of a phrase is, (T,) float, from 0 to n_frames - 1.

    Args:
        slots: of the phrase.
        edges: (n_slots + 1,) frames of the acoustic model between which the slots are.
        n_frames: of the acoustic model.
        edge: frames at each end of a slot that stay as they are where it is stretched.
        tail: frames after the last slot, which follow one another as the model made them.
    """
    places = []
    for slot, a, b in zip(slots, edges, edges[1:]):
        keep = min(edge, int(b - a) // 3)
        inner = np.arange(slot.frames) + 0.5
        if slot.frames > b - a:
            inner = np.interp(inner, [0, keep, slot.frames - keep, slot.frames], [0, keep, b - a - keep, b - a])
        else:
            inner = inner * ((b - a) / max(slot.frames, 1))
        places.append(np.clip(a + inner - 0.5, a, max(b - 1, a)))
    places.append(edges[-1] + np.arange(tail))
    return np.clip(np.concatenate(places), 0, n_frames - 1)


def frames_at(mel: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return (T, n_mels) frames at places between frames."""
    low = np.floor(places).astype(int)
    share = (places - low)[:, None].astype(np.float32)
    return (1 - share) * mel[low] + share * mel[np.minimum(low + 1, len(mel) - 1)]


def blend_weight(taken: np.ndarray, frames: int) -> np.ndarray:
    """Return the weight of a pass in each frame, (frames,) float32: 1 where it is taken, and a ramp beside.

    Args:
        taken: (T,) whether a frame is of this pass; the last counts for those after it.
    """
    padded = np.pad(taken.astype(np.float32), (BLEND // 2, BLEND // 2 + frames - len(taken)), mode="edge")
    return np.convolve(padded, np.full(BLEND, 1 / BLEND, np.float32), mode="valid").astype(np.float32)


def voiced_frames(slots: Sequence[Slot], voiced: np.ndarray) -> np.ndarray:
    """Return which frames are voiced: those that the model voices, all between them in a vowel, none in a `s`."""
    voiced = voiced.copy()
    at = 0
    for slot in slots:
        own = voiced[at : at + slot.frames]
        if slot.phone is None or slot.phone.phone in VOICELESS:
            own[:] = False
        elif is_vowel(slot.phone.phone):
            heard = np.flatnonzero(own)
            own[slice(heard[0], heard[-1] + 1) if heard.size else slice(None)] = True
        at += slot.frames
    return voiced
