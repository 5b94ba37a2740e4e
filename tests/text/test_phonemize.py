from __future__ import annotations

import contextlib
import random
import warnings

import pytest

from speechnar.text.characters import TextWarning
from speechnar.text.phonemize import Phonemizer, format_phones, parse_phones
from speechnar.text.sentences import LINE_PAUSE, PARAGRAPH_PAUSE, SENTENCE_PAUSE
from speechnar.text.symbols import EN_US, TextError


def letters(words):
    """Stands in for gruut: the phones of a word are its letters."""
    return [tuple(word.strip("'")) for word in words]


def spoken(text, **settings):
    return [word.text for sentence in Phonemizer(pronounce=letters, **settings)(text) for word in sentence.words]


def test_words_point_at_their_phones():
    (sentence,) = Phonemizer(pronounce=letters)("no, go on")
    assert sentence.phones == ("n", "o", ",", " ", "g", "o", " ", "o", "n", ".")
    assert [(w.text, sentence.phones[w.start : w.end]) for w in sentence.words] == [
        ("no", ("n", "o")),
        ("go", ("g", "o")),
        ("on", ("o", "n")),
    ]


def test_real_phones():
    (sentence,) = Phonemizer()("Hello, world.")
    assert "".join(sentence.phones) == "hɛlˈoʊ, wˈɚld."
    assert sentence.text == "Hello, world."


def test_part_of_speech_chooses_the_pronunciation():
    (sentence,) = Phonemizer()("I will record a record.")
    verb, noun = (sentence.phones[w.start : w.end] for w in sentence.words if w.text == "record")
    assert "".join(verb) == "ɹɪkˈɔɹd"
    assert "".join(noun) == "ɹˈɛkɚd"


TEXTS = """In being comparatively modern, the art is younger by some centuries.
The rights of man; the wrongs of woman: both are on trial!
Did you read what I will read, or did the lead singer lead you astray?
They used to live here; now a live band plays for the well-to-do.
He will object to that object, said the invalid with the invalid ticket.
Fauntleroy and his grandmother-in-law exclaimed so vociferously that Ernest fled.
Do you want it? No! Then give it back. At once, Ernest.""".splitlines()


@pytest.mark.parametrize("text", TEXTS)
def test_phones_are_those_of_gruut(text):
    gruut = pytest.importorskip("gruut")
    expected: list[str] = []
    for sentence in gruut.sentences(text, lang="en-us"):
        for word in sentence:
            phones = [p for p in word.phonemes or [] if p not in "|‖"]
            if phones:
                expected += ([" "] if expected else []) + phones
            elif word.text.strip() in ",.?!;:":
                expected.append(word.text.strip())
    got: list[str] = []
    for sentence in Phonemizer()(text):
        got += ([" "] if got else []) + list(sentence.phones)
    assert got == expected


def test_ten_thousand_words_are_neither_lost_nor_doubled():
    dice = random.Random(0)
    words = [f"{dice.choice('bdfgklmnprstvz')}{dice.choice('aeiou')}" * dice.randint(1, 6) for _ in range(10_000)]
    text = ""
    for n, word in enumerate(words):
        gap = dice.choices([" ", ", ", "; ", ". ", "? ", "\n", "\n\n"], [100, 8, 1, 4, 1, 3, 1])[0]
        text += word + ("" if n == len(words) - 1 else gap)
    sentences = list(Phonemizer(pronounce=letters, max_phones=120)(text))
    assert [w.text for s in sentences for w in s.words] == words
    assert ["".join(s.phones[w.start : w.end]) for s in sentences for w in s.words] == words
    assert max(len(s.phones) for s in sentences) <= 120


def test_long_sentence_is_cut_after_a_clause_else_between_words():
    phonemizer = Phonemizer(pronounce=letters, max_phones=20)
    texts = [s.text for s in phonemizer("alpha beta, gamma delta epsilon zeta eta theta.")]
    assert texts == ["alpha beta,", "gamma delta epsilon", "zeta eta theta."]
    pauses = [s.pause for s in phonemizer("alpha beta, gamma delta epsilon zeta eta theta.")]
    assert pauses == [0, 0, PARAGRAPH_PAUSE]


def test_word_longer_than_the_cap_stays_whole():
    assert spoken("a mississippi b", max_phones=5) == ["a", "mississippi", "b"]


def test_sentence_and_paragraph_pauses():
    sentences = list(Phonemizer(pronounce=letters)("One two. Three four.\n\nFive six."))
    assert [s.pause for s in sentences] == [SENTENCE_PAUSE, PARAGRAPH_PAUSE, PARAGRAPH_PAUSE]


def test_a_line_without_a_full_stop_is_read_with_one():
    sentences = list(Phonemizer(pronounce=letters)("A heading\nText is here, and\nmore\n\nplan B\n\nWhat?"))
    assert [("".join(s.phones), s.pause) for s in sentences] == [
        ("A heading.", LINE_PAUSE),
        ("Text is here, and more.", PARAGRAPH_PAUSE),
        ("plan B.", PARAGRAPH_PAUSE),
        ("What?", PARAGRAPH_PAUSE),
    ]


def test_break_is_a_pause_of_its_length():
    sentences = list(Phonemizer(pronounce=letters)('One <break time="700ms"/> two. <break time="2s"/> Three four.'))
    assert [("".join(s.phones), s.pause) for s in sentences] == [
        ("One,", 0.7),
        ("two.", 2.0),
        ("Three four.", PARAGRAPH_PAUSE),
    ]


