"""Where training starts: from the weights of another model, and with parts that stay as they are."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.models.folder import ModelConfig, ModelError, load_model
from speechnar.models.tts.fastspeech2 import FastSpeech2
from speechnar.text.symbols import SymbolTable, TextError

SHOWN = 6
"""Names of weights that a message lists before it counts the rest."""


def start_from(
    model: nn.Module, folder: Path, audio: AudioConfig, symbols: SymbolTable | None = None, kept: Sequence[str] = ()
) -> None:
    """Takes every weight of a trained model that fits `model` by name and shape, and says on stderr what was left.

    Args:
        symbols: of `model`: its `embedding` is taken symbol by symbol, whatever the ids, and a symbol that the other
            model lacks starts as the nearest that it has, such as the same vowel of another stress. Vectors of speakers
            are taken by their names.
        kept: buffers that stay those of `model`. If all of its F0 statistics do, the weights that read F0 are rewritten
            for them, so that the harmonics of so many Hz stay where they are, whoever speaks.

    Raises:
        ModelError: `folder` is of another kind of model or audio config, nothing fits, or it is no model folder.
    """
    source, config = _loaded(folder)
    if type(source) is not type(model):
        raise ModelError(f"{folder} holds a {type(source).__name__}, no {type(model).__name__}: start from another")
    differences = config.audio.differences(audio)
    if differences:
        raise ModelError(
            f"{folder} and the features differ in {'; '.join(differences)}: make the features with its audio config"
        )
    given, own = source.state_dict(), model.state_dict()
    notes = []
    if symbols is not None:
        given["embedding.weight"], note = _by_symbol(
            own["embedding.weight"], symbols, given["embedding.weight"], SymbolTable.load(folder / "tokens.txt")
        )
        notes += note
    if isinstance(source, FastSpeech2) and isinstance(model, FastSpeech2):
        theirs, ours = source.config.speakers, model.config.speakers
        if source.speaker and model.speaker:
            vectors = own["speaker.weight"].clone()
            for number, name in enumerate(ours):
                if name in theirs:
                    vectors[number] = given["speaker.weight"][theirs.index(name)]
            new = [name for name in ours if name not in theirs]
            notes += [f"speakers new: {', '.join(new)}"] if new else []
            given["speaker.weight"] = vectors
        if {name for name, _ in model.named_buffers() if "log_f0" in name} <= set(kept):
            given["prosody_embedding.conv.weight"] = _with_f0_of(model, source)
    fits = {n: t for n, t in given.items() if n in own and n not in kept and t.shape == own[n].shape}
    if not fits:
        raise ModelError(f"no weight of {folder} fits the training config's model: make the two equal")
    model.load_state_dict(fits, strict=False)
    left = [name for name in own if name not in fits and name not in kept]
    unused = [name for name in given if name not in own]
    if left:
        notes.append(f"not taken: {_listed(left)}")
    if unused:
        notes.append(f"not in this model: {_listed(unused)}")
    print("; ".join([f"from {folder}: {len(fits)} of {len(own) - len(kept)} weights taken", *notes]), file=sys.stderr)


def _loaded(folder: Path) -> tuple[nn.Module, ModelConfig]:
    """A model folder of ours; or a vocoder that others published, on the hub or in a folder."""
    from speechnar.hub.fetch import is_remote
    from speechnar.hub.published import load_vocoder

    if not is_remote(folder) and not any((folder / name).exists() for name in ("config.json", "hyperparams.yaml")):
        return load_model(folder)
    vocoder = load_vocoder(folder.as_posix())
    return vocoder.model, vocoder.config


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Excludes modules or weights, by their names in the model, from training.

    Raises:
        ModelError: there is no such part, or nothing is left to train.
    """
    known = {name for name, _ in model.named_modules()} | {name for name, _ in model.named_parameters()}
    for part in parts:
        if not part or part not in known:
            near = difflib.get_close_matches(part, sorted(known), n=1, cutoff=0.5)
            cure = f"did you mean {near[0]!r}?" if near else f"take {', '.join(n for n, _ in model.named_children())}"
            raise ModelError(f"the model has no part {part!r} to freeze; {cure}")
        for name, weight in model.named_parameters():
            if f"{name}.".startswith(f"{part}."):
                weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ModelError(f"freezing {', '.join(parts)} leaves nothing to train: name less")


def _by_symbol(own: Tensor, symbols: SymbolTable, given: Tensor, table: SymbolTable) -> tuple[Tensor, list[str]]:
    """Rows of `given` in the order of `symbols`, those of `own` where there is none; and what to say of it."""
    if own.shape[1] != given.shape[1]:
        return given, []
    rows = own.clone()
    near, new = [], []
    for number, symbol in enumerate(symbols.symbols):
        try:
            other = table.id_of(symbol)
        except TextError:
            new.append(repr(symbol))
            continue
        rows[number] = given[other]
        if table.symbols[other] != symbol:
            near.append(f"{symbol!r} as {table.symbols[other]!r}")
    return rows, [f"symbols {what}: {', '.join(found)}" for what, found in (("near", near), ("new", new)) if found]


def _with_f0_of(model: FastSpeech2, source: FastSpeech2) -> Tensor:
    """What `source` makes of F0, voicing and energy, (C, 3, kernel), for F0 by the moments that `model` reads by."""
    weight = source.prosody_embedding.conv.weight.detach().clone()
    by_f0 = weight[:, 0].clone()
    (mean, std), (their_mean, their_std) = model.read_log_f0_moments(), source.read_log_f0_moments()
    weight[:, 0] = by_f0 * (std / their_std)
    weight[:, 1] += by_f0 * ((mean - their_mean) / their_std)  # F0 is 0 where unvoiced
    return weight


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
