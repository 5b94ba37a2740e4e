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
import math
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from speechnar import audio
from speechnar.audio import AudioError
from speechnar.decode.local_agreement import LocalAgreement, continuation
from speechnar.decode.result import Hypothesis, Word
from speechnar.runtime.windows import EncodedAudio

EDGE = 0.5  # seconds at the end of the audio, where words may still become others: no utterance is cut there
MOMENT = 4  # frames over which the quietest moment is sought
QUIET = 8.0  # times the power of the quietest moment, which is taken for noise: up to this, audio is noise as well
LOUD = 0.95  # the quantile of the frames' power that is taken for speech
SILENT = (3e-3, 3e-2)  # times the power of speech: below the first, audio is quiet, and above the second never


@dataclass(frozen=True)
class StreamConfig:
    """Choices of streaming; all times are in seconds of audio.

    Attributes:
        interval: from one update to the next, at least.
        share: of one core's time that updates may take.
        busy: the same of the time that passes, which is more than a core's where others use the core as well.
        endpoint: of quiet after a word, at which an utterance ends.
        prepare: of quiet, at which its final text is made, to be shown at the endpoint.
        longest_pause: without a word, after which an utterance ends though it is not quiet.
        agreement, margin: see `LocalAgreement`.
        context: before the end of the stable text, from which on partial text is made.
        history: before the end of the audio, from which on words that are final already are read again with the others.
        lead: that are kept before the first word.
        longest: of an utterance, which is cut if it lasts longer.
    """

    interval: float = 0.1
    share: float = 0.12
    busy: float = 0.5
    endpoint: float = 0.4
    longest_pause: float = 0.8
    prepare: float = 0.24
    history: float = 8.0
    agreement: float = 0.3
    margin: float = 0.12
    context: float = 2.0
    lead: float = 1.2
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


Search: TypeAlias = Callable[[np.ndarray], Hypothesis]
Verify: TypeAlias = Callable[[Hypothesis, EncodedAudio, int], Hypothesis]
"""Returns the text of the decoder, given a draft, of which so many words at the beginning are known."""


@dataclass(frozen=True)
class StreamModel:
    """The parts of a recognizer that a stream uses; they give times in seconds from the first frame.

    Attributes:
        sample_rate: Hz.
        frame_seconds: from one frame of the log-probabilities to the next.
        encode: encodes (T_wav,) samples.
        draft, search: find the words of CTC in (T, V) log-probabilities: at once, and for final text.
        verify: returns the text of the decoder, given a draft; None where there is no decoder.
        kept: returns the words without those that are too doubtful for final text.
    """

    sample_rate: int
    frame_seconds: float
    encode: Callable[[np.ndarray], EncodedAudio]
    draft: Search
    search: Search
    verify: Verify | None = None
    kept: Callable[[Sequence[Word]], Sequence[Word]] = list


