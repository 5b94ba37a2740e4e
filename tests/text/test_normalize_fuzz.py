"""Properties of any text: no exception, only words and pauses, size and time that grow as the text does."""

from __future__ import annotations

import random
import re
import sys
import time
from pathlib import Path

import pytest

from speechnar.text.normalize import normalize
from speechnar.text.phonemize import Phonemizer
from speechnar.text.sentences import split_blocks, split_sentences
from speechnar.text.symbols import TextError

TABLES = [Path(__file__).parent / name for name in ("normalize.tsv", "neighbors.tsv")]
LINES = [line for table in TABLES for line in table.read_text(encoding="utf-8").splitlines()]
WRITTEN = [line.split("\t")[0] for line in LINES if "\t" in line]
SIGNS = "aAxI019 .,-/:$€%°'\"()[]#@&+=<>×²½µΩкπ東🙂\u200d\u0301–—…′″\n\t~*_^\\{}|`ﬁ①\x00\x7f\ud800\U000f0001≠√∞⁻⁵♯♭"
PIECES = (
    "1-", "2h", "30m", "1e5", "1'000", "1.000", "<b>", "</p>", "&amp;", "&#x10FFFF;", "&#0;", "[a](b)", "![", "](",
    "```", "<!--", "-->", "<break/>", "CHAPTER", " XII ", "(i)", "John 3:1", "2024-01-01T", "00:00", "Mon-", "Dr ",
    "St ", "B-b", "www.", "@a.b", "https://", "#1", "$1", "1/2", "5'", '6"', "kr", "mg/dL", "≤", "!=", "->", "I <3 ",
    " a ", "e.g. ", "9" * 20, "IV.", "C#", ".NET", "A+", "NaCl", "M&Ms", "%-", "..", "tel: 0",
    "zip 1", "ⅷ", "١٢", "१", "Ἀ", "ß", "ǆ",
)  # fmt: skip
OUTPUT = re.compile(r"[A-Za-z'\-.,;:?! ]*")


def strings(count: int, seed: int) -> list[str]:
    """Texts of four kinds: damaged rows of the table, pieces of syntax, any characters, and runs of one thing."""
    dice = random.Random(seed)

    def anything() -> str:
        plane = dice.choice((0x80, 0x250, 0x3000, 0x10000, sys.maxunicode))
        return chr(dice.randrange(plane))

    texts = []
    for n in range(count):
        if n % 4 == 0:
            letters = list(dice.choice(WRITTEN))
            for _ in range(dice.randint(1, 5)):
                letters.insert(dice.randrange(len(letters) + 1), dice.choice(SIGNS))
        elif n % 4 == 1:
            letters = [dice.choice((*PIECES, *SIGNS)) for _ in range(dice.randint(1, 20))]
        elif n % 4 == 2:
            letters = [anything() for _ in range(dice.randint(1, 30))]
        else:
            letters = [dice.choice((*PIECES, anything()))] * dice.randint(1, 30)
        texts.append("".join(letters))
    return texts


def test_ten_thousand_strings_become_words_and_pauses():
    for text in strings(10_000, seed=1):
        spoken = normalize(text)
        assert OUTPUT.fullmatch(spoken), text
        assert len(spoken) <= 40 * len(text) + 40, text


def test_rows_with_other_digits_become_words_and_pauses():
    """A date, a time or a fraction with digits at random is often none."""
    dice = random.Random(4)
    for written in [written for written in WRITTEN if re.search(r"\d", written)]:
        for _ in range(6):
            text = re.sub(r"\d", lambda _: dice.choice("0123456789"), written)
            assert OUTPUT.fullmatch(normalize(text)), text


