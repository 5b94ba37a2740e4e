"""The verb that resynthesizes recordings by a vocoder alone (copy-synthesis): `vocode`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from speechnar.cli.parser import VerbParser
from speechnar.cli.paths import targets
from speechnar.cli.progress import only_own_words, progress_of_audio
from speechnar.extras import needing

if TYPE_CHECKING:
    import numpy as np

Copy = tuple[int, "Callable[[np.ndarray], Iterator[np.ndarray]]"]


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    vocode = add(
        _vocode,
        "vocode",
        "resynthesize recordings from their mel spectrograms (needs speechnar[train])",
        "Copy-synthesis shows what a vocoder costs in quality. Recordings may have any sample rate; the output has "
        "that of the vocoder.",
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
    vocode.add_argument(
        "--offline", action="store_true", help="take the vocoder from the hub's cache, without a connection"
    )
    vocode.add_argument("--threads", type=int, metavar="N", help="CPU threads")
    vocode.reads("files", "vocoder")
    vocode.writes("output")


def _vocode(args: argparse.Namespace) -> None:
    from speechnar import audio

    written = targets(args.files, args.output, ".wav")
    for target in written:
        audio.container_of(target)
    rate, copy = _loaded(args.vocoder, args.offline, args.threads)
    failed = 0
    with only_own_words(), progress_of_audio(args.files) as bar:
        for file, target in zip(args.files, written):
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


def _loaded(name: str, offline: bool, threads: int | None) -> Copy:
    """Return the sample rate of a vocoder in Hz, and a function from (T_wav,) audio to chunks of its copy."""
    from speechnar.runtime.voice import load_voice
    from speechnar.runtime.voice_folder import VOICE, bundled

    with needing("vocode", "train"):
        import librosa  # noqa: F401  # needed for the mel; asked for before the vocoder is fetched
        import torch

        from speechnar.hub.published import load_vocoder
        from speechnar.infer.copy_synthesis import copy_by_vocoder, copy_by_voice

    if name in bundled() or (Path(name) / VOICE.file).is_file():
        voice = load_voice(name, threads)
        return voice.sample_rate, lambda wav: copy_by_voice(voice, wav)
    if threads:
        torch.set_num_threads(threads)
    vocoder = load_vocoder(name, offline)
    return vocoder.audio.sample_rate, lambda wav: copy_by_vocoder(vocoder, wav)
