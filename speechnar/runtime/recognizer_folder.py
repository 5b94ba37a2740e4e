"""A recognizer folder: what `recognizer.json` says, and where the recognizers of the package are.

recognizer.json         RecognizerInfo
model.onnx              audio -> log-probabilities of CTC, and encoder states
memory.onnx             states -> keys and values, which are the memory of the decoder, where there is one
decoder.onnx            tokens, memory -> log-probabilities of the next tokens
lm.npz                  a word n-gram model, where there is one
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from speechnar.config import renamed
from speechnar.decode.draft import VerifyConfig
from speechnar.decode.scorer import ScorerOptions
from speechnar.runtime.folder import ASSETS, BundleFormat
from speechnar.runtime.reader import DecoderInfo

RECOGNIZER = BundleFormat("recognizer", "recognizer.json", format=10)
RECOGNIZERS = ASSETS / "recognizers"
DEFAULT = "english_base"
LM = "lm.npz"  # a word n-gram model, which a recognizer may have


@dataclass(frozen=True)
class Decoding:
    """Options of decoding that a recognizer uses by default.

    Attributes:
        beam: prefixes that are kept; 1 is greedy decoding, without the language model.
        lm_weight, word_bonus: see `speechnar.decode.scorer`.
        iterations, acceptance_threshold: of speculative decoding; see `VerifyConfig`.
        min_confidence: of the words between two pauses, from 0 to 1; others are left out.
        correct: whether English words of recordings are corrected by the audio and their neighbors; streams are not.
    """

    beam: int = 1
    lm_weight: float = ScorerOptions.lm_weight
    word_bonus: float = ScorerOptions.word_bonus
    iterations: int = field(default=VerifyConfig.iterations, metadata=renamed("passes"))
    acceptance_threshold: float = field(default=VerifyConfig.acceptance_threshold, metadata=renamed("margin"))
    min_confidence: float = 0.2
    correct: bool = False


@dataclass(frozen=True)
class RecognizerInfo:
    """`recognizer.json`.

    Attributes:
        format: version of the folder's layout; this package reads 1 to 10. From 2 on there may be a decoder, from 3 on
            graphs are compressed, and in 4 `decoding` has the keys `iterations` and `acceptance_threshold`, which were
            `passes` and `margin`. In 5 words have capitals, marks and digits; before, they are lower-case. In 6 the
            decoder reads all rows of a pass as one sequence, and in 7 names its two best tokens. In 8 the memory of
            each of its layers is an output of its own, and in 9 it may be the means of the encoder's states. In 10 the
            memory has a graph of its own, and the decoder reads for several utterances at once.
        sample_rate: Hz.
        symbols: the tokens of the graph's outputs, in their order; see `speechnar.text.symbols`.
        frame_seconds: from one frame of the output to the next.
        window_seconds: of audio that the graph takes at once; at the end of the audio, half as much more.
        decoder: the decoder that verifies the words of CTC, if there is one.
        measured: metrics by name, such as `WER`.
    """

    format: int
    name: str
    language: str
    license: str = field(metadata=renamed("licence"))
    training_data: str
    sample_rate: int
    symbols: tuple[str, ...]
    frame_seconds: float
    window_seconds: float
    decoding: Decoding = Decoding()
    decoder: DecoderInfo | None = None
    measured: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> RecognizerInfo:
        """Read `folder / "recognizer.json"`.

        Raises:
            SpeechError: it is missing, damaged, or of a newer format.
            ConfigError: a key is missing or has a value of the wrong type.
        """
        return RECOGNIZER.read(cls, folder)


def bundled() -> dict[str, Path]:
    """Return the recognizers that came with the package: folders by name."""
    return RECOGNIZER.bundled(RECOGNIZERS)


def find_recognizer(name: str | Path) -> Path:
    """Return the folder of a recognizer that came with the package, or a folder that holds `recognizer.json`.

    Raises:
        SpeechError: there is no such recognizer.
    """
    return RECOGNIZER.find(name, RECOGNIZERS)
