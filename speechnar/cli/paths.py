"""Output paths of verbs that take several files: one file, or a file of each name in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from speechnar.cli.parser import refuse_overwriting

STDIO = "-"


def is_folder(output: str) -> bool:
    """Tell whether `-o` means a folder: one that exists, or a name that ends in a slash or has no ending."""
    if os.path.exists(output):
        return os.path.isdir(output)
    return output.endswith(("/", os.sep)) or not Path(output).suffix


def targets(files: Sequence[str], output: str, ending: str) -> list[Path]:
    """Return the file to write for each input: `output` itself, or, where that is a folder, a file of its name there.

    Inputs of one name in different folders keep these folders below `output`, counted from the folder they share.

    Args:
        files: inputs; `-` is stdin and named so.
        output: the value of `-o`.
        ending: of the names in a folder, with its dot.

    Raises:
        ValueError: there are several inputs and `output` is a file, two inputs would become one file, or an output is
            one of the inputs.
    """
    if is_folder(output):
        found = _in_folder(files, Path(output), ending)
    elif len(files) == 1:
        found = [Path(output)]
    else:
        raise ValueError(f"with several files, -o should be a folder but is {output}")
    refuse_overwriting(
        [("the input", file) for file in files if file != STDIO], [("the output", path) for path in found]
    )
    return found


def _in_folder(files: Sequence[str], folder: Path, ending: str) -> list[Path]:
    names = [Path("stdin" if file == STDIO else Path(file).stem) for file in files]
    if len(set(names)) < len(names):
        parents = [os.path.dirname(os.path.abspath(file)) for file in files]
        shared = os.path.commonpath(parents)
        names = [Path(os.path.relpath(parent, shared), name) for parent, name in zip(parents, names)]
    owners: dict[Path, str] = {}
    for file, name in zip(files, names):
        target = folder / f"{name}{ending}"
        if target in owners:
            raise ValueError(f"{owners[target]} and {file} would both become {target}: give them one at a time")
        owners[target] = file
    return list(owners)
