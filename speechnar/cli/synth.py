"""The verbs that make speech of a text: `synth` and `phonemize`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from speechnar.runtime import Controls, Voice
    from speechnar.text.phonemize import Sentence

LONG_TEXT = 2000  # characters after which a progress bar is welcome


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the verbs through the command line's `add(verb, name, summary, details)`."""
    synth = add(
        _synth,
        "synth",
        "speak a text into an audio file",
        "With `-o -` stdout gets a WAV file when all is spoken; with --stream it gets WAV of unknown length, as "
        "players and ffmpeg read it from a pipe, while it is being spoken.",
    )
    _add_text(synth)
    synth.add_argument("-o", "--output", metavar="FILE", required=True, help=".wav, .flac, .ogg or .mp3; - for stdout")
    synth.add_argument("--voice", metavar="NAME|DIR", default="heart", help="a name of `speechnar voices`, or a folder")
    synth.add_argument("--speaker", metavar="NAME", help="of a voice with several; the first one by default")
    synth.add_argument("--speed", type=float, default=1.0, metavar="X", help="0.25 to 4; 2 is twice as fast")
    synth.add_argument("--pitch", type=float, default=0.0, metavar="SEMITONES", help="-24 to 24")
    synth.add_argument("--pitch-range", type=float, default=1.0, metavar="X", help="0 to 3; 0 is monotone")
    synth.add_argument("--energy", type=float, default=0.0, metavar="DB", help="-40 to 20")
    synth.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise: the same number, the same audio")
    synth.add_argument(
        "--phonemes", action="store_true", help="the text is phones, as `speechnar phonemize` prints them"
    )
    synth.add_argument("--timings", metavar="FILE", help="write timings: .json, .srt, .vtt or .TextGrid")
    synth.add_argument("--plot", metavar="FILE", help="draw waveform, mel, F0 and phones: .png, .svg or .pdf")
    synth.add_argument("--stream", action="store_true", help="pass audio on in small pieces, the first one soon")
    synth.add_argument(
        "--lines",
        action="store_true",
        help="each line to a file of its own: -o FOLDER, or a pattern such as out/{}.flac",
    )
    synth.add_argument("--threads", type=int, metavar="N", help="CPU threads (all cores, at most 4)")

    phonemize = add(_phonemize, "phonemize", "print the phones of a text, a line for each sentence")
    _add_text(phonemize)


