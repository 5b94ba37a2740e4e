"""A voice: text to audio with ONNX Runtime and NumPy.

The acoustic model runs once for each sentence, the vocoder once for each chunk of frames: throughout a stream the
memory in use is that of one sentence, and the audio does not depend on where the chunks were cut.

    frames of a sentence   |--------------------------------------|
    chunk 1, kept          [====]
    chunk 1, computed      [====....]
    chunk 2, computed      [....========....]
    chunk 2, kept              [========]          and so on, each twice as long as the one before
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speechnar.audio import LOG_FLOOR
from speechnar.runtime.flow import PROSODY_NOISE, Sampling, load_flow
from speechnar.runtime.frames import Frames, audible_durations, fade_out, limited, trimmed, vocode, white_noise
from speechnar.runtime.speakers import speaker_weights
from speechnar.runtime.speech import Controls, Speech, SpeechError, Timing, Timings
from speechnar.runtime.voice_folder import FLOW, Vocoder, VoiceInfo, find_voice, load_graph
from speechnar.text.symbols import SymbolTable

if TYPE_CHECKING:
    from speechnar.text.phonemize import Sentence

FIRST_CHUNK = 20  # frames; a quarter of a second is ready soon, and lasts until the next chunk is ready
EDGE = 0.1  # seconds of silence that a sentence keeps, at most, at its start and at its end
LARGEST_CHUNK = 600  # frames; the vocoder then works in 50 MB, whatever the length of a sentence


class Voice:
    """A voice folder, loaded.

    Attributes:
        info: the contents of `voice.json`.
        name, sample_rate: of the voice; Hz.
        speakers: names of the speakers, where there are several.
        symbols: the phones that it speaks.
        speaker: the one that speaks where none is asked for, or a blend; None in a voice of one speaker.
        folder: the voice folder.
        threads: CPU threads, as given.
    """

    def __init__(self, folder: str | Path, threads: int | None = None, speaker: str | None = None) -> None:
        """Load a voice.

        Args:
            threads: CPU threads to use; by default as many as there are cores, at most 4.
            speaker: name or blend, as in `Controls`; by default the speaker named like the voice, or the first.

        Raises:
            SpeechError: a file is missing, damaged, of a newer format, or does not fit the others; or there is no such
                speaker.
        """
        folder = Path(folder)
        self.folder, self.threads = folder, threads
        self.info = VoiceInfo.load(folder)
        self.name, self.sample_rate = self.info.name, self.info.audio.sample_rate
        self.speakers = self.info.speakers
        self.speaker = speaker
        if self.speakers and speaker is None:
            self.speaker = self.name if self.name in self.speakers else self.speakers[0]
        self.speaker_input(None)
        self.symbols = SymbolTable(self.info.symbols)
        inputs = {
            "tokens",
            "speed",
            "pitch_shift",
            "pitch_range",
            "energy",
            *(["speaker_weights"] if self.speakers else []),
        }
        self._acoustic = load_graph(folder / "acoustic.onnx", inputs, self.info.audio, threads, {PROSODY_NOISE})
        self._samples_prosody = PROSODY_NOISE in {given.name for given in self._acoustic.get_inputs()}
        self._flow = load_flow(folder / FLOW, self.info.audio, threads)
        self._vocoder = Vocoder.load(folder / "vocoder.onnx", self.info.audio, threads)

    def synthesize(
        self,
        text: str | Iterable[Sentence],
        *,
        speed: Any = 1.0,
        pitch: Any = 0.0,
        pitch_range: Any = 1.0,
        energy: Any = 0.0,
        seed: int = 0,
        speaker: str | None = None,
        steps: int | None = None,
        temperature: float | None = None,
    ) -> Speech:
        """Speak a text, or sentences that a `Phonemizer` or `parse_phones` made.

        Args:
            speed, pitch, pitch_range, energy, seed, speaker, steps, temperature: see `Controls`.

        Raises:
            SpeechError: a control is out of its range, or there is no such speaker.
            TextError: the text has nothing that can be spoken.
        """
        controls = Controls(speed, pitch, pitch_range, energy, seed, speaker, steps, temperature)
        sentences = list(self.frames(text, controls))
        return self.speech(sentences, [wav for frames in sentences for wav in self.vocode(frames)])

    def stream(
        self,
        text: str | Iterable[Sentence],
        *,
        speed: Any = 1.0,
        pitch: Any = 0.0,
        pitch_range: Any = 1.0,
        energy: Any = 0.0,
        seed: int = 0,
        speaker: str | None = None,
        steps: int | None = None,
        temperature: float | None = None,
    ) -> Iterator[np.ndarray]:
        """Speak as `synthesize` does; yield (T_wav,) float32 audio while it is made, the first chunks being short."""
        controls = Controls(speed, pitch, pitch_range, energy, seed, speaker, steps, temperature)
        return (wav for frames in self.frames(text, controls) for wav in self.vocode(frames, FIRST_CHUNK))

    def frames(self, text: str | Iterable[Sentence], controls: Controls) -> Iterator[Frames]:
        """Run the acoustic model sentence by sentence. Timings count from the start of the text."""
        self._check_sampling(controls)
        if isinstance(text, str):
            from speechnar.text.phonemize import Phonemizer

            text = Phonemizer(language=self.info.language, symbols=self.symbols)(text)
        text = (sentence for sentence in text if sentence.phones)
        if controls.per_phone:
            text = list(text)
            controls.check_length(sum(len(sentence.phones) for sentence in text))
        audio = self.info.audio
        n_frames = n_phones = 0
        pause = 0.0
        for index, sentence in enumerate(text):
            of_tokens = functools.partial(controls.of_tokens, start=n_phones, n_phones=len(sentence.phones))
            speed = of_tokens("speed")
            controls_of_tokens = (speed, of_tokens("pitch"), of_tokens("pitch_range"), of_tokens("energy"))
            mel, f0, durations = self.predict(
                sentence.phones,
                *controls_of_tokens,
                speaker=controls.speaker,
                sampling=Sampling.of(controls, index),
            )
            frames_a_second = audio.sample_rate / audio.hop_length / float(speed[0, 0])
            mel, f0, durations = trimmed(mel, f0, durations, round(EDGE * frames_a_second))
            durations = audible_durations(durations, sentence.phones, mel)
            silence = round(pause * frames_a_second)
            edges = (np.cumsum([n_frames + silence, *durations]) * (audio.hop_length / audio.sample_rate)).tolist()
            yield Frames(
                sentences=(Timing(sentence.text, edges[0], edges[-1], source=sentence.source, span=sentence.span),),
                words=tuple(
                    Timing(word.text, edges[word.start + 1], edges[word.end + 1], span=word.span)
                    for word in sentence.words
                ),
                phones=tuple(Timing(p, edges[n], edges[n + 1]) for n, p in enumerate(sentence.phones, 1)),
                silence=silence,
                mel=mel,
                f0=f0,
                seed=(controls.seed, index),
            )
            n_frames += silence + len(mel)
            n_phones += len(sentence.phones)
            pause = sentence.pause
        if not n_phones:
            raise SpeechError("there are no phones to speak")

    def predict(
        self,
        phones: Sequence[str],
        speed: np.ndarray,
        pitch_shift: np.ndarray,
        pitch_range: np.ndarray,
        energy: np.ndarray,
        *,
        speaker: str | None = None,
        sampling: Sampling | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the acoustic model once.

        Args:
            phones: with word breaks and pauses, without `<s>` and `</s>`.
            speed, pitch_shift, pitch_range, energy: (1, n_phones + 2) float32 for `<s>`, the phones and `</s>`, in the
                units of `Controls` but of any size.
            speaker: see `Controls`.
            sampling: of a voice that samples its mel or its prosody.

        Returns:
            mel, (T_mel, n_mels); f0, (T_mel,) Hz, 0 = unvoiced; durations, (n_phones + 2,) frames that sum to T_mel.

        Raises:
            SpeechError: there is no such speaker.
        """
        of_speaker = self.speaker_input(speaker)
        if self.info.speaker_gains:
            gains = [self.info.speaker_gains.get(name, 0.0) for name in self.speakers]
            energy = energy + of_speaker["speaker_weights"] @ np.array(gains, np.float32)
        given = {
            "tokens": np.array([self.symbols.encode(phones)], dtype=np.int64),
            "speed": speed,
            "pitch_shift": pitch_shift,
            "pitch_range": pitch_range,
            "energy": energy,
            **of_speaker,
        }
        sampling = sampling or Sampling(temperature=0.0)  # a song is planned by the most probable durations
        if self._samples_prosody:
            given[PROSODY_NOISE] = sampling.prosody_noise(len(phones) + 2)
        if self._flow is None:
            mel, f0, durations = self._acoustic.run(["mel", "f0", "durations"], given)
            return mel[0], f0[0], durations[0]
        mel, f0, durations, condition = self._acoustic.run(["mel", "f0", "durations", "condition"], given)
        return mel[0] + sampling.mel_residual(self._flow, mel.shape, condition)[0], f0[0], durations[0]

    def _check_sampling(self, controls: Controls) -> None:
        """Raise SpeechError if the controls ask a voice to sample that cannot."""
        if controls.steps is not None and self._flow is None:
            raise SpeechError(f"the voice {self.name} does not sample its mel, so it has no steps: leave them out")
        if controls.temperature is not None and self._flow is None and not self._samples_prosody:
            raise SpeechError(f"the voice {self.name} samples nothing, so it has no temperature: leave it out")

    def speaker_input(self, blend: str | None) -> dict[str, np.ndarray]:
        """Return the input `speaker_weights` of the acoustic model, where it has one.

        Raises:
            SpeechError: there is no such speaker.
        """
        blend = blend or self.speaker
        if not self.speakers and blend is None:
            return {}
        return {"speaker_weights": speaker_weights(blend or "", self.speakers, self.name)}

    def vocode(
        self, frames: Frames, chunk: int = LARGEST_CHUNK, vocoder: Vocoder | None = None
    ) -> Iterator[np.ndarray]:
        """Run the vocoder over one sentence.

        Args:
            chunk: frames of the first chunk; each next chunk has twice as many, up to `LARGEST_CHUNK`.
            vocoder: in place of the one with which the voice speaks.

        Yields:
            (T_wav,) float32 in [-1, 1]: the pause before the sentence, then the sentence.

        Warns:
            SpeechWarning: the audio was too loud for [-1, 1].
        """
        hop, end = self.info.audio.hop_length, len(frames.f0)
        if frames.silence:
            yield np.zeros(frames.silence * hop, np.float32)
        vocoder = vocoder or self._vocoder
        source = None
        if vocoder.n_noise:
            noise = white_noise(frames.seed, (1, end, vocoder.n_noise), self.info.noise_scale)
            source = frames.f0, noise
        outputs = ["wav", "phases"] if source else ["wav"]
        done = 0
        for wav in vocode(
            functools.partial(vocoder.session.run, outputs),
            frames.mel,
            source,
            hop=hop,
            context=vocoder.context,
            chunk=chunk,
            largest=LARGEST_CHUNK,
        ):
            done += len(wav)
            yield limited(fade_out(wav, end * hop - done, self.sample_rate))

    def speech(self, sentences: list[Frames], wavs: list[np.ndarray]) -> Speech:
        """Return the result made of the frames of all sentences and their audio."""
        audio = self.info.audio
        mels, f0s = [], []
        for frames in sentences:
            mels += [np.full((frames.silence, audio.n_mels), np.log(LOG_FLOOR), np.float32), frames.mel]
            f0s += [np.zeros(frames.silence, np.float32), frames.f0]
        timings = Timings.joined(sentences)
        return Speech(
            sentences=timings.sentences,
            words=timings.words,
            phones=timings.phones,
            wav=np.concatenate(wavs),
            sample_rate=self.sample_rate,
            mel=np.concatenate(mels),
            f0=np.concatenate(f0s),
        )


def load_voice(name: str | Path = "heart", threads: int | None = None) -> Voice:
    """Load a voice; see `find_voice` for its names.

    Raises:
        SpeechError: there is no such voice; or see `Voice`.
    """
    folder, speaker = find_voice(name)
    return Voice(folder, threads, speaker)


@functools.lru_cache(maxsize=1)
def _loaded(name: str | Path, threads: int | None) -> Voice:
    return load_voice(name, threads)


def synthesize(
    text: str | Iterable[Sentence], voice: str | Path = "heart", *, threads: int | None = None, **controls: Any
) -> Speech:
    """Speak a text with a voice that is kept loaded for the next call.

    Args:
        text, controls: see `Voice.synthesize`.
        voice, threads: see `load_voice`.
    """
    return _loaded(voice, threads).synthesize(text, **controls)
