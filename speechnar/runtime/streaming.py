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
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

import numpy as np

from speechnar import audio
from speechnar.audio import AudioError
from speechnar.runtime.captions import Caption, StreamConfig, StreamModel
from speechnar.runtime.open_window import OpenWindow
from speechnar.runtime.utterances import Utterances


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
        config = config or StreamConfig()
        self._config = config = dataclasses.replace(config, longest_pause=max(config.endpoint, config.longest_pause))
        self._source_rate, self._rate = sample_rate, model.sample_rate
        self._resampler = _resampler(sample_rate, model.sample_rate)
        self._open = OpenWindow(self._samples(2 * config.longest), self._samples(model.frame_seconds))
        self._utterances = Utterances(model, config, self._open)
        self._due = self._samples(config.interval)  # samples from the beginning of the stream

    @property
    def heard(self) -> float:
        """Seconds of audio that were fed."""
        return self._open.end / self._rate

    @property
    def held(self) -> float:
        """Seconds of audio that are held: a little more than `StreamConfig.longest` at most."""
        return len(self._open.samples) / self._rate

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
        self._resampler = _resampler(self._source_rate, self._rate)
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
            if self._open.end >= self._due or self._utterances.has_paused():
                yield from self._update()
            if at >= len(wav):
                return

    def _update(self, ended: bool = False) -> list[Caption]:
        config, began, work_began = self._config, time.perf_counter(), time.thread_time()
        found = list(self._utterances.update(ended))
        work, passed = time.thread_time() - work_began, time.perf_counter() - began
        wait = max(config.interval, work / config.share, passed / config.busy)
        self._due = self._open.end + self._samples(wait)
        return found

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate)


def _resampler(source_rate: int, target_rate: int) -> Any:
    """Return a stream resampler, or None where nothing is to be done."""
    import soxr

    return None if source_rate == target_rate else soxr.ResampleStream(source_rate, target_rate, 1, "float32", "HQ")
