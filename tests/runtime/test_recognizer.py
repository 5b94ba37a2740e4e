"""The stub (see tests/stub_recognizer.py) hears a tone for each letter, in frames of 40 ms: all figures are by hand."""

from __future__ import annotations

import gzip
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
from stub_recognizer import FRAME, RATE, SECONDS, save_recognizer, spell

import speechnar
from speechnar import audio
from speechnar.audio import AudioError
from speechnar.decode.acoustic_correction import Utterance
from speechnar.decode.corrector import Correction
from speechnar.decode.result import DecodeError
from speechnar.lm.ngram import LMError, NgramModel, Table
from speechnar.runtime import Recognizer, SpeechError, Transcript, load_recognizer, recognizer_folder
from speechnar.runtime import recognizer as recognizer_module
from speechnar.runtime.speech import SpeechWarning
from speechnar.runtime.transcript import Segment
from speechnar.text.symbols import TextError

WAV = spell(10, "abc", "ba", 25, "c", 10)  # "abc" takes 9 frames, "ba" 6
WORDS = [("abc", 10, 18), ("ba", 19, 24), ("c", 50, 52)]  # first frame, and the one after the last


@pytest.fixture(scope="module")
def recognizer(stub_recognizer: Path) -> Recognizer:
    return load_recognizer(stub_recognizer, threads=1)


