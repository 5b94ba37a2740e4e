from __future__ import annotations

import random

import pytest

from speechnar.text.phonemize import Phonemizer


def read(text, **settings):
    return list(Phonemizer(pronounce=lambda words: [tuple(word) for word in words], **settings)(text))


def written(text):
    """Each spoken word with what it is written as."""
    return [(w.text, text[slice(*w.span)] if w.span else None) for s in read(text) for w in s.words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world.", [("Hello", "Hello,"), ("world", "world.")]),
        (
            "See No. 14 Harrow St. now.",
            [("See", "See"), ("number", "No. 14"), ("fourteen", "No. 14"), ("Harrow", "Harrow"), ("Street", "St."),
             ("now", "now.")],
        ),
        ("It is $5 now", [("It", "It"), ("is", "is"), ("five", "$5"), ("dollars", "$5"), ("now", "now")]),
        ("5 km", [("five", "5 km"), ("kilometers", "5 km")]),
        ("the <b>big</b> dog", [("the", "the"), ("big", "big"), ("dog", "dog")]),
        ("Café au lait", [("Cafe", "Café"), ("au", "au"), ("lait", "lait")]),
        ("so, “Go!” she cried", [("so", "so,"), ("Go", "“Go!”"), ("she", "she"), ("cried", "cried")]),
    ],
)  # fmt: skip
def test_words_know_where_they_are_written(text, expected):
    assert written(text) == expected


@pytest.mark.filterwarnings("ignore::speechnar.text.characters.TextWarning")
@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("He said “No!” and left. It was 3:30.", ["He said “No!” and left.", "It was 3:30."]),
        ("No. 14 costs $5. Dr. Reed (55) paid.", ["No. 14 costs $5.", "Dr. Reed (55) paid."]),
        ("A heading\n\nThe exam-\nple is in line\ntwo.", ["A heading", "The example is in line two."]),
        ("<p>Tom &amp; <b>Ann</b></p><p>See [docs](https://a.org).</p>", ["Tom & Ann", "See docs."]),
        ("> Quoted text\n> goes on.\n\n## Next", ["Quoted text goes on.", "Next"]),
        ("- 3 apples\n- 2 kg flour", ["3 apples", "2 kg flour"]),
        ("Run:\n```sh\nls -l\n```\nDone at 5 p.m. today.", ["Run:", "ls -l", "Done at 5 p.m. today."]),
        ("one<!-- a long note --> two. Three.", ["one two.", "Three."]),
        ("Tokyo (東京) is large — 37 million.", ["Tokyo (東京) is large — 37 million."]),
        ('One <break time="1s"/> two.', ["One", "two."]),
    ],
)
def test_sentences_know_their_text_as_written(text, sources):
    assert [s.source for s in read(text)] == sources


def test_a_written_word_that_two_sentences_share_is_shown_as_spoken():
    sentences = read("Well...Then he left.")
    assert [s.source for s in sentences] == ["Well.", "Then he left."]


def test_parts_of_a_long_sentence_share_nothing():
    text = "Alpha beta, gamma 20 delta epsilon zeta eta theta."
    sentences = read(text, max_phones=20)
    assert " ".join(s.source for s in sentences) == text


def test_spans_go_forward_and_plain_words_find_themselves():
    """In a long text of plain words, figures and markup every plain word is at its own place."""
    dice = random.Random(0)
    others = ["1984", "$3.50", "Dr. Reed", "*bold*", "“quoted”", "5 kg,", "\n\n", "\n", "e.g. this.", "And so."]
    plain = ["w" + "".join(dice.choices("bdfgklmnprstv", k=2)) + "ozo" for _ in range(200)]
    parts = [dice.choice(plain if dice.random() < 0.6 else others) for _ in range(4000)]
    text = " ".join(parts)
    last = 0
    for sentence in read(text):
        for word in sentence.words:
            assert word.span is not None
            assert word.span[0] >= last
            last = word.span[0]
            if word.text.startswith("w"):
                assert text[slice(*word.span)].strip(".,") == word.text
        assert sentence.span is None or sentence.span[0] <= sentence.span[1]
