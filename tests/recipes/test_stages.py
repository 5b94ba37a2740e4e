"""Options, stages and stamps of the recipes' run.sh, tried on a recipe of three stages that write their names."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
RECIPES = TOP / "recipes"
RUNS = sorted([*RECIPES.glob("*/run.sh"), *(TOP / "egs").glob("*/run.sh")])

TOY = f"""\
#!/usr/bin/env bash
# A toy of three stages.
set -euo pipefail
source {RECIPES}/stages.sh

corpus=data/corpus #: DIR, the corpus
hours=100          #: 100|960, hours
joint=false        #: both at once
parse_options "$@"

first() {{ echo "first of $corpus, $hours h, joint $joint, $nj jobs"; }}
second() {{ [[ ! -e fails ]] || false; echo "second, ${{max_steps:-all}} steps" >&2; }}
third() {{ echo third; if [[ -e slow ]]; then touch started; sleep 60; fi; }}
run_stages exp "first: corpus hours" "second: max_steps conf/train.yaml" "third: data/cuts"
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    recipe = tmp_path / "toy"
    (recipe / "conf").mkdir(parents=True)
    (recipe / "data").mkdir()
    (recipe / "run.sh").write_text(TOY, encoding="utf-8")
    (recipe / "conf" / "audio.yaml").write_text("sample_rate: 16000\n", encoding="utf-8")
    (recipe / "conf" / "train.yaml").write_text("base: audio.yaml\nsteps: 3\n", encoding="utf-8")
    (recipe / "data" / "cuts").write_text("a\n", encoding="utf-8")
    return recipe


