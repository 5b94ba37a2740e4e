"""Streams of a stub model whose frames are 40 ms long: the value of a sample is the number of the token that it says.

Tokens are `▁a`, `▁b`, `▁c`, `a`, `b`, `c`; the blank is 0. The stub's decoder writes capitals, so that a test sees
which text was verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stub_recognizer import spell

from speechnar import audio
from speechnar.audio import AudioError
from speechnar.decode.greedy import greedy
from speechnar.decode.result import DecodeError, Hypothesis
from speechnar.runtime import Caption, StreamConfig, load_recognizer
from speechnar.runtime.captions import StreamModel
from speechnar.runtime.streaming import Stream
from speechnar.runtime.windows import EncodedAudio
from speechnar.text.symbols import Vocabulary

RATE, FRAME = 1000, 40
SYMBOLS = ("<blank>", "▁a", "▁b", "▁c", "a", "b", "c")
VOCABULARY = Vocabulary(SYMBOLS)
SECONDS = FRAME / RATE
WORD = 5  # frames: two tokens, a blank, and a blank behind


class Model:
    """Attributes: longest: seconds of the longest audio that it was given.

    Args:
        doubtful: words that are uncertain.
        confidence: of uncertain words.
        write: writes a word as the decoder does.
    """

    def __init__(
        self,
        verifies: bool = True,
        doubtful: tuple[str, ...] = (),
        confidence: float = 0.1,
        write: Callable[[str], str] = str.upper,
    ) -> None:
        self.longest, self.verifies, self.write = 0.0, verifies, write
        self.doubtful, self.confidence = doubtful, confidence

    def encode(self, wav: np.ndarray) -> EncodedAudio:
        self.longest = max(self.longest, len(wav) / RATE)
        frames = wav[: len(wav) // FRAME * FRAME].reshape(-1, FRAME)
        tokens = np.rint(np.median(frames, axis=1) * 10).astype(int).clip(0, len(SYMBOLS) - 1)
        log_probs = np.full((len(tokens), len(SYMBOLS)), -20.0, np.float32)
        log_probs[np.arange(len(tokens)), tokens] = 0.0
        return EncodedAudio(log_probs)

    def draft(self, log_probs: np.ndarray) -> Hypothesis:
        return greedy(log_probs, VOCABULARY, SECONDS)

    def verify(self, draft: Hypothesis, encoder_out: EncodedAudio, known: int) -> Hypothesis:
        """Hear all words again, and spell those as they are that are known."""
        words = [
            replace(
                word,
                text=draft.words[n].text if n < known else self.write(word.text),
                confidence=self.confidence if word.text in self.doubtful else 0.9,
            )
            for n, word in enumerate(self.draft(encoder_out.log_probs).words)
        ]
        return Hypothesis(tuple(words), 0.0)

    def stream(self, rate: int = RATE, style: str = "written", **choices: float) -> Stream:
        verify = self.verify if self.verifies else None
        model = StreamModel(RATE, SECONDS, self.encode, self.draft, self.draft, verify, style=style)
        return Stream(model, rate, StreamConfig(**({"share": 1e9, "busy": 1e9} | choices)))


def say(*words: str | int) -> np.ndarray:
    """Samples of words of two letters, of five frames each; a number is that many frames of silence."""
    frames: list[int] = []
    for word in words:
        if isinstance(word, int):
            frames += [0] * word
        else:
            first, second = SYMBOLS.index("▁" + word[0]), SYMBOLS.index(word[1])
            frames += [first, 0, second, second, 0]
    return np.repeat(np.array(frames), FRAME).astype(np.float32) / 10


def blocks(wav: np.ndarray, size: int = 100) -> Iterator[np.ndarray]:
    for start in range(0, len(wav), size):
        yield wav[start : start + size]


def finals(captions: list[Caption]) -> list[str]:
    return [caption.text for caption in captions if caption.is_final]


def check_states(captions: list[Caption]) -> None:
    """Stable text only grows within an utterance, and each utterance ends with one final caption."""
    stable, utterance = "", 0
    for caption in captions:
        assert caption.utterance == utterance
        if caption.is_final:
            stable, utterance = "", utterance + 1
            assert caption.stable == caption.text
        else:
            assert caption.stable.startswith(stable)
            assert caption.text == f"{caption.stable} {caption.partial}".strip()
            stable = caption.stable
    assert captions[-1].is_final


WAV = say(20, "ab", "ba", "cc", 20, "ca", 30)


def test_text_is_partial_then_stable_then_final() -> None:
    captions = list(Model().stream().captions(blocks(WAV)))
    check_states(captions)
    assert finals(captions) == ["AB BA CC", "CA"]
    assert "AB BA" in [caption.stable for caption in captions]
    assert captions[0].stable == "" and captions[0].partial in ("A", "AB")


@pytest.mark.parametrize(
    ("doubtful", "pause", "texts"),
    [
        ((), 5, ["AB BA CC CA"]),  # 0.2 s, and a blank of the word before it
        ((), 12, ["AB BA CC", "CA"]),
        (("cc",), 12, ["AB BA CC CA"]),
        (("cc",), 25, ["AB BA CC", "CA"]),
        (("ca",), 12, ["AB BA CC", "CA"]),
    ],
)
def test_a_short_pause_ends_an_utterance_whose_last_words_are_certain(
    doubtful: tuple[str, ...], pause: int, texts: list[str]
) -> None:
    captions = list(Model(doubtful=doubtful).stream().captions(blocks(say(20, "ab", "ba", "cc", pause, "ca", 30))))
    check_states(captions)
    assert finals(captions) == texts


@pytest.mark.parametrize(
    ("mark", "confidence", "pause", "texts"),
    [
        (".", 0.3, 5, ["ab cc. Ca"]),  # 0.2 s, and a blank of the word before it
        (".", 0.3, 12, ["ab cc.", "Ca"]),
        ("?", 0.3, 12, ["ab cc?", "Ca"]),
        (".", 0.1, 12, ["ab cc. Ca"]),
        (",", 0.3, 12, ["ab cc, ca"]),
        ("", 0.3, 12, ["ab cc ca"]),
        ("", 0.3, 25, ["ab cc", "ca"]),
    ],
)
def test_a_short_pause_ends_an_utterance_of_less_certain_words_behind_the_end_of_a_sentence(
    mark: str, confidence: float, pause: int, texts: list[str]
) -> None:
    model = Model(doubtful=("cc",), confidence=confidence, write=lambda word: word + mark * (word == "cc"))
    captions = list(model.stream().captions(blocks(say(20, "ab", "cc", pause, "ca", 30))))
    check_states(captions)
    assert finals(captions) == texts


def test_doubts_long_before_a_pause_do_not_keep_an_utterance_open() -> None:
    words = ["cc", *["ab", "ba"] * 8]  # "cc" ends 3.2 s before the pause
    captions = list(Model(doubtful=("cc",)).stream().captions(blocks(say(20, *words, 12, "ca", 30))))
    assert finals(captions) == [" ".join(words).upper(), "CA"]


@pytest.mark.parametrize(
    ("doubtful", "pause", "texts"),
    [
        ((), 7, ["AB CC CA"]),  # 0.28 s, and a blank of the word before it
        ((), 14, ["AB CC", "CA"]),
        (("cc",), 14, ["AB CC CA"]),
        (("cc",), 25, ["AB CC", "CA"]),
    ],
)
def test_noise_does_not_hide_a_pause(doubtful: tuple[str, ...], pause: int, texts: list[str]) -> None:
    """The noise is as loud as the words, and the stub's encoder takes the median of a frame, which is 0."""
    wav = say(20, "ab", "cc", pause, "ca", 30)
    noise = np.resize(np.array([0.5, -0.5], np.float32), len(wav))
    stream = Model(doubtful=doubtful).stream()
    captions = list(stream.captions(blocks(np.where(wav == 0, noise, wav))))
    check_states(captions)
    assert finals(captions) == texts
    assert captions[-1].heard <= (20 + 15 + pause) * SECONDS + 1.0