class Stream:
    """Recognize one stream of audio. `Recognizer.stream` makes it.

        stream = recognizer.stream(sample_rate=48000)
        for caption in stream.captions(blocks):
            print(caption.stable, caption.partial, caption.is_final)

    Args:
        sample_rate: Hz of the samples that are fed.
    """

    # Of the utterance that is open:
    _shown: Caption | None
    _began: float | None  # when it began, or a little earlier
    _spoken: float | None  # when its last word ended
    _drafted: list[str]  # the words of CTC when the decoder read them last
    _read: float  # when that was
    _prepared: list[Word] | None  # its final text, if it ends now

    def __init__(self, model: StreamModel, sample_rate: int, config: StreamConfig | None = None) -> None:
        if sample_rate < 1:
            raise AudioError(f"sample_rate should be in Hz but is {sample_rate}")
        self._model = model
        config = config or StreamConfig()
        self._config = config = dataclasses.replace(config, longest_pause=max(config.endpoint, config.longest_pause))
        self._source_rate, self._resampler = sample_rate, _resampler(sample_rate, model.sample_rate)
        self._frame = self._samples(model.frame_seconds)
        self._open = _Window(self._samples(2 * config.longest), self._frame)
        self._due = round(config.interval * model.sample_rate)  # samples from the beginning of the stream
        self._utterance = 0
        self._finals = list[Word]()  # the last words that are final
        self._final_until = 0.0  # the time up to which text is final
        self._silent_until = 0.0  # the time up to which no word of the next utterance was found
        self._begin(())

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
            if self._open.end >= self._due or self._has_paused():
                yield from self._update()
            if at >= len(wav):
                return

    def _update(self, ended: bool = False) -> list[Caption]:
        config, began, work_began = self._config, time.perf_counter(), time.thread_time()
        found = list(self._captions(ended))
        self._forget()
        work, passed = time.thread_time() - work_began, time.perf_counter() - began
        wait = max(config.interval, work / config.share, passed / config.busy)
        self._due = self._open.end + self._samples(wait)
        return found

    def _captions(self, ended: bool) -> Iterator[Caption]:
        """Encode the end of the window, and return what follows for its text."""
        config, stable = self._config, self._agreement.stable
        begin = self._silent_until - config.lead if self._began is None else self._began
        start, known = max(begin, self._final_until), 0
        for n, word in enumerate(stable):
            if n and word.start <= stable[-1].end - config.context:
                start, known = word.start, n
        if self._is_over(config.endpoint):
            yield from self._end(self.heard)
            return
        if self._is_over(config.prepare) and not ended:
            if self._prepared is None:
                self._prepared = self._read_final(self.heard)
            return
        encoder_out = self._encoded(start)
        if not len(encoder_out):
            return
        draft = _later(self._model.draft(encoder_out.log_probs).words, self._time(start))
        if not stable and not draft:
            self._silent_until = self.heard
            if self._shown is not None:
                yield from self._final([], self.heard)
            return
        self._began = max(begin, self._final_until) if self._began is None else self._began
        pauses = [(a.end + b.start) / 2 for a, b in zip(draft, draft[1:]) if b.start - a.end >= config.longest_pause]
        self._spoken = (draft or stable)[-1].end
        if pauses:
            yield from self._end(pauses[0])
        elif ended or self._is_over(config.endpoint) or self.heard - self._spoken >= config.longest_pause:
            self._prepared = None
            yield from self._end(self.heard)
        elif self.heard - self._began > config.longest:
            yield from self._end(self._gap())
        else:
            words = self._verified(draft, encoder_out, start, known)
            self._agreement.update(words, known, self.heard)
            yield from self._show(tuple(stable + self._agreement.rest), len(stable))

    def _is_over(self, pause: float) -> bool:
        """Return whether it has been quiet for so many seconds since the last word."""
        if self._spoken is None or self.heard - self._spoken < pause:
            return False
        return self._open.quiet(self._samples(pause))

    def _verified(self, draft: list[Word], encoder_out: EncodedAudio, start: float, known: int) -> list[Word]:
        """Return the words of the decoder, to which those that it has verified before are a better draft than CTC's.

        Args:
            draft: of CTC.
            start: time at which the encoded audio begins.
            known: number of stable words before it.
        """
        if self._model.verify is None:
            return draft
        before = self._agreement.stable[known:] + self._agreement.rest
        if [word.text for word in draft] == self._drafted:
            return before
        self._drafted = [word.text for word in draft]
        merged = self._merged(before, draft)
        self._read = self.heard
        return self._verify(merged, encoder_out, self._time(start), len(self._agreement.stable) - known)

    def _merged(self, before: list[Word], draft: list[Word]) -> list[Word]:
        """Return words that were verified before, but for the latest, and behind them those of a draft."""
        kept = [word for word in before if word.end <= self._read - EDGE]
        return kept + [word for word in draft if not kept or word.start + word.end > 2 * kept[-1].end]

    def _verify(self, draft: list[Word], encoder_out: EncodedAudio, start: float, known: int) -> list[Word]:
        assert self._model.verify is not None
        given = Hypothesis(tuple(_later(draft, -start)), 0.0)
        return _later(self._model.verify(given, encoder_out, known).words, start)

    def _gap(self) -> float:
        """Return the time at which to cut an utterance that is too long: in the widest gap of its second half."""
        assert self._began is not None
        words = self._agreement.stable
        middle, sure = (self._began + self.heard) / 2, self.heard - EDGE
        gaps = [
            (b.start - a.end, (a.end + b.start) / 2)
            for a, b in zip(words, words[1:])
            if middle <= a.end < b.end <= sure
        ]
        return max(gaps, default=(0.0, self.heard))[1]

    def _has_paused(self) -> bool:
        """Return whether final text is to be made because of a pause, or to be shown because it lasts."""
        if not self._is_over(self._config.prepare):
            self._prepared = None
            return False
        return self._prepared is None or self._is_over(self._config.endpoint)

    def _end(self, cut: float) -> Iterator[Caption]:
        """End the utterance at a time in the stream."""
        prepared = self._prepared if cut == self.heard else None
        yield from self._final(self._read_final(cut) if prepared is None else prepared, cut)

    def _read_final(self, cut: float) -> list[Word]:
        """Return the verified words of the utterance up to a time.

        They are read together with earlier words, which are final already, for the sake of their context.
        """
        assert self._began is not None
        earliest = max(self.heard - self._config.history, self._seconds(self._open.start))
        context = [word for word in self._finals if word.start >= earliest]
        start = self._time(context[0].start if context else max(self._began, self._final_until))
        whole = self._encoded(start)
        if cut < self.heard:
            whole = whole.part(0, round((cut - start) / self._model.frame_seconds))
        found = _later(self._model.search(whole.log_probs).words, start)
        if self._model.verify is not None:
            behind = context[-1].end if context else start
            new = [word for word in found if word.start + word.end > 2 * behind]
            found = self._verify(context + new, whole, start, len(context))
        return list(self._model.kept(found[continuation(context, found) :]))

    def _final(self, words: list[Word], cut: float) -> Iterator[Caption]:
        """Return the final caption of an utterance that ends at a time, and begin the next one."""
        if words or self._shown is not None:
            yield Caption(self._utterance, tuple(words), len(words), True, self.heard)
            self._utterance += 1
        stable = [word for word in self._agreement.stable if word.start + word.end > 2 * cut]
        self._finals += words
        if cut < self.heard:
            self._final_until = cut
        elif words:
            self._final_until = (words[-1].end + self.heard) / 2
            self._silent_until = self.heard
        self._begin(stable)
        if cut < self.heard:
            self._began = cut

    def _begin(self, stable: Sequence[Word]) -> None:
        self._agreement = LocalAgreement(self._config.agreement, self._config.margin, stable)
        self._shown = self._began = self._spoken = self._prepared = None
        self._drafted, self._read = [], 0.0

    def _forget(self) -> None:
        """Drop the audio and the words that are no longer needed, so that what is held is bounded."""
        needed = self._silent_until - self._config.lead if self._began is None else self._began
        oldest = self.heard - self._config.history
        self._finals = [word for word in self._finals if word.start >= oldest]
        if self._finals:
            needed = min(needed, self._finals[0].start)
        self._open.drop(self._samples(needed))

    def _encoded(self, start: float) -> EncodedAudio:
        """Encode the audio from a time on, which becomes that of the first frame; see `_time`."""
        return self._model.encode(self._open.since(self._samples(self._time(start))))

    def _time(self, seconds: float) -> float:
        """Return the time of the last frame that begins at or before a time and is held."""
        frame = self._model.frame_seconds
        first = self._open.start / self._frame
        return frame * max(first, math.floor(round(seconds / frame, 3)))

    def _show(self, words: tuple[Word, ...], n_stable: int) -> Iterator[Caption]:
        caption = Caption(self._utterance, words, n_stable, False, self.heard)
        shown, self._shown = self._shown, caption
        if shown is None or (shown.stable, shown.partial) != (caption.stable, caption.partial):
            yield caption

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

    def quiet(self, size: int) -> bool:
        """Return whether so many samples at the end are as quiet as the quietest moment of all that are held."""
        frames = self.samples[len(self.samples) % self._frame :].reshape(-1, self._frame)
        power = np.square(frames).mean(axis=1)
        moments = np.convolve(power, np.full(MOMENT, 1 / MOMENT), "valid")
        most = np.clip(QUIET * moments.min(initial=np.inf), *(share * np.quantile(power, LOUD) for share in SILENT))
        return bool(power[-max(1, size // self._frame) :].max() <= most)

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
