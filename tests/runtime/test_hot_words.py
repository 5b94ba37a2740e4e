"""Hot words as they are typed, in letters that a recognizer can write."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from voiced import spoken_by_the_voice

import speechnar
from speechnar.runtime.hot_words import split, writable
from speechnar.runtime.speech import SpeechWarning
from speechnar.text.phonemize import parse_phones

SMALL = frozenset("abcdefghijklmnopqrstuvwxyz'")
ALL = SMALL | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


@pytest.mark.parametrize(
    ("typed", "small", "written"),
    [
        ("COVID-19", "covid nineteen", "COVID-19"),
        ("O\u2019Brien", "o'brien", "O'Brien"),
        ("na\u00efve", "naive", "naive"),
        ("3M", "three m", "3M"),
        ("TCP/IP", "tcp ip", "TCP IP"),
        ("1,500", "one thousand five hundred", "one thousand five hundred"),
        ("Zentrale Nord", "zentrale nord", "Zentrale Nord"),
    ],
)
def test_hot_words_are_written_in_the_letters_that_there_are(typed: str, small: str, written: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert writable([typed], SMALL) == [small]
        assert writable([typed], ALL) == [written]


def test_what_cannot_be_written_is_left_out_with_a_notice() -> None:
    with pytest.warns(SpeechWarning, match="the hot word 'жук' is left out: the recognizer cannot write 'ж'"):
        assert writable(["жук", "beetle", "Beetle"], SMALL) == ["beetle"]


def test_a_text_is_a_list() -> None:
    assert split("Kowalska,  Zentrale   Nord\n,\nabc") == ["Kowalska", "Zentrale Nord", "abc"]
    assert split(["a, b", " ", "c"]) == ["a, b", "c"]
    assert split("") == []


def test_a_name_that_the_recognizer_of_the_wheel_does_not_know() -> None:
    """It hears a name that it cannot spell; as a hot word it is written as it should be, and in its place alone."""
    phones = "p l ˈi z | k ˈɔ l | k ə v ˈɑ l s k ə | ə b ˈaʊ t | ð ə | ˈɔ ɹ d ɚ ."
    spoken = spoken_by_the_voice((parse_phones(phones),), "heart")
    wav = np.concatenate([spoken, np.zeros(8000, np.float32)])
    assert "kowalska" not in speechnar.transcribe(wav).text.lower()
    text = speechnar.transcribe(wav, hotwords="Kowalska, cappuccino, Fauchelevent").text.lower()
    assert "call kowalska about" in text and "cappuccino" not in text and "fauchelevent" not in text
