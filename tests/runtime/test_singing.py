"""The stub voice (tests/stub.py) has 5 frames a token of 12.5 ms, F0 150 Hz at pitch range 0, and a sine for audio."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from stub import AUDIO, F0_CENTRE, mel_of

from speechnar.runtime import SpeechError, Voice, load_voice
from speechnar.runtime.singing import Melody, Singer, choir
from speechnar.score.dynamics import brightness
from speechnar.score.notes import Note, Part, Syllable, make_part
from speechnar.score.pitch import PitchOptions, hz
from speechnar.text.symbols import EN_US

FRAME = AUDIO.hop_length / AUDIO.sample_rate  # seconds
PLAIN = PitchOptions(vibrato=0, expression=0)


@pytest.fixture(scope="module")
def singer(stub_voice: Path) -> Singer:
    return Singer(load_voice(stub_voice, threads=1))


def sung(*notes: tuple[float, float, float, str]) -> Part:
    """A part of (onset, length, pitch, syllable); `ma-` begins a word, `-ma` ends one, "" goes on with the vowel."""
    made = []
    for onset, length, pitch, text in notes:
        kind = {(0, 0): "single", (0, 1): "begin", (1, 1): "middle", (1, 0): "end"}
        syllabic = kind[text.startswith("-"), text.endswith("-")]
        made.append(Note(onset, length, pitch, (Syllable(text.strip("-"), syllabic),) if text else ()))
    return make_part("Alto", made)[0]


MAMA = {"mama": ("m", "ˈɑ", "m", "ə"), "so": ("s", "ˈoʊ")}
TWO = sung((0.5, 0.5, 50, "ma-"), (1.0, 1.0, 55, "-ma"))


def test_the_mean_is_what_the_voice_has_at_pitch_range_0(singer: Singer) -> None:
    assert singer.mean == pytest.approx(F0_CENTRE)


def test_each_phone_has_its_time_and_its_mel(singer: Singer) -> None:
    melody = Melody.of(TWO, lexicon=MAMA)
    song = singer.sing(melody, PLAIN)
    assert [p.text for p in song.phones] == ["m", "ˈɑ", "m", "ə"]
    for found, wanted in zip(song.phones, melody.phones):
        assert abs(found.start - wanted.onset) <= FRAME / 2 + 1e-9 and abs(found.end - wanted.end) <= FRAME / 2 + 1e-9
        frames = song.mel[round(found.start / FRAME) : round(found.end / FRAME)]
        assert frames[1:-1] == pytest.approx(mel_of(EN_US.index(found.text)), abs=1e-4)
    assert [round(p.start, 6) for p in song.phones if p.text in ("ˈɑ", "ə")] == [0.5, 1.0]
    assert len(song.wav) == len(song.mel) * AUDIO.hop_length == len(song.f0) * AUDIO.hop_length
    assert len(song.wav) / AUDIO.sample_rate == pytest.approx(2.05, abs=FRAME)
    (word,) = song.words
    assert word.text == "mama" and word.end == pytest.approx(2.0)


def test_the_audio_has_the_pitch_of_the_notes_transposed(singer: Singer) -> None:
    song = singer.sing(Melody.of(TWO, lexicon=MAMA), PitchOptions(vibrato=0, expression=0, transpose=3))
    for begin, end, pitch in ((0.6, 0.8, 53), (1.4, 1.9, 58)):
        piece = song.wav[int(begin * AUDIO.sample_rate) : int(end * AUDIO.sample_rate)]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 1 << 18))
        heard = np.argmax(spectrum) * AUDIO.sample_rate / (1 << 18)
        assert 1200 * abs(np.log2(heard / hz(pitch))) < 5


def test_a_soft_note_is_softer_by_its_level_times_the_expression(singer: Singer) -> None:
    soft = dataclasses.replace(TWO, notes=tuple(dataclasses.replace(n, level=((0.0, -6.0),)) for n in TWO.notes))
    for expression in (0.0, 0.5, 1.0):
        options = PitchOptions(0, expression)
        usual, softer = (singer.sing(Melody.of(part, lexicon=MAMA), options) for part in (TWO, soft))
        vowel = slice(round(1.2 / FRAME), round(1.9 / FRAME))
        moved = (softer.mel - usual.mel)[vowel] * 20 / np.log(10)
        assert moved == pytest.approx(-6.0 * expression * np.ones(moved.shape) * brightness(AUDIO), abs=0.01)


def test_silence_before_the_first_note_and_in_rests(singer: Singer) -> None:
    song = singer.sing(Melody.of(sung((1.0, 0.5, 50, "so"), (2.5, 0.5, 50, "so")), lexicon=MAMA), PLAIN)
    times = np.arange(len(song.wav)) / AUDIO.sample_rate
    quiet = (times < 0.8) | ((times > 1.6) & (times < 2.3))
    assert not song.wav[quiet].any() and np.abs(song.wav[(times > 1.1) & (times < 1.4)]).max() > 0.05
    assert [s.text for s in song.sentences] == ["so", "so"]


def test_consonants_come_before_the_first_note_and_voiceless_ones_have_no_f0(singer: Singer) -> None:
    melody = Melody.of(sung((0.0, 0.5, 50, "so")), lexicon=MAMA)
    assert melody.start == pytest.approx(-0.147)  # the mean of a sung s
    song = singer.sing(melody, PLAIN)
    s, vowel = song.phones
    assert s.start == 0 and vowel.start == pytest.approx(0.15)
    cut = round(vowel.start / FRAME)
    assert not song.f0[:cut].any() and song.f0[cut : round(vowel.end / FRAME)] == pytest.approx(hz(50), abs=0.1)


def test_a_vowel_over_several_notes_is_computed_at_the_pitch_of_each(
    stub_voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    singer = Singer(load_voice(stub_voice, threads=1))
    predict = Voice.predict

    def shown(self, phones, speed, pitch_shift, *rest, **named):  # type: ignore[no-untyped-def]
        mel, f0, durations = predict(self, phones, speed, pitch_shift, *rest, **named)
        return np.repeat(pitch_shift[0], durations)[:, None] * np.ones_like(mel), f0, durations

    monkeypatch.setattr(Voice, "predict", shown)
    notes = (0.5, 0.5, 50, "ma-"), (1.0, 0.5, 55, ""), (1.5, 0.5, 52, ""), (2.0, 0.5, 55, ""), (2.5, 0.5, 57, "-ma")
    song = singer.sing(Melody.of(sung(*notes), lexicon=MAMA), PLAIN)
    for onset, _, pitch, _ in notes:
        middle = round((onset + 0.2) / FRAME)
        assert song.mel[middle] == pytest.approx(12 * np.log2(hz(pitch) / F0_CENTRE), abs=1e-3)


def test_a_note_without_a_lyric_after_a_rest_is_sung(singer: Singer) -> None:
    song = singer.sing(Melody.of(sung((0.5, 0.5, 50, "so"), (2.0, 0.5, 52, "")), lexicon=MAMA), PLAIN)
    middle = song.f0[round(2.1 / FRAME) : round(2.4 / FRAME)]
    assert middle == pytest.approx(hz(52), abs=0.1) and song.phones[-1].start == pytest.approx(2.0, abs=FRAME)


def test_transposition_brings_all_parts_into_the_range(singer: Singer) -> None:
    # 150 Hz is MIDI 50.4, so the range is 45.4 to 59.4
    assert singer.transposition([sung((0, 1, 47, "a"), (1, 1, 58, "a"))]) == 0
    assert singer.transposition([sung((0, 1, 60, "a")), sung((0, 1, 72, "a"))]) == -13


def test_tempo(singer: Singer) -> None:
    assert [n.onset for n in Melody.of(TWO, 2.0, MAMA).part.sung] == [0.25, 0.5]
    with pytest.raises(SpeechError, match="tempo is 0 but"):
        Melody.of(TWO, 0.0)
    with pytest.raises(SpeechError, match="'none' has no notes"):
        Melody.of(Part("none", ()))


def test_a_choir_is_the_sum_of_its_singers() -> None:
    song = np.sin(np.arange(4000) / 10).astype(np.float32) * 0.5
    mixed = choir([song, song[:2000]], 16000, seed=3)
    assert len(mixed) >= 4000 and np.abs(mixed).max() <= 1
    alone = choir([song], 16000, seed=3)
    lag = len(alone) - 4000
    gain = alone[lag:] @ song / (song @ song)
    assert alone[lag:] == pytest.approx(gain * song, abs=1e-5) and 0.7 < gain < 1.4
