"""Find every problem of a corpus before training does: files, levels, texts, and whether text and audio fit."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lhotse.cut import Cut

from speechnar.data.corpora import look_into
from speechnar.data.manifest import mapped
from speechnar.data.phones import ENGLISH, phonemizer, phones_of
from speechnar.data.problems import Problem
from speechnar.text.languages.front_end import front_end
from speechnar.text.symbols import PAUSES, WORD_BREAK, TextError

SILENT = -55.0  # dB below full scale, the loudest frame
QUIET = -40.0  # dB below the loudest frame: silence at the ends
MUCH_SILENCE = 1.0  # seconds at either end
CLIPPED, SOME_CLIPPED = 5e-3, 1e-4  # share of the samples
PACE_RATIO, PACE_DEVIATIONS = 1.8, 6.0  # from the corpus's median; standard deviations, robustly estimated
PACE_PHONES = 6  # of so few, one word said slowly doubles what is tolerated
PACE_UTTERANCES = 10  # that a median needs
FRAME = 0.02  # seconds


@dataclass(frozen=True)
class CheckOptions:
    """Configure what an utterance has to be.

    Attributes:
        sample_rate: Hz of the voice to train; None takes any.
        min_seconds, max_seconds: of an utterance.
        lexicon: pronunciations of words, as the front end takes them.
        language: of the texts, whose front end reads them.
        characters: check for a recognizer, which learns the characters of any script: no phones are needed.
    """

    sample_rate: int | None = None
    min_seconds: float = 0.3
    max_seconds: float = 30.0
    lexicon: Path | None = None
    language: str = ENGLISH
    characters: bool = False


@dataclass(frozen=True)
class _Checked:
    """One utterance's problems, its phones or letters, and the seconds from its first sound to its last; 0: unknown."""

    problems: tuple[Problem, ...]
    n_phones: int
    speech: float

    @property
    def pace(self) -> float:
        """Return phones or letters a second; 0 where unknown."""
        return self.n_phones / self.speech if self.speech else 0.0


def check_cuts(cuts: Sequence[Cut], options: CheckOptions = CheckOptions(), jobs: int = 1) -> list[Problem]:
    """Return every problem of every utterance, in the manifest's order; `jobs` processes at once.

    Raises:
        TextError: the lexicon cannot be read, or there is no such language, or it is not installed.
    """
    if not options.characters:
        phonemizer(options.lexicon, options.language)  # so that its mistakes are not those of an utterance
    checked = list(mapped(functools.partial(_check, options=options), cuts, jobs, "check"))
    paces = [math.log(one.pace) for one in checked if one.pace]
    median = float(np.median(paces)) if len(paces) >= PACE_UTTERANCES else None
    spread = 1.4826 * float(np.median(np.abs(np.array(paces) - median))) if median is not None else 0.0
    problems: list[Problem] = []
    seen = set()
    for cut, one in zip(cuts, checked):
        if cut.id in seen:
            problems.append(Problem("duplicate id", cut.id, "another utterance before it has this name"))
        seen.add(cut.id)
        problems += one.problems
        if one.pace and median is not None:
            distance = abs(math.log(one.pace) - median)
            tolerated = max(math.log(PACE_RATIO), PACE_DEVIATIONS * spread) * (1 + PACE_PHONES / one.n_phones)
            if distance > tolerated:
                unit = "letters" if options.characters else "phones"
                detail = f"{one.pace:.1f} {unit} a second; the corpus has {math.exp(median):.1f}"
                problems.append(Problem("pace", cut.id, detail))
    return problems


def without_errors(cuts: Sequence[Cut], problems: Sequence[Problem]) -> list[Cut]:
    """Return the cuts that have no error; of those with one name, the first."""
    bad = {problem.utt_id for problem in problems if problem.is_error and problem.kind != "duplicate id"}
    first = {cut.id: cut for cut in reversed(cuts)}
    return [cut for cut in cuts if cut.id not in bad and first[cut.id] is cut]


def _check(cut: Cut, options: CheckOptions) -> _Checked:
    problems: list[Problem] = []
    n_phones, speech = 0, 0.0
    for kind, detail in _text_problems(cut, None if options.characters else options.language):
        problems.append(Problem(kind, cut.id, detail))
    if options.characters:
        n_phones = sum(c.isalnum() for supervision in cut.supervisions for c in supervision.text or "")
    elif not any(problem.is_error for problem in problems):
        try:
            phones = phones_of(cut.supervisions[0].text or "", options.lexicon, options.language)
            n_phones = sum(phone not in (*PAUSES, WORD_BREAK) for phone in phones)
        except TextError as error:
            problems.append(Problem("unspeakable text", cut.id, str(error)))
    if not options.min_seconds <= cut.duration <= options.max_seconds:
        kind = "too short" if cut.duration < options.min_seconds else "too long"
        bounds = f"{options.min_seconds:g} to {options.max_seconds:g}"
        problems.append(Problem(kind, cut.id, f"{cut.duration:.2f} s, not {bounds}"))
    file_problems = list(_file_problems(cut, options))
    problems += [Problem(kind, cut.id, detail) for kind, detail in file_problems]
    if not any(Problem(kind, "", "").is_error for kind, _ in file_problems):
        samples = _samples(cut)
        if isinstance(samples, str):
            problems.append(Problem("truncated audio", cut.id, samples))
        elif broken := int((~np.isfinite(samples)).sum()):
            problems.append(Problem("broken samples", cut.id, f"{broken} of {samples.size} samples"))
        else:
            speech, found = _level_problems(samples, cut.sampling_rate)
            problems += [Problem(kind, cut.id, detail) for kind, detail in found]
    return _Checked(tuple(problems), n_phones, speech)


