"""Voice-to-voice distillation: a voice speaks texts, from which the voices that are trained on its speech then learn.

    texts -> voice -> audio, phones, durations and F0 of each -> cuts.jsonl.gz -> `speechnar features`

The alignment is exact: the durations and the F0 are those that the audio was made from. The speech of a model varies
less than that of a person; the conditional entropies of durations and F0 given the phone say how much it varies.

Source: FastSpeech (Ren et al. 2019), section 3.3, "Sequence-level knowledge distillation"; the entropy of targets as a
    measure of difficulty: Zhou et al. 2020, section 3.2.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speechnar.data.manifest import save_cuts
from speechnar.infer.bulk import BulkError, Outcome, Part, run
from speechnar.infer.bulk_jobs import USUAL_ERRORS, SynthJob, encoded, text_of
from speechnar.infer.bulk_sources import rows_of

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from speechnar.runtime import Speech, Voice

CUTS = "cuts.jsonl.gz"
SEMITONE = 12 / math.log(2)
"""Semitones in a difference of 1 in ln Hz."""


@dataclasses.dataclass(frozen=True)
class Taught:
    """The result of distillation.

    Attributes:
        number: utterances that are spoken.
        failed: texts that the voice could not speak.
        seconds: of audio.
        durations: the conditional entropy of a phone's duration in frames, given the phone, in nats.
        f0: the same of its mean F0 in whole semitones.
    """

    number: int
    failed: int
    seconds: float
    durations: float
    f0: float


@dataclasses.dataclass(frozen=True)
class TeachJob:
    """Texts to audio and a description: phones, durations, F0, the text, the voice and its language."""

    voice: str
    speaker: str | None = None
    endings: Sequence[str] = (".flac", ".json")

    def load(self) -> Voice:
        return SynthJob(self.voice, speaker=self.speaker).load()

    def run(self, loaded: Voice, part: Part) -> Outcome:
        (row,) = part.rows
        try:
            text = text_of(row.value)
            speech = loaded.synthesize(text, speaker=self.speaker)
        except USUAL_ERRORS as error:
            return Outcome({}, {row.id: str(error)})
        found = {"text": text, "voice": [self.voice, self.speaker], "language": loaded.info.language}
        found |= alignment_of(speech, loaded.info.audio.hop_length)
        described = json.dumps(found, ensure_ascii=False).encode()
        return Outcome({".flac": encoded(speech.wav, speech.sample_rate, "FLAC"), ".json": described})


def alignment_of(speech: Speech, hop_length: int) -> dict[str, Any]:
    """Return the fields of a cut that `speechnar.data.features` reads: phones, durations, lead, trail and F0.

    Silence between two sentences is a phone `" "` of its own.
    """
    frames = speech.sample_rate / hop_length
    phones: list[str] = []
    durations: list[int] = []
    end = lead = round(speech.phones[0].start * frames)
    for phone in speech.phones:
        start = round(phone.start * frames)
        if start > end:
            phones.append(" ")
            durations.append(start - end)
        end = round(phone.end * frames)
        phones.append(phone.text)
        durations.append(end - start)
    f0 = [round(hz, 1) for hz in speech.f0.tolist()]
    return {"phones": phones, "durations": durations, "lead": lead, "trail": len(f0) - end, "f0": f0}


def distill_texts(voice: str, texts: str, out: Path, speaker: str | None = None, workers: int | None = None) -> Taught:
    """Speak texts and write their audio and a manifest, `cuts.jsonl.gz`; what is spoken already is kept.

    Args:
        voice, speaker: as `SynthJob` takes them.
        texts: a source of `speechnar bulk synth`.
        workers: processes; all cores by default.

    Raises:
        BulkError: there are no texts, none can be spoken, or `out` has speech of another voice or other texts.
        SpeechError: there is no such voice.
    """
    from lhotse import Recording, SupervisionSegment

    rows = rows_of(texts, "text")
    failed = run(TeachJob(voice, speaker), rows, str(out), None, (os.cpu_count() or 1) if workers is None else workers)
    cuts: list[Cut] = []
    lengths: list[tuple[str, int]] = []
    pitches: list[tuple[str, int]] = []
    for row in rows:
        path = out / f"{row.id}.json"
        if not path.exists():
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.pop("voice") != [voice, speaker] or found["text"] != text_of(row.value):
            raise BulkError(f"{path} is of another voice or another text: delete it, or take another folder than {out}")
        recording = Recording.from_file(path.with_suffix(".flac"), recording_id=row.id)
        cut = recording.to_cut()
        cut.id = row.id
        cut.supervisions = [
            SupervisionSegment(
                row.id, row.id, 0.0, cut.duration, text=found.pop("text"), language=found.pop("language"),
                speaker=speaker or voice, custom=found,
            )
        ]  # fmt: skip
        cuts.append(cut)
        lengths += zip(found["phones"], found["durations"])
        pitches += pitches_of(found)
    if not cuts:
        raise BulkError(f"none of the texts of {texts} could be spoken: {out}/_failures.tsv says why")
    save_cuts(cuts, out / CUTS)
    seconds = sum(cut.duration for cut in cuts)
    return Taught(len(cuts), failed, seconds, entropy_given(lengths), entropy_given(pitches))


def pitches_of(found: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the phones of an utterance that are voiced somewhere, and their mean F0 in whole semitones."""
    pitches = []
    end = found["lead"]
    for phone, frames in zip(found["phones"], found["durations"]):
        hertz = np.array(found["f0"][end : end + frames])
        end += frames
        if hertz.any():
            pitches.append((phone, round(SEMITONE * float(np.log(hertz[hertz > 0]).mean()))))
    return pitches


def entropy_given(pairs: Sequence[tuple[str, int]]) -> float:
    """Return H(value | phone) of (phone, value) pairs in nats, by their counts; 0 where there are none."""
    phones = Counter(phone for phone, _ in pairs)
    surprises = (count * math.log(phones[phone] / count) for (phone, _), count in Counter(pairs).items())
    return sum(surprises) / max(1, len(pairs))
