"""Make the folder of a listening test from folders of wavs."""

from __future__ import annotations

import math
import random
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from speechnar import audio, config
from speechnar.evaluate.listen import loudness
from speechnar.evaluate.listen.plan import (
    ANCHOR,
    AUDIO_FOLDER,
    FORMAT,
    METHODS,
    REFERENCE,
    RESERVED,
    TEST_FILE,
    WRECK,
    ListenError,
    ListeningTest,
    Stimulus,
    conditions,
)

CONSENT = (
    "You will listen to short recordings and say how they sound to you. Taking part is voluntary, and you may stop at "
    "any time by closing the page. Your answers and the time they take are stored; your name or address is not asked. "
    "Set a comfortable volume before you begin."
)
INTRO = "Please use headphones and sit in a quiet place. You may listen to each sample as often as you like."


@dataclass(frozen=True)
class ListenConfig:
    """Settings of `make_test`.

    Attributes:
        method: mos, cmos, abx or mushra.
        systems: folders of wavs by the system's name; files of one name belong together.
        reference: the folder of the reference, which MUSHRA needs.
        items: names of the files to use; by default all.
        title, intro, consent: plain text that raters read; a blank line begins a paragraph.
        question: in place of the method's own.
        rounds: in how many conditions (systems, or pairs in both orders) a rater hears each item; None for all.
        training: practice trials, on items that are then not rated.
        catch: trials among the others whose answer is known.
        loudness: LUFS of all audio; lower where a peak would come above -1 dB otherwise.
        sample_rate: Hz; by default that of the files, which then has to be one.
        seed: of the order.
    """

    method: str
    systems: dict[str, Path]
    reference: Path | None = None
    items: tuple[str, ...] = ()
    title: str = "Listening test"
    intro: str = INTRO
    consent: str = CONSENT
    question: str | None = None
    rounds: int | None = 1
    training: int = 2
    catch: int = 2
    loudness: float = -23.0
    sample_rate: int | None = None
    seed: int = 0


def make_test(settings: ListenConfig, out: Path) -> ListeningTest:
    """Write a test folder, whole or not at all.

    Raises:
        ListenError: the settings or the wavs make no test, or `out` is there already.
        AudioError: a file cannot be read, or is empty.
        FileError: a file cannot be written.
    """
    _check(settings)
    if out.exists():
        raise ListenError(f"{out} is there already, perhaps with ratings; give the new test another folder")
    items = _items(settings)
    folders = _folders(settings)
    rate = settings.sample_rate or _common_rate(folders, items)
    n_training, n_catch = settings.training, settings.catch
    random.Random(settings.seed).shuffle(items)
    training, rated = tuple(items[:n_training]), tuple(items[n_training:])
    if len(rated) < max(n_catch, 1):
        raise ListenError(
            f"{len(items)} items are too few for {n_training} practice and {n_catch} catch trials besides rated ones; "
            "give more wavs, or lower --training and --catch"
        )
    names = [*folders, ANCHOR] if settings.method == "mushra" else list(folders)
    sources = [(name, item) for item in items for name in names] + [(WRECK, item) for item in rated[:n_catch]]

    def wav_of(system: str, item: str) -> np.ndarray:
        source = next(iter(folders)) if system in (ANCHOR, WRECK) else system
        wav, _ = audio.read(folders[source] / item, rate)
        if system == ANCHOR:
            return loudness.low_pass(wav, rate)
        return loudness.wreck(wav) if system == WRECK else wav

    levels = {}
    for system, item in tqdm(sources, unit=" wavs measured", disable=None):
        levels[system, item] = _level(wav_of(system, item), rate, f"{system}: {item}")
    # One target for all: a limiter on the loud ones alone would be audible. Degraded audio may be softer.
    highest = [x.loudness + loudness.PEAK_LIMIT - x.peak for (system, _), x in levels.items() if system != WRECK]
    target = min(settings.loudness, *highest)
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        stimuli = []
        for system, item in tqdm(sources, unit=" wavs written", disable=None):
            stimuli.append(Stimulus(f"{secrets.token_hex(16)}.wav", system, item))
            found = levels[system, item]
            gain = 10 ** (min(target - found.loudness, loudness.PEAK_LIMIT - found.peak) / 20)
            audio.write(part / AUDIO_FOLDER / stimuli[-1].file, gain * wav_of(system, item), rate)
        test = ListeningTest(
            format=FORMAT,
            id=secrets.token_hex(8),
            method=settings.method,
            title=settings.title,
            intro=settings.intro,
            consent=settings.consent,
            question=settings.question or METHODS[settings.method].question,
            systems=tuple(settings.systems),
            items=rated,
            training=training,
            rounds=settings.rounds or len(conditions(settings.method, tuple(settings.systems))),
            catch=n_catch,
            seed=settings.seed,
            sample_rate=rate,
            loudness=round(target, 2),
            stimuli=tuple(stimuli),
        )
        config.save(test, part / TEST_FILE)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return test


