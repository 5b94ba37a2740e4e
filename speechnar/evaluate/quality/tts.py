"""Intelligibility of a voice: it speaks sentences, a recognizer transcribes them, and the two texts are compared.

Word error rates say as much of the recognizer as of the voice: compare voices heard by the same one.
"""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speechnar import audio
from speechnar.evaluate.stats.metrics import Means, Measured, MetricComparison, compare, means
from speechnar.evaluate.stats.statistics import Difference, Interval
from speechnar.evaluate.wer import error_rate as wer

if TYPE_CHECKING:
    from speechnar.runtime import Voice

WER, RTF, SIZE = "WER, %", "RTF", "size, MB"

Recognizer = Callable[[Path], str]  # from a wav file to its transcript


class TtsError(ValueError):
    """Sentences or a recognizer that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Spoken:
    """The results of one voice.

    Attributes:
        measured: its metrics by utterance.
        score: what was heard beside the text.
        n_bytes: size of the voice's folder.
    """

    measured: Measured
    score: wer.Score
    n_bytes: int


def check_texts(texts: Mapping[str, str], where: str) -> None:
    """Check that every utterance has a text and a name that can be that of a file; raise TtsError otherwise."""
    for utterance, text in texts.items():
        if not text.strip():
            raise TtsError(f"{where} has no text for {utterance}; give some or leave it out")
        if utterance in (".", "..") or set(utterance) & set("/\\:\0"):
            raise TtsError(f"{where} has the utterance {utterance!r}, which cannot be the name of a file; rename it")


def speak(voice: Voice, texts: Iterable[tuple[str, str]], folder: Path, speaker: str | None = None) -> dict[str, float]:
    """Speak the texts of utterances into `folder / UTTERANCE.wav`.

    Args:
        speaker: of a voice with several.

    Returns:
        utterance to the real-time factor: seconds of work a second of speech.

    Raises:
        TextError: a text has nothing that can be spoken.
        SpeechError: the voice has no such speaker.
        FileError: a file cannot be written.
    """
    factors = {}
    for utterance, text in texts:
        begin = time.perf_counter()
        speech = voice.synthesize(text, speaker=speaker)
        factors[utterance] = (time.perf_counter() - begin) * speech.sample_rate / len(speech.wav)
        audio.write(folder / f"{utterance}.wav", speech.wav, speech.sample_rate)
    return factors


def command(line: str) -> Recognizer:
    """Return a recognizer that runs a program, which is given the path of a wav file and prints the text.

    The path takes the place of `{}` in the line, or is the last argument.

    Raises:
        TtsError: the line is empty or has quotes that do not close; when run, the program is missing or fails.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise TtsError(f"the recognizer {line!r} is no command ({error})") from None
    if not words:
        raise TtsError("the recognizer is an empty command; give a program that gets a wav file and prints text")
    if not any("{}" in word for word in words):
        words.append("{}")

    def hear(path: Path) -> str:
        given = [word.replace("{}", str(path)) for word in words]
        try:
            done = subprocess.run(given, capture_output=True, text=True, encoding="utf-8", errors="replace")
        except OSError as error:
            raise TtsError(f"the recognizer {words[0]} cannot be run: {error.strerror}") from None
        if done.returncode:
            cause = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise TtsError(f"the recognizer {words[0]} failed on {path.name}: {cause[-1]}")
        return " ".join(done.stdout.split())

    return hear


def recognizer(name: str | None, threads: int) -> Recognizer:
    """Return a recognizer by its name or folder, a program, or, by default, the one in the package.

    Raises:
        TtsError: none came with the package, or see `command`.
        SpeechError: the folder cannot be used.
    """
    from speechnar.runtime.recognizer import load_recognizer
    from speechnar.runtime.recognizer_folder import DEFAULT, bundled

    here = bundled()
    if name is None and DEFAULT not in here:
        raise TtsError("no recognizer is in this package; give --recognizer a program that gets a wav and prints text")
    if name is None or name in here or Path(name).is_dir():
        loaded = load_recognizer(name or DEFAULT, threads)
        return lambda path: loaded.transcribe(path, corrector=False).text  # which would hide what is misspoken
    return command(name)


def spoken(
    name: str,
    texts: Mapping[str, str],
    heard: Mapping[str, str],
    factors: Mapping[str, float],
    scores: Measured,
    voice: Path,
    normalize: Callable[[str], str],
) -> Spoken:
    """Collect the measurements of one voice.

    Args:
        texts, heard, factors: by utterance, the same ones.
        scores: predicted MOS of the same utterances.
        voice: its folder.
        normalize: what texts go through before they are compared.
    """
    metrics = {utterance: {RTF: factors[utterance], **scores.utterances[utterance]} for utterance in texts}
    n_bytes = sum(file.stat().st_size for file in voice.iterdir())
    return Spoken(Measured(name, metrics), wer.score(name, texts, heard, normalize), n_bytes)


def metrics_of(voices: Sequence[Spoken]) -> tuple[list[Means], list[MetricComparison]]:
    """Return the metrics of each voice and the differences of each pair, WER and size included."""
    report = wer.report([voice.score for voice in voices])
    systems = []
    for voice, heard in zip(voices, report.systems):
        found = means(voice.measured)
        size = Interval(voice.n_bytes / 1e6, np.nan, np.nan)
        systems.append(dataclasses.replace(found, metrics={WER: _percent(heard.rate), **found.metrics, SIZE: size}))
    comparisons = []
    for pair, heard_pair in zip(compare([voice.measured for voice in voices]), report.comparisons):
        difference = heard_pair.difference
        metrics = {WER: dataclasses.replace(difference, **vars(_percent(difference))), **pair.metrics}
        comparisons.append(dataclasses.replace(pair, metrics=metrics))
    return systems, comparisons


def _percent(metric: Interval | Difference) -> Interval:
    return Interval(100 * metric.value, 100 * metric.low, 100 * metric.high)
