"""Rules of the house that a program can check: the order of imports, what the runtime never loads, and English."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import speechnar
from speechnar import audio

PACKAGE = Path(speechnar.__file__).parent

# Each room may import those before it; rooms of one line are side by side and may import each other.
ORDER = (
    {"config", "extras", "files"},
    {"codecs"},
    {"audio"},
    {"layers"},
    {"text", "score", "lm"},
    {"decode"},
    {"data"},
    {"losses", "models"},
    {"hub"},
    {"train"},
    {"tasks", "infer"},
    {"export", "evaluate"},
    {"cli"},
    {"__main__"},
)
ONLY = {
    "nar": set(),
    "score": {"config", "extras", "files", "audio", "text"},
    "runtime": {"config", "files", "codecs", "audio", "text", "score", "lm", "decode"},
    "serve": {"config", "files", "codecs", "audio", "text", "score", "lm", "decode", "runtime"},
}
PUBLIC = {"__init__": {"runtime"}}  # the lazily loaded names
RUNTIME_USERS = {"infer", "export", "evaluate", "hub", "serve", "cli"}
HEAVY = {"torch", "torchaudio", "librosa", "lhotse", "matplotlib", "accelerate", "onnx", "scipy", "pandas", "numba"}

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """`speechnar.text.symbols` is in `text`; the package itself is `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Every module of the package that a file imports, anywhere in it, as a dotted name."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from speechnar import x` is an import of x where x is a room
            found |= {f"{base}.{alias.name}" if base == "speechnar" else base for alias in node.names}
    return {name for name in found if name.split(".")[0] == "speechnar"}


def allowed(room: str) -> set[str]:
    if room in PUBLIC:
        return PUBLIC[room]
    if room in ONLY:
        return ONLY[room] | {room}
    rank = next(n for n, rooms in enumerate(ORDER) if room in rooms)
    before = set().union(*ORDER[: rank + 1]) - {"cli", "__main__"} | {"nar"}
    before |= {"serve"} if room == "cli" else set()
    return before | ({"runtime"} if room in RUNTIME_USERS else set()) | ({"cli"} if room == "__main__" else set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    module = module_of(path)
    room = room_of(module)
    taken = {room_of(name) for name in imports(path)} - {room}
    if room == "cli":
        taken -= {"__init__"}  # for the version
    assert taken <= allowed(room), f"{module} may not import {sorted(taken - allowed(room))}"


def test_models_share_layers_and_never_each_other() -> None:
    files = [path for path in (PACKAGE / "models").rglob("*.py") if path.name != "__init__.py"]
    names = {module_of(path) for path in files}
    users = {"speechnar.models.folder", "speechnar.models.specs"}  # know them all
    users |= {"speechnar.models.vocoder.hifigan_weights"}  # of one model, under its publishers' names
    for path in files:
        if module_of(path) not in users:
            assert not imports(path) & names, f"{path.name} imports another model"


def test_nothing_outside_models_tests_for_the_class_of_a_model() -> None:
    models = {
        node.name
        for path in (PACKAGE / "models").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "nn.Module" for base in node.bases)
    }
    assert {"CTC", "FastSpeech2", "HiFiGAN", "Whisper"} <= models
    for path in FILES:
        if room_of(module_of(path)) == "models":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            tested: list[ast.expr] = []
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
                tested = node.args[1:]
            elif isinstance(node, ast.Compare) and "type(" in ast.unparse(node):
                tested = [node.left, *node.comparators]
            elif isinstance(node, ast.MatchClass):
                tested = [node.cls]
            names = {ast.unparse(part).split(".")[-1] for whole in tested for part in ast.walk(whole) if is_name(part)}
            assert not names & models, f"{path}, line {node.lineno}: {ast.unparse(node)}"


def is_name(node: ast.AST) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute))


