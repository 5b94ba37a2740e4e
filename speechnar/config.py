"""Frozen dataclasses to and from plain dictionaries, YAML and JSON.

Strict on purpose: an unknown key, a missing key or a value of another type is an error that names the key,
the file and, for a misspelled key, the nearest one that exists.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says where and what to change."""


def from_dict(cls: type[T], values: Any, where: str = "config") -> T:
    """Builds the dataclass `cls` from a dictionary, converting nested dictionaries and lists.

    Raises:
        ConfigError: unknown or missing key, or a value of the wrong type.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where} should be a mapping for {cls.__name__} but is {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.5)
            cure = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(fields)}"
            raise ConfigError(f"{where} has the unknown key {key!r}; {cure}")
    hints = typing.get_type_hints(cls)
    taken = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in values.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in taken:
            raise ConfigError(f"{where} lacks the key {name!r}")
    return cls(**taken)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where)
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where} should be a list but is {value!r}")
        kinds = [args[0]] * len(value) if origin is list or args[-1] is Ellipsis else args
        if len(kinds) != len(value):
            raise ConfigError(f"{where} should have {len(kinds)} values but has {len(value)}")
        return origin(_convert(k, v, f"{where}[{n}]") for n, (k, v) in enumerate(zip(kinds, value)))
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where} should be a mapping but is {value!r}")
        return {_convert(args[0], k, where): _convert(args[1], v, f"{where}: {k}") for k, v in value.items()}
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        try:
            return float(value)
        except ValueError:
            pass
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is Any or (isinstance(value, hint) and (hint is bool or not isinstance(value, bool))):
        return value
    raise ConfigError(f"{where} should be {hint.__name__} but is {value!r}")


def to_dict(config: Any) -> Any:
    """The plain dictionary (lists, numbers, text) that `from_dict` reads back as an equal dataclass."""
    if dataclasses.is_dataclass(config):
        return {f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, (list, tuple)):
        return [to_dict(v) for v in config]
    if isinstance(config, dict):
        return {k: to_dict(v) for k, v in config.items()}
    return str(config) if isinstance(config, Path) else config


def load(cls: type[T], path: str | Path) -> T:
    """Reads a `.yaml`, `.yml` or `.json` file into the dataclass `cls`.

    Raises:
        ConfigError: the file is missing, is not YAML or JSON, or does not fit `cls`.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if path.suffix == ".json":
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path} is not valid JSON (line {error.lineno}): {error.msg}") from None
    else:
        import yaml

        try:
            values = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    return from_dict(cls, values, str(path))


def save(config: Any, path: str | Path) -> None:
    """Writes a dataclass as YAML or JSON, by the file's ending; beside the target first, then renamed."""
    path = Path(path)
    if path.suffix == ".json":
        text = json.dumps(to_dict(config), indent=1, ensure_ascii=False) + "\n"
    else:
        import yaml

        text = yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:  # a full disk does not tell the file's name
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        part.unlink(missing_ok=True)
