"""Arguments and results of a voice: `Controls`, `Timing`, `Speech`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

RANGES = {
    "speed": (0.25, 4.0, "1 is normal, 2 twice as fast"),
    "pitch": (-24.0, 24.0, "semitones, 0 is normal"),
    "pitch_range": (0.0, 3.0, "1 is normal, 0 monotone"),
    "energy": (-40.0, 20.0, "dB, 0 is normal"),
}
MOST_STEPS, MOST_TEMPERATURE = 64, 2.0


class SpeechError(ValueError):
    """Report a control, voice, recognizer or output that cannot be used; the message says what to do."""


class SpeechWarning(UserWarning):
    """A notice of speech that is not quite what was asked for."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The time of a sentence, a word or a phone.

    Attributes:
        text: a sentence or a word as it is spoken; a phone's symbol, with `" "` and punctuation for pauses.
        start, end: seconds from the start of the audio.
        source: a sentence as it is written, with its figures and quotes; empty where that is not known.
        span: where in the given text a sentence or a word is written, as offsets of its first character and of the one
            after its last; None where that is not known.
    """

    text: str
    start: float
    end: float
    source: str = field(default="", compare=False, kw_only=True)
    span: tuple[int, int] | None = field(default=None, compare=False, kw_only=True)


@dataclass(frozen=True)
class Timings:
    """Sentences, words and phones in the order of time. Within a sentence, phones follow each other without gaps."""

    sentences: tuple[Timing, ...]
    words: tuple[Timing, ...]
    phones: tuple[Timing, ...]

    @property
    def text(self) -> str:
        """The text as it is written, where that is known."""
        return " ".join(line.text for line in self.lines)

    @property
    def duration(self) -> float:
        """Return the seconds until the last sentence ends."""
        return self.sentences[-1].end

    @property
    def lines(self) -> tuple[Timing, ...]:
        """The sentences as they are written, for subtitles."""
        return tuple(replace(sentence, text=sentence.source or sentence.text) for sentence in self.sentences)

    @property
    def tiers(self) -> dict[str, Sequence[Timing]]:
        return {"sentences": self.sentences, "words": self.words, "phones": self.phones}

    @staticmethod
    def joined(parts: Iterable[Timings]) -> Timings:
        """Return the timings of parts, one after the other."""
        kinds = zip(*((part.sentences, part.words, part.phones) for part in parts))
        return Timings(*(tuple(itertools.chain.from_iterable(kind)) for kind in kinds))


@dataclass(frozen=True, eq=False)
class Speech(Timings):
    """Audio, with the timings and features that it was made from.

    Attributes:
        wav: (T_mel * hop_length,) float32 in [-1, 1].
        sample_rate: Hz.
        mel: (T_mel, n_mels) float32, natural log magnitude; the floor in the silence between sentences.
        f0: (T_mel,) float32, Hz, 0 = unvoiced.
    """

    wav: np.ndarray
    sample_rate: int
    mel: np.ndarray
    f0: np.ndarray


@dataclass(frozen=True, eq=False)
class Controls:
    """Controls of speech. The first four are one number, or one number for each phone of the whole text.

    The phones are those of `Speech.phones`: every sound, the `" "` between words and the punctuation.

    Attributes:
        speed: 1 is normal, 2 twice as fast; 0.25 to 4.
        pitch: semitones up or down; -24 to 24.
        pitch_range: how lively; 1 is normal, 0 monotone; 0 to 3.
        energy: dB; -40 to 20.
        seed: of the noise in the voice: the same number gives the same audio.
        speaker: one of the voice's, where it has several, or a blend such as "heart:0.6,michael:0.4"; by default the
            speaker that the voice was loaded with.
        steps: from noise to the mel, of a voice that samples it; 1 to 64, by default 2.
        temperature: how far what a voice samples is from what it expects; 0 to 2, by default 1. At 0 the seed does not
            change the reading.

    Raises:
        SpeechError: a value is no number or out of its range.
    """

    speed: float | Sequence[float] | np.ndarray = 1.0
    pitch: float | Sequence[float] | np.ndarray = 0.0
    pitch_range: float | Sequence[float] | np.ndarray = 1.0
    energy: float | Sequence[float] | np.ndarray = 0.0
    seed: int = 0
    speaker: str | None = None
    steps: int | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        for name, (low, high, meaning) in RANGES.items():
            given = getattr(self, name)
            try:
                values = np.asarray(given, dtype=np.float32)
            except (TypeError, ValueError):
                values = np.empty((0, 0), np.float32)
            if values.ndim > 1:
                raise SpeechError(f"{name} should be a number, or one for each phone, but is {given!r} ({meaning})")
            wrong = values[~((values >= low) & (values <= high))]
            if wrong.size:
                raise SpeechError(f"{name} should be from {low:g} to {high:g} ({meaning}) but is {wrong[0]:g}")
            object.__setattr__(self, name, values)
        if not isinstance(self.seed, int) or self.seed < 0:
            raise SpeechError(f"seed should be a whole number, 0 or more, but is {self.seed!r}")
        if self.steps is not None and not (type(self.steps) is int and 1 <= self.steps <= MOST_STEPS):
            raise SpeechError(f"steps should be a whole number from 1 to {MOST_STEPS} but is {self.steps!r}")
        given = self.temperature
        if given is not None and not (type(given) in (int, float) and 0 <= given <= MOST_TEMPERATURE):
            raise SpeechError(f"temperature should be a number from 0 to {MOST_TEMPERATURE:g} but is {given!r}")

    @property
    def per_phone(self) -> bool:
        """Return whether any of the controls is a sequence."""
        return any(np.ndim(getattr(self, name)) for name in RANGES)

    def check_length(self, n_phones: int) -> None:
        """Raise SpeechError if a sequence does not have one value for each phone of the text."""
        for name in RANGES:
            values = np.asarray(getattr(self, name))
            if values.ndim and len(values) != n_phones:
                raise SpeechError(
                    f"{name} has {len(values)} values but the text has {n_phones} phones; "
                    "give one for each phone, space and pause of `Speech.phones`"
                )

    def of_tokens(self, name: str, start: int, n_phones: int) -> np.ndarray:
        """Return the values of one control for the tokens `<s>`, phones `start` to `start + n_phones`, `</s>`.

        Returns:
            (1, n_phones + 2) float32; `<s>` and `</s>` have the value of the phone beside them.
        """
        values = np.asarray(getattr(self, name))
        if not values.ndim:
            return np.full((1, n_phones + 2), values)
        return np.pad(values[start : start + n_phones], 1, mode="edge")[None]
