"""The acoustic model with which a voice sings, where it has one: phones on notes and F0 to mel.

tokens      <s>  t   w   ɪ                ɪ           ŋ    k  ...
note             D4  D4  E4               G4          G4   G4     the one that sounds where the token begins
slur                                      1                       a vowel on two notes is two tokens
F0          ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~    of every frame
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.runtime.speakers import speaker_weights
from speechnar.runtime.speech import SpeechError
from speechnar.runtime.voice import Voice
from speechnar.runtime.voice_folder import SINGING, VOICE
from speechnar.text.symbols import SymbolTable

BEFORE, AFTER = 10, 10  # frames of `<s>` and `</s>`, which are computed and not kept
INPUTS = {"tokens", "durations", "notes", "f0"}


@dataclass(frozen=True)
class NoteTokens:
    """Tokens that each lie on one note, (N,) each.

    Attributes:
        places: of each token in those that were given.
        durations: frames.
        notes: place of the token's note.
        slurs: True where a token continues the vowel before it on another note.
    """

    places: np.ndarray
    durations: np.ndarray
    notes: np.ndarray
    slurs: np.ndarray


def on_notes(vowels: Sequence[bool], edges: Sequence[int], onsets: Sequence[int]) -> NoteTokens:
    """Divide vowels where notes begin in them.

    Args:
        vowels: (N,) whether each token is a vowel; others are never divided.
        edges: (N + 1,) frames between which the tokens lie.
        onsets: frames at which the notes begin, in order; a token before the first one is on it.
    """
    rows: list[tuple[int, int, int, bool]] = []
    for place, (vowel, first, last) in enumerate(zip(vowels, edges, edges[1:])):
        inside = [o for o in onsets if first < o < last] if vowel else []
        bounds = [first, *inside, last]
        for part, (a, b) in enumerate(zip(bounds, bounds[1:])):
            note = max(int(np.searchsorted(onsets, a, side="right")) - 1, 0)
            rows.append((place, b - a, note, part > 0))
    places, durations, notes, slurs = (np.array(values) for values in zip(*rows))
    return NoteTokens(places, durations, notes, slurs)


class SungMel:
    """The graph `singing.onnx` of a voice, loaded.

    Its metadata may say `early`: frames by which the audio that it learned from runs ahead of the durations. What it
    makes is then that much later.

    Attributes:
        speakers: names of those whom the model learned to sing as: the voice's name, or several speakers.
        sings: whether the chosen speaker is one of them.
    """

    def __init__(self, voice: Voice, speaker: str | None = None) -> None:
        """Load the graph.

        Raises:
            SpeechError: it is missing, damaged, not of this voice's audio config, or there is no such speaker.
        """
        path = voice.folder / SINGING
        optional = frozenset({"speaker_weights"})
        self._session = VOICE.session(path, INPUTS, voice.threads, optional=optional)
        about = self._session.get_modelmeta().custom_metadata_map
        if not {"audio", "symbols", "speakers"} <= about.keys():
            raise SpeechError(f"{path} does not say its symbols; export it again")
        audio = config.from_dict(AudioConfig, json.loads(about["audio"]), f"{path}: audio")
        if differences := audio.differences(voice.info.audio):
            raise SpeechError(f"{path} and voice.json are not of one voice, they differ in {', '.join(differences)}")
        self._symbols = SymbolTable(json.loads(about["symbols"]))
        self.speakers = tuple(json.loads(about["speakers"]))
        blend = speaker or voice.speaker
        self.sings = len(self.speakers) > 1 or blend in (None, *self.speakers)
        self._early = int(about.get("early", "0"))
        if not 0 <= self._early < BEFORE:
            raise SpeechError(f"{path} says that it is {self._early} frames early; export it again")
        several = any(i.name == "speaker_weights" for i in self._session.get_inputs())
        weights = speaker_weights(blend or self.speakers[0], self.speakers, voice.name) if several else None
        self._speaker = {} if weights is None else {"speaker_weights": weights}

    @classmethod
    def of(cls, voice: Voice, speaker: str | None = None) -> SungMel | None:
        """Return the model of a voice, or None where it has none for this speaker, who then sings by rule."""
        if not (voice.folder / SINGING).is_file():
            return None
        model = cls(voice, speaker)
        return model if model.sings else None

    def __call__(
        self, phones: Sequence[str], tokens: NoteTokens, notes: np.ndarray, f0: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute the mel of a phrase.

        Args:
            phones: those that `tokens.places` count.
            tokens: of `on_notes`.
            notes: (n_notes, 2) MIDI pitch and seconds.
            f0: (T_mel,) Hz, above 0.

        Returns:
            mel, (T_mel, n_mels) natural log magnitude; voiced, (T_mel,) bool.
        """
        ids = self._symbols.encode([phones[place] for place in tokens.places])
        own = np.column_stack([notes[tokens.notes], tokens.slurs])
        before, after = BEFORE - self._early, AFTER + self._early
        given = {
            "tokens": np.array([ids], np.int64),
            "durations": np.array([[BEFORE, *tokens.durations, AFTER]], np.int64),
            "notes": np.concatenate([own[:1], own, own[-1:]])[None].astype(np.float32),
            "f0": np.pad(f0, (before, after), mode="edge")[None].astype(np.float32),
            **self._speaker,
        }
        mel, voiced = self._session.run(["mel", "voiced"], given)
        return mel[0, before:-after], voiced[0, before:-after] > 0