def _text_problems(cut: Cut, language: str | None) -> Iterator[tuple[str, str]]:
    """Yield the problems that the transcript alone shows; without a language, no character is one."""
    if len(cut.supervisions) != 1:
        yield "no text", f"{len(cut.supervisions)} supervisions in place of one"
        return
    text = cut.supervisions[0].text or ""
    if not text.strip():
        yield "no text", "it is empty"
        return
    if language is None:
        return
    if lost := [word for word, _ in front_end(language).left_out(text)]:
        yield "unspeakable text", f"{' '.join(lost[:10])} in {text[:60]!r}"
    elif other := front_end(language).other_letters(text):
        yield "other letters", f"{other} in {text[:60]!r}"
    digits = re.findall(r"\S*\d\S*", text)
    if digits:
        yield "digits", " ".join(digits[:5])
    brackets = re.findall(r"[\[{<][^\]}>]*[\]}>]?", text)
    if brackets:
        yield "brackets", " ".join(brackets[:5])


def _file_problems(cut: Cut, options: CheckOptions) -> Iterator[tuple[str, str]]:
    """Yield the problems that the header of an audio file shows."""
    import soundfile

    if not cut.has_recording:
        yield "no audio", "the manifest names no recording"
        return
    recording = cut.recording
    if recording.sources[0].type == "file":
        path = Path(recording.sources[0].source)
        look = look_into(path)
        if isinstance(look, tuple):
            yield look
            return
        info = soundfile.info(path)
        declared = re.search(r"^\s*data\s*: (\d+) \(should be (\d+)\)", info.extra_info, re.MULTILINE)
        if declared and int(declared[2]) < int(declared[1]) < 0x7FFFFFFF:  # programs that stream write more than that
            yield "truncated audio", f"{path} has {declared[2]} of {declared[1]} bytes of samples"
        elif (look.sampling_rate, look.num_samples) != (recording.sampling_rate, recording.num_samples):
            is_now, was = f"{look.num_samples} samples at {look.sampling_rate} Hz", recording.num_samples
            yield "changed audio", f"{path} has {is_now}, the manifest {was} at {recording.sampling_rate} Hz"
        if info.format not in ("WAV", "WAVEX", "RF64", path.suffix[1:].upper()) or (
            info.format == "MP3" and path.suffix.lower() != ".mp3"
        ):
            yield "other format", f"{path} is {info.format}"
        if info.subtype in ("PCM_U8", "PCM_S8", "ULAW", "ALAW"):
            yield "8 bit", f"{path} is {info.subtype}"
    channels = len(recording.channel_ids or [0])
    if channels > 1:
        yield "several channels", f"{channels}"
    if options.sample_rate and recording.sampling_rate != options.sample_rate:
        kind = "low rate" if recording.sampling_rate < options.sample_rate else "high rate"
        yield kind, f"{recording.sampling_rate} Hz"


def _samples(cut: Cut) -> np.ndarray | str:
    """Return (channels, T_wav) float32, or why there are none."""
    try:
        samples = np.asarray(cut.load_audio(), dtype=np.float32)
    except Exception as error:  # Lhotse's audio backends share no class of their own
        return f"it cannot be read to its end ({' '.join(str(error).split())[:150]})"
    missing = cut.num_samples - samples.shape[1]
    if missing > 0.01 * cut.sampling_rate:
        return f"it holds {samples.shape[1]} samples of {cut.num_samples}"
    return samples


def _level_problems(samples: np.ndarray, rate: int) -> tuple[float, list[tuple[str, str]]]:
    """Return the seconds from the first sound to the last, and the problems that the samples show."""
    found: list[tuple[str, str]] = []
    full_scale = float(np.mean(np.abs(samples) >= 0.9999)) if np.abs(samples).max() >= 0.9999 else 0.0
    if full_scale >= SOME_CLIPPED:
        kind = "clipped audio" if full_scale >= CLIPPED else "some clipping"
        found.append((kind, f"{100 * full_scale:.2f} % of the samples at full scale"))
    size = max(1, round(FRAME * rate))
    mono = samples.mean(axis=0)
    frames = np.pad(mono, (0, -len(mono) % size)).reshape(-1, size)
    levels = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-12)
    loudest = float(levels.max())
    if loudest < SILENT:
        return 0.0, [*found, ("silent audio", f"the loudest {1000 * FRAME:.0f} ms have {loudest:.0f} dB")]
    loud = np.flatnonzero(levels > loudest + QUIET)
    lead, trail = loud[0] * FRAME, (len(levels) - 1 - loud[-1]) * FRAME
    if max(lead, trail) > MUCH_SILENCE:
        found.append(("much silence", f"{lead:.1f} s before and {trail:.1f} s after the speech"))
    return (loud[-1] + 1 - loud[0]) * FRAME, found
