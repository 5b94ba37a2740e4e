"""The text of a stream, utterance by utterance, from the audio that is held of it.

Each reading of an utterance lacks the words that follow, and where a word is uncertain, they may make another of it. So
a pause ends an utterance at once where its last words are certain. Less certain words suffice where the decoder ends a
sentence with them. Otherwise the utterance stays open for longer, and if somebody goes on speaking, the words before
and behind the pause are read together.

    quiet for 0.16 s  the text is verified, in case the utterance ends
              0.25 s  it ends, if its last words are certain
              0.8 s   it ends in any case
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence

from speechnar.decode.local_agreement import LocalAgreement, continuation
from speechnar.decode.result import Hypothesis, Word
from speechnar.runtime.captions import Caption, StreamConfig, StreamModel
from speechnar.runtime.open_window import OpenWindow
from speechnar.runtime.style import check, ends_sentence, styled
from speechnar.runtime.windows import EncodedAudio

EDGE = 0.5  # seconds at the end of the audio, where words may still become others: no utterance is cut there
UNWRITTEN = 0.12  # seconds from the beginning of a word, at least, until CTC writes it
LAST = 2.0  # seconds before a pause, in which words behind it may still make others of uncertain words


class Utterances:
    """Finds the captions of a stream.

    Args:
        window: the audio, which others append to, and from which this drops what it no longer needs.

    Raises:
        DecodeError: the model's style is unknown.
    """

    # Of the utterance that is open:
    _shown: Caption | None
    _n_shown: int  # words that were shown, at most
    _began: float | None  # when it began, or a little earlier
    _spoken: float | None  # when its last word ended
    _drafted: list[str]  # the words of CTC when the decoder read them last
    _read: float  # when that was
    _prepared: list[Word] | None  # its final text, if it ends now

    def __init__(self, model: StreamModel, config: StreamConfig, window: OpenWindow) -> None:
        check(model.style)
        self._model, self._config, self._open = model, config, window
        self._utterance = 0
        self._before = ""  # the last word that is final
        self._finals = list[Word]()  # the last words that are final, as far as they are read again
        self._final_until = 0.0  # the time up to which text is final
        self._silent_until = 0.0  # the time up to which no word of the next utterance was found
        self._begin(())

    @property
    def heard(self) -> float:
        """Seconds of audio from the beginning of the stream."""
        return self._open.end / self._model.sample_rate

    def has_paused(self) -> bool:
        """Return whether final text is to be made because of a pause, or to be shown because it lasts."""
        if not self._is_over(self._config.prepare):
            self._prepared = None
            return False
        return self._prepared is None or self._has_ended(self._prepared)

    def update(self, ended: bool = False) -> Iterator[Caption]:
        """Return what follows from the audio.

        Args:
            ended: no more audio follows.
        """
        if self.has_paused() or self._prepared is not None:
            yield from self._paused(ended)
        else:
            yield from self._spoke(ended)
        self._forget()

    def _paused(self, ended: bool) -> Iterator[Caption]:
        """Read the utterance as if it ended, and end it if it does; after a long pause once more, with all of it."""
        if self._prepared is None or self._is_over(self._config.longest_pause):
            self._prepared = self._read_final(self.heard)
        if ended or self._has_ended(self._prepared):
            yield from self._final(self._prepared, self.heard)
        else:
            yield from self._agree(self._prepared, 0)

    def _spoke(self, ended: bool) -> Iterator[Caption]:
        """Encode the end of the window, and return what follows for its text."""
        config, stable = self._config, self._agreement.stable
        begin = self._silent_until - config.lead if self._began is None else self._began
        start, known = max(begin, self._final_until), 0
        for n, word in enumerate(stable):
            if n and word.start <= stable[-1].end - config.context:
                start, known = word.start, n
        encoder_out = self._encoded(start)
        if not len(encoder_out):
            return
        draft = later(self._model.draft(encoder_out.log_probs).words, self._time(start))
        if not stable and not draft:
            self._silent_until = self.heard
            if self._shown is not None:
                yield from self._final([], self.heard)
            return
        self._began = max(begin, self._final_until) if self._began is None else self._began
        pauses = [(a.end + b.start) / 2 for a, b in zip(draft, draft[1:]) if b.start - a.end >= config.longest_pause]
        self._spoken = (draft or stable)[-1].end
        silent = self.heard - self._spoken
        if pauses:
            yield from self._end(pauses[0])
        elif ended or silent >= config.longest_pause:
            yield from self._end(self.heard)
        elif self.heard - self._began > config.longest:
            yield from self._end(self._gap())
        elif silent >= config.endpoint + UNWRITTEN:
            words = self._read_final(self.heard)
            is_over = bool(words) and self.heard - words[-1].end >= self._pause_after(words)
            yield from self._final(words, self.heard) if is_over else self._agree(words, 0)
        else:
            yield from self._agree(self._verified(draft, encoder_out, start, known), known)

    def _agree(self, words: Sequence[Word], known: int) -> Iterator[Caption]:
        """Add a hypothesis for the words from the stable word number `known` on, and show what is new.

        A word is shown once it has ended: a word that lasts until the end of the audio may still become a longer one.
        """
        self._agreement.update(words, known, self.heard)
        stable = self._agreement.stable
        found = [*stable, *self._agreement.rest]
        self._n_shown = max(len(stable), self._n_shown, sum(word.end < self.heard for word in found))
        caption = self._caption(found[: self._n_shown], len(stable))
        shown = self._shown or self._caption((), 0)
        if (shown.stable, shown.partial) != (caption.stable, caption.partial):
            self._shown = caption
            yield caption

    def _is_over(self, pause: float) -> bool:
        """Return whether it has been quiet for so many seconds since the last word."""
        if self._spoken is None or self.heard - self._spoken < pause:
            return False
        return self._open.quiet(self._samples(pause))

    def _has_ended(self, words: Sequence[Word]) -> bool:
        """Return whether the pause is long enough for an utterance of these words to end."""
        return self._is_over(self._pause_after(words))

    def _pause_after(self, words: Sequence[Word]) -> float:
        """Return the seconds of quiet after which an utterance of these words ends."""
        config = self._config
        enough = config.sentence_confidence if words and ends_sentence(words[-1].text) else config.confidence
        last = [word for word in words if word.end >= words[-1].end - LAST]
        is_certain = all(word.confidence >= min(enough, config.confidence) for word in last)
        return config.endpoint if is_certain else config.longest_pause

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
        given = Hypothesis(tuple(later(draft, -start)), 0.0)
        return later(self._model.verify(given, encoder_out, known).words, start)

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

    def _end(self, cut: float) -> Iterator[Caption]:
        """End the utterance at a time in the stream."""
        yield from self._final(self._read_final(cut), cut)

    def _read_final(self, cut: float) -> list[Word]:
        """Return the verified words of the utterance up to a time.

        They are read together with earlier words, which are final already, for the sake of their context.
        """
        assert self._began is not None
        earliest = max(self.heard - self._config.history, self._open.start / self._model.sample_rate)
        context = [word for word in self._finals if word.start >= earliest]
        start = self._time(context[0].start if context else max(self._began, self._final_until))
        whole = self._encoded(start)
        if cut < self.heard:
            whole = whole.part(0, round((cut - start) / self._model.frame_seconds))
        found = later(self._model.search(whole.log_probs).words, start)
        if self._model.verify is not None:
            behind = context[-1].end if context else start
            new = [word for word in found if word.start + word.end > 2 * behind]
            found = self._verify(context + new, whole, start, len(context))
        return list(self._model.kept(found[continuation(context, found) :]))

    def _final(self, words: list[Word], cut: float) -> Iterator[Caption]:
        """Return the final caption of an utterance that ends at a time, and begin the next one."""
        if words or self._shown is not None:
            yield self._caption(words, len(words), is_final=True)
            self._utterance += 1
        stable = [word for word in self._agreement.stable if word.start + word.end > 2 * cut]
        self._finals += words
        if words:
            self._before = words[-1].text
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
        self._drafted, self._read, self._n_shown = [], 0.0, 0

    def _caption(self, words: Sequence[Word], n_stable: int, is_final: bool = False) -> Caption:
        """Return a caption in the model's style."""
        stable, rest = words[:n_stable], words[n_stable:]
        before = stable[-1].text if stable else self._before
        shown = [*styled(stable, self._model.style, self._before)]
        n_shown = len(shown)
        shown += styled(rest, self._model.style, before)
        return Caption(self._utterance, tuple(shown), n_shown, is_final, self.heard)

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
        first = self._open.start / self._samples(frame)
        return frame * max(first, math.floor(round(seconds / frame, 3)))

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._model.sample_rate)


def later(words: Iterable[Word], seconds: float) -> list[Word]:
    """Return words moved by a time in seconds."""
    return [dataclasses.replace(word, start=word.start + seconds, end=word.end + seconds) for word in words]
