from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from speechnar import config
from speechnar.config import ConfigError


@dataclass(frozen=True)
class Inner:
    width: int = 4
    rates: tuple[float, ...] = (0.5, 1.0)


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner = Inner()
    learning_rate: float = 1e-3
    folder: Path | None = None
    shape: tuple[int, float] = (1, 2.0)
    seen: list[str] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)
    strict: bool = True


FULL = Outer("größer", Inner(8, (0.1,)), 3e-4, Path("a/b"), (3, 4.5), ["x"], {"WER": 3.0}, False)


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.json"])
@pytest.mark.parametrize("value", [FULL, Outer("plain")])
def test_save_and_load_give_an_equal_config(tmp_path: Path, name: str, value: Outer) -> None:
    config.save(value, tmp_path / "sub" / name)
    assert config.load(Outer, tmp_path / "sub" / name) == value
    assert [p.name for p in (tmp_path / "sub").iterdir()] == [name]


def test_only_differences_need_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: small\ninner: {width: 2}\nlearning_rate: 1e-4\n")
    assert config.load(Outer, tmp_path / "a.yaml") == Outer("small", Inner(2), 1e-4)


def test_numbers_become_what_the_field_is() -> None:
    made = config.from_dict(Outer, {"name": "n", "learning_rate": 1, "shape": [1, 2], "measured": {"MOS": 4}})
    assert isinstance(made.learning_rate, float) and isinstance(made.shape, tuple)
    assert made.measured == {"MOS": 4.0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "n", "learning_rat": 1}, "config has the unknown key 'learning_rat'; did you mean 'learning_rate'"),
        ({"name": "n", "qqq": 1}, "unknown key 'qqq'; it takes name, inner, "),
        ({}, "config lacks the key 'name'"),
        ({"name": 3}, "config: name should be str but is 3"),
        ({"name": "n", "inner": {"width": "wide"}}, "config: inner: width should be int but is 'wide'"),
        ({"name": "n", "inner": {"width": 2.5}}, "width should be int but is 2.5"),
        ({"name": "n", "inner": {"width": True}}, "width should be int but is True"),
        ({"name": "n", "strict": 1}, "strict should be bool but is 1"),
        ({"name": "n", "inner": [1]}, r"inner should be a mapping for Inner but is \[1\]"),
        ({"name": "n", "inner": {"rates": 0.5}}, "rates should be a list but is 0.5"),
        ({"name": "n", "inner": {"rates": [0.5, "x"]}}, r"rates\[1\] should be float but is 'x'"),
        ({"name": "n", "shape": [1]}, "shape should have 2 values but has 1"),
        ({"name": "n", "measured": {"WER": "low"}}, "measured: WER should be float but is 'low'"),
        ("text", "config should be a mapping for Outer but is 'text'"),
    ],
)
def test_errors_name_the_place_and_the_cure(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.from_dict(Outer, values)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read .*none.yaml: No such file"):
        config.load(Outer, tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match="cannot read .*bytes.yaml"):
        config.load(Outer, tmp_path / "bytes.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match="bad.yaml is not valid YAML"):
        config.load(Outer, tmp_path / "bad.yaml")
    (tmp_path / "bad.json").write_text('{\n"a": ')
    with pytest.raises(ConfigError, match=r"bad.json is not valid JSON \(line 2\)"):
        config.load(Outer, tmp_path / "bad.json")
    (tmp_path / "wrong.yaml").write_text("nam: x\n")
    with pytest.raises(ConfigError, match="wrong.yaml has the unknown key 'nam'; did you mean 'name'"):
        config.load(Outer, tmp_path / "wrong.yaml")


def test_a_file_adds_its_differences_to_its_base(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "a.yaml").write_text("name: a\ninner: {width: 2, rates: [0.1, 0.2]}\nfolder: x\nmeasured: {WER: 1}\n")
    (tmp_path / "conf" / "b.yaml").write_text("base: ../a.yaml\ninner: {rates: [0.3]}\nfolder: null\n")
    (tmp_path / "conf" / "c.yaml").write_text("base: b.yaml\nname: c\nmeasured: {CER: 2}\n")
    want = Outer("c", Inner(2, (0.3,)), folder=None, measured={"WER": 1.0, "CER": 2.0})
    assert config.load(Outer, tmp_path / "conf" / "c.yaml") == want


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"a": "base: a.yaml"}, r"a.yaml is based on itself \(a.yaml -> a.yaml\): remove one `base`"),
        ({"a": "base: b.yaml", "b": "base: a.yaml"}, r"a.yaml is based on itself \(a.yaml -> b.yaml -> a.yaml\)"),
        ({"a": "base: none.yaml"}, "cannot read .*none.yaml: No such file"),
        ({"a": "base: [1, 2]"}, r"a.yaml: base should be the path of a file but is \[1, 2\]"),
        ({"a": "base: b.yaml", "b": "- 1"}, "a.yaml: base 'b.yaml' should hold a mapping"),
        ({"a": "base: b.yaml\nnam: x", "b": "name: b"}, "a.yaml has the unknown key 'nam'; did you mean 'name'"),
    ],
)
def test_a_base_that_cannot_be_used_is_named(tmp_path: Path, texts: dict[str, str], message: str) -> None:
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        config.load(Outer, tmp_path / "a.yaml")


@dataclass(frozen=True)
class Later:
    license: str = ""
    freeze: tuple[str, ...] = field(
        default=(), metadata=config.renamed("freeze_encoder", convert=lambda on: ["encoder"] if on else [])
    )
    inner: Inner = field(default=Inner(), metadata=config.renamed("shape", "size"))


def test_former_keys_are_taken_with_a_notice(capsys: pytest.CaptureFixture[str]) -> None:
    made = config.from_dict(Later, {"freeze_encoder": True, "size": {"width": 7}}, "x.yaml")
    assert made == Later(freeze=("encoder",), inner=Inner(7))
    assert capsys.readouterr().err == (
        "speechnar: x.yaml: the key 'freeze_encoder' is now called 'freeze'\n"
        "speechnar: x.yaml: the key 'size' is now called 'inner'\n"
    )
    assert config.to_dict(made)["freeze"] == ["encoder"]


def test_a_key_and_its_former_name_cannot_both_be_given() -> None:
    with pytest.raises(ConfigError, match="has both 'inner' and 'size', its former name: delete 'size'"):
        config.from_dict(Later, {"size": {}, "inner": {}})
