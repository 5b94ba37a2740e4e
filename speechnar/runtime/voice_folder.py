"""A voice folder: what `voice.json` says, the graphs beside it, and where the voices of the package are.

voice.json              VoiceInfo
acoustic.onnx           phones -> mel, F0, durations
vocoder.onnx            mel, F0, noise -> audio
flow.onnx               one step from noise to the mel, in a voice that samples its mel
singing.onnx            notes -> mel, in a voice that sings; singing_vocoder.onnx makes it audio
"""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.config import renamed
from speechnar.runtime.folder import ASSETS, BundleFormat
from speechnar.runtime.speakers import names_in
from speechnar.runtime.speech import SpeechError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

VOICE = BundleFormat("voice", "voice.json", format=1)
VOICES = ASSETS / "voices"
FLOW = "flow.onnx"
SINGING, SINGING_VOCODER = "singing.onnx", "singing_vocoder.onnx"
SOURCE = {"f0", "noise", "phase"}  # inputs of a vocoder with a harmonic source, besides the mel


@dataclass(frozen=True)
class VoiceInfo:
    """`voice.json`.

    Attributes:
        format: version of the folder's layout; this package reads 1.
        symbols: the tokens of the acoustic model, in the order of their ids.
        language: a code, such as `en-us` or `de`; text is read by its front end.
        measured: metrics by name, such as `WER`.
        noise_scale: factor of the vocoder's noise, 1 as in training; a lower one sounds smoother.
        speakers: names of the speakers, where there are several.
        speaker_gains: dB by name, by which speakers are made louder, so that all are about as loud.
    """

    format: int
    name: str
    language: str
    license: str = field(metadata=renamed("licence"))
    training_data: str
    audio: AudioConfig
    symbols: tuple[str, ...]
    measured: dict[str, float] = field(default_factory=dict)
    noise_scale: float = 1.0
    speakers: tuple[str, ...] = ()
    speaker_gains: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> VoiceInfo:
        """Read `folder / "voice.json"`.

        Raises:
            SpeechError: it is missing, damaged, or of a newer format.
            ConfigError: a key is missing or has a value of the wrong type.
        """
        return VOICE.read(cls, folder)


@dataclass(frozen=True)
class Vocoder:
    """A vocoder's graph, loaded.

    Attributes:
        session: of ONNX Runtime.
        n_noise: values of noise in a frame; 0 in a vocoder without a harmonic source, which takes the mel alone.
        context: frames on each side that influence a frame.
    """

    session: InferenceSession
    n_noise: int
    context: int

    @classmethod
    def load(cls, path: Path, audio: AudioConfig, threads: int | None) -> Vocoder:
        """Load a graph.

        Raises:
            SpeechError: it is missing, damaged, of other audio, or lacks an input.
        """
        session = load_graph(path, {"mel"}, audio, threads, SOURCE)
        source = {i.name: i.shape for i in session.get_inputs() if i.name in SOURCE}
        if source and source.keys() != SOURCE:
            raise SpeechError(f"{path} lacks some of {', '.join(sorted(SOURCE))}; export it again")
        context = int(session.get_modelmeta().custom_metadata_map.get("context") or 0)
        return cls(session, source["noise"][2] if source else 0, context)


def load_graph(
    path: Path, inputs: set[str], audio: AudioConfig, threads: int | None, optional: Set[str] = frozenset()
) -> InferenceSession:
    """Load one of the models of a voice, and check that it fits the voice."""
    session = VOICE.session(path, inputs, threads, optional=optional)
    own = session.get_modelmeta().custom_metadata_map.get("audio")
    if own is None:
        raise SpeechError(f"{path} does not say its AudioConfig; export the voice again")
    differences = config.from_dict(AudioConfig, json.loads(own), f"{path}: audio").differences(audio)
    if differences:
        raise SpeechError(f"{path} and voice.json are not of one voice, they differ in {', '.join(differences)}")
    return session


def bundled() -> dict[str, Path]:
    """Return the voices that came with the package: folders by name."""
    return VOICE.bundled(VOICES)


def find_voice(name: str | Path) -> tuple[Path, str | None]:
    """Return the folder of a voice, and the speaker that the name asks for.

    Args:
        name: a voice that came with the package, one of its speakers, a blend of these such as
            "heart:0.6,michael:0.4", or a folder that holds `voice.json`.

    Raises:
        SpeechError: there is no such voice.
    """
    here = bundled()
    if str(name) not in here and not Path(name).is_dir() and (asked := names_in(str(name))):
        for folder in here.values():
            if set(asked) <= set(VoiceInfo.load(folder).speakers):
                return folder, str(name)
    try:
        return VOICE.find(name, VOICES), None
    except SpeechError:
        names = [speaker for folder in here.values() for speaker in VoiceInfo.load(folder).speakers]
        choice = ", ".join(dict.fromkeys([*here, *names])) or "one"
        raise SpeechError(f"there is no voice {str(name)!r}; take {choice} or the folder of a voice") from None
