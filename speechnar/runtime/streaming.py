"""Recognize speech while it is spoken: text that may change, text that no longer changes, and verified text.

    audio     ...silence|the night before she left|pause|it rained...
    open window         [--------------------------------]              encoded again and again while it grows
    partial              the knight be                                  CTC's text: may change
    stable               the night before                               what successive texts agree on
    final                the night before she left                      verified by the decoder at the pause
                                                      [------            the next window begins within the pause

The window that is open is all that is held and encoded: silence before the first word is dropped, a pause ends it, and
where there is no pause for long it is cut between two words. In a long window, partial text is made of its last seconds
alone. How often that is done follows from what it costs, so that a slow or busy machine does it less often.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from speechnar import audio
from speechnar.audio import AudioError
from speechnar.decode.greedy import greedy
from speechnar.decode.local_agreement import LocalAgreement
from speechnar.decode.result import Word
from speechnar.runtime.windows import EncodedAudio
from speechnar.text.symbols import Vocabulary

EDGE = 0.5  # seconds at the end of the audio, where words may still become others: no utterance is cut there


@dataclass(frozen=True)
class StreamConfig:
    """Choices of streaming; all times are in seconds of audio.

    Attributes:
        interval: from one update to the next, at least.
        share: of one core's time that updates may take.
        busy: the same of the time that passes, which is more than a core's where others use the core as well.
        endpoint: without a word, after which an utterance ends.
        agreement, margin: see `LocalAgreement`.
        context: before the end of the stable text, from which on partial text is made.
        lead: that are kept before the first word.
        longest: of an utterance, which is cut if it lasts longer.
    """

    interval: float = 0.1
    share: float = 0.1
    busy: float = 0.5
    endpoint: float = 0.32
    agreement: float = 0.3
    margin: float = 0.12
    context: float = 2.0
    lead: float = 0.5
    longest: float = 13.0


@dataclass(frozen=True)
class Caption:
    """The text of an utterance at a moment.

    Attributes:
        utterance: its number in the stream, from 0.
        words: with times in seconds from the beginning of the stream.
        n_stable: number of words at the beginning that no later caption changes before the final one.
        is_final: the decoder has verified the words; the utterance has no further caption.
        heard: seconds of audio, of which the caption is made.
    """

    utterance: int
    words: tuple[Word, ...]
    n_stable: int
    is_final: bool
    heard: float

    @property
    def text(self) -> str:
        return _joined(self.words)

    @property
    def stable(self) -> str:
        return _joined(self.words[: self.n_stable])

    @property
    def partial(self) -> str:
        """Return the words behind the stable ones."""
        return _joined(self.words[self.n_stable :])


@dataclass(frozen=True)
class StreamModel:
    """The parts of a recognizer that a stream uses.

    Attributes:
        sample_rate: Hz.
        frame_seconds: from one frame of the log-probabilities to the next.
        encode: encodes (T_wav,) samples.
        verify: returns the words of encoded audio, with times in seconds from its first frame.
    """

    sample_rate: int
    frame_seconds: float
    vocabulary: Vocabulary
    encode: Callable[[np.ndarray], EncodedAudio]
    verify: Callable[[EncodedAudio], Iterable[Word]]


class Stream:
    """Recognize one stream of audio. `Recognizer.stream` makes it.

        stream = recognizer.stream(sample_rate=48000)
        for caption in stream.captions(blocks):
            print(caption.stable, caption.partial, caption.is_final)

    Args:
        sample_rate: Hz of the samples that are fed.
    """

    def __init__(self, model: StreamModel, sample_rate: int, config: StreamConfig | None = None) -> None:
        if sample_rate < 1:
            raise AudioError(f"sample_rate should be in Hz but is {sample_rate}")
        self._model = model
        self._config = config = config or StreamConfig()
        self._source_rate, self._resampler = sample_rate, _resampler(sample_rate, model.sample_rate)
        frame = round(model.frame_seconds * model.sample_rate)
        self._open = _Window(round(2 * config.longest * model.sample_rate), frame)
        self._due = round(config.interval * model.sample_rate)  # samples from the beginning of the stream
        self._utterance = 0
        self._agreement = LocalAgreement(config.agreement, config.margin)
        self._shown: Caption | None = None

    @property
    def heard(self) -> float:
        """Seconds of audio that were fed."""
        return self._open.end / self._model.sample_rate

    @property
    def held(self) -> float:
        """Seconds of audio that are held: a little more than `StreamConfig.longest` at most."""
        return len(self._open.samples) / self._model.sample_rate

    def feed(self, samples: np.ndarray) -> list[Caption]:
        """Take the next samples, and return the captions that changed.

        Args:
            samples: (T_wav,) or, with any number of channels, (T_wav, C) or (C, T_wav): floats in [-1, 1], or integers
                of the whole range of their type. T_wav may be anything, 0 included.

        Raises:
            AudioError: they are no samples, or not finite.
        """
        samples = np.asarray(samples)
        return list(self._taken(audio.mono(samples), last=False)) if samples.size else []

    def finish(self) -> list[Caption]:
        """End the stream, and return the captions that follow from that. A new stream begins with the next samples."""
        found = list(self._taken(np.empty(0, np.float32), last=True))
        found += self._update(ended=True)
        self._resampler = _resampler(self._source_rate, self._model.sample_rate)
        return found

    def captions(self, blocks: Iterable[np.ndarray]) -> Iterator[Caption]:
        """Recognize blocks of samples while they come."""
        for block in blocks:
            yield from self.feed(block)
        yield from self.finish()

    async def captions_async(self, blocks: AsyncIterable[np.ndarray]) -> AsyncIterator[Caption]:
        """Recognize blocks of samples while they come, in a thread."""
        async for block in blocks:
            for caption in await asyncio.to_thread(self.feed, block):
                yield caption
        for caption in await asyncio.to_thread(self.finish):
            yield caption

    def _taken(self, wav: np.ndarray, last: bool) -> Iterator[Caption]:
        """Add (T_wav,) samples to the window, and update the text whenever it is due."""
        at, size = 0, max(1, round(self._config.interval * self._source_rate))
        while at < len(wav) or last:
            piece = wav[at : at + size]
            at += size
            if self._resampler is not None:
                piece = self._resampler.resample_chunk(piece, last=last and at >= len(wav))
            self._open.append(piece)
            if self._open.end >= self._due:
                yield from self._update()
            if at >= len(wav):
                return

    def _update(self, ended: bool = False) -> list[Caption]:
        config, began, work_began = self._config, time.perf_counter(), time.thread_time()
        found = list(self._captions(ended))
        work, passed = time.thread_time() - work_began, time.perf_counter() - began
        wait = max(config.interval, work / config.share, passed / config.busy)
        self._due = self._open.end + self._samples(wait)
        return found

    def _captions(self, ended: bool) -> Iterator[Caption]:
        """Encode the end of the window, and return what follows for its text."""
        config, stable = self._config, self._agreement.stable
        start, known = self._open.start, 0
        for n, word in enumerate(stable):
            if n and word.start <= stable[-1].end - config.context:
                start, known = self._sample(word.start), n
        if start >= self._open.end:
            return
        encoder_out = self._model.encode(self._open.since(start))
        words = self._draft(encoder_out, start)
        self._agreement.update(words, known, self.heard)
        if not stable and not words:
            if ended:
                self._open.drop(self._open.end)
            else:
                self._open.drop(self._open.end - round(config.lead * self._model.sample_rate))
            if self._shown is not None:
                yield from self._ended([])
            return
        pauses = [(a.end + b.start) / 2 for a, b in zip(words, words[1:]) if b.start - a.end >= config.endpoint]
        spoken = (words or stable)[-1].end
        if pauses:
            yield from self._end(pauses[0])
        elif ended or self.heard - spoken >= config.endpoint:
            whole = encoder_out if start == self._open.start else None
            yield from self._end(self.heard if ended else (spoken + self.heard) / 2, whole)
        elif len(self._open.samples) > self._samples(config.longest):
            yield from self._end(self._gap())
        else:
            yield from self._show(tuple(stable + self._agreement.rest), len(stable))

    def _gap(self) -> float:
        """Return the time at which to cut an utterance that is too long: in the widest gap of its second half."""
        words = self._draft(self._model.encode(self._open.samples), self._open.start)
        middle, sure = self.heard - self.held / 2, self.heard - EDGE
        gaps = [
            (b.start - a.end, (a.end + b.start) / 2)
            for a, b in zip(words, words[1:])
            if middle <= a.end < b.end <= sure
        ]
        return max(gaps, default=(0.0, self.heard))[1]

    def _end(self, cut: float, whole: EncodedAudio | None = None) -> Iterator[Caption]:
        """End the utterance at a time in the stream: verify its words, and drop its audio.

        Args:
            whole: the encoded window, if it is known.
        """
        start = self._seconds(self._open.start)
        whole = whole or self._model.encode(self._open.samples)
        frames = round((cut - start) / self._model.frame_seconds)
        stable = [word for word in self._agreement.stable if word.start + word.end > 2 * cut]
        rest = [word for word in self._agreement.stable + self._agreement.rest if word.start > cut]
        words = _later(self._model.verify(whole if not rest else whole.part(0, frames)), start)
        yield from self._ended(words, stable)
        self._open.drop(self._open.start + self._samples(frames * self._model.frame_seconds))

    def _draft(self, encoder_out: EncodedAudio, start: int) -> list[Word]:
        """Return the words of CTC for audio that begins at a sample of the stream."""
        model = self._model
        return _later(greedy(encoder_out.log_probs, model.vocabulary, model.frame_seconds).words, self._seconds(start))

    def _ended(self, words: Sequence[Word], stable: Sequence[Word] = ()) -> Iterator[Caption]:
        """Return the final caption, and begin the next utterance, of which some words may be stable already."""
        if words or self._shown is not None:
            yield Caption(self._utterance, tuple(words), len(words), True, self.heard)
            self._utterance += 1
        self._agreement, self._shown = LocalAgreement(self._config.agreement, self._config.margin, stable), None

    def _show(self, words: tuple[Word, ...], n_stable: int) -> Iterator[Caption]:
        caption = Caption(self._utterance, words, n_stable, False, self.heard)
        shown, self._shown = self._shown, caption
        if shown is None or (shown.stable, shown.partial) != (caption.stable, caption.partial):
            yield caption

    def _sample(self, seconds: float) -> int:
        """Return the sample of a time in the stream, within the window."""
        return min(max(self._samples(seconds), self._open.start), self._open.end)

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._model.sample_rate)

    def _seconds(self, samples: int) -> float:
        return samples / self._model.sample_rate


class _Window:
    """The samples of a stream from a place on, in an array of fixed size.

    Args:
        size: samples that the array holds.
        frame: samples of a frame of the encoder; a window begins with a frame of the stream.

    Attributes:
        start, end: samples from the beginning of the stream.
    """

    def __init__(self, size: int, frame: int) -> None:
        self._array, self._at, self._frame = np.empty(size, np.float32), 0, frame
        self.start = self.end = 0

    @property
    def samples(self) -> np.ndarray:
        return self._array[self._at : self._at + self.end - self.start]

    def since(self, start: int) -> np.ndarray:
        return self.samples[start - self.start :]

    def append(self, wav: np.ndarray) -> None:
        """Add samples at the end, and drop the first ones if there are more than the array holds."""
        self.drop(self.end + len(wav) - len(self._array) + self._frame)
        if self._at + len(self.samples) + len(wav) > len(self._array):
            self._array[: len(self.samples)], self._at = self.samples.copy(), 0
        begin = self._at + len(self.samples)
        self._array[begin : begin + len(wav)] = wav
        self.end += len(wav)

    def drop(self, start: int) -> None:
        """Forget the frames before a place of the stream."""
        moved = min(max(start - self.start, 0), len(self.samples)) // self._frame * self._frame
        self.start, self._at = self.start + moved, self._at + moved


def _resampler(source_rate: int, target_rate: int) -> Any:
    """Return a stream resampler, or None where nothing is to be done."""
    import soxr

    return None if source_rate == target_rate else soxr.ResampleStream(source_rate, target_rate, 1, "float32", "HQ")


def _joined(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)


def _later(words: Iterable[Word], seconds: float) -> list[Word]:
    return [dataclasses.replace(word, start=word.start + seconds, end=word.end + seconds) for word in words]