def _check(settings: ListenConfig) -> None:
    """Refuse settings with which no wavs could make a test."""
    if settings.method not in METHODS:
        raise ListenError(f"the method is {settings.method!r} but should be one of {', '.join(METHODS)}")
    fewest = 2 if settings.method in ("cmos", "abx") else 1
    if len(settings.systems) < fewest:
        raise ListenError(f"{settings.method} needs {fewest} systems or more, and there are {len(settings.systems)}")
    for name in settings.systems:
        if name in RESERVED or not name.strip() or not name.isprintable():
            raise ListenError(f"no system can be named {name!r}; give it another name")
    if (settings.reference is None) == (settings.method == "mushra"):
        cure = "name its folder" if settings.reference is None else "name it as a system, or leave it out"
        raise ListenError(f"a reference belongs to mushra, and to it alone: {cure}")
    n_conditions = len(conditions(settings.method, tuple(settings.systems)))
    if settings.rounds is not None and not 1 <= settings.rounds <= n_conditions:
        raise ListenError(f"rounds is {settings.rounds} but an item can be heard in 1 to {n_conditions} ways")
    for name in ("training", "catch"):
        if getattr(settings, name) < 0:
            raise ListenError(f"{name} is {getattr(settings, name)} but should be 0 or more")
    if not -70 < settings.loudness <= 0:
        raise ListenError(f"loudness is {settings.loudness:g} LUFS but should be above -70, and 0 at most")


def _folders(settings: ListenConfig) -> dict[str, Path]:
    """Return the folder of each system; the reference, if there is one, is the first."""
    folders = {REFERENCE: settings.reference} if settings.reference else {}
    return {**folders, **settings.systems}


def _items(settings: ListenConfig) -> list[str]:
    """Return the names of the wavs that every folder must have, in order."""
    for item in settings.items:
        if item != Path(item).name or item in ("", ".", "..") or "\\" in item:
            raise ListenError(f"the item {item!r} is a path; give the name of a file that lies in each folder")
    if len(set(settings.items)) != len(settings.items):
        twice = next(item for item in settings.items if settings.items.count(item) > 1)
        raise ListenError(f"the item {twice!r} is given twice; give it once")
    found = {}
    for name, folder in _folders(settings).items():
        if not folder.is_dir():
            raise ListenError(f"there is no folder {folder}, where the wavs of {name} should be")
        found[name] = {path.name for path in folder.iterdir() if path.suffix.lower() in audio.FORMATS}
    wanted = set(settings.items) or set().union(*found.values())
    if not wanted:
        raise ListenError(f"there are no wavs in {', '.join(map(str, _folders(settings).values()))}")
    for name, names in found.items():
        if missing := sorted(wanted - names):
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ListenError(
                f"{_folders(settings)[name]} ({name}) lacks {missing[0]}{more}, which another folder or the list of "
                "items has; every system needs the same files"
            )
    return sorted(wanted)


def _common_rate(folders: dict[str, Path], items: list[str]) -> int:
    """Return the sample rate of all files, in Hz."""
    import soundfile

    first: tuple[int, Path] | None = None
    for folder in folders.values():
        for item in items:
            path = folder / item
            try:
                rate = soundfile.info(path).samplerate
            except soundfile.LibsndfileError as error:
                raise audio.AudioError(f"{path} cannot be read as audio ({error}); write it again as WAV") from None
            first = first or (rate, path)
            if rate != first[0]:
                raise ListenError(
                    f"{first[1]} has {first[0]} Hz but {path} has {rate} Hz; --sample-rate brings all to one rate"
                )
    assert first
    return first[0]


def _level(wav: np.ndarray, rate: int, name: str) -> loudness.Level:
    if rate < 2 * loudness.STOP_EDGE + 1:
        raise ListenError(f"{rate} Hz is too low a rate for a listening test; record at 16000 Hz or more")
    if len(wav) < loudness.SHORTEST * rate:
        raise ListenError(
            f"{name} lasts {len(wav) / rate:.2f} s, but loudness is measured over {loudness.SHORTEST} s or more; "
            "leave the item out"
        )
    level = loudness.level(wav, rate)
    if not math.isfinite(level.loudness):
        raise ListenError(f"{name} is silent, or too quiet to be measured; leave the item out")
    return level
