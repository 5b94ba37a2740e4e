#!/usr/bin/env python3
"""Synthesize written texts, so that the draft is trained on more words than the recordings have, and on numbers.

    python local/speak.py TEXTS OUT_DIR OUT_CUTS [--voice VOICE] [--limit N]

TEXTS has a text a line. OUT_DIR gets the audio, OUT_CUTS the manifest. The voice's speakers take turns, and each
utterance has a pitch, a speed and a length of the vocal tract of its own. What was stopped goes on where it was.
"""

import argparse
import random
from pathlib import Path

from lhotse import Recording, SupervisionSegment
from tqdm import tqdm

import speechnar
from speechnar import audio
from speechnar.data.manifest import save_cuts
from speechnar.models.asr.whisper import SAMPLE_RATE

SPEED, PITCH = (0.85, 1.2), (-3.0, 3.0)  # PITCH in semitones
FORMANTS = (0.8, 1.12)  # all frequencies are multiplied by this: below 1 is a longer vocal tract, and a lower voice


def cut_of(path: Path, text: str, speaker: str):
    """Return the cut of a synthesized utterance."""
    cut = Recording.from_file(path, recording_id=path.stem).to_cut()
    cut.id = path.stem
    cut.supervisions = [SupervisionSegment(path.stem, path.stem, 0, cut.duration, text=text, speaker=speaker)]
    return cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--limit", type=int, help="texts, at most")
    args = parser.parse_args()
    texts = args.texts.read_text(encoding="utf-8").splitlines()[: args.limit]
    voice = speechnar.load_voice(args.voice)
    speakers = voice.speakers or [None]
    args.out.mkdir(parents=True, exist_ok=True)
    part = args.out / "texts.part"  # a line for each text that is done
    with open(part, "a+", encoding="utf-8") as table:
        table.seek(0)
        done = table.read().splitlines()
        if done != texts[: len(done)]:  # of other texts
            table.truncate(0)
            done = []
        for number in tqdm(range(len(done), len(texts)), desc="speak", unit="utt"):
            rng = random.Random(number)
            ratio = rng.uniform(*FORMANTS)
            speech = voice.synthesize(
                texts[number], speed=rng.uniform(*SPEED) / ratio, pitch=rng.uniform(*PITCH), seed=number,
                speaker=speakers[number % len(speakers)],
            )  # fmt: skip
            wav = audio.resample(speech.wav, round(speech.sample_rate * ratio), SAMPLE_RATE)
            audio.write(args.out / f"spoken{number}.flac", wav, SAMPLE_RATE)
            table.write(f"{texts[number]}\n")
            table.flush()
    cuts = [
        cut_of(args.out.resolve() / f"spoken{n}.flac", text, speakers[n % len(speakers)] or args.voice)
        for n, text in enumerate(texts)
    ]
    save_cuts(cuts, args.manifest)
    part.unlink()


if __name__ == "__main__":
    main()
