#!/usr/bin/env python3
"""Synthesize the training texts with half of their words exchanged, so that the draft is trained on many more words
than the recordings have.

    python local/speak.py CUTS OUT_DIR OUT_CUTS [--voice VOICE] [--words N] [--limit N]

OUT_DIR gets the audio, OUT_CUTS the manifest with the words as they are spoken. The words are drawn from the N most
frequent of English (wordfreq), all with the same probability. Each utterance has a pitch, a speed and a length of the
vocal tract of its own. What was stopped goes on where it was.
"""

import argparse
import random
from pathlib import Path

from lhotse import Recording, SupervisionSegment
from tqdm import tqdm
from wordfreq import top_n_list
from words import words

import speechnar
from speechnar import audio
from speechnar.data.manifest import load_cuts, save_cuts
from speechnar.models.asr.whisper import SAMPLE_RATE

EXCHANGED = 0.5  # of the words
PAUSES = (4, 12)  # a comma after so many words
SPEED, PITCH = (0.85, 1.2), (-3.0, 3.0)  # PITCH in semitones
FORMANTS = (0.8, 1.12)  # all frequencies are multiplied by this: below 1 is a longer vocal tract, and a lower voice


def exchanged(text: str, others: list[str], rng: random.Random) -> str:
    """Return a text with some of its words exchanged, and with commas where the voice should pause."""
    said, left = [], rng.randint(*PAUSES)
    for word in text.split():
        said.append(rng.choice(others) if rng.random() < EXCHANGED else word)
        left -= 1
        if not left:
            said[-1] += ","
            left = rng.randint(*PAUSES)
    return " ".join(said).rstrip(",") + "."


def cut_of(path: Path, text: str, voice: str):
    """Return the cut of a synthesized utterance."""
    cut = Recording.from_file(path, recording_id=path.stem).to_cut()
    cut.id = path.stem
    cut.supervisions = [SupervisionSegment(path.stem, path.stem, 0, cut.duration, text=text, speaker=voice)]
    return cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--words", type=int, default=30_000)
    parser.add_argument("--limit", type=int, help="texts, at most")
    args = parser.parse_args()
    others = [word for word in top_n_list("en", args.words) if words(word) == word]
    texts = [cut.supervisions[0].text for cut in load_cuts(args.cuts)][: args.limit]
    voice = speechnar.load_voice(args.voice)
    args.out.mkdir(parents=True, exist_ok=True)
    part = args.out / "texts.part"  # a line for each utterance that is done: the training text, the words as spoken
    with open(part, "a+", encoding="utf-8") as table:
        table.seek(0)
        before = [line.split("\t") for line in table.read().splitlines()]
        done = [spoken for (old, spoken), text in zip(before, texts) if old == text]
        if len(done) < len(before):  # of other texts
            table.truncate(0)
            done = []
        for number in tqdm(range(len(done), len(texts)), desc="speak", unit="utt"):
            rng = random.Random(number)
            said = exchanged(texts[number], others, rng)
            ratio = rng.uniform(*FORMANTS)
            speech = voice.synthesize(said, speed=rng.uniform(*SPEED) / ratio, pitch=rng.uniform(*PITCH), seed=number)
            wav = audio.resample(speech.wav, round(speech.sample_rate * ratio), SAMPLE_RATE)
            audio.write(args.out / f"spoken{number}.flac", wav, SAMPLE_RATE)
            done.append(words(" ".join(word.text for word in speech.words)))
            table.write(f"{texts[number]}\t{done[-1]}\n")
            table.flush()
    cuts = [cut_of(args.out.resolve() / f"spoken{n}.flac", text, args.voice) for n, text in enumerate(done)]
    save_cuts(cuts, args.manifest)
    part.unlink()


if __name__ == "__main__":
    main()
