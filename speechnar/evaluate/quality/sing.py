"""Sing scores for an evaluation, or read what another program sang of them, and collect the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from speechnar import audio
from speechnar.evaluate.quality import singing
from speechnar.evaluate.quality.onsets import vowel_onsets
from speechnar.evaluate.quality.piano_roll import piano_roll
from speechnar.evaluate.quality.tts import RTF, Spoken
from speechnar.evaluate.stats.metrics import Measured
from speechnar.evaluate.wer import error_rate as wer
from speechnar.runtime.singing import Melody, Singer
from speechnar.score.pitch import PitchOptions
from speechnar.score.reading import read_score


@dataclass(frozen=True, eq=False)
class Song:
    """A song in a file, and what was measured of it.

    Attributes:
        path: of the audio.
        melody: that was sung.
        transpose: semitones.
        tracked: what was heard.
        metrics: by name.
    """

    path: Path
    melody: Melody
    transpose: float
    tracked: singing.Tracked
    metrics: Mapping[str, float]

    @property
    def text(self) -> str:
        """Return the words of the lyrics."""
        ends = [s.word for s in self.melody.syllables if s.ends_word]
        return " ".join(ends).replace("_", " ")


def melody_of(path: Path, part: str | None, seconds: float) -> Melody:
    """Return the beginning of a part of a score, its first verse.

    Raises:
        ScoreError: the score cannot be read.
        SpeechError: nothing in it is sung in that time.
    """
    return Melody.of(singing.beginning(read_score(path, 1).part(part), seconds))


def sung(singer: Singer, melody: Melody, shift: int | None, top: float | None, path: Path) -> Song:
    """Sing a melody into a file and measure it.

    Args:
        shift: semitones; by default what suits the voice.
        top: MIDI pitch of the highest note instead.
    """
    if top is not None:
        shift = round(top - max(n.pitch or 0.0 for n in melody.part.sung))
    elif shift is None:
        shift = singer.transposition([melody.part])
    begin = time.perf_counter()
    song = singer.sing(melody, PitchOptions(transpose=shift))
    seconds = time.perf_counter() - begin
    audio.write(path, song.wav, song.sample_rate)
    tracked = singing.heard(song.wav, song.sample_rate, melody.start, singing.f0_range(melody.part, shift))
    hop = len(song.wav) / song.sample_rate / len(song.f0)
    metrics = singing.measure(melody, shift, tracked, song.f0, hop)
    return Song(path, melody, shift, tracked, {RTF: seconds * song.sample_rate / len(song.wav), **metrics})


def recorded(melody: Melody, shift: int, path: Path, start: float) -> Song:
    """Measure a recording of a melody.

    Args:
        shift: semitones by which it is transposed.
        start: seconds from the melody's first note to the start of the audio.

    Raises:
        AudioError: the recording cannot be read.
    """
    wav, rate = audio.read(path)
    tracked = singing.heard(wav, rate, start, singing.f0_range(melody.part, shift))
    metrics = singing.measure(melody, shift, tracked, None, singing.HOP / singing.RATE)
    return Song(path, melody, shift, tracked, {RTF: np.nan, **metrics})


def with_onsets(songs: Mapping[str, Song]) -> dict[str, Song]:
    """Return songs with the metrics of their vowel onsets, which are found in all together."""
    found = vowel_onsets([(s.melody, s.tracked.features, s.tracked.start) for s in songs.values()])
    return {
        name: replace(song, metrics={**song.metrics, **singing.onset_metrics(onsets)})
        for (name, song), onsets in zip(songs.items(), found)
    }


def draw(path: Path, song: Song) -> None:
    """Draw the notes of a song with the F0 that was heard over them."""
    piano_roll(path, song.melody.part.sung, song.transpose, song.tracked.times, song.tracked.f0)


def spoken(
    name: str,
    songs: Mapping[str, Song],
    heard: Mapping[str, str],
    scores: Measured,
    voice: Path | None,
    normalize: Callable[[str], str],
) -> Spoken:
    """Collect the measurements of a system.

    Args:
        songs: by name.
        heard: the transcript of each.
        scores: predicted MOS of each.
        voice: its folder, where there is one.
        normalize: what texts go through before they are compared.
    """
    metrics = {one: {**song.metrics, **scores.utterances[one]} for one, song in songs.items()}
    texts = {one: song.text for one, song in songs.items()}
    n_bytes = sum(file.stat().st_size for file in voice.iterdir()) if voice else 0
    return Spoken(Measured(name, metrics), wer.score(name, texts, heard, normalize), n_bytes)
