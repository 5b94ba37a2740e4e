"""Results as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speechnar.files import atomic_write


def write_json(path: str | Path, found: Mapping[str, Any]) -> None:
    """Write metrics, dataclasses among them, as JSON; nan and infinity, which JSON does not have, become null.

    Raises:
        FileError: the file cannot be written.
    """
    with atomic_write(path) as part:
        part.write_text(json.dumps(_plain(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
