"""Sing a part of a score with a voice that was trained on speech: notes and lyrics to audio.

    part -> phones with times, F0 curve        by rule (score/)
         -> phrases                            cut at rests
         -> mel of each phrase                 the acoustic model, at a speed for each phone and a pitch for each note
         -> mel with the wanted frames         the middle of held vowels is stretched
         -> audio                              the vocoder, given this mel and the F0 curve

The acoustic model takes one pitch shift for a phone. A vowel that goes over several notes is therefore computed once
for each of its pitches, and every frame is taken from the pass whose pitch is that of its note.

    note        G4        A4        B4
    vowel       |---------------------------|
    pass 0      [=======]                         all of the vowel at G4, of which this is kept
    pass 1              [=========]               at A4
    pass 2                        [=========]     at B4
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from speechnar.runtime.breath import breath_before, with_breaths
from speechnar.runtime.frames import Frames, audible_durations, limited
from speechnar.runtime.phrases import (
    Slot,
    blend_weight,
    ends_word,
    frames_at,
    phrases_of,
    places_of,
    speeds_for,
    voiced_frames,
)
from speechnar.runtime.speech import Speech, SpeechError, Timing
from speechnar.runtime.sung_mel import SungMel, on_notes
from speechnar.runtime.voice import Voice
from speechnar.runtime.voice_folder import SINGING_VOCODER, Vocoder
from speechnar.score.dynamics import level_curve, louder
from speechnar.score.lyrics import SungSyllable, is_vowel, sung_syllables
from speechnar.score.notes import Part, ScoreWarning
from speechnar.score.pitch import PitchOptions, f0_curve, hz, transposition
from speechnar.score.timing import TimedPhone, time_phones
from speechnar.text.symbols import WORD_BREAK

LOWEST, HIGHEST = -5.0, 9.0  # semitones from the mean F0 of the voice, by rule
SUNG_LOWEST, SUNG_HIGHEST = 0.0, 18.0  # the same of a model that was trained to sing
HELD = 0.15  # seconds of a phone that the acoustic model makes at most, as in speech; the rest is stretched
EDGE = 0.05  # seconds at each end of a stretched phone that stay as they are
RELEASE = 0.05  # seconds that a phrase sounds on after its last phone
PAUSE = ","
WORD_BREAK_FRAMES = 3  # at the end of a word's last phone, as the acoustic model knows it from speech
MOST_PASSES = 8
BREATH_SOUND = 12  # frames of the `h` of which breaths are made
DETUNING = 6.0  # cents: standard deviation between the singers of several parts
DELAY = 0.015  # seconds: the same
LEVEL = 1.0  # dB: the same


@dataclass(frozen=True)
class Melody:
    """A part with the phones of its lyrics, as it will be sung.

    Attributes:
        part: whose notes are sung, at the tempo at which they are sung.
        syllables: of `sung_syllables`.
        phones: of `time_phones`; there is at least one.
        doubts: of `sung_syllables`.
    """

    part: Part
    syllables: tuple[SungSyllable, ...]
    phones: tuple[TimedPhone, ...]
    doubts: tuple[ScoreWarning, ...] = ()

    @classmethod
    def of(cls, part: Part, tempo: float = 1.0, lexicon: Mapping[str, Sequence[str]] | None = None) -> Melody:
        """Return the melody of a part.

        Args:
            tempo: factor; 2 is twice as fast.
            lexicon: see `sung_syllables`.

        Raises:
            SpeechError: the tempo is out of its range, or the part has nothing to sing.
        """
        if not 0.1 <= tempo <= 10:
            raise SpeechError(f"the tempo is {tempo:g} but should be from 0.1 to 10 times that of the score")
        part = replace(part, notes=tuple(note.at_tempo(tempo) for note in part.notes))
        syllables, doubts = sung_syllables(part, lexicon)
        phones = time_phones(part, syllables)
        if not phones:
            raise SpeechError(f"the part {part.name!r} has no notes to sing")
        return cls(part, tuple(syllables), tuple(phones), tuple(doubts))

    @property
    def start(self) -> float:
        """Return the seconds from the start of the score to the first sound, at most 0: consonants come before."""
        return min(0.0, self.phones[0].onset)


class Singer:
    """Sings with a voice.

    Attributes:
        voice: that sings.
        mean: F0 in Hz that the voice has where nothing moves it.
    """

    def __init__(self, voice: Voice, speaker: str | None = None) -> None:
        """Measure the mean F0 of a voice.

        Args:
            speaker: of the voice, where it has several.

        Raises:
            SpeechError: there is no such speaker, or the voice has no F0.
        """
        self.voice, self._speaker = voice, speaker
        self._hop = voice.info.audio.hop_length / voice.sample_rate
        n = len(_SAMPLE) + 2
        f0 = self._predict(_SAMPLE, np.ones(n), np.zeros(n))[1]
        if not f0.any():
            raise SpeechError(f"the voice {voice.name} has no F0 and cannot sing")
        self.mean = float(np.median(f0[f0 > 0]))
        self._sung_mel = SungMel.of(voice, speaker)
        own = voice.folder / SINGING_VOCODER
        sings = self._sung_mel is not None and own.is_file()
        self._vocoder = Vocoder.load(own, voice.info.audio, voice.threads) if sings else None

    def transposition(self, parts: Sequence[Part]) -> int:
        """Return the semitones that move parts, all by the same, into the range of the voice."""
        middle = 69 + 12 * np.log2(self.mean / 440)
        low, high = (SUNG_LOWEST, SUNG_HIGHEST) if self._sung_mel else (LOWEST, HIGHEST)
        return transposition([n for part in parts for n in part.notes], middle + low, middle + high)

    def sing(self, part: Part | Melody, options: PitchOptions | None = None) -> Speech:
        """Sing a part.

        Args:
            options: how, with the transposition; by default the one of `transposition`.

        Raises:
            SpeechError: the part has nothing to sing.
        """
        melody = part if isinstance(part, Melody) else Melody.of(part)
        options = options or PitchOptions(transpose=self.transposition([melody.part]))
        phrases = list(self.frames(melody, options))
        return self.voice.speech(phrases, [wav for frames in phrases for wav in self.vocode(frames)])

    def vocode(self, frames: Frames) -> Iterator[np.ndarray]:
        """Yield the audio of a phrase, as `Voice.vocode` does, by the vocoder of high notes where the voice has one."""
        return self.voice.vocode(frames, vocoder=self._vocoder)

    def frames(self, melody: Melody, options: PitchOptions, start: float | None = None) -> Iterator[Frames]:
        """Compute a melody phrase by phrase, for `vocode`. Timings count from the start of the audio.

        Args:
            options: how to sing.
            start: seconds from the start of the score to that of the audio; by default `melody.start`.
        """
        start = melody.start if start is None else start
        release = round(RELEASE / self._hop)
        last = self._frame(melody.phones[-1].end, start) + release
        curve = f0_curve(melody.part.notes, last, self._hop, options, start)
        levels = options.expression * level_curve(melody.part.notes, last, self._hop, start)
        done = 0
        phrases = phrases_of(melody.phones, melody.syllables)
        begins = [self._frame(phrase[0].onset, start) for phrase in phrases] + [last]
        for index, phones in enumerate(phrases):
            slots = self._slots(phones, melody.syllables, start)
            first = begins[index]
            tail = min(release, begins[index + 1] - first - sum(slot.frames for slot in slots))
            if self._sung_mel:
                mel, voiced = self._sung(slots, melody, curve, options.transpose, start, first, max(tail, 0))
                if options.breaths:
                    ends = np.cumsum([slot.frames for slot in slots])
                    pauses = [(end - slot.frames, end) for slot, end in zip(slots, ends) if not slot.phone]
                    mel = with_breaths(mel, pauses, self._noise, self._hop)
            else:
                mel, voiced = self._rendered(slots, melody, options, start, first, max(tail, 0))
            if levels.any():
                mel = louder(mel, levels[first : first + len(mel)], self.voice.info.audio)
            f0 = np.where(voiced, curve[first : first + len(mel)], 0.0).astype(np.float32)
            silence, done = first - done, first + len(mel)
            if options.breaths and self._sung_mel:
                before = breath_before(mel, silence, self._noise, self._hop)
                mel, f0 = np.concatenate([before, mel]), np.pad(f0, (len(before), 0))
                silence -= len(before)
            yield self._timed(
                slots, melody.syllables, silence=silence, first=first, mel=mel, f0=f0, seed=(options.seed, index)
            )

    def _frame(self, time: float, start: float) -> int:
        return round((time - start) / self._hop)

    def _slots(self, phones: Sequence[TimedPhone], syllables: Sequence[SungSyllable], start: float) -> list[Slot]:
        """Return the slots of a phrase, without gaps."""
        slots: list[Slot] = []
        for n, phone in enumerate(phones):
            onset, end = self._frame(phone.onset, start), self._frame(phone.end, start)
            following = phones[n + 1] if n + 1 < len(phones) else None
            gap = self._frame(following.onset, start) - end if following else 0
            ends = following is not None and ends_word(phone, following, syllables)
            slots.append(Slot((phone.phone, WORD_BREAK) if ends and not gap else (phone.phone,), end - onset, phone))
            if gap > 0:
                slots.append(Slot((PAUSE, WORD_BREAK) if ends else (PAUSE,), gap, None))
        return slots

    def _sung(
        self,
        slots: Sequence[Slot],
        melody: Melody,
        curve: np.ndarray,
        transpose: float,
        start: float,
        first: int,
        tail: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what `_rendered` does, by the acoustic model that was trained to sing and F0 `curve` of the song."""
        assert self._sung_mel
        phones, durations = [*(t for slot in slots for t in slot.tokens), "."], []
        for slot in slots:
            rest = min(WORD_BREAK_FRAMES, slot.frames // 4) if len(slot.tokens) > 1 else 0
            durations += [slot.frames - rest, rest][: len(slot.tokens)]
        edges = np.concatenate([[0], np.cumsum([*durations, tail])])
        sung = melody.part.sung
        onsets = [self._frame(note.onset, start) - first for note in sung]
        tokens = on_notes([is_vowel(p) for p in phones], edges.tolist(), onsets)
        notes = np.array([[(note.pitch or 0.0) + transpose, note.length] for note in sung])
        mel, voiced = self._sung_mel(phones, tokens, notes, curve[first : first + edges[-1]])
        return mel, voiced_frames(slots, voiced)

    @functools.cached_property
    def _noise(self) -> np.ndarray:
        """The mean mel of an `h`, (n_mels,), with which the singer breathes."""
        assert self._sung_mel
        tokens = on_notes([False, True], [0, BREATH_SOUND, 2 * BREATH_SOUND], [BREATH_SOUND])
        notes = np.array([[69 + 12 * np.log2(self.mean / 440), BREATH_SOUND * self._hop]])
        mel, _ = self._sung_mel(("h", "ˈɑ"), tokens, notes, np.full(2 * BREATH_SOUND, self.mean))
        return mel[BREATH_SOUND // 4 : BREATH_SOUND // 2].mean(axis=0)

    def _rendered(
        self, slots: Sequence[Slot], melody: Melody, options: PitchOptions, start: float, first: int, tail: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mel, (T, n_mels), and whether each frame is voiced, (T,), of a phrase and its release."""
        tokens = [token for slot in slots for token in slot.tokens] + ["."]
        sizes = [len(slot.tokens) for slot in slots]
        bounds = 1 + np.concatenate([[0], np.cumsum(sizes)])  # of the slots' tokens, after `<s>`
        natural = self._predict(tokens, np.ones(len(tokens) + 2), np.zeros(len(tokens) + 2))[2]
        speed = np.ones(len(tokens) + 2)
        longest = round(HELD / self._hop)
        for slot, a, b in zip(slots, bounds, bounds[1:]):
            speed[a:b] = speeds_for(natural[a:b], min(slot.frames, longest))
        frames = sum(slot.frames for slot in slots)
        of_frame, levels = self._passes(slots, melody, start, first, frames)
        base = 12 * np.log2(hz(np.asarray(levels) + options.transpose) / self.mean)  # (passes, slots)
        mel = np.zeros((0, 0), np.float32)
        voiced = np.zeros(0, bool)
        for n, shifts in enumerate(base):
            pitch = np.concatenate([shifts[:1], np.repeat(shifts, sizes), shifts[-1:], shifts[-1:]])
            made, f0, durations = self._predict(tokens, speed, pitch)
            if n == 0:
                durations = audible_durations(durations, tokens, made)
                edges = np.concatenate([[0], np.cumsum(durations)])[bounds]
                places = places_of(slots, edges, len(made), round(EDGE / self._hop), tail)
                voiced = voiced_frames(slots, f0[np.rint(places).astype(int)] > 0)
                mel = np.zeros((len(places), made.shape[1]), np.float32)
            mel += blend_weight(of_frame == n, len(places))[:, None] * frames_at(made, places)
        return mel, voiced

    def _passes(
        self, slots: Sequence[Slot], melody: Melody, start: float, first: int, frames: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pass from which each frame is taken, (frames,), and the MIDI pitch of each slot in each pass."""
        of_frame = np.zeros(frames, int)
        levels: list[list[float]] = []
        at = 0
        pitches = [69.0]
        for slot in slots:
            if slot.phone is not None:
                syllable = melody.syllables[slot.phone.syllable]
                notes = melody.part.notes[syllable.first : syllable.last + 1]
                sung = [n.pitch or 0.0 for n in notes]
                distinct = sorted(set(sung), key=sung.index)
                pitches = distinct[:MOST_PASSES]
                ends = [self._frame(n.end, start) - first - at for n in notes]
                note = np.minimum(np.searchsorted(ends, np.arange(slot.frames), side="right"), len(sung) - 1)
                nearest = [int(np.argmin([abs(p - q) for q in pitches])) for p in sung]
                of_frame[at : at + slot.frames] = np.array(nearest)[note]
            levels.append(pitches)
            at += slot.frames
        count = max(map(len, levels))
        return of_frame, np.array([[own[min(n, len(own) - 1)] for own in levels] for n in range(count)])

    def _predict(
        self, phones: Sequence[str], speed: np.ndarray, pitch: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        flat = np.zeros((1, len(speed)), np.float32)
        speeds, pitches = (np.asarray(values, np.float32)[None] for values in (speed, pitch))
        return self.voice.predict(phones, speeds, pitches, flat, flat, speaker=self._speaker)

    def _timed(
        self,
        slots: Sequence[Slot],
        syllables: Sequence[SungSyllable],
        *,
        silence: int,
        first: int,
        mel: np.ndarray,
        f0: np.ndarray,
        seed: tuple[int, int],
    ) -> Frames:
        """Return a phrase with the times of its phones and words."""
        edges = ((first + np.concatenate([[0], np.cumsum([s.frames for s in slots])])) * self._hop).tolist()
        sounds = [(slot.phone, a, b) for slot, a, b in zip(slots, edges, edges[1:]) if slot.phone]
        words: list[Timing] = []
        begin = 0
        for n, (phone, _, end) in enumerate(sounds):
            if n + 1 == len(sounds) or ends_word(phone, sounds[n + 1][0], syllables):
                words.append(Timing(syllables[phone.syllable].word, sounds[begin][1], end))
                begin = n + 1
        return Frames(
            sentences=(Timing(" ".join(word.text for word in words), edges[0], edges[-1]),),
            words=tuple(words),
            phones=tuple(Timing(s.phone.phone if s.phone else PAUSE, a, b) for s, a, b in zip(slots, edges, edges[1:])),
            silence=silence,
            mel=mel,
            f0=f0,
            seed=seed,
        )


_SAMPLE = ("m", "ˈɑ", "m", "ˈɑ", ".")  # voiced in any voice


def choir(songs: Sequence[np.ndarray], sample_rate: int, seed: int = 0) -> np.ndarray:
    """Mix parts: each a little later and louder or softer than the others, as singers are.

    Args:
        songs: (T_wav,) float32 each, of any lengths, from the same start.
        seed: of delays and levels.

    Returns:
        (T_wav,) float32 in [-1, 1].
    """
    rng = np.random.default_rng(seed)
    delays = np.rint(np.abs(rng.normal(0, DELAY, len(songs))) * sample_rate).astype(int)
    gains = 10 ** (rng.normal(0, LEVEL, len(songs)) / 20) / np.sqrt(len(songs))
    mixed = np.zeros(max(delay + len(song) for delay, song in zip(delays, songs)), np.float32)
    for song, delay, gain in zip(songs, delays, gains):
        mixed[delay : delay + len(song)] += gain * song
    return limited(mixed)