def test_soft_words_in_the_pause_behind_an_uncertain_one_belong_to_its_utterance() -> None:
    """ "aa" has amplitudes of 0.01 and 0.02 here, far below the others: its frames count as quiet."""
    model = Model(doubtful=("cc",))
    encode = model.encode

    def encode_soft(wav: np.ndarray) -> EncodedAudio:
        loud = np.where(np.abs(wav - 0.01) < 1e-3, 0.1, wav)
        return encode(np.where(np.abs(wav - 0.02) < 1e-3, 0.4, loud))

    model.encode = encode_soft  # type: ignore[method-assign]
    soft = np.select([np.isclose(spoken := say("aa"), 0.1), np.isclose(spoken, 0.4)], [0.01, 0.02], 0).astype("f4")
    wav = np.concatenate([say(20, "bb", "cc", 8), soft, say(30)])
    assert finals(list(model.stream().captions(blocks(wav)))) == ["BB CC AA"]


def test_the_text_of_a_pause_is_shown_before_the_utterance_ends() -> None:
    stream = Model(doubtful=("cc",)).stream(interval=0.5)
    captions = [caption for block in blocks(say(20, "ab", "cc", 8)) for caption in stream.feed(block)]
    assert captions[-1].text == "AB CC" and not captions[-1].is_final
    assert finals(stream.finish()) == ["AB CC"]