@pytest.fixture(scope="module")
def short_sighted(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    """The same in windows of 10 s."""
    folder = tmp_path_factory.mktemp("recognizers") / "short"
    save_recognizer(folder, window_seconds=10.0)
    return load_recognizer(folder, threads=1)


@pytest.fixture
def broken(stub_recognizer: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(stub_recognizer, tmp_path / "broken"))


def check(transcript: Transcript, tolerance: float = 1e-6) -> None:
    """Check that it is that of `WAV`."""
    assert [w.text for w in transcript.words] == [text for text, *_ in WORDS]
    for word, (_, start, end) in zip(transcript.words, WORDS):
        assert word.start == pytest.approx(start * SECONDS, abs=tolerance)
        assert word.end == pytest.approx(end * SECONDS, abs=tolerance)
        assert word.confidence > 0.9


def talk(seconds: float, seed: int = 0) -> np.ndarray:
    """Words of the stub's language without end, cut off in silence."""
    rng = np.random.default_rng(seed)
    said: list[str | int] = [10]
    while sum(s if isinstance(s, int) else 3 * len(s) for s in said) * SECONDS < seconds - 4:
        said += ["".join(rng.choice(list("abc"), rng.integers(1, 7))), int(rng.integers(1, 40))]
    wav = spell(*said)
    return np.pad(wav, (0, round(seconds * RATE) - len(wav)))


def test_words_have_their_times(recognizer: Recognizer) -> None:
    transcript = recognizer.transcribe(WAV)
    check(transcript)
    assert transcript.text == "abc ba c"
    assert transcript.name == "audio"
    assert transcript.duration == pytest.approx(63 * SECONDS)


def test_a_pause_divides_segments(recognizer: Recognizer) -> None:
    first, second = recognizer.transcribe(WAV).segments
    assert first == Segment("abc ba", pytest.approx(10 * SECONDS), pytest.approx(24 * SECONDS), pytest.approx(1.0))
    assert second == Segment("c", pytest.approx(50 * SECONDS), pytest.approx(52 * SECONDS), pytest.approx(1.0))


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_files_of_any_rate(recognizer: Recognizer, tmp_path: Path, rate: int, name: str) -> None:
    audio.write(tmp_path / name, audio.resample(WAV, RATE, rate), rate)
    transcript = recognizer.transcribe(tmp_path / name)
    check(transcript, tolerance=2.01 * SECONDS)  # what is packed begins late and rings
    assert transcript.name == "a"


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_samples_of_any_rate(recognizer: Recognizer, rate: int) -> None:
    check(recognizer.transcribe(audio.resample(WAV, RATE, rate), rate), tolerance=1.01 * SECONDS)


@pytest.mark.parametrize("channels", [1, 2, 10])
def test_samples_of_any_number_of_channels(recognizer: Recognizer, tmp_path: Path, channels: int) -> None:
    samples = np.repeat(WAV[:, None], channels, axis=1)
    check(recognizer.transcribe(samples))
    check(recognizer.transcribe(samples.T))
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    check(recognizer.transcribe(tmp_path / "a.wav"))


@pytest.mark.parametrize("dtype", ["int16", "int32", "float64", "float16"])
def test_samples_of_any_type(recognizer: Recognizer, dtype: str) -> None:
    scale = np.iinfo(dtype).max if dtype.startswith("int") else 1
    check(recognizer.transcribe((WAV * scale).astype(dtype)))


def test_clipping_is_borne(recognizer: Recognizer) -> None:
    check(recognizer.transcribe(np.clip(WAV * 50, -1, 1)))


@pytest.mark.parametrize(
    "nothing",
    [
        np.zeros(RATE * 40, np.float32),
        np.random.default_rng(0).normal(0, 0.1, RATE * 3),
        np.zeros(1),
        np.zeros(RATE // 20),
        0.3 * np.sin(np.arange(RATE) * 0.01),
    ],
    ids=["silence", "noise", "one sample", "50 ms", "hum"],
)
def test_where_nobody_speaks_there_are_no_words(recognizer: Recognizer, nothing: np.ndarray) -> None:
    transcript = recognizer.transcribe(nothing)
    assert (transcript.text, transcript.words, transcript.segments) == ("", (), ())
    assert transcript.duration == pytest.approx(len(nothing) / RATE)


def test_no_word_ends_after_the_audio(recognizer: Recognizer) -> None:
    """The stub mishears the edges, as other letters, but in their frames."""
    (word,) = recognizer.transcribe(spell("ab")[: 5 * FRAME - 100]).words
    assert word.start == 0
    assert word.end == pytest.approx(5 * SECONDS - 100 / RATE)


def test_less_than_a_tenth_of_a_second_has_no_word(recognizer: Recognizer) -> None:
    assert recognizer.transcribe(spell("a")[: RATE // 20]).words == ()


def doubtful(*, heard: str, nearly: str) -> np.ndarray:
    """Two words at once, of which the one is a nat a frame more probable than the other."""
    return 0.5 * spell(10, nearly, 10) + 0.52 * spell(10, heard, 10)


def test_a_beam_finds_the_same_where_there_is_no_doubt(recognizer: Recognizer) -> None:
    check(recognizer.transcribe(WAV, beam=8))


@pytest.mark.parametrize("beam", [None, 8])
def test_hot_words_are_preferred(recognizer: Recognizer, beam: int | None) -> None:
    wav = doubtful(heard="ab", nearly="ac")
    assert recognizer.transcribe(wav, beam=beam).text == "ab"
    assert recognizer.transcribe(wav, beam=beam, hotwords=["Ac", "cab b"]).text == "ac"
    check(recognizer.transcribe(WAV, beam=beam, hotwords=["ac"]))


def test_hot_words_are_found_in_near_spellings_and_nowhere_else(recognizer: Recognizer) -> None:
    wav = doubtful(heard="ab", nearly="ac")
    assert recognizer.transcribe(wav, hotwords="cab, \u00e1c\n").text == "ac"  # a text, and without the accent
    assert recognizer.transcribe(wav, hotwords=["bbc"]).text == "ab"
    with pytest.warns(SpeechWarning, match="the hot word 'xyz' is left out: the recognizer cannot write 'x'"):
        assert recognizer.transcribe(wav, hotwords=["xyz", "ac"]).text == "ac"


def test_a_language_model_is_heeded_unless_decoding_is_greedy(broken: Path) -> None:
    words = ("</s>", "<s>", "<unk>", "ab", "ac")
    log_probs = np.log([0.1, 1e-9, 1e-4, 1e-4, 0.9])
    table = Table(np.arange(5)[:, None], log_probs, np.zeros(5))
    NgramModel.of_tables(words, [table]).save(broken / "lm.npz")
    change(broken, decoding={"beam": 8, "lm_weight": 1.0, "word_bonus": 0.0})
    wav = doubtful(heard="ab", nearly="ac")
    assert load_recognizer(broken).transcribe(wav).text == "ac"
    assert load_recognizer(broken).transcribe(wav, beam=1).text == "ab"
    change(broken, decoding={"beam": 8, "lm_weight": 0.0, "word_bonus": 0.0})
    assert load_recognizer(broken).transcribe(wav).text == "ab"


def test_a_language_model_finds_no_word_where_nobody_speaks(broken: Path) -> None:
    """The stub hears a little of `c` in a hum, and the search would rather have any word than none."""
    table = Table(np.arange(4)[:, None], np.log([1e-9, 1e-9, 1e-9, 0.9]), np.zeros(4))
    NgramModel.of_tables(("</s>", "<s>", "<unk>", "c"), [table]).save(broken / "lm.npz")
    change(broken, decoding={"beam": 8, "lm_weight": 1.0, "word_bonus": 5.0})
    hum = 0.09 * 2 * spell(10, "c", 10)  # an amplitude of 0.09, where 0.1 is a blank
    assert load_recognizer(broken).transcribe(hum).text == ""
    assert load_recognizer(broken).transcribe(np.concatenate([hum, spell("c", 10)])).text == "c c"  # beside a word


def test_decoding_that_cannot_be_done_is_refused(recognizer: Recognizer, broken: Path) -> None:
    with pytest.raises(DecodeError, match="beam is 0 but should be 1 or more"):
        recognizer.transcribe(WAV, beam=0)
    (broken / "lm.npz").write_bytes(b"no model")
    with pytest.raises(LMError, match="lm.npz is not a language model"):
        load_recognizer(broken).transcribe(WAV, beam=2)


@pytest.mark.parametrize("pause", [0.4, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_windows_join_to_the_words_of_the_whole(
    recognizer: Recognizer, short_sighted: Recognizer, seed: int, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognizer_module, "PAUSE", pause)
    wav = talk(29.9, seed)
    whole, windowed = recognizer.transcribe(wav), short_sighted.transcribe(wav)
    assert len(whole.words) > 10
    assert whole.text == windowed.text
    for one, other in zip(whole.words, windowed.words):
        assert (one.start, one.end) == (pytest.approx(other.start), pytest.approx(other.end))


def test_the_stub_would_tell_if_edges_were_kept(short_sighted: Recognizer, recognizer: Recognizer, monkeypatch) -> None:
    monkeypatch.setattr(recognizer_module, "OVERLAP", 0.4)
    monkeypatch.setattr(recognizer_module, "PAUSE", 3.0)
    wav = talk(29.9)
    assert recognizer.transcribe(wav).text != short_sighted.transcribe(wav).text


@pytest.mark.parametrize("seconds", [9.96, 10.0, 10.04, 17.0, 17.04])
def test_where_windows_begin_and_end_nothing_is_lost(
    recognizer: Recognizer, short_sighted: Recognizer, seconds: float
) -> None:
    wav = talk(seconds)
    assert recognizer.transcribe(wav).text == short_sighted.transcribe(wav).text
    assert short_sighted.transcribe(wav).duration == pytest.approx(seconds)


def test_progress_adds_up_to_the_audio(short_sighted: Recognizer) -> None:
    steps: list[float] = []
    short_sighted.transcribe(talk(25.0), progress=steps.append)
    assert sum(steps) == pytest.approx(25)
    assert len(steps) > 2 and 0 < min(steps) and max(steps) <= 15  # the last one is longer than a window


def test_files_are_read_while_they_are_heard(short_sighted: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording without an end: the third window is heard before the sixth is read."""
    read = 0

    def blocks(path: Path, rate: int, **_: object):
        nonlocal read
        for _ in itertools.count():
            read += 10
            yield np.zeros(10 * rate, np.float32), rate

    class Enough(Exception):
        pass

    def stop(seconds: float) -> None:
        nonlocal heard
        heard += seconds
        if heard > 30:
            raise Enough

    heard = 0.0
    monkeypatch.setattr(audio, "blocks", blocks)
    with pytest.raises(Enough):
        short_sighted.transcribe("endless.wav", progress=stop)
    assert read <= heard + 20


def test_memory_stays_flat_however_long_the_audio(stub_recognizer: Path, tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        """Peak memory in MB after `seconds` of audio, of which half an hour is 115 MB."""
        with soundfile.SoundFile(tmp_path / "a.wav", "w", RATE, 1) as file:
            for _ in range(seconds // 60):
                file.write(np.tile(WAV, 24)[: 60 * RATE])
        script = (
            "import resource, speechnar\n"
            f"words = speechnar.load_recognizer({str(stub_recognizer)!r}, 1).transcribe({str(tmp_path / 'a.wav')!r})\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    short = peak(60)
    assert peak(1800) - short < 30


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), r"holds no audio \(0 samples\)"),
        (np.array([0.0, np.nan]), "not finite"),
        (np.array([0.0, np.inf]), "not finite"),
        (np.zeros((2, 3, 4)), r"should be \(T_wav,\) or .* but are \(2, 3, 4\) of float64"),
        (np.array(0.5), r"but are \(\) of float64"),
        (np.zeros(100, np.uint8), "of uint8"),
        (np.zeros(100, complex), "of complex128"),
    ],
)
def test_samples_that_are_none_are_refused(recognizer: Recognizer, samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        recognizer.transcribe(samples)


def test_public_names_transcribe(stub_recognizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(speechnar.transcribe(WAV, recognizer=stub_recognizer))
    check(speechnar.transcribe(audio.resample(WAV, RATE, 48000), 48000, stub_recognizer), tolerance=1.01 * SECONDS)
    monkeypatch.setattr(recognizer_folder, "RECOGNIZERS", stub_recognizer.parent)
    assert speechnar.load_recognizer("stub").name == "stub"
    with pytest.raises(SpeechError, match="no recognizer 'nobody'; take stub or the folder of a recognizer"):
        speechnar.load_recognizer("nobody")


def test_a_device_that_is_not_here_is_refused(stub_recognizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(SpeechError, match="this ONNX Runtime has no cuda: pip install onnxruntime-gpu, or take"):
        load_recognizer(stub_recognizer, device="cuda")
    with pytest.raises(SpeechError, match="device should be one of cpu, cuda but is 'tpu'"):
        load_recognizer(stub_recognizer, device="tpu")


def test_a_device_without_its_driver_is_refused(stub_recognizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    session = onnxruntime.InferenceSession

    def only_cpu(path: str, options: object, providers: list[str], **more: object) -> onnxruntime.InferenceSession:
        assert providers == ["CUDAExecutionProvider"]
        return session(path, options, providers=["CPUExecutionProvider"], **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", only_cpu)
    with pytest.raises(SpeechError, match="ONNX Runtime finds no usable cuda device; take the device cpu"):
        load_recognizer(stub_recognizer, device="cuda")


def change(folder: Path, **values: object) -> None:
    path = folder / "recognizer.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), encoding="utf-8")


def test_a_folder_that_is_no_recognizer_is_refused(broken: Path, stub_voice: Path, tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="no recognizer in .*: recognizer.json: No such file"):
        load_recognizer(tmp_path)
    change(broken, symbols=["a", "b"])
    with pytest.raises(TextError, match="lacks '<blank>'"):
        load_recognizer(broken)
    change(broken, format=11, color="blue")
    with pytest.raises(SpeechError, match="the recognizer in .* has format 11 and this speechnar reads 10; upgrade it"):
        load_recognizer(broken)


def test_a_model_of_something_else_is_refused(broken: Path, stub_voice: Path) -> None:
    shutil.copy(stub_voice / "acoustic.onnx", broken / "model.onnx")
    with pytest.raises(SpeechError, match="model.onnx is no model of a recognizer of format 10; export"):
        load_recognizer(broken)


def test_a_graph_may_be_compressed(broken: Path, recognizer: Recognizer) -> None:
    graph = broken / "model.onnx"
    packed = gzip.compress(graph.read_bytes())
    graph.unlink()
    (broken / "model.onnx.gz").write_bytes(packed)
    assert load_recognizer(broken).transcribe(WAV) == recognizer.transcribe(WAV)
    for damaged in (packed[: len(packed) // 2], packed[:-8] + b"\0" * 8, b"no gzip"):
        (broken / "model.onnx.gz").write_bytes(damaged)
        with pytest.raises(SpeechError, match="model.onnx.gz cannot be read, install or export"):
            load_recognizer(broken)


def test_a_model_of_other_symbols_is_refused(broken: Path) -> None:
    change(broken, symbols=["<blank>", "▁a"])
    with pytest.raises(DecodeError, match=r"should be \(frames, 2 tokens\)"):
        load_recognizer(broken).transcribe(WAV)


def test_a_corrector_gets_the_words_and_the_frames_of_a_segment(recognizer: Recognizer) -> None:
    class Scripted:
        def corrections(self, text: Utterance, verified: bool) -> list[Correction]:
            assert not verified and text.log_probs.shape[1] == len(recognizer.info.symbols)
            assert [(word, *frames) for word, frames in zip(text.words, text.frames)] == WORDS
            return [Correction(0, ("a", "bc"), (), 1.0), Correction(2, (), (), 1.0)]

    found = recognizer.transcribe(WAV, corrector=Scripted())
    assert found.text == "a bc ba"
    assert [(word.start, word.end) for word in found.words[:2]] == [
        pytest.approx((10 * SECONDS, 14 * SECONDS)),
        pytest.approx((14 * SECONDS, 18 * SECONDS)),
    ]
    assert recognizer.transcribe(WAV, corrector=Scripted(), hotwords="abc").text == "abc ba"


def test_words_are_corrected_where_a_recognizer_of_english_says_so_unless_it_is_turned_off(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fixed:
        def __init__(self, *args: object) -> None:
            pass

        def corrections(self, text: Utterance, verified: bool) -> list[Correction]:
            return [Correction(0, ("cab",), (), 1.0)]

    monkeypatch.setattr("speechnar.runtime.recognizer.AcousticCorrector", Fixed)
    recognizer = load_recognizer(broken)
    assert recognizer.transcribe(WAV).text == "abc ba c"
    assert recognizer.transcribe(WAV, corrector=True).text.startswith("cab ba")
    change(broken, decoding={"correct": True})
    recognizer = load_recognizer(broken)
    assert recognizer.transcribe(WAV).text.startswith("cab ba")
    assert recognizer.transcribe(WAV, corrector=False).text == "abc ba c"
    change(broken, language="de")
    assert load_recognizer(broken).transcribe(WAV).text == "abc ba c"
