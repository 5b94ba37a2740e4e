"""The models of a server and the work that they do.

Speaking and transcribing have a worker each, so that a long recording delays no speech; `turns` says who is next. A
request whose client has gone is given up at the next piece of its work.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speechnar.runtime import Caption, Recognizer, Stream, StreamConfig, Transcript, Voice
from speechnar.runtime.frames import Frames
from speechnar.runtime.speakers import names_in
from speechnar.runtime.speech import Controls, Timing
from speechnar.runtime.voice import FIRST_CHUNK
from speechnar.serve.turns import BusyError, Check, ServeError, Turns


@dataclass(frozen=True)
class Limits:
    """Bounds on each request, and on all together.

    Attributes:
        characters: of a text to speak.
        body: bytes of a request, an upload included.
        seconds: that a request may work.
        audio_seconds: of a recording.
        song_seconds: of a song.
        waiting: requests of each kind that may wait for their turn.
        patience: seconds that a request may wait for its first turn.
        streams: of live audio at once; of one client, half of them.
        idle: seconds without a message, after which a stream of live audio ends.
    """

    characters: int = 10_000
    body: int = 100 * 2**20
    seconds: float = 600.0
    audio_seconds: float = 4 * 3600.0
    song_seconds: float = 1800.0
    waiting: int = 32
    patience: float = 60.0
    streams: int = 16
    idle: float = 60.0


@dataclass(frozen=True, eq=False)
class Piece:
    """Audio that is ready.

    Attributes:
        wav: (T_wav,) float32 in [-1, 1].
        words: with times in seconds from the start of all audio, of the sentence that begins with this piece.
    """

    wav: np.ndarray
    words: tuple[Timing, ...] = ()


@dataclass(frozen=True)
class Song:
    """The part of a score that is about to be sung.

    Attributes:
        title, part: of the score, empty if it has none; and the name of the part.
        parts: names of the parts that can be sung.
        transpose: semitones by which it is moved into the range of the voice.
        seconds: that it lasts.
        doubts: sentences about what is sung otherwise than written.
    """

    title: str
    part: str
    parts: tuple[str, ...]
    transpose: int
    seconds: float
    doubts: tuple[str, ...]


class Live:
    """A stream of live audio, whose work is done in a thread that all streams share in turn."""

    def __init__(self, stream: Stream, pool: ThreadPoolExecutor, sample_rate: int) -> None:
        self._stream, self._pool, self._rate = stream, pool, sample_rate

    @property
    def heard(self) -> float:
        """Seconds of audio so far."""
        return self._stream.heard

    async def captions(self, samples: np.ndarray | None) -> AsyncIterator[Caption]:
        """Recognize (T_wav,) samples, a second at a time so that other streams have their turn, or None for the end."""
        loop = asyncio.get_running_loop()
        if samples is None:
            for caption in await loop.run_in_executor(self._pool, self._stream.finish):
                yield caption
            return
        for start in range(0, len(samples), self._rate):
            piece = samples[start : start + self._rate]
            for caption in await loop.run_in_executor(self._pool, self._stream.feed, piece):
                yield caption


class Engine:
    """Voices and a recognizer, loaded, with their workers.

    Args:
        voices: by name, the first one the default.
    """

    def __init__(self, voices: dict[str, Voice], recognizer: Recognizer, limits: Limits) -> None:
        self.voices, self.recognizer, self.limits = voices, recognizer, limits
        bounds = (limits.waiting, limits.patience, limits.seconds)
        self.speaking, self.hearing = Turns("speak", *bounds), Turns("hear", *bounds)
        self._live = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._streams = collections.Counter[str]()

    @property
    def streams(self) -> int:
        """Streams of live audio that are open."""
        return self._streams.total()

    def names(self) -> list[str]:
        """Return the names of voices, each with its speakers; `VOICE/SPEAKER` where a name would not be unique."""
        taken = collections.Counter(speaker for voice in self.voices.values() for speaker in voice.speakers)
        names = []
        for name, voice in self.voices.items():
            names.append(name)
            for speaker in voice.speakers:
                if speaker != name:
                    alone = taken[speaker] == 1 and speaker not in self.voices
                    names.append(speaker if alone else f"{name}/{speaker}")
        return names

    def find(self, name: str) -> tuple[Voice, str | None]:
        """Return a voice and a speaker by a name of `names`, by a speaker's own name, or by a blend of speakers.

        Raises:
            ServeError: there is none.
        """
        voice, _, speaker = name.partition("/")
        if voice in self.voices and (not speaker or speaker in self.voices[voice].speakers):
            return self.voices[voice], speaker or None
        for candidate in self.voices.values():
            if set(names_in(name)) <= set(candidate.speakers):
                return candidate, name
        raise ServeError(f"there is no voice {name!r}; take one of {', '.join(self.names())}")

    def speak(
        self, text: str, voice: str, speed: float = 1.0, pitch: float = 0.0, client: str = ""
    ) -> tuple[int, AsyncGenerator[Piece, None]]:
        """Return the sample rate in Hz, and the audio while it is made.

        Args:
            speed, pitch: see `Controls`.
            client: who asks; clients take turns.

        Raises:
            ValueError: the text is too long, a control is out of its range, or there is no such voice.
        """
        if len(text) > self.limits.characters:
            raise ServeError(f"the text has {len(text)} characters but may have {self.limits.characters}: send less")
        found, speaker = self.find(voice)
        controls = Controls(speed, pitch, speaker=speaker)

        def work(check: Check) -> Iterator[Piece]:
            return _pieces(found, found.frames(text, controls), check)

        return found.sample_rate, self.speaking.stream(work, client)

    def sing(
        self, score: Path, voice: str, part: str | None = None, tempo: float = 1.0, client: str = ""
    ) -> tuple[int, AsyncGenerator[Song | Piece, None]]:
        """Return the sample rate in Hz; and the `Song`, then its audio while it is made.

        Args:
            part: by name or number; the one with the most syllables by default.
            tempo: 2 is twice as fast.

        Raises:
            ValueError: there is no such voice; while it is made: the score cannot be read, or is too long.
        """
        found, speaker = self.find(voice)

        def work(check: Check) -> Iterator[Song | Piece]:
            from speechnar.runtime.singing import Melody, Singer
            from speechnar.score.pitch import PitchOptions
            from speechnar.score.reading import read_score

            read = read_score(score)
            melody = Melody.of(read.part(part), tempo)
            seconds = melody.phones[-1].end - melody.start
            if seconds > self.limits.song_seconds:
                limit = f"{self.limits.song_seconds:g}"
                raise ServeError(f"the song lasts {seconds:.0f} s but may last {limit} s: sing it in parts")
            check()
            singer = Singer(found, speaker)
            options = PitchOptions(transpose=singer.transposition([melody.part]))
            name = melody.part.name
            doubts = [str(warning) for warning in read.warnings if warning.part in ("", name)]
            doubts += [str(doubt) for doubt in melody.doubts]
            parts = tuple(part.name for part in read.parts if part.sung)
            title = "" if read.title == score.stem else read.title  # the name of the file stands for a missing title
            yield Song(title, name, parts, round(options.transpose), seconds, tuple(doubts))
            yield from _pieces(found, singer.frames(melody, options), check)

        return found.sample_rate, self.speaking.stream(work, client)

    async def transcribe(
        self,
        recording: Path | np.ndarray,
        sample_rate: int | None = None,
        hotwords: Sequence[str] = (),
        client: str = "",
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Transcribe a file, or (T_wav,) samples.

        Args:
            progress: called by a thread with the seconds of audio that were transcribed so far.

        Raises:
            ValueError: the recording cannot be read, or is too long.
        """
        longest = self.limits.audio_seconds

        def work(check: Check) -> Iterator[Transcript]:
            done = 0.0

            def proceed(seconds: float) -> None:
                nonlocal done
                check()
                done += seconds
                if done > longest:
                    raise ServeError(f"the recording lasts more than {longest:g} s: send it in parts")
                if progress:
                    progress(done)

            yield self.recognizer.transcribe(recording, sample_rate, hotwords=hotwords, progress=proceed)

        async with contextlib.aclosing(self.hearing.stream(work, client)) as transcripts:
            return await anext(transcripts)

    @contextlib.contextmanager
    def listen(
        self,
        sample_rate: int,
        hotwords: Sequence[str] = (),
        endpoint: float | None = None,
        client: str = "",
        style: str = "written",
    ) -> Iterator[Live]:
        """Open a stream of live audio.

        Args:
            sample_rate: Hz.
            endpoint: seconds of a pause that ends an utterance, whatever its words; by default as in `StreamConfig`.
            client: who asks; a client may hold half of all streams.
            style: see `Recognizer.stream`.

        Raises:
            BusyError: too many are open.
        """
        if self.streams >= self.limits.streams:
            raise BusyError(f"{self.streams} streams of live audio are open: try again later")
        if self._streams[client] >= max(1, self.limits.streams // 2):
            raise BusyError(
                f"this client has {self._streams[client]} streams of live audio open: end one of them first"
            )
        self._streams[client] += 1
        try:
            config = StreamConfig() if endpoint is None else StreamConfig(endpoint=endpoint, confidence=0.0)
            stream = self.recognizer.stream(sample_rate, hotwords=hotwords, style=style, config=config)
            yield Live(stream, self._live, sample_rate)
        finally:
            self._streams[client] -= 1
            self._streams += collections.Counter()  # which drops zeros

    def close(self) -> None:
        """End the workers after the work that they have."""
        self.speaking.close()
        self.hearing.close()
        self._live.shutdown(wait=True, cancel_futures=True)


def _pieces(voice: Voice, sentences: Iterator[Frames], check: Check) -> Iterator[Piece]:
    """Yield the audio of sentences or phrases while it is made."""
    for frames in sentences:
        words = frames.words
        for wav in voice.vocode(frames, FIRST_CHUNK):
            check()
            yield Piece(wav, words)
            words = ()


def hotwords_of(prompt: str | None, letters: frozenset[str]) -> list[str]:
    """Return the words and phrases of a prompt that a recognizer can expect.

    Clients send a list of names, or the text before. A list, with commas or line ends, is taken; running text is not.

    Args:
        letters: that the recognizer can write; a phrase with others is left out.
    """
    phrases = [" ".join(part.split()) for part in (prompt or "").replace("\n", ",").split(",")]
    found = [phrase for phrase in phrases if phrase and len(phrase.split()) <= 4]
    if len(phrases) > 1 and len(found) < len(phrases):
        return []
    return [phrase for phrase in found if set(phrase.lower()) - {" "} <= letters][:100]
