"""The decoder's text as CTC lets it stand, and the recognizer of the wheel where its decoder failed once."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from voiced import spoken_by_the_voice

import speechnar
from speechnar.decode.draft import VerifyConfig
from speechnar.decode.greedy import greedy
from speechnar.decode.interface import DecoderInput
from speechnar.decode.passes import Passes, read_alone
from speechnar.decode.result import DecodeError, Word
from speechnar.decode.speculative import SpeculativeDecoder, SpeculativeState
from speechnar.evaluate.wer.normalizers import normalizer
from speechnar.runtime import speculative
from speechnar.runtime.reader import DecoderInfo
from speechnar.runtime.speculative import Verifier, when_said
from speechnar.runtime.speech import SpeechWarning
from speechnar.runtime.timings import to_json
from speechnar.runtime.windows import EncodedAudio
from speechnar.text.whisper_bpe import DECODER_TOKENS, BytePairs

CTC = BytePairs(("<blank>", "▁", *"abcdefghijklmnopqrstuvwxyz"))
PIECE = BytePairs(("▁", *"abcdefghijklmnopqrstuvwxyz", "</s>"))
SECONDS = 0.04


class Bundle:
    def session(self, *args: object, **options: object) -> Bundle:
        return self

    def get_inputs(self) -> list[object]:
        return []


@pytest.fixture
def verifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verifier:
    (tmp_path / DECODER_TOKENS).write_text("\n".join(PIECE.symbols), encoding="utf-8")
    monkeypatch.setattr(Verifier, "_readers", lambda self, encoded: ([None] * len(encoded), read_alone))
    info = DecoderInfo(100, (0,), 1, (2, 1, 1))
    return Verifier(Bundle(), tmp_path, info, CTC.symbols, None, "cpu")  # type: ignore[arg-type]


def said(text: str, gap: int = 6) -> EncodedAudio:
    rows: list[int] = []
    for word in text.split():
        rows += [*CTC.encode(word), *[CTC.blank_id] * gap]
    probs = np.full((len(rows), len(CTC)), 1e-4)
    probs[np.arange(len(rows)), rows] = 1 - 1e-4 * (len(CTC) - 1)
    return EncodedAudio(np.log(probs), tuple(np.zeros((2, 1, len(rows), 1))), 1)


def verified(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch, spoken: str, answers: Sequence[str]
) -> tuple[str, list[str], list[tuple[float, float]]]:
    """The text, the drafts that the decoder was given, and the times; the decoder writes one answer after another."""
    drafts: list[str] = []
    written = iter(answers)

    def verify(decoder: SpeculativeDecoder, reader: object) -> Passes[SpeculativeState]:
        drafts.append(PIECE.decode(decoder.draft(DecoderInput(np.empty((1, 0, 0)), np.zeros(1, int))).tokens))
        tokens = PIECE.encode(next(written))
        scores = np.full((1, max(1, len(tokens))), np.log(0.9))
        yield from ()
        return SpeculativeState(np.array([tokens or [0]]), np.array([len(tokens)]), scores[:, : len(tokens)])

    monkeypatch.setattr(speculative, "verify", verify)
    encoder_out = said(spoken)
    draft = greedy(encoder_out.log_probs, CTC, SECONDS)
    assert draft.text == spoken
    found = verifier.verify(draft, encoder_out, SECONDS, [], VerifyConfig())
    assert all(0 <= word.confidence <= 1 for word in found.words)
    return found.text, drafts, [(word.start, word.end) for word in found.words]


def test_words_that_nobody_said_are_taken_out(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verified(verifier, monkeypatch, "stop", ["stop stop"])[0] == "stop"
    assert verified(verifier, monkeypatch, "one two", ["one and then two"])[0] == "one two"
    assert verified(verifier, monkeypatch, "wan tu", ["one two"])[0] == "one two"  # another spelling is the decoder's


def test_words_behind_an_early_end_are_read_again(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = "it was night the fin spon gal"
    text, drafts, times = verified(verifier, monkeypatch, spoken, ["it was night", "the thin song pal"])
    assert text == "it was night the thin song pal"
    assert drafts == [spoken, "the fin spon gal"]
    assert times == sorted(times) and times[-1][1] <= len(said(spoken)) * SECONDS


def test_words_that_the_decoder_does_not_read_are_those_of_the_draft(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verified(verifier, monkeypatch, "it was night", ["", ""])[0] == "it was night"
    text, drafts, _ = verified(verifier, monkeypatch, "no more than that", ["no that"])
    assert text == "no more than that" and len(drafts) == 1  # two words are too few for an utterance


def test_words_are_said_a_little_after_the_frames_where_ctc_writes_them() -> None:
    words = when_said([Word("a", 0.0, 0.1, 1.0), Word("b", 0.12, 0.13, 1.0), Word("c", 1.0, 1.2, 1.0)])
    assert [(round(w.start, 3), round(w.end, 3)) for w in words] == [(0.03, 0.15), (0.13, 0.21), (1.03, 1.28)]
    assert when_said([]) == []


def test_what_is_written_of_music_is_no_word(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verified(verifier, monkeypatch, "oi ow", ["music playing"])[0] == ""
    assert verified(verifier, monkeypatch, "music playing", ["music playing"])[0] == "music playing"


@pytest.mark.parametrize("confidence", [0.1, 0.9])
def test_words_for_noise_are_left_out(monkeypatch: pytest.MonkeyPatch, confidence: float) -> None:
    """The recognizer's words are given: three in noise, a pause, and three that were said."""
    recognizer = speechnar.load_recognizer()
    spans = ((0.2, confidence), (0.6, confidence), (1.0, confidence), (2.0, 0.9), (2.4, 0.1), (2.8, 0.9))
    words = tuple(Word(f"w{n}", start, start + 0.3, sure) for n, (start, sure) in enumerate(spans))
    monkeypatch.setattr(recognizer, "_decoder", lambda *args: lambda segments: [words])
    wav = np.zeros(4 * 16000, np.float32)
    said = [word.text for word in recognizer.transcribe(wav).words]
    assert said == (["w3", "w4", "w5"] if confidence == 0.1 else [word.text for word in words])
    assert len(recognizer.transcribe(wav, min_confidence=0.0).words) == 6
    assert recognizer.transcribe(wav, min_confidence=0.99).words == ()
    with pytest.raises(DecodeError, match="min_confidence should be from 0 to 1 but is 1.5"):
        recognizer.transcribe(wav, min_confidence=1.5)


