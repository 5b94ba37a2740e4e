"""The verbs that speak a text or show its phones: `synth` and `phonemize`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechnar.cli.languages import add_language, symbols_of
from speechnar.cli.parser import VerbParser, refuse_overwriting
from speechnar.cli.paths import STDIO
from speechnar.cli.progress import progress_over

if TYPE_CHECKING:
    import numpy as np

    from speechnar.runtime import Controls, Voice
    from speechnar.text.phonemize import Sentence
    from speechnar.text.symbols import SymbolTable

LONG_TEXT = 2000
"""Characters above which a progress bar is shown."""

PLAYERS = (("aplay", "-q"), ("paplay",), ("afplay",), ("ffplay", "-v", "error", "-nodisp", "-autoexit"))
"""Programs that play a WAV file: ALSA, PulseAudio, macOS, ffmpeg. The first that is installed is used."""


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verbs through the command line's `add(verb, name, summary, details)`."""
    synth = add(
        _synth,
        "synth",
        "speak a text into an audio file, or aloud",
        "With `-o -` stdout receives a WAV file when the text is finished; with --stream it receives WAV of unknown "
        "length while the text is being spoken, as players and ffmpeg read it from a pipe. Text is read in the "
        "language of the voice; the voice in the package speaks English.",
    )
    _add_text(synth)
    synth.add_argument(
        "-o", "--output", metavar="FILE", help=".wav, .flac, .ogg or .mp3; - for stdout; played aloud if not given"
    )
    synth.add_argument(
        "--voice",
        metavar="NAME|DIR",
        default="heart",
        help="a name of `speechnar voices`, a blend such as heart:0.6,michael:0.4, or a folder",
    )
    synth.add_argument("--speaker", metavar="NAME", help="of a voice with several, or a blend")
    synth.add_argument("--speed", type=float, default=1.0, metavar="X", help="0.25 to 4; 2 is twice as fast")
    synth.add_argument("--pitch", type=float, default=0.0, metavar="SEMITONES", help="-24 to 24")
    synth.add_argument("--pitch-range", type=float, default=1.0, metavar="X", help="0 to 3; 0 is monotone")
    synth.add_argument("--energy", type=float, default=0.0, metavar="DB", help="-40 to 20")
    synth.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise: the same number, the same audio")
    synth.add_argument("--steps", type=int, metavar="N", help="of a voice that samples its mel: from noise to mel (2)")
    synth.add_argument(
        "--temperature", type=float, metavar="X", help="of a voice that samples: 0 to 2, 0 is what it expects (1)"
    )
    synth.add_argument(
        "--phonemes", action="store_true", help="the text is phones, as `speechnar phonemize` prints them"
    )
    synth.add_argument("--timings", metavar="FILE", help="write timings: .json, .srt, .vtt or .TextGrid")
    synth.add_argument("--plot", metavar="FILE", help="draw waveform, mel, F0 and phones: .png, .svg or .pdf")
    synth.add_argument("--stream", action="store_true", help="write audio in small chunks, the first one soon")
    synth.add_argument(
        "--lines",
        action="store_true",
        help="write each line to a file of its own: -o FOLDER, or a pattern such as out/{}.flac",
    )
    synth.add_argument("--threads", type=int, metavar="N", help="CPU threads (all cores, at most 4)")
    synth.writes("output", "timings", "plot")

    phonemize = add(_phonemize, "phonemize", "print the phones of a text, a line for each sentence")
    _add_text(phonemize)
    add_language(phonemize)


