#!/usr/bin/env python3
"""Compare a voice with its teacher on the same texts: intonation, and who seems to speak.

    python local/compare_with_teacher.py VOICE TEACHER_DIR [--speaker NAME] [--json FILE]

TEACHER_DIR is what local/teacher.py writes, for sentences that no voice was trained on; VOICE is a voice folder, which
speaks their texts as SPEAKER. F0 is tracked in the audio of both. Printed are, for both: the standard deviation of F0
within a sentence, in semitones; in questions, how far F0 rises at the end, in semitones: the mean of the last 150 ms
that are voiced above the mean of the sentence. With Resemblyzer (pip install resemblyzer) also the cosine of the two
speakers' embeddings (GE2E, Wan et al. 2018), sentence by sentence, and that of the teacher's even and odd sentences.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from speechnar.audio import AudioConfig, track_f0
from speechnar.runtime.voice import Voice

END = 0.15  # seconds of voiced speech at the end of a question


def intonation(wav: np.ndarray, audio: AudioConfig) -> tuple[float, float] | None:
    """Return the deviation of F0 and its final rise, in semitones; None where too little is voiced."""
    f0 = track_f0(wav.astype(np.float32), audio)
    semitones = 12 * np.log2(f0[f0 > 0])
    last = round(END * audio.sample_rate / audio.hop_length)
    if len(semitones) < 2 * last:
        return None
    return float(semitones.std()), float(semitones[-last:].mean() - semitones.mean())


def embeddings(wavs: list[np.ndarray], rate: int) -> np.ndarray | None:
    """Return a speaker embedding of each recording, (n, 256) of length 1, or None without Resemblyzer."""
    try:
        from resemblyzer import VoiceEncoder, preprocess_wav
    except ImportError:
        return None
    encoder = VoiceEncoder("cpu", verbose=False)
    return np.stack([encoder.embed_utterance(preprocess_wav(wav, source_sr=rate)) for wav in wavs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--speaker", help="of a voice with several")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    voice = Voice(args.voice, threads=1, speaker=args.speaker)
    audio = voice.info.audio
    texts, taught, spoken = [], [], []
    for path in tqdm(sorted((args.teacher / "phones").glob("*.json")), desc="speak", unit="utt"):
        texts.append(json.loads(path.read_text(encoding="utf-8"))["text"])
        wav, rate = soundfile.read(args.teacher / "wav" / f"{path.stem}.flac")
        if rate != audio.sample_rate:
            parser.error(f"{path.stem}.flac has {rate} Hz but the voice has {audio.sample_rate}")
        taught.append(wav)
        spoken.append(voice.synthesize(texts[-1]).wav)
    pairs = [(text, intonation(a, audio), intonation(b, audio)) for text, a, b in zip(texts, taught, spoken)]
    kept = [(text, a, b) for text, a, b in pairs if a and b]
    asked = [(a[1], b[1]) for text, a, b in kept if text.rstrip().endswith("?")]
    deviations, rises = np.array([(a[0], b[0]) for _, a, b in kept]), np.array(asked)
    result = {
        "speaker": voice.speaker or voice.name, "sentences": len(kept), "questions": len(rises),
        "f0_deviation_teacher": deviations[:, 0].mean(), "f0_deviation": deviations[:, 1].mean(),
    }  # fmt: skip
    if len(rises):
        result |= {
            "final_rise_teacher": rises[:, 0].mean(), "final_rise": rises[:, 1].mean(),
            "final_rise_error": np.abs(rises[:, 1] - rises[:, 0]).mean(),
            "rising_teacher": (rises[:, 0] > 0).mean(), "rising": (rises[:, 1] > 0).mean(),
        }  # fmt: skip
    theirs, ours = embeddings(taught, audio.sample_rate), embeddings(spoken, audio.sample_rate)
    if theirs is not None and ours is not None:
        halves = [theirs[k::2].mean(axis=0) for k in (0, 1)]
        result["similarity"] = (theirs * ours).sum(axis=1).mean()
        result["similarity_teacher_halves"] = halves[0] @ halves[1] / np.prod(np.linalg.norm(halves, axis=1))
    for name, value in result.items():
        print(f"{name}: {value if isinstance(value, (str, int)) else f'{value:.3f}'}")
    if args.json:
        args.json.write_text(json.dumps(result, indent=1, default=float), encoding="utf-8")


if __name__ == "__main__":
    main()