def test_doubtful_words_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recognizer = speechnar.load_recognizer()
    words = [Word("w", 0.3 * n, 0.3 * n + 0.2, 0.35 + 0.01 * (n % 2)) for n in range(9)]
    monkeypatch.setattr(recognizer, "_decoder", lambda *args: lambda segments: [words])
    wav = np.zeros(4 * 16000, np.float32)
    with pytest.warns(SpeechWarning, match=r"talk: the words are doubtful \(mean confidence 0.35 of 1\).*English only"):
        transcript = recognizer.transcribe(wav, name="talk")
    assert transcript.is_doubtful and len(transcript.words) == 9
    assert json.loads(to_json(transcript))["doubtful"] is True
    del words[7:]
    transcript = recognizer.transcribe(wav)
    assert not transcript.is_doubtful and "doubtful" not in json.loads(to_json(transcript))


def test_a_softer_utterance_behind_a_loud_one_is_heard() -> None:
    first = spoken_by_the_voice("The kitchen was warm and full of people that evening.")
    second = spoken_by_the_voice("Nobody had seen the old man walk down to the river.")
    for decibels in (12, 18):
        wav = np.concatenate([first, np.zeros(4800, np.float32), second * 10 ** (-decibels / 20)])
        words = speechnar.transcribe(wav).text.lower().split()
        assert {"kitchen", "people", "nobody", "walk", "river"} <= {word.strip(".,") for word in words}


@pytest.mark.parametrize("word", ["stop", "three", "computer"])
def test_a_single_word_is_written_once(word: str) -> None:
    normalized = normalizer("whisper")  # to which "three" and "3" are the same
    assert normalized(speechnar.transcribe(spoken_by_the_voice(word)).text) == normalized(word)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Dr. Smith paid $3.50 at 10:30, didn't he?", (r"\$3\.50", r"10:30")),
        ("The bill was $1,249.99, which was more than I expected.", (r"\$1,249\.99",)),
        ("I paid $3.50 for a coffee and $12.75 for lunch.", (r"\$3\.50", r"\$12\.75")),
    ],
)
def test_money_and_times_are_written_once_and_in_digits(text: str, written: tuple[str, ...]) -> None:
    """The draft spells them, and so the words "dollars", "cents" and "thirty" have to go."""
    heard = speechnar.load_recognizer().transcribe(spoken_by_the_voice(text)).text.lower()
    words = heard.replace(",", "").replace(".", "").replace("?", "").split()
    assert all(re.search(number, heard) for number in written)
    assert not {"dollars", "cents", "sense", "thirty"} & set(words)
