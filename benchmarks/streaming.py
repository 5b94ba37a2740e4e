#!/usr/bin/env python3
"""Measure live recognition: audio is replayed as it was spoken, and every text is timed when it comes.

    pip install '.[eval]'
    python benchmarks/streaming.py test_other.tsv [--utterances 20] [--threads 1] [--streams 1] [--unpaced]

LIST.tsv has a line an utterance: `utt_id<TAB>speaker<TAB>audio<TAB>text`. Of every four utterances, two are recordings
of their own and two are joined with a pause; around them is noise of -80 dB. A recording is fed 100 ms at a time, each
block when its last sample would have been spoken. Prints a table, and writes `docs/streaming.json`. With --unpaced the
clock is that of the processor: it shows the time that the work takes, and jumps where there is to be waited. These are
the delays on a core without other work, whatever else runs.

What is measured, in milliseconds of the clock:
    first partial: the first text of an utterance, after its first word begins.
    stable, final: a word is shown as stable (or in final text), and in final text, after the word ends.
    finalization: the final text of the last word before the silence after an utterance, after that word ends.
    revisions: words that were shown as partial text and changed, for each word of the final text.
    WER: of the last partial text before each final text, of stable text with what final text adds behind it, of final
        text, and of the offline recognizer on the same audio; after Whisper's English normalizer.
    CPU: processor time of a stream's thread for each second of audio, of one core.
Words begin and end where forced alignment puts them, in final text and in the offline transcript. The last word of 53
utterances of LibriSpeech train-clean-100 ends 40 ms (median; 10 to 90 %: -40 to 200 ms) before the power falls 25 dB
below that of speech (the 95th percentile of 10 ms frames), so that no delay is hidden in the alignment.
"""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from asr_cpu import RATE, Utterance, read_list
from measuring import ROOT, header, table

from speechnar import audio, load_recognizer
from speechnar.decode.local_agreement import common_prefix, continuation, plain
from speechnar.evaluate.stats.record import write_json
from speechnar.evaluate.wer.error_rate import score
from speechnar.evaluate.wer.normalizers import normalizer
from speechnar.runtime import Caption, Recognizer, StreamConfig

BLOCK = 0.1  # seconds
BEFORE, BETWEEN, AFTER = 0.5, 1.0, 1.5  # seconds of noise
NOISE = 1e-4  # amplitude of the noise, as a standard deviation


@dataclass(frozen=True)
class Recording:
    """Attributes: ends: seconds, the ends of its utterances."""

    name: str
    text: str
    wav: np.ndarray
    ends: tuple[float, ...]


@dataclass
class Timed:
    """The measurements; all delays are in seconds."""

    first: list[float] = field(default_factory=list)
    stable: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    finalization: list[float] = field(default_factory=list)
    revised: int = 0
    texts: dict[str, dict[str, str]] = field(default_factory=lambda: {k: {} for k in STATES})
    cpu: float = 0.0
    seconds: float = 0.0


STATES = ("partial", "stable", "final", "offline")


def recordings(utterances: list[Utterance]) -> list[Recording]:
    """Return the audio to replay: of every four utterances, two alone and two joined."""
    groups = [utterances[n : n + size] for start in range(0, len(utterances), 4) for n, size in
              ((start, 1), (start + 1, 1), (start + 2, 2))]  # fmt: skip
    random = np.random.default_rng(0)
    found = []
    for group in (group for group in groups if group):
        parts, ends = [np.zeros(round(BEFORE * RATE))], []
        for utterance in group:
            parts += [audio.read(utterance.audio, RATE)[0], np.zeros(round(BETWEEN * RATE))]
            ends.append((sum(map(len, parts)) / RATE) - BETWEEN)
        parts.append(np.zeros(round((AFTER - BETWEEN) * RATE)))
        wav = np.concatenate(parts)
        wav = (wav + random.normal(0, NOISE, len(wav))).astype(np.float32)
        name, text = "+".join(u.name for u in group), " ".join(u.text for u in group)
        found.append(Recording(name, text, wav, tuple(ends)))
    return found


class Clock:
    """Tells the seconds since the first sample was spoken.

    Args:
        paced: by the clock of the wall; else by the processor time of this thread, and waiting takes none.
    """

    def __init__(self, paced: bool) -> None:
        self._read = time.perf_counter if paced else time.thread_time
        self._paced, self._began = paced, self._read()

    def now(self) -> float:
        return self._read() - self._began

    def wait_until(self, seconds: float) -> None:
        """Wait, if it is not that late."""
        lacking = max(0.0, seconds - self.now())
        if self._paced:
            time.sleep(lacking)
        else:
            self._began -= lacking


@dataclass(frozen=True)
class Replay:
    """The captions of a recording, with the seconds when they came, and the processor time of all."""

    came: list[tuple[float, Caption]]
    cpu: float


def replay(recognizer: Recognizer, recording: Recording, paced: bool) -> Replay:
    """Feed a recording at the pace of speech, and time what comes."""
    stream = recognizer.stream(config=StreamConfig() if paced else StreamConfig(busy=math.inf))
    size = round(BLOCK * RATE)
    came: list[tuple[float, Caption]] = []
    cpu, clock = time.thread_time(), Clock(paced)
    for n, start in enumerate(range(0, len(recording.wav), size), 1):
        clock.wait_until(n * BLOCK)
        captions = stream.feed(recording.wav[start : start + size])
        came += [(clock.now(), caption) for caption in captions]
    captions = stream.finish()
    came += [(clock.now(), caption) for caption in captions]
    return Replay(came, time.thread_time() - cpu)


