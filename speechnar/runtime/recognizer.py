"""A recognizer: audio to words with ONNX Runtime and NumPy.

The graph, features included, encodes a window of audio at once; `windows` cuts and joins, `speechnar.decode` finds the
words of CTC, and `speculative` verifies them where the recognizer has a decoder. The memory in use is that of a
few windows, however long a recording lasts.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from speechnar.codecs import RawFormat
from speechnar.decode.acoustic_correction import AcousticCorrector
from speechnar.decode.beam import PrefixBeamConfig, beam_search
from speechnar.decode.corrector import Corrector
from speechnar.decode.draft import VerifyConfig
from speechnar.decode.greedy import greedy
from speechnar.decode.hot_spotting import HotWordSpotter
from speechnar.decode.result import DecodeError, Hypothesis, Word
from speechnar.decode.scorer import Scorer, ScorerOptions
from speechnar.lm.ngram import NgramModel
from speechnar.runtime import hot_words
from speechnar.runtime.captions import Search, StreamConfig, StreamModel, Verify
from speechnar.runtime.correction import UtteranceCorrector, corrected
from speechnar.runtime.recognizer_folder import DEFAULT, LM, RECOGNIZER, RecognizerInfo, find_recognizer
from speechnar.runtime.recording import Recording, samples_of
from speechnar.runtime.speculative import Verifier, when_said
from speechnar.runtime.speech import SpeechWarning
from speechnar.runtime.streaming import Stream
from speechnar.runtime.style import styled
from speechnar.runtime.transcript import Transcript, mean_confidence, without_doubtful
from speechnar.runtime.windows import EncodedAudio, WindowSizes, segments
from speechnar.text.languages.front_end import name_of
from speechnar.text.symbols import Vocabulary
from speechnar.text.whisper_bpe import BytePairs

OVERLAP = 3.0  # seconds that two windows share where there is no pause
PAUSE = 0.4  # seconds without a word, at which a window may end
PADDED_PAUSE = 0.32  # the same for graphs that append silence to the audio themselves, as those with a decoder do
SHORTEST = 0.5  # seconds; silence is appended to shorter audio, for which the graph may have no frame
SHORTEST_HEARD = 4.0  # the same of a recording that a decoder hears, which knows single words with silence behind them
DOUBTFUL = 0.45  # mean confidence of all words below which they are probably of another language
FEWEST_DOUBTFUL = 8  # words of which that can be said
TOGETHER = 4  # segments that are read together: of a pass, half the time is that of fetching weights
SHORTEST_WORD = 0.1  # seconds; models write words for shorter audio, though nobody can have said one

VerifyTogether = Callable[[Sequence[Hypothesis], Sequence[EncodedAudio]], list[Hypothesis]]


class Recognizer:
    """A recognizer folder, loaded.

    Attributes:
        info: the contents of `recognizer.json`.
        name, sample_rate: of the recognizer; Hz.
    """

    def __init__(self, folder: str | Path, threads: int | None = None, device: str = "cpu") -> None:
        """Load a recognizer.

        Args:
            threads: CPU threads to use; by default as many as there are cores, at most 4.
            device: "cpu" or "cuda".

        Raises:
            SpeechError: a file is missing, damaged or of a newer format, or there is no such device.
            TextError: the symbols are not those of a CTC model.
        """
        folder = Path(folder)
        self.info = RecognizerInfo.load(folder)
        self.name, self.sample_rate = self.info.name, self.info.sample_rate
        self._vocabulary = Vocabulary(self.info.symbols)
        _ = self._vocabulary.blank_id  # without which CTC cannot be decoded
        self._letters = set("".join(self._vocabulary.spellings))
        self._session = RECOGNIZER.session(folder / "model.onnx", {"wav"}, threads, device)
        self._lm_path = folder / LM
        self._verifier = None
        if self.info.decoder:
            self._verifier = Verifier(RECOGNIZER, folder, self.info.decoder, self.info.symbols, threads, device)

    def transcribe(
        self,
        recording: Recording,
        sample_rate: int | None = None,
        *,
        raw: RawFormat | None = None,
        beam: int | None = None,
        iterations: int | None = None,
        hotwords: str | Sequence[str] = (),
        min_confidence: float | None = None,
        style: str = "written",
        corrector: UtteranceCorrector | bool | None = None,
        name: str | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Transcript:
        """Transcribe a recording, in the memory of a few windows, however long it lasts.

        Args:
            recording: the path of an audio or video file; a file that is open as `rb`, read from where it stands; or
                samples, an array or tensor, (T_wav,) or, with any number of channels, (T_wav, C) or (C, T_wav): floats
                in [-1, 1], or integers of the whole range of their type; or samples and their rate, as
                `soundfile.read` returns them.
            sample_rate: Hz of samples that come without one; by default the recognizer's own.
            raw: the format of a file without a header.
            beam: prefixes that the search keeps; 1 is greedy. By default as `recognizer.json` says.
            iterations: of speculative decoding, at most; 0 leaves CTC's text as it is. By default as `recognizer.json`
                says; a recognizer without a decoder has none.
            hotwords: words and phrases to expect; or a text with commas or line ends between them. They are found in
                near spellings too. What the recognizer cannot write is left out with a warning.
            min_confidence: from 0 to 1, on the geometric mean of the words between two pauses: what is less certain is
                left out, such as words for noise. By default as `recognizer.json` says.
            style: "written", with capitals, marks and digits, if the recognizer writes them; or "plain", lower-case
                words, with numbers in words.
            corrector: changes words that the audio, their letters and their neighbors say are wrong, such as
                `speechnar.decode.acoustic_correction.AcousticCorrector`; True for the one in the package, which is for
                English; False for none. By default as `recognizer.json` says.
            name: of the transcript, and of an open file in messages; by default the file's, without its ending.
            progress: called with the seconds of audio that were transcribed since the last call.

        Raises:
            AudioError: the recording is of another type, cannot be read, is empty, or holds values that are not finite.
            DecodeError: the beam is less than 1, `iterations` less than 0, `min_confidence` not from 0 to 1, or there
                is no such style.

        Warns:
            SpeechWarning: most words are so doubtful that the speech is probably of another language.
        """
        if corrector is None:
            corrector = self.info.decoding.correct and self.writes_english
        chosen = self._corrector if corrector is True else None if corrector is False else corrector
        decode, least = self._decoder(beam, iterations, hotwords, chosen), self._least_confidence(min_confidence)
        blocks = samples_of(recording, sample_rate, self.sample_rate, raw, name or "")
        file = os.fspath(recording) if isinstance(recording, (str, os.PathLike)) else ""
        seconds = self.info.frame_seconds
        size = int(self.info.window_seconds / seconds)
        overlap = min(round(OVERLAP / seconds), size // 2)
        pause = round((PADDED_PAUSE if self.info.decoder else PAUSE) / seconds)
        sizes = WindowSizes(round(seconds * self.sample_rate), size, overlap, pause)
        duration = done = 0.0

        def counted() -> Iterator[np.ndarray]:
            nonlocal duration
            for block in blocks:
                duration += len(block) / self.sample_rate
                yield block

        verified = self._verifier is not None and iterations != 0
        shortest = min(SHORTEST_HEARD, self.info.window_seconds) if verified else SHORTEST
        encode = functools.partial(self._encode, shortest=shortest)
        words: list[Word] = []
        pieces = segments(counted(), encode, sizes, self._vocabulary)
        while together := list(itertools.islice(pieces, TOGETHER)):
            for (first, segment), its in zip(together, decode([segment for _, segment in together])):
                words += [_later(word, first * seconds) for word in its]
                end = min((first + len(segment)) * seconds, duration)
                if progress:
                    progress(end - done)
                done = end
        if duration < SHORTEST_WORD:
            words = []
        name = name or Path(file).stem or "audio"
        is_doubtful = self._verifier is not None and self._is_doubtful(words, name)
        kept = without_doubtful(words, least)
        ended = (dataclasses.replace(word, end=min(word.end, duration)) for word in kept)
        return Transcript(name, duration, tuple(styled(ended, style)), self.info.language, file, is_doubtful)

    def _is_doubtful(self, words: Sequence[Word], name: str) -> bool:
        """Return whether most words are doubtful, and warn of it."""
        if len(words) < FEWEST_DOUBTFUL or (confidence := mean_confidence(words)) >= DOUBTFUL:
            return False
        spoken = name_of(self.info.language)
        doubt = f"the words are doubtful (mean confidence {confidence:.2f} of 1)"
        warnings.warn(f"{name}: {doubt}; this recognizer knows {spoken} only", SpeechWarning, stacklevel=3)
        return True

    def _least_confidence(self, given: float | None) -> float:
        if given is not None and not 0 <= given <= 1:
            raise DecodeError(f"min_confidence should be from 0 to 1 but is {given}")
        usual = self.info.decoding.min_confidence if self._verifier else 0.0  # CTC's confidences are of another kind
        return usual if given is None else given

    def stream(
        self,
        sample_rate: int | None = None,
        *,
        hotwords: str | Sequence[str] = (),
        style: str = "written",
        config: StreamConfig | None = None,
    ) -> Stream:
        """Return a stream, which recognizes speech while it is spoken; any number of them may be open.

        Its text is not corrected by a corrector, which would change words that were shown before.

        Args:
            sample_rate: Hz of the samples that will be fed; by default the recognizer's own.
            hotwords: words and phrases to expect; final text alone heeds them.
            style: of all captions; see `transcribe`.

        Raises:
            AudioError: the sample rate is less than 1.
            DecodeError: there is no such style.
        """
        search, verify, _ = self._methods(None, None, hotwords)
        draft, *_ = self._methods(1, None, ())
        least, rates = self._least_confidence(None), (self.sample_rate, self.info.frame_seconds)
        decode = verify if self._verifier else None
        kept = functools.partial(without_doubtful, least=least)
        model = StreamModel(*rates, self._encode, draft, search, decode, kept, style)
        return Stream(model, self.sample_rate if sample_rate is None else sample_rate, config)

    @property
    def letters(self) -> frozenset[str]:
        """The characters that the recognizer can write, without the space."""
        return frozenset(self._letters & self._verifier.letters if self._verifier else self._letters)

    @functools.cached_property
    def _lm(self) -> NgramModel | None:
        return NgramModel.load(self._lm_path) if self._lm_path.exists() else None

    @property
    def writes_english(self) -> bool:
        """Return whether the language is English, or not known."""
        return (self.info.language or "en").startswith("en")

    @functools.cached_property
    def _corrector(self) -> AcousticCorrector:
        return AcousticCorrector(Corrector(), BytePairs(self.info.symbols))

    def _decoder(
        self,
        beam: int | None,
        iterations: int | None,
        hotwords: str | Sequence[str],
        corrector: UtteranceCorrector | None,
    ) -> Callable[[Sequence[EncodedAudio]], Iterable[Sequence[Word]]]:
        """Return the function that finds the words of several segments."""
        search, _, verify_together = self._methods(beam, iterations, hotwords, corrector)

        def decode(segments: Sequence[EncodedAudio]) -> Iterator[Sequence[Word]]:
            drafts = [search(segment.log_probs) for segment in segments]
            return (text.words for text in verify_together(drafts, segments))

        return decode

    def _methods(
        self,
        beam: int | None,
        iterations: int | None,
        hotwords: str | Sequence[str],
        corrector: UtteranceCorrector | None = None,
    ) -> tuple[Search, Verify, VerifyTogether]:
        """Return the function that finds the words of CTC, and the one that verifies them; see `StreamModel`.

        The third one verifies the words of several segments, which the decoder reads together.
        """
        usual, seconds = self.info.decoding, self.info.frame_seconds
        verifier = self._verifier
        expected = hot_words.writable(hot_words.split(hotwords), self.letters)
        if beam is None:
            beam = max(usual.beam, PrefixBeamConfig.beam) if expected and verifier is None else usual.beam
        search = self._search(beam, expected)
        config = VerifyConfig(usual.iterations if iterations is None else iterations, usual.acceptance_threshold)
        is_known = verifier.is_word if verifier else lambda word: False
        spotter = HotWordSpotter(expected, BytePairs(self.info.symbols), is_known)

        def with_hot_words(text: Hypothesis, log_probs: np.ndarray) -> Hypothesis:
            return hot_words.spotted(text, log_probs, spotter, seconds) if expected else text

        def completed(text: Hypothesis, segment: EncodedAudio) -> Hypothesis:
            if verifier:
                text = with_hot_words(text, segment.log_probs)
            if corrector:
                verified = verifier is not None and config.iterations > 0
                text = corrected(text, segment.log_probs, seconds, corrector, verified, expected)
            return text if verifier is None else dataclasses.replace(text, words=tuple(when_said(text.words)))

        def verify(draft: Hypothesis, segment: EncodedAudio, known: int) -> Hypothesis:
            text = verifier.verify(draft, segment, seconds, expected, config, known) if verifier else draft
            return completed(text, segment)

        def verify_together(drafts: Sequence[Hypothesis], segments: Sequence[EncodedAudio]) -> list[Hypothesis]:
            texts = drafts
            if verifier:
                texts = verifier.verify_together(drafts, segments, seconds, expected, config)
            return [completed(text, segment) for text, segment in zip(texts, segments)]

        return lambda log_probs: with_hot_words(search(log_probs), log_probs), verify, verify_together

    def _search(self, beam: int, expected: Sequence[str]) -> Callable[[np.ndarray], Hypothesis]:
        """Return the function that finds the words of CTC in (T, V) log-probabilities."""
        usual, vocabulary, seconds = self.info.decoding, self._vocabulary, self.info.frame_seconds
        if beam == 1 and (self._verifier or not expected):
            return lambda log_probs: greedy(log_probs, vocabulary, seconds)
        weights = ScorerOptions(lm_weight=usual.lm_weight, word_bonus=usual.word_bonus)
        scorer = Scorer(vocabulary, self._lm, expected, weights) if self._lm or expected else None
        config = PrefixBeamConfig(beam)

        def search(log_probs: np.ndarray) -> Hypothesis:
            best = greedy(log_probs, vocabulary, seconds)
            # Where greedy decoding finds no word, nobody speaks, and a language model would make words up.
            return beam_search(log_probs, vocabulary, seconds, scorer, config) if best.words else best

        return search

    def _encode(self, wav: np.ndarray, shortest: float = SHORTEST) -> EncodedAudio:
        """Return the output of the graph for (T_wav,) samples, with silence behind them up to `shortest` seconds.

        The memory of a decoder has that silence; log-probabilities have it up to `SHORTEST`.
        """
        size = max(len(wav), round(SHORTEST * self.sample_rate))
        heard = max(size, int(shortest * self.sample_rate))
        inputs = {"wav": np.pad(wav, (0, heard - len(wav)))[None].astype(np.float32)}
        if not self.info.decoder:
            return EncodedAudio(self._session.run(["log_probs"], inputs)[0][0])
        log_probs, *memory = self._session.run(None, inputs)
        per_frame = self.info.decoder.memory_per_frame
        assert self._verifier
        if self._verifier.hears_states:
            per_frame *= self.info.decoder.averaged_states
        elif len(memory) == 1:  # one array until format 7
            memory = list(memory[0][0])
        else:
            memory = [part[0] for part in memory]
        n_frames = math.ceil(size / (self.info.frame_seconds * self.sample_rate))
        return EncodedAudio(log_probs[0, :n_frames], tuple(memory), per_frame)


def _later(word: Word, seconds: float) -> Word:
    return dataclasses.replace(word, start=word.start + seconds, end=word.end + seconds)


def load_recognizer(name: str | Path = DEFAULT, threads: int | None = None, device: str = "cpu") -> Recognizer:
    """Load a recognizer by its name, or from a folder that holds `recognizer.json`.

    Raises:
        SpeechError: there is no such recognizer; or see `Recognizer`.
    """
    return Recognizer(find_recognizer(name), threads, device)


@functools.lru_cache(maxsize=1)
def _loaded(name: str | Path, threads: int | None, device: str) -> Recognizer:
    return load_recognizer(name, threads, device)


def transcribe(
    recording: Recording,
    sample_rate: int | None = None,
    recognizer: str | Path = DEFAULT,
    *,
    threads: int | None = None,
    device: str = "cpu",
    **options: Any,
) -> Transcript:
    """Transcribe a recording with a recognizer that is kept loaded for the next call.

    Args:
        recording, sample_rate, options: see `Recognizer.transcribe`.
        recognizer, threads, device: see `load_recognizer`.
    """
    return _loaded(recognizer, threads, device).transcribe(recording, sample_rate, **options)
