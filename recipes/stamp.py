#!/usr/bin/env python3
"""Note the inputs of a stage of a recipe, and say which of them changed since the stage was done.

    python stamp.py STAMP [NEED...]

NEED is an option and its value (`max_steps=2`), or a file or folder. A file counts by its content, a config together
with those that its `base:` names; a folder, and an option that names one, by the names and sizes of the files in it.
STAMP has the digests of the last time that the stage was done. Those of now are written to STAMP.part, which replaces
STAMP when the stage is done. Prints nothing if the two are equal, else why the stage has to be done.
"""

import argparse
import hashlib
import json
from pathlib import Path


def digest(need: str) -> str:
    """Return the SHA-256 of what a need stands for; of what does not exist, of its name."""
    value = need.partition("=")[2] or need
    path = Path(value)
    found = hashlib.sha256(value.encode() if "=" in need or not path.exists() else b"")
    if "/" in value and path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                found.update(f"{file.relative_to(path).as_posix()} {file.stat().st_size}\n".encode())
    elif "=" not in need and path.is_file():
        for file in with_bases(path):
            with open(file, "rb") as opened:
                while block := opened.read(1 << 20):
                    found.update(block)
    return found.hexdigest()


def with_bases(path: Path) -> list[Path]:
    """Return a file and, if it is a config, those that it is based on, each once."""
    files = [path]
    for file in files:
        if file.suffix == ".yaml" and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                key, _, value = line.partition(":")
                base = file.parent / value.split("#")[0].strip().strip("'\"")
                if key == "base" and base not in files:
                    files.append(base)
    return [file for file in files if file.exists()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stamp", type=Path)
    parser.add_argument("needs", nargs="*")
    args = parser.parse_args()
    now = {need.partition("=")[0]: digest(need) for need in args.needs}
    args.stamp.with_name(f"{args.stamp.name}.part").write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    if not args.stamp.exists():
        print("not done")
        return
    try:
        before = json.loads(args.stamp.read_text(encoding="utf-8"))
    except ValueError:  # stamps were empty files once
        before = {}
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        print(f"done again since {' and '.join(changed)} changed")


if __name__ == "__main__":
    main()
