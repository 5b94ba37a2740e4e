"""The verb that makes a recording again by a vocoder alone: `vocode`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechnar.extras import needing

if TYPE_CHECKING:
    import numpy as np

Copy = tuple[int, "Callable[[np.ndarray], Iterator[np.ndarray]]"]


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the verb through the command line's `add(verb, name, summary, details)`."""
    vocode = add(
        _vocode,
        "vocode",
        "make recordings again from their mel spectrograms (needs speechnar[train])",
        "What a vocoder costs in quality, for evaluation. Recordings may have any sample rate; what is written has the "
        "vocoder's.",
    )
    vocode.add_argument("files", nargs="+", metavar="FILE", help="recordings")
    vocode.add_argument(
        "-o", "--output", required=True, metavar="FILE|DIR", help=".wav, .flac, .ogg or .mp3; a folder for several"
    )
    vocode.add_argument(
        "--vocoder",
        required=True,
        metavar="VOCODER",
        help="hf:owner/name[@revision]; a folder, published, trained here or a voice; or a voice's name",
    )
    vocode.add_argument("--offline", action="store_true", help="take it from the hub's cache and open no connection")
    vocode.add_argument("--threads", type=int, metavar="N", help="CPU threads")


def _vocode(args: argparse.Namespace) -> None:
    from speechnar import audio

    targets = _targets(args.files, args.output)
    for target in targets:
        audio.container_of(target)
    if args.threads is not None and args.threads < 1:
        raise ValueError(f"--threads is {args.threads} but should be 1 or more")
    rate, copy = _loaded(args.vocoder, args.offline, args.threads)
    failed = 0
    with _progress(args.files) as bar:
        for file, target in zip(args.files, targets):
            try:
                wav, _ = audio.read(file, rate)
                with audio.writer(target, rate) as append:
                    for piece in copy(wav):
                        append(piece)
                        bar.update(len(piece) / rate)
            except ValueError as error:
                sentence = str(error) if file in str(error) else f"{file}: {error}"
                if len(args.files) == 1:
                    raise ValueError(sentence) from None
                bar.write(f"speechnar: {sentence}", file=sys.stderr)
                failed += 1
    if failed:
        raise ValueError(f"{failed} of {len(args.files)} files could not be vocoded")


def _targets(files: list[str], output: str) -> list[Path]:
    """The file to write for each: the output itself, or a .wav in it where that is a folder."""
    folder = Path(output).is_dir() or output.endswith(("/", os.sep)) or not Path(output).suffix
    if not folder:
        if len(files) > 1:
            raise ValueError(f"with several files, -o should be a folder but is {output}")
        return [Path(output)]
    targets: dict[Path, str] = {}
    for file in files:
        target = Path(output, f"{Path(file).stem}.wav")
        if target in targets:
            raise ValueError(f"{targets[target]} and {file} would both become {target}; vocode one after the other")
        targets[target] = file
    return list(targets)


def _loaded(name: str, offline: bool, threads: int | None) -> Copy:
    """The sample rate of a vocoder, and what makes audio again by it."""
    from speechnar.runtime.voice import VOICE, bundled, load_voice

    with needing("vocode", "train"):
        import librosa  # noqa: F401  # what analysis needs is asked for now, not after the vocoder was fetched
        import torch

        from speechnar.hub.published import load_vocoder
        from speechnar.infer.copy_synthesis import copy_by_voice

    if name in bundled() or (Path(name) / VOICE.file).is_file():
        voice = load_voice(name, threads)
        return voice.sample_rate, lambda wav: copy_by_voice(voice, wav)
    if threads:
        torch.set_num_threads(threads)
    vocoder = load_vocoder(name, offline)
    return vocoder.audio.sample_rate, vocoder.copy


def _progress(files: list[str]) -> Any:
    """A bar on stderr, where that is a terminal, of the seconds of audio."""
    import soundfile
    from tqdm import tqdm

    total = 0.0
    for file in files:
        with contextlib.suppress(soundfile.LibsndfileError, OSError, TypeError):  # such as video and bad files
            total += soundfile.info(file).duration
    shown = "{l_bar}{bar}| {n:.0f}" + (f"/{total:.0f}" if total else "") + " s [{elapsed}<{remaining}]"
    return tqdm(total=total or None, disable=None, bar_format=shown, leave=False)
