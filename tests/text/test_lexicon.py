from __future__ import annotations

import pytest

from speechnar.text.lexicon import load_lexicon
from speechnar.text.symbols import TextError


def write(tmp_path, text):
    path = tmp_path / "words.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_words_and_phones(tmp_path):
    path = write(tmp_path, "# names\nNguyen\tw ˈɪ n\n\nC++\ts ˈi | p l ˈʌ s | p l ˈʌ s\nC#\ts ˈi | ʃ ˈɑ ɹ p\n")
    assert load_lexicon(path) == {
        "nguyen": ("w", "ˈɪ", "n"),
        "c++": ("s", "ˈi", " ", "p", "l", "ˈʌ", "s", " ", "p", "l", "ˈʌ", "s"),
        "c#": ("s", "ˈi", " ", "ʃ", "ˈɑ", "ɹ", "p"),
    }


def test_last_line_of_a_word_counts_and_byte_order_mark_is_no_letter(tmp_path):
    assert load_lexicon(write(tmp_path, "\ufeffGif\tɡ ˈɪ f\ngif\td͡ʒ ˈɪ f\n")) == {"gif": ("d͡ʒ", "ˈɪ", "f")}


@pytest.mark.parametrize("line", ["gif", "gif\t", "\tɡ ˈɪ f", "gif ɡ ˈɪ f", "New York\tn u", "gif\tɡ ˈQ f"])
def test_bad_line_is_named(tmp_path, line):
    path = write(tmp_path, f"ok\toʊ k ˈeɪ\n{line}\n")
    with pytest.raises(TextError, match=r"words\.tsv, line 2"):
        load_lexicon(path)


def test_file_that_is_not_text(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_bytes(b"gif\t\xff\xfe")
    with pytest.raises(TextError, match="UTF-8"):
        load_lexicon(path)
    with pytest.raises(FileNotFoundError):
        load_lexicon(tmp_path / "none.tsv")