def _add_text(parser: VerbParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("text", nargs="*", default=[], metavar="TEXT", help="what to say; - reads it from stdin")
    source.add_argument("-f", "--file", metavar="FILE", help="a UTF-8 text file to read it from; - is stdin")
    parser.add_argument("--lexicon", metavar="FILE", help="your own pronunciations, word<TAB>phones a line")
    parser.reads("file", "lexicon")


def _synth(args: argparse.Namespace) -> None:
    from speechnar.runtime import Controls, load_voice, plot, timings

    controls = Controls(args.speed, args.pitch, args.pitch_range, args.energy, args.seed, args.speaker,
                        args.steps, args.temperature)  # fmt: skip
    if args.timings:
        timings.writer_of(args.timings)
    if args.plot:
        plot.check(args.plot)
    if args.lines:
        _check_patterns(args)
    elif args.output == STDIO and sys.stdout.isatty():
        raise ValueError("stdout is a terminal; give -o the name of a file, or pipe it to a player")
    elif args.output is None:
        _player()
    text, voice = _text(args), load_voice(args.voice, args.threads)
    read = _reader(args, voice.info.language, voice.symbols)
    files = _Files(args.output, args.timings, args.plot)
    speak = functools.partial(_speak, voice, controls, args.stream)
    if args.lines:
        _speak_lines(speak, files, text, read, [path for path in (args.file, args.lexicon) if path])
    else:
        speak(files, progress_over(read(text), " sentences") if len(text) > LONG_TEXT else read(text))


@dataclass(frozen=True)
class _Files:
    """The files to write; without `audio`, the audio is played."""

    audio: str | None
    timings: str | None
    plot: str | None

    def of_line(self, number: str) -> _Files:
        """Return the files of one line: `{}` in a name is its number."""

        def named(path: str | None) -> str | None:
            return path and path.replace("{}", number)

        return _Files(named(self.audio), named(self.timings), named(self.plot))

    def paths(self) -> list[tuple[str, str]]:
        """Return the files as `refuse_overwriting` takes them."""
        named = (("-o/--output", self.audio), ("--timings", self.timings), ("--plot", self.plot))
        return [(label, path) for label, path in named if path]


def _check_patterns(args: argparse.Namespace) -> None:
    output = args.output or ""
    if "{}" not in output and (output in ("", STDIO) or Path(output).suffix):
        given = f"is {output}" if output else "is missing"
        raise ValueError(f"with --lines, -o should be a folder, or a pattern such as out/{{}}.flac, but {given}")
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
    inputs: list[str],
) -> None:
    """Speak every line that is not blank into the files of its number; go on after a line that cannot be spoken."""
    from speechnar.text.symbols import TextError

    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ValueError("there is no line to speak; give some text")
    width = len(str(lines[-1][0]))
    if "{}" not in (files.audio or ""):
        files = replace(files, audio=f"{files.audio}/{{}}.wav")
    numbered = [(number, line, files.of_line(f"{number:0{width}}")) for number, line in lines]
    refuse_overwriting([("the input", path) for path in inputs], [path for *_, own in numbered for path in own.paths()])
    failed = []
    for number, line, own in progress_over(numbered, " lines"):
        try:
            speak(own, read(line))
        except TextError as error:
            failed.append(f"line {number}: {error}")
    if failed:
        raise ValueError(f"{len(failed)} of {len(lines)} lines could not be spoken; the first is {failed[0]}")


def _speak(voice: Voice, controls: Controls, stream: bool, files: _Files, sentences: Iterable[Sentence]) -> None:
    """Write audio sentence by sentence, so that a book takes no more memory than a page, then timings and plot."""
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
def _opened(output: str | None, sample_rate: int, stream: bool) -> Iterator[Callable[[np.ndarray], None]]:
    """Open the destination of the audio: a file; stdout, as a stream or as a whole WAV file; or a player."""
    from speechnar import audio

    if output not in (None, STDIO):
        with audio.writer(output, sample_rate) as append:
            yield append
    elif output and stream:
        yield audio.pipe_writer(sys.stdout.buffer, sample_rate)
    else:
        with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
            path = Path(folder, "speech.wav")
            with audio.writer(path, sample_rate) as append:
                yield append
            if output is None:
                _play(path)
                return
            with open(path, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)


def _player() -> list[str]:
    """Return the command of a program that plays a WAV file.

    Raises:
        ValueError: none is installed.
    """
    for name, *options in PLAYERS:
        if program := shutil.which(name):
            return [program, *options]
    names = ", ".join(name for name, *_ in PLAYERS)
    raise ValueError(f"there is no program to play audio ({names}): give -o FILE")


def _play(path: Path) -> None:
    command = _player()
    done = subprocess.run([*command, str(path)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        cause = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise ValueError(f"{Path(command[0]).name} cannot play audio ({cause[-1]}): give -o FILE")


def _phonemize(args: argparse.Namespace) -> None:
    from speechnar.text.phonemize import format_phones

    for sentence in _reader(args, args.language)(_text(args)):
        print(format_phones(sentence))


def _text(args: argparse.Namespace) -> str:
    """Return the text of the arguments, of a file or of stdin."""
    words = " ".join(args.text)
    source = args.file or words
    if source == STDIO:
        data = sys.stdin.buffer.read()
    elif args.file:
        data = Path(args.file).read_bytes()
    elif len(args.text) == 1 and Path(words).suffix and not words[-1:].isspace() and _is_file(words):
        raise ValueError(f"{words} is a file: -f {words} speaks the text in it")
    else:
        data = os.fsencode(words)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        name = {STDIO: "stdin"}.get(source, args.file or "the text")
        raise ValueError(f"{name} is not UTF-8 (byte {error.start} is 0x{data[error.start]:02x}); convert it") from None


def _is_file(text: str) -> bool:
    try:
        return os.path.isfile(text)
    except ValueError:  # a NUL, in versions of Python before 3.12
        return False


def _reader(
    args: argparse.Namespace, language: str, symbols: SymbolTable | None = None
) -> Callable[[str], Iterable[Sentence]]:
    """Return what splits a text into sentences: the language's front end, or what reads phones, a sentence a line."""
    from speechnar.text.lexicon import load_lexicon
    from speechnar.text.phonemize import Phonemizer, parse_phones

    if symbols and args.phonemes:
        return lambda text: (parse_phones(line, symbols) for line in text.splitlines() if line.strip())
    lexicon = load_lexicon(args.lexicon, symbols or symbols_of(language)) if args.lexicon else None
    return Phonemizer(lexicon, language=language, symbols=symbols)
