from __future__ import annotations

import pytest

from speechnar.text.symbols import EN_US, SymbolTable, TextError


def test_table_holds_every_phone_once():
    assert len(EN_US) == len(set(EN_US)) == 3 + 1 + 8 + 24 + 1 + 15 * 3
    for phone in ("ˈæ", "ˌoʊ", "t͡ʃ", "d͡ʒ", "ə", "ɚ", "ˈɔɪ", " ", "—", "…"):
        assert phone in EN_US


def test_encode_adds_both_ends_and_decode_drops_them():
    table = SymbolTable(("<pad>", "<s>", "</s>", " ", "a", "b"))
    assert table.encode(["a", " ", "b"]) == [1, 4, 3, 5, 2]
    assert table.decode([1, 4, 3, 5, 0, 2, 4]) == "a b"
    assert table.begins_word == (False, False, False, True, False, False)
    assert (table.pad_id, table.bos_id, table.eos_id, len(table)) == (0, 1, 2, 6)


@pytest.mark.parametrize(
    ("phone", "taken"),
    [
        ("ˈə", "ə"),
        ("r", "ɹ"),
        ("g", "ɡ"),
        ("ˌɝ", "ˌɚ"),
        ("tʃ", "t͡ʃ"),
        ("ˈɒ", "ˈɑ"),
        ("–", "—"),
        ("ʔ", "t"),
        ("ˈt", "t"),
    ],
)
def test_unknown_phone_falls_back(phone, taken):
    table = SymbolTable()
    assert [table.symbols[n] for n in table.encode([phone])[1:-1]] == [taken]


def test_fallback_prefers_the_stress_that_was_asked_for():
    table = SymbolTable(("<pad>", "<s>", "</s>", "ˌæ", "ɑ", "ˈɑ"))
    assert table.encode(["ˈæ", "ˈɒ", "ˌɒ"]) == [1, 3, 5, 4, 2]


def test_pause_falls_back_to_one_the_table_has():
    table = SymbolTable(("<pad>", "<s>", "</s>", ",", "."))
    assert table.encode(["–", ";", "!", "…"]) == [1, 3, 3, 4, 4, 2]


def test_phone_without_neighbor_is_named():
    with pytest.raises(TextError, match="'ǂ'"):
        SymbolTable().encode(["ˈæ", "ǂ"])


def test_file_round_trip(tmp_path):
    SymbolTable().save(tmp_path / "tokens.txt")
    lines = (tmp_path / "tokens.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:4] == ["<pad>\t0", "<s>\t1", "</s>\t2", " \t3"]
    assert SymbolTable.load(tmp_path / "tokens.txt") == SymbolTable()
    assert [p.name for p in tmp_path.iterdir()] == ["tokens.txt"]


@pytest.mark.parametrize("line", ["a 3", "a\t4", "\t3", "a"])
def test_bad_line_is_named(tmp_path, line):
    path = tmp_path / "tokens.txt"
    path.write_text(f"<pad>\t0\n<s>\t1\n</s>\t2\n{line}\n", encoding="utf-8")
    with pytest.raises(TextError, match="tokens.txt, line 4"):
        SymbolTable.load(path)


@pytest.mark.parametrize("symbols", [("<pad>", "<s>"), ("<pad>", "<s>", "</s>", "a", "a")])
def test_table_needs_its_ends_and_no_doubles(symbols):
    with pytest.raises(TextError):
        SymbolTable(symbols)
