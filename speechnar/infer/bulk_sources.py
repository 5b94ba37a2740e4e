"""Sources of bulk work: folders, buckets, lists and manifests, as rows."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from speechnar.infer.bulk import BulkError, Row
from speechnar.infer.storage import join, names_in, read

SOUNDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".wma", ".aiff", ".mp4", ".mkv", ".webm", ".sph")
TEXTS = (".txt",)


def rows_of(source: str, kind: str) -> list[Row]:
    """Return the rows of a source.

    Args:
        source: a folder or a URL with recordings or text files anywhere below it; a manifest of Lhotse
            (`.jsonl`, `.jsonl.gz`); or a list, `.tsv`: id and then text, or path of a recording relative to the list.
        kind: "audio", "text" or "cuts": what the work takes.

    Raises:
        BulkError: there is no such source, it has nothing of the kind, or a line of it cannot be read.
    """
    if source.endswith((".jsonl", ".jsonl.gz")):
        return _of_manifest(source)
    if kind == "cuts":
        raise BulkError(f"{source} should be a manifest of Lhotse, .jsonl.gz or .jsonl")
    if source.endswith(".tsv"):
        return _of_list(source, kind)
    endings = SOUNDS if kind == "audio" else TEXTS
    names = sorted(name for name in names_in(source) if PurePosixPath(name).suffix.lower() in endings)
    if not names:
        raise BulkError(f"{source} holds no files that end in {', '.join(endings)}")
    paths = {name: join(source, name) for name in names}
    return [Row(name, paths[full] if kind == "audio" else {"file": paths[full]}) for name, full in _ids(names).items()]


def _ids(names: Sequence[str]) -> dict[str, str]:
    """Map ids to names: names without their endings, where that tells them apart."""
    bare = [str(PurePosixPath(name).with_suffix("")) for name in names]
    counts = Counter(bare)
    return {name if counts[short] > 1 else short: name for name, short in zip(names, bare)}


def _lines(source: str) -> list[str]:
    try:
        data = read(source)
        return (gzip.decompress(data) if source.endswith(".gz") else data).decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise BulkError(f"there is no {source}") from None
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise BulkError(f"{source} cannot be read ({error}): make it again") from None


def _of_manifest(source: str) -> list[Row]:
    rows = []
    for number, line in enumerate(_lines(source), 1):
        if line.strip():
            try:
                cut = json.loads(line)
                if not isinstance(cut["id"], str):
                    raise TypeError("an id is a string")
                rows.append(Row(cut["id"], cut))
            except (ValueError, TypeError, KeyError):
                raise BulkError(f"{source}, line {number} is no cut: make the manifest again") from None
    return rows


def _of_list(source: str, kind: str) -> list[Row]:
    rows = []
    folder = source.rpartition("/")[0] or "."
    for number, line in enumerate(_lines(source), 1):
        if not line.strip():
            continue
        name, tab, value = line.partition("\t")
        if not tab or not value.strip():
            raise BulkError(f"{source}, line {number}: {line[:60]!r} should be an id, a tab and a {kind}")
        if kind == "audio" and not value.startswith("/") and "://" not in value:
            value = join(folder, value)
        rows.append(Row(name, value))
    return rows
