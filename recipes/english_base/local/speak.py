#!/usr/bin/env python3
"""Has a voice of speechnar read the training texts with half of their words exchanged, so that the draft hears many
more words than the recordings have.

    python local/speak.py DATA_DIR OUT_DIR [--voice VOICE] [--words N] [--limit N]

DATA_DIR holds train.tsv and gets spoken.tsv, with the words as they are spoken; OUT_DIR gets the audio. The words are
drawn from the N commonest of English (wordfreq), all alike. Each utterance has a height, a rate and a size of the
vocal tract of its own. What was stopped goes on where it was.
"""

import argparse
import random
from pathlib import Path

from prepare import words
from tqdm import tqdm
from wordfreq import top_n_list

import speechnar
from speechnar import audio
from speechnar.models.asr.whisper import SAMPLE_RATE

EXCHANGED = 0.5  # of the words
PAUSES = (4, 12)  # a comma after so many words
SPEED, PITCH = (0.85, 1.2), (-3.0, 3.0)  # semitones
SIZE = (0.8, 1.12)  # by which all frequencies are multiplied: smaller is a longer vocal tract, and a lower voice


def exchanged(text: str, others: list[str], rng: random.Random) -> str:
    """A text for a voice: with other words, and commas to breathe at."""
    said, left = [], rng.randint(*PAUSES)
    for word in text.split():
        said.append(rng.choice(others) if rng.random() < EXCHANGED else word)
        left -= 1
        if not left:
            said[-1] += ","
            left = rng.randint(*PAUSES)
    return " ".join(said).rstrip(",") + "."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--words", type=int, default=30_000)
    parser.add_argument("--limit", type=int, help="texts, at most")
    args = parser.parse_args()
    others = [word for word in top_n_list("en", args.words) if words(word) == word]
    lines = (args.data / "train.tsv").read_text(encoding="utf-8").splitlines()
    texts = [line.split("\t")[3] for line in lines][: args.limit]
    voice = speechnar.load_voice(args.voice)
    args.out.mkdir(parents=True, exist_ok=True)
    part = args.data / "spoken.part"
    with open(part, "a+", encoding="utf-8") as table:
        table.seek(0)
        done = len(table.readlines())
        for number in tqdm(range(done, len(texts)), desc="speaking", unit="utt", disable=None):
            rng = random.Random(number)
            said = exchanged(texts[number], others, rng)
            size = rng.uniform(*SIZE)
            speech = voice.synthesize(said, speed=rng.uniform(*SPEED) / size, pitch=rng.uniform(*PITCH), seed=number)
            path = args.out.resolve() / f"{number}.flac"
            audio.write(path, audio.resample(speech.wav, round(speech.sample_rate * size), SAMPLE_RATE), SAMPLE_RATE)
            spoken = words(" ".join(word.text for word in speech.words))
            table.write(f"spoken{number}\t{args.voice}\t{path}\t{spoken}\n")
            table.flush()
    part.replace(args.data / "spoken.tsv")


if __name__ == "__main__":
    main()
