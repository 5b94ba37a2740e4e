"""Write files whole or not at all, decode their text, and make names of files that cannot leave their folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path


class FileError(OSError):
    """Report a file that cannot be written; the message names the file and the reason."""


def safe_file_name(name: str) -> str:
    """Return a name, such as an utterance id, as the name of a file in one folder.

    Slashes, backslashes, control characters, a leading dot and the percent sign itself become `%` and two hexadecimal
    digits, so that two names never give the same file; every other name is returned as it is.
    """
    return re.sub(r"^\.|[/\\%\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", name)


def utf8_lines(data: bytes, name: str | Path, error: type[ValueError] = ValueError) -> list[str]:
    """Return the lines of a text, with or without a byte order mark, each as far as its line feed.

    Args:
        name: of the text, for the message.
        error: what is raised where the text is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as found:
        raise error(f"{name} is not UTF-8 (byte {found.start}): convert it, as with `iconv -t utf-8`") from None


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` that is renamed to `path` when the block ends without an error.

    Folders that are missing are made. If the block raises, the temporary file is removed and `path` stays as it was.

    Raises:
        FileError: the system refuses: no permission, no space, or no such folder.
    """
    path = Path(path)
    name = path.name
    if len(os.fsencode(name)) > 230:  # a name may have 255 bytes: what is added here must not make it too long
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    part = path.with_name(f".{name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