def environment() -> dict[str, str]:
    """The environment of the tests, in which `python` is the one that runs them."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(recipe: Path, *options: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(recipe / "run.sh"), *options]
    return subprocess.run(command, cwd=cwd or recipe, env=environment(), capture_output=True, text=True, timeout=60)


def done_by(recipe: Path, *options: str) -> list[str]:
    """The stages that a run does, by what they print; the run has to succeed."""
    result = run(recipe, *options)
    assert result.returncode == 0, result.stderr
    return [name for name in ("first", "second", "third") if f"\n{name}" in result.stdout]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.parent.name)
def test_every_recipe_explains_itself_from_anywhere(path: Path, tmp_path: Path) -> None:
    result = run(path.parent, "--help", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    header = path.read_text(encoding="utf-8").splitlines()[1].removeprefix("# ")
    assert result.stdout.startswith(header)
    for option in ("--stage STAGE", "--stop-stage STAGE", "--nj N", "--ngpu N", "--max-steps N"):
        assert f"\n  {option} " in result.stdout
    assert not result.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--stage", "abc"], "--stage is abc but should be one of 0 first, 1 second, 2 third"),
        (["--stage", "-1"], "--stage is -1 but should be one of 0 first, 1 second, 2 third"),
        (["--stop-stage", "99"], "--stop-stage is 99 but should be one of 0 first, 1 second, 2 third"),
        (["--stage", "2", "--stop-stage", "first"], "--stage third comes after --stop-stage first"),
        (["--stage"], "--stage needs a value: STAGE"),
        (["--stage="], "--stage needs a value: STAGE"),
        (["--nj", "0"], "--nj is 0 but should be a whole number of 1 or more"),
        (["--max-steps", "1.5"], "--max-steps is 1.5 but should be a whole number of 1 or more"),
        (["--hours", "10"], "--hours is 10 but should be one of 100, 960"),
        (["--joint=yes"], "--joint takes no value"),
        (["--path", "x"], "there is no option --path: ./run.sh --help lists them"),
        (["corpus"], "there is no option corpus: ./run.sh --help lists them"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_sentence(toy: Path, options: list[str], sentence: str) -> None:
    result = run(toy, *options)
    assert result.returncode == 1 and not result.stdout
    assert result.stderr.startswith(f"run.sh: {sentence}") and result.stderr.count("\n") == 1


def test_options_become_variables(toy: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    result = run(toy, "--corpus", "my corpus", "--joint", "--hours=960", "--jobs", "3", cwd=elsewhere)
    assert result.returncode == 0, result.stderr
    assert f"first of {elsewhere}/my corpus, 960 h, joint true, 3 jobs\n" in result.stdout
    assert result.stderr == "run.sh: --jobs is now called --nj\n"
    assert "first of /data, 100 h, joint false" in run(toy, "--corpus", "/data", "--nj", "1").stdout


def test_stages_are_named_or_numbered(toy: Path) -> None:
    assert done_by(toy, "--stop-stage", "second") == ["first", "second"]
    assert done_by(toy) == ["third"]
    assert done_by(toy) == []
    assert done_by(toy, "--stage", "1", "--stop-stage", "1") == ["second"]
    assert done_by(toy) == ["third"]  # it rests on the second
    assert done_by(toy, "--stage", "third") == ["third"]


def test_what_a_stage_prints_is_shown_and_kept(toy: Path) -> None:
    result = run(toy, "--max-steps", "2")
    assert "second, 2 steps\n" in result.stdout  # from its stderr
    log = toy / "exp" / "log" / "second.log"
    assert log.read_text(encoding="utf-8") == "== stage 1: second\nsecond, 2 steps\n"
    run(toy)
    added = "== stage 1: second, done again since max_steps changed\nsecond, all steps\n"
    assert log.read_text(encoding="utf-8").endswith(added)


def test_a_stage_is_done_again_when_what_it_needs_changes(toy: Path) -> None:
    assert done_by(toy, "--max-steps", "2") == ["first", "second", "third"]
    assert done_by(toy, "--max-steps", "2", "--nj", "1") == []
    assert done_by(toy) == ["second", "third"]
    assert done_by(toy, "--hours", "960") == ["first", "second", "third"]
    (toy / "conf" / "audio.yaml").write_text("sample_rate: 8000\n", encoding="utf-8")  # a base
    assert done_by(toy, "--hours", "960") == ["second", "third"]
    (toy / "data" / "cuts").write_text("b\n", encoding="utf-8")
    assert done_by(toy, "--hours", "960") == ["third"]
    os.utime(toy / "data" / "cuts", (0, 0))
    assert done_by(toy, "--hours", "960") == []
    corpus = toy / "corpus"
    corpus.mkdir()
    assert done_by(toy, "--hours", "960", "--corpus", str(corpus)) == ["first", "second", "third"]
    assert done_by(toy, "--hours", "960", "--corpus", str(corpus)) == []
    (corpus / "new.wav").write_bytes(b"0")
    assert done_by(toy, "--hours", "960", "--corpus", str(corpus)) == ["first", "second", "third"]


def test_a_stage_that_fails_is_named_and_done_again(toy: Path) -> None:
    (toy / "fails").touch()
    result = run(toy)
    assert result.returncode == 1 and "third" not in result.stdout
    assert result.stderr == f"run.sh: the stage second failed: {toy}/exp/log/second.log has what it said\n"
    (toy / "fails").unlink()
    assert done_by(toy) == ["second", "third"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_ended_ends_its_stage(toy: Path, number: signal.Signals, code: int) -> None:
    (toy / "slow").touch()
    command = ["bash", str(toy / "run.sh")]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (toy / "started").exists():
        time.sleep(0.05)
    if shutil.which("ps"):
        again = run(toy, "--stage", "third")
        assert again.returncode == 1 and "of an earlier run still works in" in again.stderr
    process.send_signal(number)
    assert process.wait(20) == code
    process.communicate()
    (toy / "slow").unlink()
    assert done_by(toy) == ["third"]


@pytest.mark.parametrize("path", [*RUNS, RECIPES / "stages.sh", RECIPES / "voice.sh"], ids=lambda p: p.parent.name)
def test_nothing_is_used_that_the_bash_of_macos_lacks(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for word in ("declare -A", "local -A", "local -n", "mapfile", "readarray", "wait -n", "|&", "&>>", "sha256sum"):
        assert word not in text
    for word in (",,}", "^^}", "[-1]}", "@Q}"):
        assert word not in text