def test_the_command_line_and_the_package_import_nothing_heavy_at_the_top() -> None:
    for path in (PACKAGE / "__init__.py", PACKAGE / "__main__.py", *PACKAGE.glob("cli/*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                tops = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                tops = {(node.module or "").split(".")[0]}
            else:
                continue
            assert tops <= sys.stdlib_module_names | {"speechnar"}, f"{path} imports {tops}"


def loaded_after(script: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after a script."""
    end = "\nimport sys; print('\\n' + ' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script + end], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_but_it() -> None:
    assert not loaded_after("import speechnar") & (HEAVY | {"numpy", "onnxruntime", "soundfile", "gruut", "argparse"})


def test_speaking_loads_no_torch(stub_voice: Path, tmp_path: Path) -> None:
    voice, out = str(stub_voice), str(tmp_path / "out.wav")
    loaded = loaded_after(
        "import speechnar, speechnar.cli\n"
        f"assert speechnar.cli.main(['synth', 'Hello, 3 worlds.', '-o', {out!r}, '--voice', {voice!r}]) == 0\n"
        f"assert len(speechnar.load_voice({voice!r}).synthesize('Bye.').wav)"
    )
    assert {"numpy", "onnxruntime", "soundfile"} <= loaded
    assert not loaded & HEAVY, f"speaking loads {sorted(loaded & HEAVY)}"


def test_transcribing_loads_no_torch(stub_recognizer: Path, tmp_path: Path) -> None:
    recognizer, wav = str(stub_recognizer), tmp_path / "a.wav"
    audio.write(wav, np.zeros(16000, np.float32), 16000)
    loaded = loaded_after(
        "import speechnar, speechnar.cli\n"
        f"assert speechnar.cli.main(['transcribe', {str(wav)!r}, '--recognizer', {recognizer!r}]) == 0\n"
        f"assert speechnar.load_recognizer({recognizer!r}).transcribe({str(wav)!r}).text == ''"
    )
    assert {"numpy", "onnxruntime", "soundfile"} <= loaded
    assert not loaded & (HEAVY | {"gruut"}), f"transcribing loads {sorted(loaded & HEAVY)}"


def test_the_version_is_the_one_that_is_packaged() -> None:
    lines = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    assert f'version = "{speechnar.__version__}"' in lines


ROOT = Path(__file__).parents[1]
PROSE = sorted(
    path
    for ending in ("py", "md", "sh")
    for path in ROOT.rglob(f"*.{ending}")
    if not {"data", "exp", "site", "build", "node_modules"} & set(path.relative_to(ROOT).parts[:-1])
    or path.is_relative_to(PACKAGE)
    or path.is_relative_to(ROOT / "tests")
)
ENVIRONMENTS = [found.parent for found in ROOT.glob("*/pyvenv.cfg")]  # virtual environments, under any name
PROSE = [
    path
    for path in PROSE
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    and not any(path.is_relative_to(environment) for environment in ENVIRONMENTS)
]
BRITISH = re.compile(
    r"\b(analys(ed|es|ing)|artefacts?|behaviours?|centres?|centred|colou?rised|colours?|coloured|favou?rite|favours?|grey"
    r"|(initial|linear|normal|optim|organ|phonem|quant|recogn|student|summar|synthes|token|vocal)is(e|ed|er|ers|es|ing)"
    r"|(initial|linear|normal|optim|organ|phonem|quant|token)isations?|labell(ed|ing)|licences?|metres?|modell(ed|ing)"
    r"|neighbours?|programmes?)\b",
    re.IGNORECASE,
)
KEPT = {  # British words that stay, and why
    "CHANGELOG.md": "former names",
    "speechnar/cli/evaluate_wer.py": "the former name of an option",
    "speechnar/evaluate/speed/bench.py": "the passage that is spoken: another spelling would change the measurements",
    "speechnar/export/recognizer.py": "the former name of a key",
    "speechnar/export/voice.py": "the former name of a key",
    "speechnar/runtime/recognizer_folder.py": "the former name of a key",
    "speechnar/runtime/voice_folder.py": "the former name of a key",
    "speechnar/text/number_formats.py": "a word of the texts that are read",
    "tests/evaluate/wer/test_normalizers.py": "the input of a normalizer that maps British to American spelling",
    "tests/test_house.py": "this list",
}


def test_spelling_is_american() -> None:
    found = []
    for path in PROSE:
        name = str(path.relative_to(ROOT))
        if name in KEPT or name.startswith("tests/text/"):  # those read British texts, too
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{name}:{number}: {word[0]}" for word in BRITISH.finditer(line)]
    assert not found, "\n".join(found)


def test_the_list_of_british_words_is_needed() -> None:
    for name in KEPT:
        assert BRITISH.search((ROOT / name).read_text(encoding="utf-8")), f"{name} has none: take it off the list"


def docstrings(path: Path) -> dict[str, str]:
    """The first line of each docstring, those of constants and attributes included, by its place."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found[f"{path.relative_to(ROOT)}:{node.lineno}"] = node.value.value.strip().split("\n")[0]
    return found


def test_no_docstring_is_a_question() -> None:
    """A docstring says what a thing does or is, in an imperative or a noun: "Return the ...", never "What ..."."""
    asked = re.compile(r"(What|Whether|How|Why|Where|When)\b")
    lines = {place: line for path in PROSE if path.suffix == ".py" for place, line in docstrings(path).items()}
    found = [f"{place}: {line}" for place, line in lines.items() if asked.match(line)]
    assert not found, "\n".join(found)
