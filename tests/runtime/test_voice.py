"""The stub voice (see tests/stub.py) has 5 frames a token of 12.5 ms, so every figure below is worked by hand."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from stub import AUDIO, F0_CENTRE, FIRST_VOICED, FRAMES, mel_of

import speechnar
from speechnar.audio import LOG_FLOOR
from speechnar.runtime import Speech, SpeechError, Timing, Voice, load_voice, voice_folder
from speechnar.text.phonemize import SENTENCE_PAUSE, Sentence, Word
from speechnar.text.symbols import EN_US, TextError

FRAME = AUDIO.hop_length / AUDIO.sample_rate  # seconds
NO = Sentence("No,", ("n", "ˈoʊ", ","), (Word("No", 0, 2),), 0.1)
GO_IN = Sentence("go in", ("ɡ", "ˈoʊ", " ", "ɪ", "n"), (Word("go", 0, 2), Word("in", 3, 5)), 0.5)
PAUSE = 8  # frames in 0.1 s


@pytest.fixture(scope="module")
def voice(stub_voice: Path) -> Voice:
    return load_voice(stub_voice, threads=1)


@pytest.fixture
def broken(stub_voice: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(stub_voice, tmp_path / "broken"))


def sine_of(sentence: Sentence) -> np.ndarray:
    """The stub's audio at the usual controls, without noise, faded out: written as a loop over frames."""
    tokens = [EN_US.index(p) for p in ("<s>", *sentence.phones, "</s>")]
    per_frame = [token for token in tokens for _ in range(FRAMES)]
    wav, phase = [], 0.0
    for n, token in enumerate(per_frame):
        near = per_frame[max(n - 1, 0) : n + 2]
        loudness = np.exp(np.mean([mel_of(t) for t in near]))
        hz = 100.0 + token if token >= FIRST_VOICED else 0.0
        cycles = phase + hz * np.arange(AUDIO.hop_length) / AUDIO.sample_rate
        wav.append(loudness * np.sin(2 * np.pi * cycles))
        phase += hz * FRAME
    fade = np.cos(np.linspace(0, np.pi, 321)[1:]) / 2 + 0.5  # 20 ms
    return np.concatenate(wav) * np.pad(fade, (FRAMES * (len(tokens)) * AUDIO.hop_length - 320, 0), constant_values=1)


def decibels(error: np.ndarray, signal: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(error**2) / np.mean(signal**2) + 1e-30))


def test_speech_is_what_the_two_models_make_with_the_pause_between(voice: Voice) -> None:
    speech = voice.synthesize([NO, GO_IN])
    hop = AUDIO.hop_length
    n_no, n_go = 5 * FRAMES, 7 * FRAMES
    assert speech.sample_rate == voice.sample_rate == 16000
    assert speech.wav.dtype == np.float32 and len(speech.wav) == (n_no + PAUSE + n_go) * hop
    assert len(speech.mel) == len(speech.f0) == n_no + PAUSE + n_go
    parts = np.split(speech.wav, [n_no * hop, (n_no + PAUSE) * hop])
    assert not parts[1].any()
    np.testing.assert_allclose(parts[0], sine_of(NO), atol=0.03)  # 0.03: the stub's noise
    np.testing.assert_allclose(parts[2], sine_of(GO_IN), atol=0.03)
    np.testing.assert_allclose(speech.mel[n_no : n_no + PAUSE], np.log(LOG_FLOOR))
    assert not speech.f0[n_no - 2 * FRAMES : n_no + PAUSE + FRAMES].any()  # the comma, </s>, the pause, <s>
    np.testing.assert_allclose(speech.f0[FRAMES : 2 * FRAMES], 100 + EN_US.index("n"), rtol=1e-5)


def test_timings_are_those_of_the_frames(voice: Voice) -> None:
    speech = voice.synthesize([NO, GO_IN])
    second = 5 * FRAMES + PAUSE  # the frame at which it begins

    def timing(text: str, start: int, end: int) -> Timing:
        return Timing(text, pytest.approx(start * FRAME), pytest.approx(end * FRAME))

    assert speech.sentences == (timing("No,", 0, 25), timing("go in", second, second + 35))
    assert speech.words == (
        timing("No", 5, 15),
        timing("go", second + 5, second + 15),
        timing("in", second + 20, second + 30),
    )
    assert [p.text for p in speech.phones] == [*NO.phones, *GO_IN.phones]
    assert speech.phones[2] == timing(",", 15, 20)
    assert speech.phones[3] == timing("ɡ", second + 5, second + 10)
    for a, b in zip(speech.phones[3:], speech.phones[4:]):
        assert a.end == b.start


