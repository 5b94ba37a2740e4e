"""Convert frozen dataclasses to and from plain dictionaries, YAML and JSON.

Reading is strict: an unknown key, a missing key or a value of the wrong type is an error that names the key,
the file and, for a misspelled key, the nearest key that exists.

A dataclass may have a short form in files, as `speechnar.nar.schedules.Schedule` has: its static method `expanded`
returns the mapping that a value of a file stands for, or raises ValueError; its method `short` returns the value to
write.

A file may hold `base: other.yaml`, a path relative to that file. The file is then read as a set of differences:
mappings are merged key by key, everything else (numbers, text, lists, null) replaces the value of the base. A base may
itself have a base.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from speechnar.files import atomic_write

T = TypeVar("T")


class ConfigError(ValueError):
    """Report a configuration that cannot be used; the message says where and what to change."""


def renamed(*old: str, convert: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Return the `metadata` of a dataclass field that also accepts its former keys, with a notice on stderr.

        freeze: tuple[str, ...] = field(default=(), metadata=renamed("freeze_parts"))

    Args:
        old: former keys of the field.
        convert: turns the plain value of a former key into the plain value of the new key, where the two differ.
    """
    return {"renamed": {name: convert for name in old}}


@dataclasses.dataclass(frozen=True)
class Choice:
    """A config and the key of its class: `ctc: {...}` in a file is `Choice("ctc", CTCConfig(...))`."""

    name: str
    value: Any


def one_of(classes: Callable[[], Mapping[str, type]], default: str = "") -> Any:
    """Return a dataclass field that holds a `Choice`, which files write under the name of its class.

    Args:
        classes: returns the classes by name; it is called whenever a config is read.
        default: name of the class that is meant where a file writes the field's own name, or none of the names. Without
            a default a file has to have one of the names.
    """
    metadata = {"one_of": classes, "default": default}
    if not default:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default_factory=lambda: Choice(default, classes()[default]()), metadata=metadata)


def _choice(field: dataclasses.Field[Any], values: dict[str, Any], where: str) -> Choice | None:
    """Take the keys of a `one_of` field out of `values`; return its Choice, or None where there is no key of it."""
    classes, default = field.metadata["one_of"](), field.metadata["default"]
    given = {key: values.pop(key) for key in (field.name, *classes) if key in values and (default or key != field.name)}
    given = {key: value for key, value in given.items() if value is not None}
    if len(given) > 1:
        raise ConfigError(f"{where} has {' and '.join(given)}: keep one of them")
    if not given:
        if default:
            return None
        raise ConfigError(f"{where} has none of {', '.join(classes)}: add the one that it describes")
    ((key, value),) = given.items()
    name = default if key == field.name else key
    return Choice(name, from_dict(classes[name], value, f"{where}: {key}"))


def from_dict(cls: type[T], values: Any, where: str = "config") -> T:
    """Build the dataclass `cls` from a dictionary, converting nested dictionaries and lists.

    Raises:
        ConfigError: unknown or missing key, or a value of the wrong type.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where} should be a mapping for {cls.__name__} but is {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values = _with_new_keys(fields, values, where)
    choices = [field for field in fields.values() if "one_of" in field.metadata]
    keys = [name for name, field in fields.items() if field not in choices]
    keys += [name for field in choices for name in field.metadata["one_of"]()]
    keys += [field.name for field in choices if field.metadata["default"]]
    for key in values:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1, cutoff=0.5)
            cure = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(keys)}"
            raise ConfigError(f"{where} has the unknown key {key!r}; {cure}")
    values = dict(values)
    chosen = {field.name: _choice(field, values, where) for field in choices}
    hints = typing.get_type_hints(cls)
    taken = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in values.items()}
    taken |= {name: choice for name, choice in chosen.items() if choice is not None}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in taken:
            raise ConfigError(f"{where} lacks the key {name!r}")
    return cls(**taken)


def _with_new_keys(
    fields: Mapping[str, dataclasses.Field[Any]], values: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Return `values` with former keys (`renamed`) replaced by the present ones; print a notice for each."""
    former = {
        old: (name, convert)
        for name, field in fields.items()
        for old, convert in field.metadata.get("renamed", {}).items()
    }
    found = {}
    for key, value in values.items():
        if key in former and key not in fields:
            name, convert = former[key]
            if name in values:
                raise ConfigError(f"{where} has both {name!r} and {key!r}, its former name: delete {key!r}")
            print(f"speechnar: {where}: the key {key!r} is now called {name!r}", file=sys.stderr)
            key, value = name, convert(value) if convert else value
        found[key] = value
    return found


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), _expanded(hint, value, where), where)
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


def _expanded(cls: Any, value: Any, where: str) -> Any:
    """Return the mapping that a value stands for, if the dataclass has a short form; else the value."""
    if not hasattr(cls, "expanded"):
        return value
    try:
        return cls.expanded(value)
    except ValueError as error:
        raise ConfigError(f"{where} {error}") from None


def to_dict(config: Any) -> Any:
    """Return the plain value (dictionary, list, number, text) that `from_dict` reads back as an equal dataclass."""
    if hasattr(config, "short"):
        return config.short()
    if dataclasses.is_dataclass(config):
        return dict(_written(field, getattr(config, field.name)) for field in dataclasses.fields(config))
    if isinstance(config, (list, tuple)):
        return [to_dict(v) for v in config]
    if isinstance(config, dict):
        return {k: to_dict(v) for k, v in config.items()}
    return str(config) if isinstance(config, Path) else config


def _written(field: dataclasses.Field[Any], value: Any) -> tuple[str, Any]:
    """Return the key and the plain value of a field."""
    if "one_of" not in field.metadata:
        return field.name, to_dict(value)
    key = field.name if value.name == field.metadata["default"] else value.name
    return key, to_dict(value.value)


def load(cls: type[T], path: str | Path) -> T:
    """Read a `.yaml`, `.yml` or `.json` file, and the files it is based on, into the dataclass `cls`.

    Raises:
        ConfigError: a file is missing, is not YAML or JSON, or is based on itself; or the values do not fit `cls`.
    """
    return from_dict(cls, _read(Path(path), ()), str(path))


def _read(path: Path, readers: tuple[Path, ...]) -> Any:
    """Return the plain values of a file merged into those of its `base`; `readers` are the files that lead here."""
    if path.resolve() in readers:
        chain = " -> ".join(p.name for p in (*readers, path))
        raise ConfigError(f"{path} is based on itself ({chain}): remove one `base`")
    values = _parse(path)
    if not isinstance(values, dict) or "base" not in values:
        return values
    base = values.pop("base")
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base should be the path of a file but is {base!r}")
    based = _read(path.parent / base, (*readers, path.resolve()))
    if not isinstance(based, dict):
        raise ConfigError(f"{path}: base {base!r} should hold a mapping")
    return _merged(based, values)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` put over it, mappings merged key by key."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path} is not valid JSON (line {error.lineno}): {error.msg}") from None
    import yaml

    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def save(config: Any, path: str | Path) -> None:
    """Write a dataclass as YAML or JSON, by the file's suffix; the file is replaced whole or not at all.

    Raises:
        FileError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix == ".json":
        text = json.dumps(to_dict(config), indent=1, ensure_ascii=False) + "\n"
    else:
        import yaml

        text = yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