def test_a_word_is_shown_when_it_has_ended() -> None:
    stream = Model().stream(interval=SECONDS)
    captions = [caption for block in blocks(say(20, "ab", "ba"), FRAME) for caption in stream.feed(block)]
    assert [caption.partial for caption in captions if not caption.stable] == ["A", "AB", "AB B", "AB BA"]
    seen = 0
    for caption in captions:
        assert len(caption.words) >= seen
        if len(caption.words) > seen:
            assert caption.words[-1].end < caption.heard
        seen = len(caption.words)
    assert finals(stream.finish()) == ["AB BA"]


@pytest.mark.parametrize(("style", "texts"), [("written", ["ab. Ba. Cc.", "Ca."]), ("plain", ["ab ba cc", "ca"])])
def test_captions_have_the_style(style: str, texts: list[str]) -> None:
    captions = list(Model(write=lambda text: text + ".").stream(style=style).captions(blocks(WAV)))
    check_states(captions)
    assert finals(captions) == texts
    for caption in captions:
        assert finals([c for c in captions if c.utterance == caption.utterance])[0].startswith(caption.stable)


def test_a_number_is_several_words_in_the_plain_style() -> None:
    captions = list(Model(write=lambda text: "21").stream(style="plain").captions(blocks(say(20, "ab", "ba", 30))))
    check_states(captions)
    assert finals(captions) == ["twenty one twenty one"]
    assert {caption.stable for caption in captions} >= {"twenty one"}


def test_a_style_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError, match="the style should be one of written, plain but is 'loud'"):
        Model().stream(style="loud")


def test_words_have_their_times_in_the_stream() -> None:
    words = [word for caption in Model().stream().captions(blocks(WAV)) if caption.is_final for word in caption.words]
    starts = np.array([20, 25, 30, 55])
    assert [word.start for word in words] == pytest.approx(starts * SECONDS, abs=1e-6)
    assert [word.end for word in words] == pytest.approx((starts + 4) * SECONDS, abs=1e-6)


@pytest.mark.parametrize("size", [1, 7, 100, 640, 10**6])
def test_blocks_of_any_size_give_the_same_final_text(size: int) -> None:
    captions = list(Model().stream().captions(blocks(WAV, size)))
    check_states(captions)
    assert finals(captions) == ["AB BA CC", "CA"]


@pytest.mark.parametrize("dtype", ["int16", "int32", "float64", "float16"])
def test_samples_of_any_type(dtype: str) -> None:
    scale = 2.0 ** (8 * np.dtype(dtype).itemsize - 1) if dtype.startswith("int") else 1.0
    given = (WAV * scale).astype(dtype)
    assert finals(list(Model().stream().captions(blocks(given)))) == ["AB BA CC", "CA"]


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_mixed(channels: int) -> None:
    given = np.repeat(WAV[:, None], channels, axis=1)
    assert finals(list(Model().stream().captions(blocks(given)))) == ["AB BA CC", "CA"]
    assert finals(list(Model().stream().captions([given.T]))) == ["AB BA CC", "CA"]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_another_sample_rate_is_resampled(stub_recognizer: Path, rate: int) -> None:
    recognizer = load_recognizer(stub_recognizer, 1)
    wav = audio.resample(spell(10, "abc", "ba", 25, "c", 25), 16000, rate)
    captions = list(recognizer.stream(rate).captions(blocks(wav, 1234)))
    assert finals(captions) == ["abc ba", "c"]
    assert captions[0].words[0].start == pytest.approx(10 * SECONDS, abs=0.05)


def test_a_pause_in_the_midst_of_a_block_ends_an_utterance() -> None:
    """Updates are 3 s apart, as on a slow machine: the pause is over when it is seen."""
    captions = list(Model().stream(interval=3.0).captions([WAV]))
    check_states(captions)
    assert finals(captions) == ["AB BA CC", "CA"]


def test_the_end_of_the_audio_ends_an_utterance() -> None:
    stream = Model().stream()
    captions = [caption for block in blocks(say(10, "ab", "cc")) for caption in stream.feed(block)]
    assert finals(captions) == []
    assert finals(stream.finish()) == ["AB CC"]
    assert stream.finish() == []
    again = [caption for block in blocks(say(5, "ba", 20)) for caption in stream.feed(block)]
    assert finals(again) == ["BA"]
    assert again[0].utterance == 1


def test_silence_gives_nothing_and_holds_nothing() -> None:
    model = Model()
    stream = model.stream(lead=0.5)
    for block in blocks(np.zeros(60 * RATE, np.float32)):
        assert stream.feed(block) == []
    assert stream.held <= 0.6 and model.longest <= 0.7
    assert stream.heard == pytest.approx(60)


