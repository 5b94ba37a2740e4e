"""Note what a model is trained from, so that a finished model is not taken for one of other data."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechnar.config import to_dict
from speechnar.train import checkpoint

NOT_THE_MODEL = frozenset(
    ("max_steps", "max_minutes", "log_every", "validate_every", "checkpoint_seconds", "threads", "compile")
    + ("keep_last", "keep_best", "average_kept", "best_by", "best_is", "patience", "flat_when_extended", "accumulate")
)
"""Keys of a training config that may change in a run that goes on."""


def settings_of(config: Any) -> tuple[str, ...]:
    """Return the settings of a training config as a source for `provenance_of`.

    Settings at their defaults are left out, so that a new one does not count, and so are those of `NOT_THE_MODEL`.
    """
    return (json.dumps(_given(config), sort_keys=True),)


def _given(config: Any) -> dict[str, Any]:
    """Return the settings that are not at their defaults, as plain values."""
    found = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if field.name not in NOT_THE_MODEL and value != default:
            nested = dataclasses.is_dataclass(value) and not hasattr(value, "short")
            plain = _given(value) if nested else to_dict(value)
            if plain != {} or default is None:
                found[field.name] = plain
    return found


def provenance_of(sources: Mapping[str, Path | Sequence[str] | None]) -> dict[str, str]:
    """Return a digest of each source of a training, by a name that a message can use.

    Args:
        sources: as `digest_of` takes each.
    """
    return {name: digest_of(source) for name, source in sources.items()}


def archive_stale_run(folder: Path, provenance: Mapping[str, str]) -> None:
    """Rename a folder in which a model is or was trained from something else, and say so on stderr.

    A checkpoint that does not tell where it comes from, or cannot be read, stays where it is.
    """
    saved = checkpoint.latest(folder / "checkpoint")
    if saved is None:
        return
    try:
        state = json.loads((saved / "state.json").read_text(encoding="utf-8"))
        theirs = state.get("provenance", state.get("origin", {}))  # `origin` until version 0.1
    except (OSError, ValueError):
        return  # the loop says what is wrong with it
    changed = [name for name, digest in provenance.items() if theirs.get(name, digest) != digest]
    if changed:
        places = (folder.with_name(f"{folder.name}.{number}") for number in itertools.count(1))
        aside = next(place for place in places if not place.exists())
        folder.rename(aside)
        reason = f"the {' and the '.join(changed)} changed since {folder} was trained"
        print(f"speechnar: {reason}: it is now {aside}, and training starts anew", file=sys.stderr)


def digest_of(source: Path | Sequence[str] | None) -> str:
    """Return the SHA-256 of a source of a training, in hexadecimal.

    Args:
        source: a file; a folder, of which a model's is its weights and, of an encoder of transformers, its two
            descriptions, another's all that is in it; names in their order.
            What is not given or is not on this machine, such as a model on the hub, is told apart by its name alone.
    """
    found = hashlib.sha256()
    if not isinstance(source, Path):
        found.update(json.dumps(source).encode())
    elif not source.exists():
        found.update(source.as_posix().encode())
    else:
        weights = source / "model.safetensors"
        paths = [weights] if weights.exists() else sorted(source.rglob("*")) if source.is_dir() else [source]
        if weights.exists() and (source / "preprocessor_config.json").exists():
            paths += [source / "config.json", source / "preprocessor_config.json"]
        for path in paths:
            if path.is_file():
                found.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
