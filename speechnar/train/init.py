"""Start training from the weights of a trained model, and freeze parts of a model."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from speechnar.models.folder import ModelConfig, ModelError, load_model
from speechnar.text.symbols import SymbolTable, TextError, Vocabulary

SHOWN = 6
"""The number of weights that a message lists by name before it counts the rest."""


def start_from(
    model: nn.Module, config: ModelConfig, folder: Path, symbols: Vocabulary | None = None, kept: Sequence[str] = ()
) -> list[str]:
    """Take every weight of a trained model that fits `model` by name and shape; say on stderr what was left out.

    Args:
        config: of `model`.
        folder: a model folder of the same model, or of one that the model's spec names in `init_from`.
        symbols: of `model`. Weights that have a row for each symbol are taken symbol by symbol, whatever the ids. A
            symbol that the trained model lacks starts as the nearest that it has, such as the same vowel with another
            stress, or else stays as it is.
        kept: buffers of `model` that stay as they are.

    Returns:
        Names of the weights of `model` that were not taken, without those of `kept`.

    Raises:
        ModelError: `folder` holds another model, or one of another audio config, or no weight fits; or it is no model
            folder.
    """
    source, its = _loaded(folder)
    name, other = config.model.name, its.model.name
    if other not in (name, *config.spec.init_from):
        raise ModelError(f"{folder} holds the model {other}, not {name}: start from another")
    differences = its.audio.differences(config.audio)
    if differences:
        raise ModelError(
            f"{folder} and the training data differ in {'; '.join(differences)}: prepare the data with its audio config"
        )
    own = model.state_dict()
    if config.spec.adapted_weights and other == name:
        given, remarks = config.spec.adapted_weights(model, source, frozenset(kept))
    else:
        given, remarks = source.state_dict(), []
    if symbols is not None and its.spec.task != "pretraining":  # which has no symbols
        rows, found = _rows(symbols, SymbolTable.load(folder / "tokens.txt"))
        for weight, dimension in config.spec.symbol_weights.items():
            if weight in own and weight in given:
                given[weight] = _by_symbol(own[weight], given[weight], rows, dimension)
        remarks = found + remarks
    fits = {n: t for n, t in given.items() if n in own and n not in kept and t.shape == own[n].shape}
    if not fits:
        raise ModelError(f"no weight of {folder} fits the training config's model: make the two equal")
    model.load_state_dict(fits, strict=False)
    left = [name for name in own if name not in fits and name not in kept]
    unused = [name for name in given if name not in own]
    if left:
        remarks.append(f"not taken: {_listed(left)}")
    if unused:
        remarks.append(f"not in this model: {_listed(unused)}")
    print("; ".join([f"from {folder}: {len(fits)} of {len(own) - len(kept)} weights taken", *remarks]), file=sys.stderr)
    return left


def _loaded(folder: Path) -> tuple[nn.Module, ModelConfig]:
    """Load a model folder of this package, or a published vocoder on the hub or in a folder."""
    from speechnar.hub.fetch import is_remote
    from speechnar.hub.published import load_vocoder

    if not is_remote(folder) and not any((folder / name).exists() for name in ("config.json", "hyperparams.yaml")):
        return load_model(folder)
    vocoder = load_vocoder(folder.as_posix())
    return vocoder.model, vocoder.config


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Exclude modules or weights, by their names in the model, from training.

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


def _rows(symbols: Vocabulary, table: SymbolTable) -> tuple[list[int], list[str]]:
    """Return the row of each symbol in a trained model's `table`, -1 where it has none, and remarks for the user."""
    rows, near, new = [], [], []
    for symbol in symbols.symbols:
        try:
            rows.append(table.id_of(symbol))
        except TextError:
            rows.append(-1)
            new.append(repr(symbol))
            continue
        if table.symbols[rows[-1]] != symbol:
            near.append(f"{symbol!r} as {table.symbols[rows[-1]]!r}")
    return rows, [f"symbols {what}: {', '.join(found)}" for what, found in (("near", near), ("new", new)) if found]


def _by_symbol(own: Tensor, given: Tensor, rows: Sequence[int], dimension: int) -> Tensor:
    """Return `own` with those rows (along `dimension`) that its symbols have in `given`; `given` if sizes differ."""
    own, given = own.movedim(dimension, 0), given.movedim(dimension, 0)
    if own.shape[1:] != given.shape[1:]:
        return given.movedim(0, dimension)
    known = torch.tensor([row >= 0 for row in rows], device=own.device)
    taken = own.clone()
    taken[known] = given[torch.tensor(rows, device=given.device)[known]]
    return taken.movedim(0, dimension)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
