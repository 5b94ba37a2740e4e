"""Speculative decoding in a recognizer: its decoder verifies the words of CTC, and forced alignment gives the times."""

from __future__ import annotations

import dataclasses
import functools
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speechnar.decode.acoustic_check import AcousticCheck, changes
from speechnar.decode.annotations import sound_annotations
from speechnar.decode.forced_alignment import align
from speechnar.decode.greedy import words_of
from speechnar.decode.result import DecodeError, Hypothesis, Word
from speechnar.decode.scorer import ScorerOptions
from speechnar.decode.speculative import Draft, SpeculativeState, VerifyConfig, verify
from speechnar.decode.spelling import key_of
from speechnar.runtime.folder import BundleFormat
from speechnar.runtime.reader import BATCH_INPUTS, DECODER, DecoderInfo, OnnxBatch, RowReader, memory_names
from speechnar.runtime.windows import EncodedAudio
from speechnar.text.symbols import BOUNDARY
from speechnar.text.whisper_bpe import BytePairs, decoder_tokens

SMALLEST_PROBABILITY = 1e-10
"""Probability of tokens that the decoder did not read, in the score of a text, whose logarithm has to be finite."""


FEWEST_READ_AGAIN = 3
"""Words that the decoder left out, from which on it reads them again; fewer are too short to be an utterance."""


@dataclass(frozen=True)
class _Text:
    """The words of a decoder, with the confidence of each, and the score of the text."""

    words: list[str]
    confidences: list[float]
    score: float


@dataclass(frozen=True)
class _Spoken:
    """A stretch of audio with the text that CTC drafts for it; a frame lasts `frame_seconds`."""

    draft: Hypothesis
    encoder_out: EncodedAudio
    frame_seconds: float

    @property
    def memory(self) -> np.ndarray:
        assert self.encoder_out.memory is not None
        return self.encoder_out.memory

    def part(self, words: slice, start: int, end: int) -> _Spoken:
        """Return some words of the draft, and the frames from `start` to before `end`."""
        seconds = start * self.frame_seconds
        its = tuple(_earlier(word, seconds) for word in self.draft.words[words])
        return _Spoken(Hypothesis(its, 0.0), self.encoder_out.part(start, end), self.frame_seconds)


START_LAG, END_LAG = 0.03, 0.08
"""Seconds from the frame where CTC begins to write a word until it is said, and from the last frame until its end."""


def when_said(words: Sequence[Word]) -> list[Word]:
    """Return words with the times when they are said, in place of the frames where CTC writes them."""
    found = []
    for n, word in enumerate(words):
        following = words[n + 1].start + START_LAG if n + 1 < len(words) else math.inf
        start = min(word.start + START_LAG, word.end)
        found.append(dataclasses.replace(word, start=start, end=max(start, min(word.end + END_LAG, following))))
    return found


