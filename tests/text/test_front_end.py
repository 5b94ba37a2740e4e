"""The front ends of other languages: which one a code names, what they share, and what they cannot say."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from speechnar.text.characters import TextWarning
from speechnar.text.languages.front_end import front_end, parse_language
from speechnar.text.languages.spellings import SPELLINGS
from speechnar.text.phonemize import Phonemizer, format_phones, parse_phones
from speechnar.text.symbols import BOS, EOS, PAD, PAUSES, WORD_BREAK, SymbolTable, TextError


def phones(text: str, language: str, **options: SymbolTable) -> str:
    return " / ".join(format_phones(sentence) for sentence in Phonemizer(language=language, **options)(text))


@pytest.mark.parametrize(
    "code, parsed",
    [
        ("en-us", ("en", False)), ("en_GB", ("en", False)), ("de", ("de", False)), ("de-AT", ("de", False)),
        ("de-x-letters", ("de", True)), ("fi", ("fi", True)), ("zh-Hant-TW", ("zh", True)), (" es ", ("es", False)),
    ],
)  # fmt: skip
def test_a_code_names_a_language(code: str, parsed: tuple[str, bool]) -> None:
    assert parse_language(code) == parsed


@pytest.mark.parametrize("code", ["", "german", "d", "de/at", "x-letters"])
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(TextError, match="should be a code, such as en-us or de"):
        front_end(code)


def test_a_language_that_is_not_installed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gruut_lang_sw", None)
    front_end.cache_clear()
    with pytest.raises(TextError, match=r"^the language sw is not installed: pip install 'speechnar\[sw\]'$"):
        Phonemizer(language="sw")


def test_every_lexicon_has_an_extra() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    extras = dict(re.findall(r'^(\w+) = \["gruut-lang-(\w+)"\]$', project, re.MULTILINE))
    assert extras == {language: language for language in SPELLINGS}


def test_a_german_sentence() -> None:
    # Duden, Aussprachewörterbuch: Zug [tsuːk], Tag [taːk], ich [ɪç], Haus [haʊs], Leute [ˈlɔɪtə], Straße [ˈʃtraːsə]
    assert phones("Der Zug, ich!", "de").endswith("t͡s ˈuː k , | ˈɪ ç !")
    assert phones("Haus. Leute.", "de") == "h ˈaʊ s . / l ˈɔʏ t ə ."
    assert phones("Straße Römer", "de") == "ʃ t ʁ ˈaː s ə | ʁ ˈøː m ɐ ."


def test_a_compound_has_the_phones_of_its_parts() -> None:
    assert phones("Kreisstadt", "de") == "k ʁ ˈaɪ s ʃ t ˌa t ."
    stem, last = phones("Zeitung", "de"), phones("Leute", "de")
    assert phones("Zeitungsleute", "de") == f"{stem[:-2]} s {last.replace('ˈ', 'ˌ')}"


def test_initialisms_are_spelled_and_words_in_capitals_are_not() -> None:
    assert phones("BMW", "de") == "b ˈeː | ˈɛ m | v ˈeː ."
    assert phones("NATO", "de") == phones("Nato", "de")
    assert phones("Plan B", "de").endswith("| b ˈeː .")
    assert phones("Y a A", "es") == "i | a | a ."  # the conjunction, not the letter


def test_spanish_and_french() -> None:
    assert phones("¿Qué? Ciudad, guerra.", "es") == "k ˈe ? / θ j u ð ˈa d , | ɡ ˈe r a ."
    assert phones("bonjour", "fr") == "b ɔ̃ ʒ u ʁ ."
    assert phones("l'histoire", "fr") == "l i s t w a ʁ ."


def test_french_links_consonants_to_vowels_but_not_over_pauses() -> None:
    assert phones("des enfants", "fr").endswith("z | ɑ̃ f ɑ̃ .")
    assert phones("petit ami", "fr") == "p ə t i t | a m i ."
    assert not phones("petit, ami", "fr").startswith("p ə t i t")
    assert phones("et ami", "fr").startswith("e | ")
    assert "z |" not in phones("des héros", "fr")
    assert "z |" not in phones("les livres", "fr")


def test_letters_stand_for_sounds_where_there_is_no_lexicon() -> None:
    assert phones("Hyvää päivää!", "fi") == "h y v ä ä | p ä i v ä ä !"
    assert phones("Ελλάδα", "el") == "ε λ λ ά δ α ."
    assert phones("हिन्दी", "hi") == "ह ि न ् द ी ."
    assert phones("Straße", "de-x-letters") == "s t r a s s e ."  # casefolded
    assert phones("yksi 2", "fi") == "y k s i | k a k s i ."
    assert phones("你好。再见！", "zh") == "你 好 . / 再 见 !"


def test_numbers_of_languages_without_steps_of_their_own() -> None:
    assert front_end("ru-x-letters").normalize("3,14 или 20") == "три запятая один четыре или двадцать"
    assert front_end("fi").normalize("5 km, 2 €, 24.12.2023") == (
        "viisi kilometriä, kaksi euroa, kaksikymmentäneljä joulukuuta kaksituhattakaksikymmentäkolme"
    )
    assert front_end("pl").normalize("1,5 i 3") == "jeden przecinek pięć i trzy"


def test_decomposed_letters_are_composed() -> None:
    assert phones("pa\u0308iva\u0308", "fi") == phones("päivä", "fi")
    assert phones("Ko\u0308nig", "de") == phones("König", "de")


@pytest.mark.parametrize(
    "text, language, named",
    [("Tokyo 東京 heißt es.", "de", "'東京'"), ("Hallo 😀!", "de", "'😀!'"), ("zoo 12", "ast", "'12'")],
)
def test_what_cannot_be_said_is_named_once(text: str, language: str, named: str) -> None:
    with pytest.warns(TextWarning, match="left out what has no") as caught:
        assert phones(text, language)
    assert len(caught) == 1
    assert named in str(caught[0].message)


def test_words_of_other_languages_fall_back_to_their_letters() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert phones("Москва", "de").split()[0] == "m"  # transliterated


def test_a_phone_that_the_voice_lacks_is_named_once_and_left_out() -> None:
    symbols = SymbolTable((PAD, BOS, EOS, WORD_BREAK, *PAUSES, "t", "aː", "k"))
    with pytest.warns(TextWarning, match=r"the voice has no 'ɡ', as in 'Gut': it is left out") as caught:
        assert phones("Tag, Tag. Gut, Gut!", "de", symbols=symbols) == "t ˈaː k , | t ˈaː k . / t , | t !"
    assert [str(w.message).split(",")[0] for w in caught].count("the voice has no 'ɡ'") == 1


def test_phones_and_lexicons_are_checked_by_the_voice(tmp_path) -> None:
    from speechnar.text.lexicon import load_lexicon

    german = SymbolTable((PAD, BOS, EOS, WORD_BREAK, *PAUSES, "t", "ɬ", "k"))
    assert parse_phones("t ɬ k", german).phones == ("t", "ɬ", "k")
    with pytest.raises(TextError, match="'ɬ' is not a phone"):
        parse_phones("t ɬ k")
    (tmp_path / "words.tsv").write_text("tal\tt ɬ\n", encoding="utf-8")
    assert load_lexicon(tmp_path / "words.tsv", german) == {"tal": ("t", "ɬ")}
    assert load_lexicon(tmp_path / "words.tsv", None) == {"tal": ("t", "ɬ")}
    with pytest.raises(TextError, match="'ɬ' is not a phone"):
        load_lexicon(tmp_path / "words.tsv")


def test_words_keep_their_places_in_the_text() -> None:
    text = "Am 3. Mai fährt „der“ Zug."
    (sentence,) = Phonemizer(language="de")(text)
    written = {word.text: text[slice(*word.span)] for word in sentence.words if word.span}
    assert written["fährt"] == "fährt" and written["der"] == "„der“" and written["Zug"] == "Zug."
    assert sentence.source == text


def test_english_loads_nothing_of_other_languages() -> None:
    code = (
        "import sys; from speechnar.text.phonemize import Phonemizer; list(Phonemizer()('Hello, 5 worlds.'))\n"
        "found = [m for m in sys.modules if m.split('.')[0] in ('unicode_rbnf', 'babel', 'torch', 'gruut_lang_de')]\n"
        "found += [m for m in sys.modules if m.endswith(('languages.dictionary', 'languages.normalizer'))]\n"
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
