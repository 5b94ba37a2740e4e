"""The kinds of work that `bulk` does: speak, transcribe, align, compute features."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechnar.audio import AudioConfig
from speechnar.infer.bulk import BulkError, Outcome, Part
from speechnar.infer.storage import local_copy, read

if TYPE_CHECKING:
    from speechnar.runtime import Recognizer, Transcript, Voice

TABLE = "parquet"
SHAR = "shar"
TRANSCRIPTS = ("txt", "json", "srt", "vtt", "ctm", "TextGrid")
SOUNDS = ("wav", "flac", "ogg", "mp3")
SHAR_CUTS, SHAR_AUDIO = ".cuts.jsonl.gz", ".recording.tar"

USUAL_ERRORS = (ValueError, OSError)
"""Errors of a row, which is listed while the others go on; any other error is a fault of the program, and ends all."""


@dataclasses.dataclass(frozen=True)
class TranscribeJob:
    """Recordings to transcripts; a row's value is the path or URL of a recording, or a cut.

    Attributes:
        recognizer: a name or a folder, which every worker can read.
        format: one of `TRANSCRIPTS`, a file a row; or "parquet", a table a part with the columns id, text, duration,
            words (text, start, end, confidence) and error.
    """

    recognizer: str = "english_base"
    format: str = "txt"
    hotwords: tuple[str, ...] = ()
    device: str = "cpu"

    @property
    def endings(self) -> Sequence[str]:
        return (f".{self.format}",)

    def load(self) -> Recognizer:
        from speechnar.runtime import load_recognizer

        return load_recognizer(self.recognizer, threads=1, device=self.device)

    def run(self, loaded: Recognizer, part: Part) -> Outcome:
        from speechnar.runtime import timings

        table: list[dict[str, Any]] = []
        failures: dict[str, str] = {}
        transcript = None
        for row in part.rows:
            try:
                transcript = self._transcript(loaded, row.value, row.id)
            except USUAL_ERRORS as error:
                failures[row.id] = str(error)
                table.append({"id": row.id, "text": None, "duration": None, "words": None, "error": str(error)})
                continue
            words = [dataclasses.asdict(word) for word in transcript.words]
            table.append(
                {"id": row.id, "text": transcript.text, "duration": transcript.duration, "words": words, "error": None}
            )
        if self.format == TABLE:
            return Outcome({".parquet": _parquet(table, _transcript_schema())}, failures)
        if failures or transcript is None:
            return Outcome({}, failures)
        return Outcome({f".{self.format}": timings.WRITERS[self.format](transcript).encode()})

    def _transcript(self, recognizer: Recognizer, value: Any, name: str) -> Transcript:
        if isinstance(value, dict):
            from speechnar.data.manifest import read_wav

            wav = read_wav(_cut(value), recognizer.sample_rate)
            return recognizer.transcribe(wav, recognizer.sample_rate, hotwords=self.hotwords, name=name)
        with local_copy(value) as path:
            return recognizer.transcribe(path, hotwords=self.hotwords)


@dataclasses.dataclass(frozen=True)
class SynthJob:
    """Texts to speech; a row's value is a text, {"file": path or URL of a text file}, or a cut with a text.

    Attributes:
        voice: a name or a folder, which every worker can read.
        format: one of `SOUNDS`, a file a row; "parquet", a table a part with the columns id, text, audio (FLAC),
            sample_rate, duration and error; or "shar", a Lhotse Shar part: cuts with their texts, and audio (FLAC).
    """

    voice: str = "heart"
    format: str = "flac"
    speaker: str | None = None
    speed: float = 1.0
    seed: int = 0

    @property
    def endings(self) -> Sequence[str]:
        return (SHAR_AUDIO, SHAR_CUTS) if self.format == SHAR else (f".{self.format}",)

    def load(self) -> Voice:
        from speechnar.runtime import load_voice
        from speechnar.runtime.speech import Controls

        voice = load_voice(self.voice, threads=1)
        Controls(self.speed, seed=self.seed)  # refused here, and not once for every row
        voice.speaker_input(self.speaker)
        return voice

    def run(self, loaded: Voice, part: Part) -> Outcome:
        table: list[dict[str, Any]] = []
        failures: dict[str, str] = {}
        container = self.format.upper() if self.format in SOUNDS else "FLAC"
        rate = loaded.sample_rate
        for row in part.rows:
            text = None
            try:
                text = text_of(row.value)
                wav = loaded.synthesize(text, speed=self.speed, speaker=self.speaker, seed=self.seed).wav
            except USUAL_ERRORS as error:
                failures[row.id] = str(error)
                found: dict[str, Any] = {"audio": None, "duration": None, "error": str(error)}
            else:
                found = {"audio": encoded(wav, rate, container), "duration": len(wav) / rate, "error": None}
            table.append({"id": row.id, "text": text, "sample_rate": rate, **found})
        if self.format == TABLE:
            return Outcome({".parquet": _parquet(table, _speech_schema())}, failures)
        spoken = [line for line in table if line["audio"] is not None]
        if self.format == SHAR:
            return Outcome(_shar(spoken), failures)
        return Outcome({f".{self.format}": spoken[0]["audio"]} if spoken else {}, failures)


@dataclasses.dataclass(frozen=True)
class AlignJob:
    """Cuts with phones to cuts with durations, as `speechnar align` writes them; parts are manifests of Lhotse.

    Attributes:
        aligner: a model folder, which every worker can read.
        audio: of the frames that durations count.
        boundary_offset: seconds by which every boundary is put later.
    """

    aligner: str
    audio: AudioConfig
    boundary_offset: float = 0.0

    @property
    def endings(self) -> Sequence[str]:
        return (".jsonl.gz",)

    def load(self) -> Path:
        return Path(self.aligner)

    def run(self, loaded: Path, part: Part) -> Outcome:
        from speechnar.data.manifest import save_cuts
        from speechnar.infer.align import align_corpus

        failures: dict[str, str] = {}
        aligned = []
        with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
            given, made = Path(folder, "given.jsonl"), Path(folder, "made.jsonl.gz")
            cuts = [_cut(row.value) for row in part.rows]
            try:
                save_cuts(cuts, given)
                aligned = align_corpus(loaded, given, made, self.audio, self.boundary_offset)
            except USUAL_ERRORS:  # then one by one, to find the utterances that cannot be aligned
                for cut in cuts:
                    try:
                        save_cuts([cut], given)
                        aligned += align_corpus(loaded, given, made, self.audio, self.boundary_offset)
                    except USUAL_ERRORS as error:
                        failures[cut.id] = str(error)
            save_cuts(aligned, made)
            return Outcome({".jsonl.gz": made.read_bytes()}, failures)


@dataclasses.dataclass(frozen=True)
class FeaturesJob:
    """Cuts to the features that training reads, in a folder that every worker can write.

    Attributes:
        folder: that of the features, where `audio.json` and `tokens.txt` stand already.
    """

    folder: str

    @property
    def endings(self) -> Sequence[str]:
        return (".npz",)

    def load(self) -> Callable[[Any], Any]:
        from speechnar import config
        from speechnar.data.features import save_features
        from speechnar.text.symbols import SymbolTable

        folder = Path(self.folder)
        audio = config.load(AudioConfig, folder / "audio.json")
        symbols = SymbolTable.load(folder / "tokens.txt")
        return lambda cut: save_features(cut, folder, audio, symbols)

    def run(self, loaded: Callable[[Any], Any], part: Part) -> Outcome:
        failures: dict[str, str] = {}
        for row in part.rows:
            try:
                loaded(_cut(row.value))
            except USUAL_ERRORS as error:
                failures[row.id] = str(error)
        return Outcome({}, failures)  # the job itself wrote the files, in the layout of a features folder


def text_of(value: Any) -> str:
    """Return the text of a row: a string, {"file": path or URL} of a text file, or a cut.

    Raises:
        BulkError: a cut has no text, or a file is not UTF-8.
    """
    if isinstance(value, str):
        return value
    if "file" in value:
        try:
            return read(value["file"]).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BulkError(f"{value['file']} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    texts = [supervision.text for supervision in _cut(value).supervisions if supervision.text]
    if not texts:
        raise BulkError(f"the cut {value.get('id')} has no text to speak")
    return " ".join(texts)


def _cut(value: dict[str, Any]) -> Any:
    from lhotse.cut.set import deserialize_cut

    try:
        return deserialize_cut(dict(value))
    except (AssertionError, AttributeError, KeyError, TypeError) as error:
        raise BulkError(f"the cut {value.get('id')!r} is not one of Lhotse's ({error!r}): make it again") from None


def encoded(wav: Any, sample_rate: int, container: str) -> bytes:
    """Return the contents of an audio file of (T_wav,) float32."""
    from speechnar import audio

    data = io.BytesIO()
    audio.write(data, wav, sample_rate, container)
    return data.getvalue()


def _parquet(table: Sequence[dict[str, Any]], schema: Any) -> bytes:
    import pyarrow
    import pyarrow.parquet

    data = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(table), schema=schema), data)
    return data.getvalue()


def _transcript_schema() -> Any:
    import pyarrow as pa

    times = [("start", pa.float64()), ("end", pa.float64()), ("confidence", pa.float64())]
    word = pa.struct([("text", pa.string()), *times])
    return pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("duration", pa.float64()),
            ("words", pa.list_(word)),
            ("error", pa.string()),
        ]
    )


def _speech_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("sample_rate", pa.int32()),
            ("audio", pa.binary()),
            ("duration", pa.float64()),
            ("error", pa.string()),
        ]
    )


def _shar(spoken: Sequence[dict[str, Any]]) -> dict[str, bytes]:
    """Return the two files of a Lhotse Shar part: cuts with texts, and their audio in FLAC."""
    from lhotse import AudioSource, Recording, SupervisionSegment
    from lhotse.audio.backend import audio_backend
    from lhotse.shar import SharWriter

    with tempfile.TemporaryDirectory(prefix="speechnar-") as folder, audio_backend("LibsndfileBackend"):
        with SharWriter(folder, fields={"recording": "original"}, shard_size=None, warn_unused_fields=False) as writer:
            for line in spoken:
                name, rate, seconds = line["id"], line["sample_rate"], line["duration"]
                source = AudioSource("memory", [0], line["audio"])
                recording = Recording(name, [source], rate, round(seconds * rate), seconds, channel_ids=[0])
                cut = recording.to_cut()
                cut.id = name
                cut.supervisions = [SupervisionSegment(name, name, 0.0, seconds, text=line["text"])]
                writer.write(cut)
        (cuts,), (audio,) = (list(Path(folder).glob(pattern)) for pattern in ("cuts*.jsonl.gz", "recording*.tar"))
        return {SHAR_CUTS: cuts.read_bytes(), SHAR_AUDIO: audio.read_bytes()}