@pytest.mark.filterwarnings("ignore::speechnar.text.characters.TextWarning")
def test_strings_pass_through_the_whole_front_end():
    phonemizer = Phonemizer(pronounce=lambda words: [tuple(word) for word in words])
    for text in strings(1500, seed=2):
        normalized = [normalize(block.text) for block in split_blocks(text)]
        assert [" ".join(split_sentences(block)) for block in normalized] == normalized
        try:
            sentences = list(phonemizer(text))
        except TextError:
            continue
        assert all(sentence.phones and 0 <= sentence.pause <= 10 for sentence in sentences), text


def test_every_character_of_the_basic_plane_is_read_or_dropped():
    for start in range(0, 0x10000, 16):
        for text in ("".join(map(chr, range(start, start + 16))), f"a {chr(start + 7)} b{chr(start + 9)}1"):
            assert OUTPUT.fullmatch(normalize(text)), text


def test_every_unit_with_every_prefix_is_read_in_rates():
    bases = "m g l L s Hz W Wh V A Ah B b Pa J Ω cal bps mol N eV t min h d ft in lb oz".split()
    for prefix in ("", *"kKMGTPhdcmµnp"):
        for base in bases:
            for per in ("L", "dL", "mL", "kg", "m²", "m³", "s", "h", "min", "day", "lb", "GB"):
                text = f"in {prefix}{base}/{per} or 5 {prefix}{base}/{per} per {prefix}{base}"
                assert OUTPUT.fullmatch(normalize(text)), text


def test_digits_and_signs_never_become_an_acronym():
    """The words that one step writes are not spelled by a later one: from digits and signs, no capital may come."""
    dice = random.Random(3)
    for _ in range(5000):
        parts = [dice.choice(("1", "3", "12", "30", "100", "2.5", "0", "999")) for _ in range(dice.randint(2, 7))]
        text = parts[0] + "".join(dice.choice(" -:/,+×=<>%–") + part for part in parts[1:])
        said = re.sub(
            r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b",
            "",
            normalize(text),
        )
        assert said == said.lower(), text


UNITS = (
    "1-", "'", ".", "(", "A. ", "1:", "aB", "-@", "I ", "a.", "—", "$1", "[", "![a",
    "1 234 ", "1,5 ", "Nf3 ", "e4=Q", "1A:", "a:b:", "Fe2", "A–", "call 12 ", "what is 1 ", "f(x)", "x+=", "O-O ",
    "#FF57", "0x1", "i++ ", "a::", "per kg ", "7.30 ", "noon-", "-1/2 ", "sin(x)",
    "1.500 ", "1d2h", "(IV) ", "A- or ", "pin 123, ", "123 and ", "&amp;", "Text 12345 ",
    "1 000 000.", "<3 ", "1x2=", "1.1.1.1/8 ", "$1/lb. ",
    "<", "<b", "<a b=c ", "&", "1'",
    "1.000.", "1 + ", "1 = ", "x<", "Mon-", "Mon, ", "a - ", "(i)", "B-b", "b-", "**", "_a", "1e5 ", "0 1234 ", "X",
    "IV ", "2h3m", "1/2 ", "a ", "St ", "é", "東", "²", "<!--", "](", "a]( ", "~~", ">", "h1 ", "1,", "1_", "tel 1 ",
    "code 1 ",
    "NaCl", "\n> ",
    "a-\n", "- a\n", "|", "| -", " \n", "```\n", "<break ", "A\n", "a, b", "«", "no. 1 ", "#", "John 3:", "\u00ad\n",
)  # fmt: skip


def seconds(text: str) -> float:
    def once() -> float:
        start = time.process_time()
        for block in split_blocks(text):
            normalize(block.text)
        normalize(text)
        return time.process_time() - start

    return min(once() for _ in range(2))


@pytest.mark.parametrize("unit", UNITS)
def test_time_grows_as_the_text_does(unit):
    """Eight times the text takes about eight times as long; a pattern that went back and forth would take 64."""
    short, long = unit * (1000 // len(unit)), unit * (8000 // len(unit))
    assert seconds(long) < 30 * (seconds(short) + 0.002)
