"""Speculative decoding in a recognizer: its decoder verifies the words of CTC, and forced alignment gives the times."""

from __future__ import annotations

import dataclasses
import functools
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speechnar.decode.acoustic_check import AcousticCheck
from speechnar.decode.annotations import sound_annotations
from speechnar.decode.draft import Draft, VerifyConfig
from speechnar.decode.forced_alignment import align, total_log_probs
from speechnar.decode.greedy import words_of
from speechnar.decode.interface import DraftReader, Verdict
from speechnar.decode.passes import Asked, Passes, read_alone, together
from speechnar.decode.result import DecodeError, Hypothesis, Word
from speechnar.decode.scorer import ScorerOptions
from speechnar.decode.second_choice import reconsider
from speechnar.decode.speculative import SpeculativeDecoder, verify
from speechnar.decode.spelling import ctc_tokens, key_of
from speechnar.decode.spoken_numbers import with_commas, with_times
from speechnar.runtime.folder import BundleFormat
from speechnar.runtime.old_readers import AllTokensReader, RowsReader
from speechnar.runtime.reader import (
    DECODER,
    JOINT_INPUTS,
    MEMORY,
    SEQUENCE_INPUTS,
    DecoderInfo,
    JointReader,
    OnnxReader,
    memory_names,
)
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
        inputs, later = {"tokens", "past", *memory_names(info.past[0])}, {*SEQUENCE_INPUTS, *JOINT_INPUTS}
        self._session = bundle.session(folder / DECODER, inputs, threads, device, optional=later)
        given = {each.name for each in self._session.get_inputs()}
        self._old_reader = AllTokensReader if given.issuperset(SEQUENCE_INPUTS) else RowsReader
        self._hear = None  # from states to what the decoder hears; before format 10, the encoder's graph does that
        if given.issuperset(JOINT_INPUTS):
            self._hear = bundle.session(folder / MEMORY, {"states"}, threads, device)

    def _readers(
        self, encoded: Sequence[EncodedAudio]
    ) -> tuple[Sequence[DraftReader], Callable[[Mapping[int, Asked]], Mapping[int, Verdict]]]:
        """Return what reads each utterance, and the function that reads for several in one pass."""
        memory = [audio.memory for audio in encoded if audio.memory is not None]
        if self._hear is None:
            return [self._old_reader(self._session, self._info, its) for its in memory], read_alone
        joint = JointReader(self._hear, [states for (states,) in memory], self._info.averaged_states)
        return [OnnxReader(self._session, self._info, its) for its in joint.memories], joint.read

    @property
    def hears_states(self) -> bool:
        """Return whether its memory is computed from encoder states, and is no output of the encoder's graph."""
        return self._hear is not None

    @functools.cached_property
    def letters(self) -> frozenset[str]:
        """The characters that the decoder can write."""
        return frozenset("".join(self._tokenizer.spellings))

    def is_word(self, word: str) -> bool:
        """Return whether the decoder knows a word as a single token, in small letters or with a capital."""
        return any(BOUNDARY + spelling in self._tokenizer.ids for spelling in (word, word.lower(), key_of(word)))

    def verify(
        self,
        draft: Hypothesis,
        encoder_out: EncodedAudio,
        frame_seconds: float,
        hot_words: Sequence[str],
        config: VerifyConfig,
        known: int = 0,
    ) -> Hypothesis:
        """Return the text of the decoder, given a draft.

        Args:
            draft: the text of CTC; the decoder is not asked about an empty one.
            hot_words: words and phrases that the decoder is to accept where the draft has them.
            known: number of words at the beginning of the draft that the decoder has to accept.
        """
        (text,) = self.verify_together([draft], [encoder_out], frame_seconds, hot_words, config, known)
        return text

    def verify_together(
        self,
        drafts: Sequence[Hypothesis],
        encoded: Sequence[EncodedAudio],
        frame_seconds: float,
        hot_words: Sequence[str],
        config: VerifyConfig,
        known: int = 0,
    ) -> list[Hypothesis]:
        """Return the text of the decoder for each of several drafts, which it reads together; see `verify`."""
        if not config.iterations:
            return list(drafts)
        found = list(drafts)
        chosen = [n for n, draft in enumerate(drafts) if draft.words and encoded[n].memory is not None]
        if not chosen:
            return found
        readers, read = self._readers([encoded[n] for n in chosen])
        works = [
            self._text(drafts[n], encoded[n], reader, frame_seconds, hot_words, config, known)
            for n, reader in zip(chosen, readers)
        ]
        texts = together(works, read)
        for n, text in zip(chosen, texts):
            timed = self._with_times(" ".join(text.words), encoded[n], frame_seconds)
            words = tuple(
                Word(word.text, word.start, word.end, min(1.0, confidence) if confidence > 0 else word.confidence)
                for word, confidence in zip(timed, text.confidences)
            )
            found[n] = Hypothesis(words, text.score)
        return found

    def _text(
        self,
        draft: Hypothesis,
        encoder_out: EncodedAudio,
        reader: DraftReader,
        frame_seconds: float,
        hot_words: Sequence[str],
        config: VerifyConfig,
        known: int,
        again: bool = True,
    ) -> Passes[_Text]:
        """Return the decoder's text, with its second choices, checked by CTC.

        Args:
            again: read what the decoder left out, though it was said, as an utterance of its own.
        """
        its_draft = self._draft(draft, hot_words, known)
        decoder = SpeculativeDecoder(self._tokenizer, lambda _: its_draft, self._info.max_tokens, config)
        state = yield from verify(decoder, reader)
        state = yield from reconsider(decoder, state, functools.partial(self._ctc, encoder_out.log_probs))
        (tokens,), probabilities = state.sequences(), np.exp(state.scores[0])
        words, confidences = self._tokenizer.decode(tokens).split(), self._confidences(tokens, probabilities.tolist())
        frames = [(round(word.start / frame_seconds), round(word.end / frame_seconds)) for word in draft.words]
        spoken = [word.text for word in draft.words]
        check = AcousticCheck(encoder_out.log_probs, self._ctc_tokenizer, spoken, frames)
        for change in reversed(check.wrong(words, confidences)):
            lost = _Text(spoken[change.draft], [word.confidence for word in draft.words[change.draft]], 0.0)
            if again and len(lost.words) >= FEWEST_READ_AGAIN:
                start, end = check.span(change)
                part = tuple(_earlier(word, start * frame_seconds) for word in draft.words[change.draft])
                heard = encoder_out.part(start, end)
                (reader,), _ = self._readers([heard])
                found = yield from self._text(
                    Hypothesis(part, 0.0), heard, reader, frame_seconds, hot_words, config, 0, again=False
                )
                lost = found if found.words else lost
            words[change.text], confidences[change.text] = lost.words, lost.confidences
        for place in reversed(sound_annotations(words, spoken)):
            del words[place], confidences[place]
        words = with_commas(with_times(words, spoken, hot_words), hot_words)
        return _Text(words, confidences, float(np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)).sum()))

    def _ctc(self, log_probs: np.ndarray, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Return what CTC gives texts in the decoder's tokens; NaN where it cannot spell one."""
        spelled = [ctc_tokens(self._ctc_tokenizer, self._tokenizer.decode(text).split()) for text in texts]
        found = np.full(len(texts), np.nan)
        if any(known := [tokens is not None for tokens in spelled]):
            judged = [tokens for tokens in spelled if tokens is not None]
            found[known] = total_log_probs(log_probs, judged, self._ctc_tokenizer.blank_id)
        return found

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