class Verifier:
    """The decoder of a recognizer folder, loaded.

    Raises:
        SpeechError: a file is missing or damaged.
        TextError: the file of its tokens is missing or damaged.
    """

    def __init__(
        self,
        bundle: BundleFormat,
        folder: Path,
        info: DecoderInfo,
        symbols: Sequence[str],
        threads: int | None,
        device: str,
    ) -> None:
        self._info = info
        self._tokenizer = BytePairs.load_lines(decoder_tokens(folder))
        self._ctc_tokenizer = BytePairs(tuple(symbols))
        self._ctc_letters = frozenset("".join(self._ctc_tokenizer.spellings))
        inputs = {"tokens", "past", *memory_names(info.past[0])}
        self._session = bundle.session(folder / DECODER, inputs, threads, device, optional=set(BATCH_INPUTS))
        self._spare: list[np.ndarray] = []  # memory for batches

    @functools.cached_property
    def letters(self) -> frozenset[str]:
        """The characters that the decoder can write."""
        return frozenset("".join(self._tokenizer.spellings))

    def is_word(self, word: str) -> bool:
        """Return whether the decoder knows a word as a single token, in small letters or with a capital."""
        return any(BOUNDARY + spelling in self._tokenizer.ids for spelling in (word, word.lower(), key_of(word)))

    def verify(
        self,
        drafts: Sequence[Hypothesis],
        segments: Sequence[EncodedAudio],
        frame_seconds: float,
        hot_words: Sequence[str],
        config: VerifyConfig,
        known: int = 0,
    ) -> list[Hypothesis]:
        """Return the text of the decoder for each of some segments of audio, given a draft of each.

        Args:
            drafts: the texts of CTC; the decoder is not asked about empty ones.
            hot_words: words and phrases that the decoder is to accept where a draft has them.
            known: number of words at the beginning of each draft that the decoder has to accept.
        """
        found = list(drafts)
        pairs = list(zip(drafts, segments))
        asked = [
            n for n, (draft, its) in enumerate(pairs) if draft.words and its.memory is not None and config.iterations
        ]
        its = [_Spoken(*pairs[n], frame_seconds) for n in asked]
        for n, one, text in zip(asked, its, self._read(its, hot_words, config, known)):
            timed = self._with_times(" ".join(text.words), one.encoder_out, frame_seconds)
            words = tuple(
                Word(word.text, word.start, word.end, min(1.0, confidence) if confidence > 0 else word.confidence)
                for word, confidence in zip(timed, text.confidences)
            )
            found[n] = Hypothesis(words, text.score)
        return found

    def _read(
        self, spoken: Sequence[_Spoken], hot_words: Sequence[str], config: VerifyConfig, known: int, again: bool = True
    ) -> list[_Text]:
        """Return the decoder's texts, checked by CTC.

        Args:
            again: read what the decoder left out, though it was said, as an utterance of its own.
        """
        if not spoken:
            return []
        drafts = [self._draft(one.draft, hot_words, known) for one in spoken]
        states = self._verified(drafts, [one.memory for one in spoken], config)

        def read_again(part: _Spoken) -> _Text:
            return self._read([part], hot_words, config, 0, again=False)[0]

        return [self._checked(one, state, read_again if again else None) for one, state in zip(spoken, states)]

    def _verified(
        self, drafts: Sequence[Draft], memories: Sequence[np.ndarray], config: VerifyConfig
    ) -> list[SpeculativeState]:
        """Return the state of each draft when the decoder is at its end, in the same passes if the graph allows it."""
        limits = self._tokenizer, self._info.max_tokens, config
        if not self._in_batches:
            return verify(drafts, [RowReader(self._session, self._info, memory) for memory in memories], *limits)
        batch = OnnxBatch(self._session, self._info, memories, self._spare)
        states = verify(drafts, batch.readers, *limits, batch.read)
        batch.close()
        return states

    @functools.cached_property
    def _in_batches(self) -> bool:
        return "asked" in {given.name for given in self._session.get_inputs()}

    def _checked(
        self, spoken: _Spoken, state: SpeculativeState, read_again: Callable[[_Spoken], _Text] | None
    ) -> _Text:
        """Return the decoder's text without what CTC finds that nobody said, and with what it left out."""
        (tokens,), probabilities = state.sequences(), np.exp(state.scores[0])
        words, confidences = self._tokenizer.decode(tokens).split(), self._confidences(tokens, probabilities.tolist())
        seconds, heard = spoken.frame_seconds, spoken.draft.words
        frames = [(round(word.start / seconds), round(word.end / seconds)) for word in heard]
        said = [word.text for word in heard]
        check = AcousticCheck(spoken.encoder_out.log_probs, self._ctc_tokenizer, said, frames)
        wrong = [change for change in changes(said, words) if check.is_wrong(change, words, confidences)]
        for change in reversed(wrong):
            lost = _Text(said[change.draft], [word.confidence for word in heard[change.draft]], 0.0)
            if read_again and len(lost.words) >= FEWEST_READ_AGAIN:
                found = read_again(spoken.part(change.draft, *check.span(change)))
                lost = found if found.words else lost
            words[change.text], confidences[change.text] = lost.words, lost.confidences
        for place in reversed(sound_annotations(words, said)):
            del words[place], confidences[place]
        return _Text(words, confidences, float(np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)).sum()))

    def _draft(self, draft: Hypothesis, hot_words: Sequence[str], known: int) -> Draft:
        """Return the draft in the decoder's tokens, with a bonus for those of hot words and of known words."""
        words = [word.text for word in draft.words]
        is_hot = [False] * len(words)
        for phrase in (text.split() for text in hot_words):
            for start in range(len(words) - len(phrase) + 1):
                if words[start : start + len(phrase)] == phrase:
                    is_hot[start : start + len(phrase)] = [True] * len(phrase)
        tokens: list[int] = []
        bonus: list[float] = []
        for n, (word, hot) in enumerate(zip(words, is_hot)):
            word_tokens = self._tokenizer.encode(word)
            tokens += word_tokens
            bonus += [math.inf if n < known else ScorerOptions.hot_bonus * hot] * len(word_tokens)
        return Draft(tokens, bonus)

    def _confidences(self, tokens: Sequence[int], probabilities: Sequence[float]) -> list[float]:
        """Return for each word the probability of its least probable token; a doubtful mark is no doubt of its word."""
        found: list[float] = []
        for token, probability in zip(tokens, probabilities):
            if self._tokenizer.begins_word[token] or not found:
                found.append(probability)
            elif any(map(str.isalnum, self._tokenizer.spellings[token])):
                found[-1] = min(found[-1], probability)
        return found

    def _with_times(self, text: str, encoder_out: EncodedAudio, frame_seconds: float) -> tuple[Word, ...]:
        """Return the words of a text with their times; evenly spread where there are fewer frames than tokens."""
        tokenizer, words = self._ctc_tokenizer, text.split()
        known = [self._known(word) for word in words]
        try:
            alignment = align(encoder_out.log_probs, tokenizer.encode(" ".join(known)), tokenizer.blank_id)
            timed = words_of(alignment, tokenizer, frame_seconds)
            return tuple(dataclasses.replace(word, text=text) for word, text in zip(timed, words, strict=True))
        except DecodeError:
            step = len(encoder_out) * frame_seconds / len(words)
            return tuple(Word(word, n * step, (n + 1) * step, 0.0) for n, word in enumerate(words))

    def _known(self, word: str) -> str:
        """Return a word, or the spelling nearest to it that CTC has tokens for."""
        letters = self._ctc_letters
        if not letters.issuperset(word):
            plain = unicodedata.normalize("NFKD", word)
            word = "".join(letter for letter in plain if letter in letters) or min(letters)
        return word


def _earlier(word: Word, seconds: float) -> Word:
    return dataclasses.replace(word, start=word.start - seconds, end=word.end - seconds)
