"""Every command of the README is run, or parsed where it takes long; the commands of the other pages are parsed.

Commands are the lines of indented blocks. A line that is neither run nor parsed fails, so nothing stays unchecked.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scores import bar, note, part, score, written

import speechnar
from speechnar import audio
from speechnar.cli import build_parser
from speechnar.cli.parser import VerbParser

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("recipes/*/README.md"), ROOT / "CONTRIBUTING.md"])
RUN = {"synth", "sing", "transcribe", "correct", "phonemize", "voices", "recognizers"}  # seconds each
FROM_OTHERS = {  # what they do in these tests; aplay plays the last argument, or stdin
    "aplay": 'for last; do :; done; cat "${last:--}" > "$0.played"',
    "curl": "cat talk.ogg",
}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the README's commands are for a POSIX shell")


def commands(page: Path) -> list[str]:
    """The commands of a page: lines of indented blocks, joined where they end in a backslash."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    blocks = re.findall(r"(?:\A|\n)[ ]*\n((?:    .*\n)+)", text)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def verbs_of(command: str) -> list[list[str]]:
    """The arguments of each `speechnar` in a pipeline."""
    parts: list[list[str]] = [[]]
    for word in shlex.split(command, comments=True):
        if word in ("|", "&&", ";"):
            parts.append([])
        elif word in (">", "<"):
            parts[-1].append("")
        else:
            parts[-1].append(word)
    return [part[1:] for part in parts if part[:1] == ["speechnar"]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README's commands read, and programs for their pipelines."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "story.txt").write_text("Once upon a time.\n")
    (folder / "asr.txt").write_text("Once uppon a time.\n")
    melody = bar(note("A3", 1, "Good"), note("C4", 1, "mor-"), note("A3", 2, "-ning"))
    written(folder / "song.musicxml", score(part(melody)))
    speech = speechnar.synthesize("Good morning.")
    for name in ("talk.mp3", "talk.ogg", "call.wav", "recordings/a.flac"):
        audio.write(folder / name, speech.wav, speech.sample_rate)
    programs = folder / "bin"
    programs.mkdir()
    scripts = FROM_OTHERS | {"speechnar": f'exec "{sys.executable}" -m speechnar "$@"'}
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    return folder


@functools.cache
def run(command: str, house: Path) -> str:
    """Return what a command prints; a command is run once, whichever test asks first."""
    environment = os.environ | {"PATH": f"{house / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=house, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def parse(args: list[str]) -> None:
    """Parse as the command line does; `...` stands for arguments that a page leaves out, so only options are known."""
    if "..." not in args:
        build_parser().parse_args(args)
        return
    leaf: VerbParser | None = build_parser()
    for word in args:
        choices = [action.choices for action in leaf._actions if action.nargs == "A..."]
        if not choices:
            break
        leaf = choices[0][word]
    known = {option for action in leaf._actions for option in action.option_strings}
    assert {word.split("=")[0] for word in args if word.startswith("--")} <= known, args


def check_recipe(command: str) -> None:
    """A `run.sh` is there, and knows the options."""
    script, *args = shlex.split(command, comments=True)
    path = ROOT / script
    assert path.is_file() and os.access(path, os.X_OK), f"there is no {script} to run"
    options = {arg.split("=")[0] for arg in args if arg.startswith("--")}
    done = subprocess.run(["bash", str(path), "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and options <= set(re.findall(r"--[a-z-]+", done.stdout)), command


def check_install(command: str) -> None:
    """Extras exist."""
    known = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M))
    for extras in re.findall(r"\[([\w,]+)\]", command):
        assert set(extras.split(",")) <= known, command


def is_run(command: str) -> bool:
    verbs = verbs_of(command)
    return bool(verbs) and all(verb[0] in RUN for verb in verbs)


@pytest.mark.parametrize("command", [command for command in commands(README) if is_run(command)])
def test_command_runs(command: str, house: Path) -> None:
    out = run(command, house)
    if "transcribe" in command and "-o" not in command:
        assert "good morning" in out.lower()


@pytest.mark.parametrize("command", [command for command in commands(README) if not is_run(command)])
def test_command_is_understood(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    verbs = verbs_of(command)
    if verbs:
        for verb in verbs:
            parse(verb)
    elif re.match(r"(recipes|egs)/\w+/run\.sh", command):
        check_recipe(command)
    elif command.startswith("pip install "):
        check_install(command)
    else:
        assert command in ("pytest",), f"how is {command!r} checked? Run it or parse it here"


def test_the_outputs_of_the_readme_are_as_it_says(house: Path) -> None:
    for command in filter(is_run, commands(README)):
        run(command, house)
    for name in ("hello.wav", "story.mp3", "story.wav", "song.wav", "song.flac", "choir.wav"):
        assert np.abs(audio.read(house / name)[0]).max() > 0.05
    assert "Once upon a time." in (house / "story.srt").read_text()
    assert "Good morning" in (house / "song.srt").read_text()
    assert "Good morning." in (house / "talk.srt").read_text()
    assert '"text": "Good morning."' in (house / "transcripts" / "a.json").read_text()
    assert (house / "bin" / "aplay.played").read_bytes()[:4] == b"RIFF"


def test_python_of_the_readme_runs(house: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(house)
    played: list[np.ndarray] = []
    names: dict[str, object] = {"play": played.append}
    for block in python_blocks(README):
        exec(compile(block, "README.md", "exec"), names)
    assert len(played) > 1 and all(chunk.dtype == np.float32 for chunk in played)
    out = capsys.readouterr().out
    assert out.count("Good morning.") == 2 and "Hello" in out


PARSED = [(page, command) for page in PAGES if page.exists() for command in commands(page) if verbs_of(command)]


@pytest.mark.parametrize("command", [command for _, command in PARSED], ids=[f"{page.name}: {c}" for page, c in PARSED])
def test_commands_of_other_pages_are_understood(command: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in verbs_of(command):
        parse([re.sub(r"\$\w+|\{.*\}", "x", word) for word in verb])


ROOMS = (
    "nar",
    "decode",
    "losses",
    "models",
    "layers",
    "tasks",
    "infer",
    "runtime",
    "lm",
    "evaluate",
    "recipes",
    "score",
    "train",
)


def test_files_of_the_map_are_there() -> None:
    """Every path of docs/nar.md exists, or stands in a cell that says "planned"."""
    checked = 0
    for line in (ROOT / "docs" / "nar.md").read_text(encoding="utf-8").splitlines():
        for cell in line.split("|"):
            for path in re.findall(r"`([\w/.]+)", cell):
                if "/" in path and path.split("/")[0] in ROOMS and "planned" not in cell:
                    assert (ROOT / path).exists() or (ROOT / "speechnar" / path).exists(), path
                    checked += 1
    assert checked > 40


@pytest.mark.parametrize("page", [README, *(page for page in PAGES if page.exists())], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```|^    [^\n]*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_api_pages_list_modules_that_are_there() -> None:
    listed = {
        name for page in ROOT.glob("docs/api/*.md") for name in re.findall(r"^::: (\S+)$", page.read_text(), re.M)
    }
    assert all((ROOT / f"{name.replace('.', '/')}.py").is_file() for name in listed)
    core = {path for room in ("nar", "decode", "losses") for path in ROOT.glob(f"speechnar/{room}/*.py")}
    assert {f"speechnar.{path.parent.name}.{path.stem}" for path in core if path.stem != "__init__"} <= listed


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md"))
