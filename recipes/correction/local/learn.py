#!/usr/bin/env python3
"""Learn from recognized text which letters a recognizer writes for others, and which corrections are right.

    python local/learn.py TRAIN.tsv DEV.tsv FOLDER

The TSV files are of recognize.py; FOLDER has `lm.npz`, of `speechnar lm train`, and gets `channel.json`. Learned from
are drafts, the texts of CTC. The costs of letters are those of their edits in the training texts. The weights of the
confidence are a logistic regression on the corrections of these texts, and of what was said: a correction is right if
it makes fewer errors. The threshold is the smallest at which at most 0.1 % of dev's right words are made wrong, both of
those that were recognized and of those that were said, which are all right.

Corrections by the audio have weights of their own, learned from all drafts of train, those of noisy recordings and of
other speeds too. Their threshold is the smallest at which at most 0.02 % of the right words of train and dev are made
wrong, those of train by weights that were learned from other speakers. That of the default output is chosen on dev
alone, and is not below that of drafts.
"""

import argparse
import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from evaluate import MOST_HARMED, Change, Recognized, SpokenForm, changes_of, read_recognized, read_spoken, right_words
from rapidfuzz.distance import Levenshtein
from texts import plain_words

from speechnar import config
from speechnar.decode.acoustic_correction import FEATURES as OF_AUDIO
from speechnar.decode.corrector import CHANNEL, Corrector
from speechnar.decode.letter_channel import LETTERS, Channel, Gate
from speechnar.evaluate.wer.normalizers import normalizer

WEIGHT = 1.0  # of the costs of letters, beside those of the bigram model
LETTERS_BY_AUDIO, AUDIO = 0.5, 0.85  # the same of corrections by audio, and of the gain of the audio
SPLIT = 5.0  # nats, of two words that are written as one
HARM, NEUTRAL = 20.0, 0.3  # weights of corrections that make a right word wrong, or a wrong word another wrong one
RIDGE = 1.0  # of the logistic regression
FEATURES = 10
PARTS = 5  # of the training speakers, whose changes are judged by weights that were learned from the others
MOST_HARMED_BY_AUDIO = 0.0002  # of right words; those of the tests are harmed more often than train's
SYSTEMS = ("draft", "default")
DRAFTS = ("draft", "draft_noisy", "draft_speeds")  # of train
NEVER = (-20.0, *(0.0,) * (OF_AUDIO - 1))  # weights of corrections that were not seen
NO_GATE = Gate(LETTERS_BY_AUDIO, AUDIO, NEVER, NEVER, 1.0, 1.0)


def learn_letters(pairs: list[tuple[str, str]]) -> Channel:
    """Return the costs of letters in (said, recognized) texts: minus the logarithm of how often an edit was made."""
    said, edits = Counter(), Counter()
    for text, recognized in pairs:
        said.update(text)
        said["double"] += sum(a == b for a, b in itertools.pairwise(text))
        for edit in Levenshtein.editops(text, recognized):
            letter, written = text[edit.src_pos : edit.src_pos + 1], recognized[edit.dest_pos : edit.dest_pos + 1]
            if edit.tag == "replace":
                edits[letter, written] += 1
            elif edit.tag == "delete":
                edits["single" if beside(text, edit.src_pos) else letter] += 1
            else:
                edits["double" if beside(recognized, edit.dest_pos) else written, "inserted"] += 1
    number, size = sum(said[letter] for letter in LETTERS), len(LETTERS)

    def cost(times: float, among: float) -> float:
        return round(float(-np.log(times / among)), 3)

    substitution = []
    for letter in LETTERS:
        wrong = [edits[letter, other] for other in LETTERS]
        expected = 0.3 * sum(wrong) / size + 0.3  # of letters that were seen seldom or never
        row = [cost(times + expected, said[letter] + size) for times in wrong]
        substitution.append(tuple(0.0 if other == letter else each for other, each in zip(LETTERS, row)))
    return Channel(
        tuple(substitution),
        tuple(cost(edits[letter] + 0.5, said[letter] + 1) for letter in LETTERS),
        tuple(cost(edits[letter, "inserted"] + 0.5, number) for letter in LETTERS),
        cost(edits["single"] + 0.5, said["double"] + 1),
        cost(edits["double", "inserted"] + 0.5, number),
        SPLIT,
        0.0,
        WEIGHT,
        (0.0,) * FEATURES,
        0.0,
        NO_GATE,
    )


def beside(text: str, place: int) -> bool:
    """Return whether the same letter stands before or behind."""
    return text[place] in (text[place - 1 : place] + text[place + 1 : place + 2])