def _evaluate(came: list[tuple[float, Caption]], recording: Recording, timed: Timed) -> None:
    said: dict[str, list[str]] = {state: [] for state in STATES}
    first: float | None = None
    before: Caption | None = None
    finals: list[tuple[float, Caption]] = []
    for when, caption in came:
        first = when if first is None else first
        if before is not None:
            kept = common_prefix(*([plain(word.text) for word in c.words] for c in (before, caption)))
            timed.revised += 0 if caption.is_final else len(before.words) - kept
        shown = before.words[: before.n_stable] if before else ()
        new = caption.words[continuation(shown, caption.words) if caption.is_final else len(shown) : caption.n_stable]
        timed.stable += [when - word.end for word in new]
        said["stable"] += [word.text for word in new]
        before = caption
        if caption.is_final:
            timed.final += [when - word.end for word in caption.words]
            said["final"].append(caption.text)
            previous = [c for _, c in came if c.utterance == caption.utterance and not c.is_final]
            said["partial"].append(previous[-1].text if previous else caption.text)
            if caption.words:
                timed.first.append(first - caption.words[0].start)
                finals.append((when, caption))
            first = before = None
    for end in recording.ends:
        spoken = [(word.end, when) for when, caption in finals for word in caption.words if word.start < end]
        if spoken:
            word_end, when = max(spoken)
            timed.finalization.append(when - word_end)
    for state in ("partial", "stable", "final"):
        timed.texts[state][recording.name] = " ".join(said[state])


def summary(timed: Timed, chosen: list[Recording]) -> dict[str, Any]:
    """Return the figures."""

    def delays(values: list[float]) -> dict[str, float]:
        return {name: round(1000 * float(np.percentile(values, q))) for name, q in (("median", 50), ("p95", 95))}

    reference = {recording.name: recording.text for recording in chosen}
    whisper = normalizer("whisper")
    scores = {state: score(state, reference, timed.texts[state], whisper) for state in STATES}
    rates = {state: float(found.errors.sum() / found.lengths.sum()) for state, found in scores.items()}
    words = len(timed.final)
    return {
        "recordings": len(chosen),
        "audio_seconds": timed.seconds,
        "words": words,
        "first_partial_ms": delays(timed.first),
        "stable_ms": delays(timed.stable),
        "final_ms": delays(timed.final),
        "finalization_ms": delays(timed.finalization),
        "revisions_per_word": timed.revised / words,
        "wer": rates,
        "cpu_share": timed.cpu / timed.seconds,
    }


def format_run(run: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    head, found = run["header"], run["figures"]
    lines = [
        f"{head['machine']}, {head['threads']} thread(s), {run['provider']}, {run['dtype']}, commit {head['commit']}"
    ]
    pace = "as they were spoken" if run["paced"] else "unpaced, by processor time"
    lines.append(f"{found['recordings']} recordings, {found['audio_seconds']:.0f} s, {found['words']} words, {pace}")
    lines.append(f"{run['streams']} stream(s) at once")
    rows = [
        [name, f"{found[key]['median']}", f"{found[key]['p95']}"]
        for name, key in (
            ("first partial after speech begins", "first_partial_ms"),
            ("stable word after it ends", "stable_ms"),
            ("final word after it ends", "final_ms"),
            ("finalization after the end of speech", "finalization_ms"),
        )
    ]
    lines += table(["ms", "median", "95 %"], rows)
    lines += table(["WER, %", *STATES], [["", *(f"{100 * found['wer'][state]:.2f}" for state in STATES)]])
    lines += [
        "",
        f"revisions a word: {found['revisions_per_word']:.2f}; CPU: {100 * found['cpu_share']:.1f} % of a core",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path, metavar="LIST.tsv", help="test set")
    parser.add_argument("--utterances", type=int, default=20, metavar="N", help="of the list, spread over it (20)")
    parser.add_argument("--recognizer", default="english_base", help="by name or folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--streams", type=int, default=1, metavar="N", help="recordings that are replayed at once (1)")
    parser.add_argument("--unpaced", action="store_true", help="do not wait for the time at which audio is spoken")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "streaming.json")
    args = parser.parse_args()
    utterances = read_list(args.list)
    chosen = recordings(utterances[:: max(1, len(utterances) // args.utterances)][: args.utterances])
    recognizer = load_recognizer(args.recognizer, args.threads)
    recognizer.transcribe(chosen[0].wav)  # to warm up
    timed = Timed()
    with ThreadPoolExecutor(args.streams) as pool:
        replays = list(pool.map(lambda recording: replay(recognizer, recording, not args.unpaced), chosen))
    for recording, replayed in zip(chosen, replays):
        timed.cpu += replayed.cpu
        timed.seconds += len(recording.wav) / RATE
        _evaluate(replayed.came, recording, timed)
    for recording in chosen:
        timed.texts["offline"][recording.name] = recognizer.transcribe(recording.wav, corrector=False).text
    providers = onnxruntime.get_available_providers()
    run = {
        "header": header(args.threads),
        "paced": not args.unpaced,
        "streams": args.streams,
        "provider": "CPUExecutionProvider" if "CPUExecutionProvider" in providers else providers[0],
        "dtype": "4-bit weights, float32 activations" if args.recognizer == "english_base" else "as exported",
        "figures": summary(timed, chosen),
    }
    print(format_run(run))
    args.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(args.json, run)


if __name__ == "__main__":
    main()