def _add_text(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("text", nargs="?", metavar="TEXT", help="what to say; - reads it from stdin")
    source.add_argument("-f", "--file", metavar="FILE", help="a UTF-8 text file to read it from")
    parser.add_argument("--lexicon", metavar="FILE", help="your own pronunciations, word<TAB>phones a line")


def _synth(args: argparse.Namespace) -> None:
    from speechnar.runtime import Controls, load_voice, plot, timings

    controls = Controls(args.speed, args.pitch, args.pitch_range, args.energy, args.seed, args.speaker)
    if args.timings:
        timings.writer_of(args.timings)
    if args.plot:
        plot.check(args.plot)
    if args.lines:
        _check_names(args)
    elif args.output == "-" and sys.stdout.isatty():
        raise ValueError("stdout is a terminal; give -o the name of a file, or pipe it to a player")
    text, read = _text(args), _reader(args)
    files = _Files(args.output, args.timings, args.plot)
    speak = functools.partial(_speak, load_voice(args.voice, args.threads), controls, args.stream)
    if args.lines:
        _speak_lines(speak, files, text, read)
    else:
        speak(files, _progress(read(text), " sentences") if len(text) > LONG_TEXT else read(text))


@dataclass(frozen=True)
class _Files:
    """What to write, and where."""

    audio: str
    timings: str | None
    plot: str | None

    def of_line(self, number: str) -> _Files:
        def named(path: str | None) -> str | None:
            return path and path.replace("{}", number)

        return _Files(self.audio.replace("{}", number), named(self.timings), named(self.plot))


def _check_names(args: argparse.Namespace) -> None:
    if "{}" not in args.output and (args.output == "-" or Path(args.output).suffix):
        raise ValueError(
            f"with --lines, -o should be a folder, or a pattern such as out/{{}}.flac, but is {args.output}"
        )
    for name in ("timings", "plot"):
        path = getattr(args, name)
        if path and "{}" not in path:
            raise ValueError(
                f"with --lines, --{name} should be a pattern such as {{}}{Path(path).suffix} but is {path}"
            )


def _speak_lines(
    speak: Callable[[_Files, Iterable[Sentence]], None],
    files: _Files,
    text: str,
    read: Callable[[str], Iterable[Sentence]],
) -> None:
    """Speaks every line that is not blank into the files of its number; goes on after a line that cannot be spoken."""
    from speechnar.text.symbols import TextError

    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ValueError("there is no line to speak; give some text")
    width = len(str(lines[-1][0]))
    if "{}" not in files.audio:
        files = replace(files, audio=f"{files.audio}/{{}}.wav")
    failed = []
    for number, line in _progress(lines, " lines"):
        try:
            speak(files.of_line(f"{number:0{width}}"), read(line))
        except TextError as error:
            failed.append(f"line {number}: {error}")
    if failed:
        raise ValueError(f"{len(failed)} of {len(lines)} lines could not be spoken; the first is {failed[0]}")


def _speak(voice: Voice, controls: Controls, stream: bool, files: _Files, sentences: Iterable[Sentence]) -> None:
    """Writes audio sentence by sentence, so that a book takes no more memory than a page, and what goes with it."""
    from speechnar.runtime import Timings, plot, timings
    from speechnar.runtime.voice import FIRST_CHUNK, LARGEST_CHUNK

    spoken: list[Any] = []
    wavs = []
    with _opened(files.audio, voice.sample_rate, stream) as append:
        for frames in voice.frames(sentences, controls):
            for wav in voice.vocode(frames, FIRST_CHUNK if stream else LARGEST_CHUNK):
                append(wav)
                if files.plot:
                    wavs.append(wav)
            if files.plot:
                spoken.append(frames)
            elif files.timings:
                spoken.append(Timings(frames.sentences, frames.words, frames.phones))
        if files.timings:
            timings.write(files.timings, Timings.joined(spoken))
        if files.plot:
            plot.plot(files.plot, voice.speech(spoken, wavs))


@contextlib.contextmanager
def _opened(output: str, sample_rate: int, stream: bool) -> Iterator[Callable[[np.ndarray], None]]:
    """Where the audio goes: a file; or stdout, at once as WAV of unknown length, or at the end as a whole WAV file."""
    import shutil
    import tempfile

    from speechnar import audio

    if output != "-":
        with audio.writer(output, sample_rate) as append:
            yield append
    elif stream:
        yield audio.pipe_writer(sys.stdout.buffer, sample_rate)
    else:
        with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
            path = Path(folder, "stdout.wav")
            with audio.writer(path, sample_rate) as append:
                yield append
            with open(path, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)


def _phonemize(args: argparse.Namespace) -> None:
    from speechnar.text.phonemize import format_phones

    for sentence in _reader(args)(_text(args)):
        print(format_phones(sentence))


def _text(args: argparse.Namespace) -> str:
    """The text of an argument, a file or stdin."""
    source = args.file or args.text
    if source == "-":
        data = sys.stdin.buffer.read()
    elif args.file:
        data = Path(args.file).read_bytes()
    else:
        data = os.fsencode(args.text)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        name = {"-": "stdin"}.get(source, args.file or "the text")
        raise ValueError(f"{name} is not UTF-8 (byte {error.start} is 0x{data[error.start]:02x}); convert it") from None


def _reader(args: argparse.Namespace) -> Callable[[str], Iterable[Sentence]]:
    """What makes sentences of a text: the front end, or the reader of phones, which takes a line for a sentence."""
    from speechnar.text.lexicon import load_lexicon
    from speechnar.text.phonemize import Phonemizer, parse_phones

    if getattr(args, "phonemes", False):
        return lambda text: (parse_phones(line) for line in text.splitlines() if line.strip())
    return Phonemizer(load_lexicon(args.lexicon) if args.lexicon else None)


def _progress(items: Iterable[Any], unit: str) -> Iterable[Any]:
    """A progress bar on stderr, where that is a terminal."""
    from tqdm import tqdm

    return tqdm(items, unit=unit, disable=None)