def test_speech_without_a_pause_is_cut_between_words() -> None:
    words = [a + b for a in "abc" for b in "abc"] * 20
    model = Model()
    captions = list(model.stream(longest=6.0, history=6.0).captions(blocks(say(5, *words))))
    check_states(captions)
    assert " ".join(finals(captions)) == " ".join(words).upper()
    assert len(finals(captions)) > 4
    assert model.longest <= 6.3


def test_stable_words_behind_a_cut_stay_stable() -> None:
    words = [a + b for a in "abc" for b in "abc"] * 4
    captions = list(Model().stream(longest=4.0, agreement=0.1, margin=0.05).captions(blocks(say(5, *words))))
    for before, after in zip(captions, captions[1:]):
        if before.is_final and not after.is_final and after.utterance > 0:
            assert after.words[: after.n_stable]


def test_memory_and_window_are_bounded_over_an_hour() -> None:
    rng = np.random.default_rng(0)
    model, held, texts, said = Model(), 0.0, 0, 0
    stream = model.stream(interval=1.0, longest=8.0)
    while stream.heard < 3600:
        part: list[str | int] = [int(rng.integers(1, 60))]
        for _ in range(int(rng.integers(1, 40))):
            part.append("".join(rng.choice(list("abc"), 2)))
        said += len(part) - 1
        for caption in stream.feed(say(*part)):
            texts += len(caption.words) * caption.is_final
        held = max(held, stream.held)
    texts += sum(len(caption.words) for caption in stream.finish() if caption.is_final)
    assert texts == said
    assert held <= 10.2 and model.longest <= 10.2  # the longest utterance, an interval, and the lead


def test_times_stay_exact_after_days() -> None:
    stream = Model().stream(interval=0.1)
    days = 5 * 24 * 3600
    stream._open.start = stream._open.end = days * RATE  # as if so much silence had been fed
    stream._due = days * RATE
    (final,) = [caption for caption in stream.captions(blocks(say(20, "ab", 20))) if caption.is_final]
    assert final.words[0].start == pytest.approx(days + 20 * SECONDS, abs=1e-6)


def test_updates_are_as_frequent_as_their_cost_allows() -> None:
    frequent, rare = Model(), Model()
    calls = {frequent: 0, rare: 0}
    for model, share in ((frequent, 1e9), (rare, 1e-9)):
        encode = model.encode

        def counted(wav: np.ndarray, model: Model = model, encode=encode) -> EncodedAudio:
            calls[model] += 1
            return encode(wav)

        model.encode = counted  # type: ignore[method-assign]
        list(model.stream(share=share).captions(blocks(np.zeros(10 * RATE, np.float32))))
    assert calls[frequent] == pytest.approx(100, abs=3)
    assert calls[rare] <= 2


def test_the_iterator_runs_in_asyncio() -> None:
    async def microphone() -> AsyncIterator[np.ndarray]:
        for block in blocks(WAV):
            yield block

    async def collect() -> list[Caption]:
        return [caption async for caption in Model().stream().captions_async(microphone())]

    captions = asyncio.run(collect())
    check_states(captions)
    assert finals(captions) == ["AB BA CC", "CA"]


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (np.array([np.nan]), "not finite"),
        (np.zeros((2, 2, 2)), "should be"),
        (np.array(["a"]), "should be"),
        (np.zeros(3, np.uint8), "should be"),
    ],
)
def test_samples_that_are_none_are_refused_and_the_stream_goes_on(samples: np.ndarray, sentence: str) -> None:
    stream = Model().stream()
    with pytest.raises(AudioError, match=sentence):
        stream.feed(samples)
    assert stream.feed(np.empty(0)) == []
    assert finals(list(stream.captions(blocks(WAV)))) == ["AB BA CC", "CA"]


def test_a_sample_rate_that_is_none_is_refused() -> None:
    with pytest.raises(AudioError, match="sample_rate should be in Hz but is 0"):
        Model().stream(rate=0)


def test_a_recognizer_makes_streams(stub_recognizer: Path) -> None:
    recognizer = load_recognizer(stub_recognizer, 1)
    wav = spell(10, "abc", "ba", 25, "c", 25)
    captions = list(recognizer.stream().captions(blocks(wav, 1600)))
    assert finals(captions) == ["abc ba", "c"]
    offline = recognizer.transcribe(wav).words
    online = [word for caption in captions if caption.is_final for word in caption.words]
    for one, other in zip(offline, online):
        assert one.start == pytest.approx(other.start, abs=0.041)
