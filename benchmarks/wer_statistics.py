#!/usr/bin/env python3
"""Measure coverage and false alarms of the intervals and tests of `speechnar evaluate wer`, and their time.

    pip install '.[eval]'
    python benchmarks/wer_statistics.py [--trials 1000]

Prints three tables:
    Coverage: in how many of 100 simulated test sets the 95 % interval holds the true error rate.
    False alarms: in how many of 100 simulated comparisons of two equally good systems a test finds p below 0.05.
    Time: `speechnar evaluate wer` on 2,620 utterances, the size of LibriSpeech's test-clean, with two systems.

In the simulation, errors come in proportion to how hard an utterance is (exponentially distributed over utterances, and
the same for both systems), how hard its speaker is (gamma distributed), and, where `accent` is above 0, how well each
system copes with that speaker.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from speechnar.evaluate.stats.statistics import bootstrap_interval, matched_pairs, paired_difference
from speechnar.evaluate.stats.table import format_table
from speechnar.evaluate.wer.error_rate import score, segments

DRAWS = 2000
ALPHA = 0.05


@dataclass(frozen=True)
class Population:
    """The distribution that test sets are drawn from.

    Attributes:
        speakers, utterances: of a test set; each speaker has as many utterances.
        rate: the true error rate.
        spread: of the speakers' rates, standard deviation over mean.
        accent: the same of what is a system's own with each speaker.
    """

    speakers: int
    utterances: int
    rate: float = 0.1
    spread: float = 0.5
    accent: float = 0.0

    def __str__(self) -> str:
        number = f"{self.utterances} utterances, {self.speakers} speakers"
        return f"{number}, rate {self.rate:g}, spread {self.spread:g}, accent {self.accent:g}"

    def draw(self, rng: np.random.Generator, systems: int = 1) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Draw a test set.

        Returns:
            rates: (systems, utterances) expected errors a word; words: (utterances,); the speakers of the utterances.
        """
        speakers = np.repeat(np.arange(self.speakers), self.utterances // self.speakers)
        hardness = _around_one(rng, self.spread, self.speakers)[speakers] * rng.exponential(size=speakers.size)
        accents = np.array([_around_one(rng, self.accent, self.speakers) for _ in range(systems)])
        return self.rate * hardness * accents[:, speakers], rng.integers(3, 36, speakers.size), list(map(str, speakers))


def _around_one(rng: np.random.Generator, spread: float, size: int) -> np.ndarray:
    return rng.gamma(spread**-2, spread**2, size) if spread else np.ones(size)


def coverage(population: Population, by_speaker: bool, trials: int, seed: int = 0) -> float:
    """Return the share of test sets whose interval holds the true rate."""
    held = 0
    for trial in tqdm(range(trials), unit=" sets", leave=False, disable=None):
        rng = np.random.default_rng([seed, trial])
        (rates,), words, speakers = population.draw(rng)
        found = bootstrap_interval(rng.poisson(rates * words), words, speakers if by_speaker else None, DRAWS, trial)
        held += found.low <= population.rate <= found.high
    return held / trials


@dataclass(frozen=True)
class Alarms:
    """Return the share of comparisons of equal systems in which each test finds a difference."""

    utterances: float
    speakers: float
    matched: float


def false_alarms(population: Population, trials: int, seed: int = 0) -> Alarms:
    """Return how often the tests find one of two equal systems better, on texts that go through the word alignment."""
    found = np.zeros(3)
    for trial in tqdm(range(trials), unit=" pairs", leave=False, disable=None):
        rng = np.random.default_rng([seed, trial])
        rates, words, speakers = population.draw(rng, systems=2)
        texts = [rng.integers(500, size=count) for count in words]
        said = {str(number): _spelled(text) for number, text in enumerate(texts)}
        systems = []
        for name, chances in zip("ab", rates):
            heard = {key: _heard(rng, text, chance) for key, text, chance in zip(said, texts, chances)}
            systems.append(score(name, said, heard, str))
        first, second = systems
        lengths = first.lengths
        found += [
            paired_difference(first.errors, second.errors, lengths, None, DRAWS, trial).p < ALPHA,
            paired_difference(first.errors, second.errors, lengths, speakers, DRAWS, trial).p < ALPHA,
            matched_pairs(*segments(first, second)).p < ALPHA,
        ]
    return Alarms(*(found / trials))


def _spelled(text: np.ndarray) -> str:
    return " ".join(f"w{word}" for word in text)


def _heard(rng: np.random.Generator, text: np.ndarray, chance: float) -> str:
    """Return a text with substitutions (6 of 10 errors), deletions (2) and insertions (2)."""
    draws = rng.random(text.size)
    changed = np.where(draws < 0.6 * chance, rng.integers(500, 1000, text.size), text)
    kept = changed[(draws < 0.6 * chance) | (draws >= 0.8 * chance)]
    inserted = rng.random(kept.size) < 0.2 * chance
    return _spelled(np.insert(kept, inserted.nonzero()[0], rng.integers(500, 1000, inserted.sum())))


def time_of_a_test_set(folder: Path) -> str:
    """Return the seconds of the command, from the shell, on two systems' transcripts of 2,620 utterances."""
    rng = np.random.default_rng(0)
    rates, words, _ = Population(2620, 2620).draw(rng, systems=2)
    texts = [rng.integers(500, size=count) for count in words]
    lines = {"ref": [_spelled(text) for text in texts]}
    for name, chances in zip("ab", rates):
        lines[name] = [_heard(rng, text, chance) for text, chance in zip(texts, chances)]
    for name, column in lines.items():
        rows = (f"utterance-{number:04} {cell}\n" for number, cell in enumerate(column))
        (folder / name).write_text("".join(rows), encoding="utf-8")
    command = [sys.executable, "-m", "speechnar", "evaluate", "wer", "--ref", "ref", "--hyp", "a", "--hyp", "b"]
    before = os.times()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    worked = sum(after[2:4]) - sum(before[2:4])  # of processes that have ended
    return f"{after.elapsed - before.elapsed:.1f} s, {worked:.1f} s of a processor"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials

    rows = [["coverage of 95 % intervals", "drawn", "truth held"]]
    for population, by_speaker in (
        (Population(500, 500), False),
        (Population(100, 100), False),
        (Population(100, 100, rate=0.01), False),
        (Population(40, 1200), True),
        (Population(10, 130), True),
        (Population(5, 65), True),
        (Population(10, 130, spread=1.0), True),
        (Population(10, 130), False),
    ):
        share = coverage(population, by_speaker, trials)
        rows.append([str(population), "speaker" if by_speaker else "utterance", f"{100 * share:.1f} %"])
    print(format_table(rows), end="\n\n")

    rows = [["false alarms at 5 %", "by utterance", "by speaker", "MAPSSWE"]]
    for population in (Population(100, 100), Population(10, 130), Population(10, 130, accent=0.3)):
        alarms = false_alarms(population, trials)
        shares = (alarms.utterances, alarms.speakers, alarms.matched)
        rows.append([str(population), *(f"{100 * share:.1f} %" for share in shares)])
    print(format_table(rows), end="\n\n")

    with tempfile.TemporaryDirectory() as folder:
        print(f"evaluate wer, 2,620 utterances, two systems: {time_of_a_test_set(Path(folder))}")


if __name__ == "__main__":
    main()