def test_text_goes_through_the_front_end(voice: Voice) -> None:
    speech = voice.synthesize("Hello, world. Good night.")
    assert [w.text for w in speech.words] == ["Hello", "world", "Good", "night"]
    assert len(speech.sentences) == 2


def test_stream_equals_the_whole(voice: Voice) -> None:
    sentence = Sentence("long", GO_IN.phones * 60, (), 0.2)
    whole = voice.synthesize([sentence, NO]).wav
    chunks = list(voice.stream([sentence, NO]))
    frames = [len(chunk) // AUDIO.hop_length for chunk in chunks]
    assert frames == [20, 40, 80, 160, 320, 600, 1510 - 1220, 16, 20, 5]
    assert decibels(np.concatenate(chunks) - whole, whole) < -60


def test_stream_needs_context_and_phase(voice: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that the stub would tell: without context its chunks are not those of the whole."""
    whole = voice.synthesize([GO_IN]).wav
    monkeypatch.setattr(voice, "_vocoder", dataclasses.replace(voice._vocoder, context=0))
    assert decibels(np.concatenate(list(voice.stream([GO_IN]))) - whole, whole) > -60


def test_a_stream_begins_before_the_text_is_read(voice: Voice) -> None:
    read = []

    def sentences():
        for sentence in (NO, GO_IN):
            read.append(sentence)
            yield sentence

    next(iter(voice.stream(sentences())))
    assert read == [NO]


def test_bad_controls_are_refused_before_anything_is_read(voice: Voice) -> None:
    with pytest.raises(SpeechError, match="speed"):
        voice.stream("Hello.", speed=9)


@pytest.mark.parametrize(("speed", "frames"), [(1, 5), (2, 2), (0.25, 20), (4, 1)])
def test_speed_changes_durations_and_nothing_else(voice: Voice, speed: float, frames: int) -> None:
    usual, other = voice.synthesize([GO_IN]), voice.synthesize([GO_IN], speed=speed)
    assert len(other.f0) == 7 * frames
    np.testing.assert_allclose(other.f0[::frames], usual.f0[::FRAMES], rtol=1e-6)
    np.testing.assert_allclose(other.mel[::frames], usual.mel[::FRAMES], rtol=1e-6)


def test_speed_holds_for_pauses(voice: Voice) -> None:
    assert len(voice.synthesize([NO, NO], speed=0.25).f0) == 2 * 5 * 20 + 4 * PAUSE


def test_pitch_is_in_semitones_and_pitch_range_is_about_the_centre(voice: Voice) -> None:
    usual, octave = voice.synthesize([GO_IN]), voice.synthesize([GO_IN], pitch=12)
    np.testing.assert_allclose(octave.f0, 2 * usual.f0, rtol=1e-5)
    np.testing.assert_array_equal(octave.mel, usual.mel)
    flat = voice.synthesize([GO_IN], pitch_range=0).f0
    np.testing.assert_allclose(flat[flat > 0], F0_CENTRE, rtol=1e-5)


def test_energy_is_in_decibels(voice: Voice) -> None:
    usual, louder = voice.synthesize([GO_IN]), voice.synthesize([GO_IN], energy=20)
    np.testing.assert_allclose(louder.mel - usual.mel, np.log(10), rtol=1e-5)
    np.testing.assert_array_equal(louder.f0, usual.f0)


def test_one_value_for_each_phone_reaches_the_phone(voice: Voice) -> None:
    n_phones = len(NO.phones) + len(GO_IN.phones)
    pitch = np.zeros(n_phones)
    pitch[4] = 12  # the vowel of "go"
    usual, marked = voice.synthesize([NO, GO_IN]), voice.synthesize([NO, GO_IN], pitch=pitch)
    ratio = marked.f0[usual.f0 > 0] / usual.f0[usual.f0 > 0]
    second = 5 * FRAMES + PAUSE
    expected = np.ones(len(usual.f0))
    expected[second + 2 * FRAMES : second + 3 * FRAMES] = 2
    np.testing.assert_allclose(ratio, expected[usual.f0 > 0], rtol=1e-5)
    with pytest.raises(SpeechError, match="pitch has 3 values but the text has 8 phones"):
        voice.synthesize([NO, GO_IN], pitch=[1, 2, 3])


def test_a_voice_says_how_loud_its_noise_is(broken: Path) -> None:
    info = json.loads((broken / "voice.json").read_text())
    (broken / "voice.json").write_text(json.dumps(info | {"noise_scale": 0.0}))
    np.testing.assert_allclose(Voice(broken, threads=1).synthesize([NO]).wav, sine_of(NO), atol=1e-4)


def test_the_seed_decides_the_noise(voice: Voice) -> None:
    a, b, c = (voice.synthesize([GO_IN], seed=seed).wav for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_one_phone_at_full_speed_is_enough(voice: Voice) -> None:
    speech = voice.synthesize([Sentence("a", ("ə",), (Word("a", 0, 1),), 0.0)], speed=4)
    assert len(speech.wav) == 3 * AUDIO.hop_length
    assert speech.words == (Timing("a", pytest.approx(FRAME), pytest.approx(2 * FRAME)),)


def test_a_sentence_without_phones_is_passed_over(voice: Voice) -> None:
    empty = Sentence("", (), (), 3.0)
    np.testing.assert_array_equal(voice.synthesize([empty, NO, empty]).wav, voice.synthesize([NO]).wav)
    with pytest.raises(SpeechError, match="no phones"):
        voice.synthesize([empty])
    with pytest.raises(TextError):
        voice.synthesize(" ")


def test_public_names_speak(stub_voice: Path) -> None:
    speech = speechnar.synthesize([NO], voice=stub_voice, speed=2)
    assert isinstance(speech, Speech)
    assert len(speech.f0) == 5 * 2
    assert "synthesize" in dir(speechnar)
    with pytest.raises(AttributeError, match="speak"):
        _ = speechnar.speak


def test_a_bundled_voice_is_found_by_its_name(stub_voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_folder, "VOICES", stub_voice.parent)
    assert load_voice("stub").name == "stub"
    with pytest.raises(SpeechError, match="there is no voice 'nobody'; take stub or the folder of a voice"):
        load_voice("nobody")


def test_threads_should_be_some(stub_voice: Path) -> None:
    with pytest.raises(SpeechError, match="threads should be from 1 to 9999 but is 0"):
        load_voice(stub_voice, threads=0)


def test_an_empty_folder_is_no_voice(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="no voice in .*: voice.json: No such file"):
        load_voice(tmp_path)


def change(folder: Path, **values: object) -> None:
    path = folder / "voice.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), encoding="utf-8")


def test_a_newer_format_is_refused_whatever_else_it_holds(broken: Path) -> None:
    change(broken, format=2, color="blue")
    with pytest.raises(SpeechError, match="has format 2 and this speechnar reads 1; upgrade it"):
        load_voice(broken)


def test_an_unknown_key_is_refused(broken: Path) -> None:
    change(broken, lisence="MIT")
    with pytest.raises(ValueError, match="unknown key 'lisence'; did you mean 'license'"):
        load_voice(broken)


@pytest.mark.parametrize("content", [b"", b'{"format": 1, "na', b"\xff\xfe"])
def test_a_damaged_description_is_refused(broken: Path, content: bytes) -> None:
    (broken / "voice.json").write_bytes(content)
    with pytest.raises(SpeechError, match="voice.json is damaged"):
        load_voice(broken)


@pytest.mark.parametrize("name", ["acoustic.onnx", "vocoder.onnx"])
@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_model_is_refused(broken: Path, name: str, kept: float) -> None:
    whole = (broken / name).read_bytes()
    (broken / name).write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(SpeechError, match=name) as caught:
        load_voice(broken)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["acoustic.onnx", "vocoder.onnx"])
def test_a_missing_model_is_refused(broken: Path, name: str) -> None:
    (broken / name).unlink()
    with pytest.raises(SpeechError, match=f"lacks {name}; install or export it again"):
        load_voice(broken)


def test_models_of_two_voices_are_refused(broken: Path) -> None:
    model = onnx.load(broken / "vocoder.onnx")
    other = json.loads(model.metadata_props[0].value) | {"hop_length": 240, "f_max": 7000.0}
    model.metadata_props[0].value = json.dumps(other)
    onnx.save(model, broken / "vocoder.onnx")
    with pytest.raises(SpeechError, match=r"vocoder.onnx .* differ in hop_length: 240 / 200, f_max: 7000.0 / 8000.0"):
        load_voice(broken)


def test_a_model_of_something_else_is_refused(broken: Path) -> None:
    shutil.copy(broken / "vocoder.onnx", broken / "acoustic.onnx")
    with pytest.raises(SpeechError, match="acoustic.onnx is no model of a voice of format 1"):
        load_voice(broken)


def test_silences_around_a_sentence_are_cut_and_timings_follow() -> None:
    speech = load_voice().synthesize("Good morning. How are you?")
    first, second = speech.sentences
    assert speech.phones[0].start <= 0.1 + 1e-6
    full_stop = next(n for n, phone in enumerate(speech.phones) if phone.text == ".")
    between = speech.phones[full_stop + 1].start - speech.phones[full_stop].end
    assert between <= 0.1 + SENTENCE_PAUSE + 0.1 + 1e-6
    assert len(speech.wav) == len(speech.mel) * 300
    assert second.end == pytest.approx(len(speech.wav) / speech.sample_rate)
    assert first.start == 0.0