def regression(features: np.ndarray, is_right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weights (F,) of a logistic regression, by Newton's method; the first feature is 1."""
    mean, deviation = features.mean(0), features.std(0) + 1e-9
    mean[0], deviation[0] = 0.0, 1.0
    scaled = (features - mean) / deviation
    found = np.zeros(features.shape[1])
    ridge = RIDGE * (np.arange(len(found)) > 0)
    for _ in range(30):
        odds = 1 / (1 + np.exp(-scaled @ found))
        curvature = (scaled.T * (weights * odds * (1 - odds))) @ scaled + np.diag(ridge + 1e-6)
        found += np.linalg.solve(curvature, scaled.T @ (weights * (is_right - odds)) - ridge * found)
    found /= deviation
    found[0] -= found[1:] @ mean[1:]
    return found


def confidence_of(changes: list[Change]) -> tuple[float, ...]:
    """Return the weights of a logistic regression that says how often such changes make fewer errors."""
    right = np.array([change.fewer > 0 for change in changes], float)
    weights = [HARM if change.harmed else 1.0 if change.fewer else NEUTRAL for change in changes]
    found = regression(np.array([change.features for change in changes]), right, np.array(weights))
    return tuple(round(float(each), 4) for each in found)


def best_threshold(changes: Iterable[Change], right: int, most_harmed: float = MOST_HARMED) -> float:
    """Return the confidence from which on changes leave the fewest errors, and harm few of the right words.

    Args:
        right: right words before the changes, of which at most `most_harmed` are made wrong.
    """
    harmed = fewer = most = 0
    threshold = 1.0
    for change in sorted(changes, key=lambda change: -change.confidence):
        harmed += change.harmed
        fewer += change.fewer
        if harmed > most_harmed * right:
            break
        if fewer > most:
            most, threshold = fewer, change.confidence
    return threshold


def gate_of(changes: Sequence[Change]) -> Gate:
    """Return the weights of corrections by audio, with which none is made."""
    kinds = ([change for change in changes if change.is_unknown == is_unknown] for is_unknown in (True, False))
    unknown, known = (confidence_of(kind) if kind else NEVER for kind in kinds)
    return dataclasses.replace(NO_GATE, unknown=unknown, known=known)


def held_out(texts: Sequence[Recognized], changes: Sequence[Sequence[Change]]) -> list[Change]:
    """Return the changes of texts with the confidence that the changes of other speakers' texts give them."""
    speakers = sorted({text.speaker for text in texts})
    found = []
    for part in range(PARTS):
        ours = set(speakers[part::PARTS])
        gate = gate_of([each for text, made in zip(texts, changes) if text.speaker not in ours for each in made])
        for text, made in zip(texts, changes):
            for change in made if text.speaker in ours else ():
                logit = np.dot(gate.unknown if change.is_unknown else gate.known, change.features)
                found.append(dataclasses.replace(change, confidence=float(1 / (1 + np.exp(-logit)))))
    return found


def learn_gate(train: Path, dev: Path, folder: Path, spoken_form: SpokenForm) -> Gate:
    """Return the weights of corrections by audio, and the thresholds."""
    of_train = {system: read_spoken(train, Corrector(folder), spoken_form, system) for system in DRAFTS}
    texts = [text for its in of_train.values() for text in its]
    changes = [changes_of(text) for text in texts]
    gate = gate_of([change for made in changes for change in made])
    judged, right = held_out(texts, changes), right_words(texts)
    numbers = ", ".join(f"{len(texts)} of {system}" for system, texts in of_train.items())
    print(f"by audio: texts: {numbers}; {len(judged)} corrections")
    config.save(dataclasses.replace(config.load(Channel, folder / CHANNEL), audio=gate), folder / CHANNEL)
    of_dev = {system: read_spoken(dev, Corrector(folder), spoken_form, system) for system in SYSTEMS}
    made = {system: [change for text in of_dev[system] for change in changes_of(text)] for system in SYSTEMS}
    pooled = right + right_words(of_dev["draft"])
    draft = best_threshold([*judged, *made["draft"]], pooled, MOST_HARMED_BY_AUDIO)
    verified = max(draft, best_threshold(made["default"], right_words(of_dev["default"]), MOST_HARMED_BY_AUDIO))
    print(f"thresholds by audio: {draft:.3f} for drafts, {verified:.3f} for the default output")
    return dataclasses.replace(gate, draft=round(draft, 4), verified=round(verified, 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("dev", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    spoken_form = functools.cache(normalizer("whisper"))
    lines = [line.split("\t") for line in args.train.read_text(encoding="utf-8").splitlines()]
    drafts = [(said, text) for *_, system, said, text in lines if system == "draft"]
    pairs = [(" ".join(plain_words(said.lower())), " ".join(plain_words(text))) for said, text in drafts]
    channel = learn_letters(pairs)
    config.save(channel, args.folder / CHANNEL)
    corrector = Corrector(args.folder)
    train = [read_recognized(args.train, corrector, spoken_form, system) for system in ("draft", "said")]
    changes = [change for texts in train for text in texts for change in changes_of(text)]
    loose = [change.fewer > 0 for change in changes if not change.features]
    changes = [change for change in changes if change.features]
    channel = dataclasses.replace(
        channel,
        confidence=confidence_of(changes),
        fragment=round((sum(loose) + 0.5) / (len(loose) + 1), 4),
    )
    config.save(channel, args.folder / CHANNEL)
    corrector = Corrector(args.folder)
    dev = [read_recognized(args.dev, corrector, spoken_form, system) for system in ("draft", "said")]
    threshold = max(
        best_threshold([x for text in texts for x in changes_of(text)], right_words(texts)) for texts in dev
    )
    config.save(dataclasses.replace(channel, threshold=round(threshold, 4)), args.folder / CHANNEL)
    print(f"{len(pairs)} texts; {len(changes)} corrections; threshold {threshold:.3f}")
    gate = learn_gate(args.train, args.dev, args.folder, spoken_form)
    config.save(dataclasses.replace(config.load(Channel, args.folder / CHANNEL), audio=gate), args.folder / CHANNEL)


if __name__ == "__main__":
    main()