def warned(text):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(TextError):
            list(Phonemizer(pronounce=letters)(text))
    assert all(w.category is TextWarning for w in caught)
    return [str(w.message) for w in caught]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Tokyo (東京) is large.", ["'東京' (line 1)"]),
        ("One.\nTwo السلام three.", ["'السلام' (line 2)"]),
        ("한국 and\n\nไทย, or हिन्दी", ["'한국' (line 1)", "'ไทย' (line 3)", "line 3"]),
        ("さくら\nעברית", ["'さくら' (line 1)", "'עברית' (line 2)"]),
        ("東 a 京 b 大 c 阪 d 名", ["'東' (line 1), '京' (line 1), '大' (line 1) and 2 more"]),
    ],
)
def test_one_warning_says_what_is_left_out_and_where(text, words):
    (message,) = warned(text)
    assert message.startswith("left out what has no English reading: ")
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    "text",
    [
        "Café in Łódź, naïve Æsir",
        "Москва и Київ",
        "Ἀθῆναι και α",
        "👩‍🚀 and ①②",
        "ﬁne ＡＢＣ",
        "½ ≠ √2",
        "ªº ß",
        "ā ő ʼn ʻo",
    ],
)
def test_no_warning_where_all_is_read(text):
    assert warned(text) == []


@pytest.mark.filterwarnings("ignore::speechnar.text.characters.TextWarning")
def test_a_word_that_is_too_long_is_read_in_pieces_with_a_warning():
    (message,) = warned("Here is " + "ba" * 5000 + " word")
    assert "10000 characters" in message
    assert "pieces of 200" in message
    assert sum(len(word) for word in spoken("ba" * 5000)) == 10_000
    assert max(len(word) for word in spoken("ba" * 5000)) == 200


@pytest.mark.filterwarnings("ignore::speechnar.text.characters.TextWarning")
def test_a_number_of_ten_thousand_digits_is_read_digit_by_digit():
    assert spoken("7" * 10_000) == ["seven"] * 10_000


def test_is_lazy():
    calls = []

    def count(words):
        calls.append(words)
        return letters(words)

    sentences = Phonemizer(pronounce=count)("Some words here. " * 60_000)  # 1 MB
    assert next(sentences).text == "Some words here."
    assert len(calls) == 1


def test_lexicon_comes_first_without_regard_to_case():
    lexicon = {"gif": ("d͡ʒ", "ˈɪ", "f"), "C++": ("s", "ˈi")}
    (sentence,) = Phonemizer(lexicon)("One GIF's gif in C++.")
    found = {w.text: "".join(sentence.phones[w.start : w.end]) for w in sentence.words}
    assert found["gif"] == "d͡ʒˈɪf"
    assert found["GIF's"] == "d͡ʒˈɪfs"
    assert found["C++"] == "sˈi"
    assert sentence.phones[-1] == "."


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("FBI", "ˈɛf bˈi ˈaɪ"),
        ("CEOs", "sˈi ˈi ˈoʊz"),
        ("FBI's", "ˈɛf bˈi ˈaɪz"),
        ("well-known", "wˈɛl nˈoʊn"),
        ("Thorpe's", "θˈɔɹps"),
        ("Pearce's", "pˈɪɹsɪz"),
    ],
)
def test_compounds_initialisms_and_possessives(word, phones):
    (sentence,) = Phonemizer()(f"the {word} file")
    (found,) = (w for w in sentence.words if w.text == word)
    assert "".join(sentence.phones[found.start : found.end]) == phones


def test_letter_a_and_article():
    (sentence,) = Phonemizer()("A cat takes a vitamin A pill.")
    assert ["".join(sentence.phones[w.start : w.end]) for w in sentence.words if w.text in "aA"] == ["ə", "ə", "ˈeɪ"]


def test_full_stop_after_an_initial_is_kept():
    assert [s.phones[-1] for s in Phonemizer()("It is plan B.")] == ["."]


@pytest.mark.parametrize("text", ["", "  \n ", "...", "🙂 🙂", "— — —", "'"])
def test_nothing_to_say(text):
    with pytest.raises(TextError, match="empty|no word"):
        list(Phonemizer()(text))


@pytest.mark.parametrize(
    "text", ["Hello, world! The FBI knows a well-known man; so do I.", "Wait — what?", "1/2 of $5.20: e.g. 3 km"]
)
def test_printed_phones_are_read_back(text):
    for sentence in Phonemizer()(text):
        assert parse_phones(format_phones(sentence)).phones == sentence.phones
        assert set(sentence.phones) <= set(EN_US)


def test_parse_phones():
    sentence = parse_phones("h ɛ l ˈoʊ , | w ˈɚ l d .\n n ˈaʊ")
    assert "".join(sentence.phones) == "hɛlˈoʊ, wˈɚld. nˈaʊ"
    assert [w.text for w in sentence.words] == ["hɛlˈoʊ", "wˈɚld", "nˈaʊ"]


@pytest.mark.parametrize(
    ("text", "named"), [("h ɛ Q ˈoʊ", "'Q'"), ("hɛlˈoʊ", "'hɛlˈoʊ'"), ("", "no phones"), (" | . ,", "no phones")]
)
def test_parse_phones_names_what_is_wrong(text, named):
    with pytest.raises(TextError, match=named):
        parse_phones(text)
