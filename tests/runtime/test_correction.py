"""A corrected text keeps its times."""

from __future__ import annotations

import numpy as np

import speechnar
from speechnar.decode.acoustic_correction import AcousticCorrector, Utterance
from speechnar.decode.corrector import Correction, Corrector
from speechnar.decode.result import Hypothesis, Word
from speechnar.runtime.correction import corrected
from speechnar.text.whisper_bpe import BytePairs


class Scripted:
    """Returns corrections that are known in advance, and keeps what it was given."""

    def __init__(self, *corrections: Correction) -> None:
        self._corrections = list(corrections)

    def corrections(self, text: Utterance, verified: bool) -> list[Correction]:
        self.text, self.verified = text, verified
        return self._corrections


WORDS = tuple(Word(text, n, n + 0.5, 0.1 * n) for n, text in enumerate("abcdef"))
LOG_PROBS = np.zeros((60, 3))


def test_new_words_divide_the_time_of_the_old_ones() -> None:
    corrector = Scripted(
        Correction(0, ("A,",), (), 0.7),
        Correction(2, ("x", "y"), (), 0.8),
        Correction(3, (), (), 0.9),
        Correction(4, ("ef",), (), 0.9, count=2),
    )
    found = corrected(Hypothesis(WORDS, -3.0), LOG_PROBS, 0.1, corrector, True)
    assert (found.text, found.score) == ("A, b x y ef", -3.0)
    assert found.words[1] == WORDS[1]
    assert [(word.start, word.end) for word in found.words[2:]] == [(2.0, 2.25), (2.25, 2.5), (4.0, 5.5)]
    assert [word.confidence for word in found.words] == [0.0, 0.1, 0.2, 0.2, 0.4]
    assert list(corrector.text.frames[:2]) == [(0, 5), (10, 15)] and corrector.verified
    assert corrector.text.log_probs is LOG_PROBS and list(corrector.text.words) == list("abcdef")


def test_hot_words_stay() -> None:
    corrections = (Correction(1, ("x",), (), 0.9, count=2), Correction(3, ("y",), (), 0.9))
    found = corrected(Hypothesis(WORDS, 0.0), LOG_PROBS, 0.1, Scripted(*corrections), False, ["C g"])
    assert found.text == "a b c y e f"


def test_a_draft_of_the_packages_recognizer_gets_better() -> None:
    """The voice in the package says a sentence, of which CTC misspells some words."""
    said = "The committee discussed the financial situation in February."
    recognizer, speech = speechnar.load_recognizer(threads=1), speechnar.load_voice(threads=1).synthesize(said)
    corrector = AcousticCorrector(Corrector(), BytePairs(recognizer.info.symbols))
    draft = recognizer.transcribe(speech.wav, speech.sample_rate, iterations=0, corrector=False)
    better = recognizer.transcribe(speech.wav, speech.sample_rate, iterations=0)
    assert recognizer.transcribe(speech.wav, speech.sample_rate, iterations=0, corrector=corrector) == better
    expected = set(said.lower().split())
    assert len(expected & set(draft.text.lower().split())) < len(expected & set(better.text.lower().split()))
    times = {(word.start, word.end) for word in draft.words}
    assert times == {(word.start, word.end) for word in better.words}
    verified = recognizer.transcribe(speech.wav, speech.sample_rate, corrector=False)
    assert recognizer.transcribe(speech.wav, speech.sample_rate).text == verified.text
