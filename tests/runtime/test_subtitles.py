"""Cues keep their limits whatever the words are; breaks and times against examples worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechnar.decode.result import Word
from speechnar.runtime import SpeechError, Timing, Timings
from speechnar.runtime.subtitles import CueLimits, cues
from speechnar.runtime.transcript import Transcript

LIMITS = CueLimits()


def transcript(*words: tuple[str, float, float], duration: float | None = None) -> Transcript:
    timed = tuple(Word(text, start, end, 1.0) for text, start, end in words)
    return Transcript("a", timed[-1].end if duration is None else duration, timed)


def evenly(text: str, seconds: float = 0.4, start: float = 0.0, duration: float | None = None) -> Transcript:
    words = text.split()
    timed = ((word, start + n * seconds, start + (n + 0.9) * seconds) for n, word in enumerate(words))
    return transcript(*timed, duration=duration)


def texts(said: Transcript, limits: CueLimits | None = None) -> list[str]:
    return [cue.text for cue in cues(said, limits)]


word = st.text("abcdefgh,.?'", min_size=1, max_size=12)
spoken = st.lists(
    st.tuples(word, st.floats(0.0, 1.0), st.one_of(st.just(0.0), st.floats(0.0, 4.0))), min_size=1, max_size=60
)  # a word, how long it lasts, and the silence behind it
limits = st.builds(CueLimits, max_line_length=st.integers(1, 60), max_lines=st.integers(1, 3))


def said_at(rows: list[tuple[str, float, float]], slowest_rate: float | None = None) -> Transcript:
    at, words = 0.0, []
    for text, seconds, silence in rows:
        least = (len(text) + 1) / slowest_rate if slowest_rate else 0.0
        words.append((text, at, at + max(seconds, least)))
        at = words[-1][2] + silence
    return transcript(*words, duration=at)


@settings(max_examples=150, deadline=None)
@given(rows=spoken, limits=limits)
def test_cues_say_all_words_in_order_of_time_and_within_their_limits(
    rows: list[tuple[str, float, float]], limits: CueLimits
) -> None:
    said = said_at(rows)
    found = cues(said, limits)
    assert " ".join(" ".join(cue.text.split("\n")) for cue in found) == said.text
    edges = [edge for cue in found for edge in (cue.start, cue.end)]
    assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= said.duration
    for cue in found:
        lines = cue.text.split("\n")
        assert all(len(line) <= limits.max_line_length or " " not in line for line in lines)
        assert len(lines) <= limits.max_lines or " " not in cue.text.replace("\n", " ")


@settings(max_examples=150, deadline=None)
@given(rows=spoken)
def test_speech_that_is_slow_enough_can_always_be_read(rows: list[tuple[str, float, float]]) -> None:
    said = said_at(rows, slowest_rate=0.99 * LIMITS.max_rate)
    for cue in cues(said):
        seconds = cue.end - cue.start
        assert len(cue.text) / LIMITS.max_rate <= seconds + 1e-9
        assert seconds >= min(LIMITS.shortest, said.duration) - 1e-9


def test_cues_and_lines_end_with_phrases() -> None:
    text = "it was night, and nobody had seen the old man walk down to the river, because it was raining hard."
    assert texts(evenly(text)) == [
        "it was night,",
        "and nobody had seen the old man walk down\nto the river, because it was raining hard.",
    ]


@pytest.mark.parametrize(
    ("word", "following"),
    [
        ("Dr.", "Smith"), ('"Dr.', 'Smith"'), ("Mr.", "T"), ("Mrs.", "Bennet"), ("St.", "John"), ("Prof.", "Reed,"),
        ("J.", "Tolkien"), ("Fig.", "3"), ("e.g.", "cats"), ("vs.", "Spain"), ("Gen.", "Lee"), ("(Sen.", "Warren)"),
    ],
)  # fmt: skip
def test_a_full_stop_of_a_title_or_an_initial_ends_no_phrase(word: str, following: str) -> None:
    """Both texts have to be broken near their middle; a full stop that ends a sentence is where, one of a title not."""
    before, after = "The whole town knew about", "lived upon a hill near a lake"
    for limit in (CueLimits(), CueLimits(max_lines=1)):
        lines = "\n".join(texts(evenly(f"{before} {word} {following} {after}"), limit)).split("\n")
        assert any(f"{word} {following}" in line for line in lines), lines
        lines = "\n".join(texts(evenly(f"{before} him. Then {after}"), limit)).split("\n")
        assert lines[0].endswith("him.") and lines[1].startswith("Then")


def test_an_initial_at_the_end_of_a_sentence_ends_it() -> None:
    text = "Everybody in the town wanted plan B. They lived upon a hill near a lake."
    assert texts(evenly(text)) == ["Everybody in the town wanted plan B.\nThey lived upon a hill near a lake."]


def test_a_short_word_by_itself_stays_on_the_screen() -> None:
    (first, second) = cues(transcript(("Yes.", 1.0, 1.2), ("No.", 9.0, 9.1), duration=9.2))
    assert (first.start, first.end) == (1.0, pytest.approx(1.0 + 5 / 6, abs=0.0021))
    assert (second.start, second.end) == (
        pytest.approx(9.2 - 5 / 6, abs=0.0021),
        9.2,
    )  # the audio ends: it begins earlier


def test_a_short_word_without_time_joins_its_neighbors() -> None:
    said = transcript(("Yes.", 0.0, 0.2), ("I", 0.25, 0.3), ("will", 0.3, 0.6), ("come", 0.6, 1.0), duration=1.0)
    assert texts(said) == ["Yes. I will come"]


def test_no_cue_lasts_over_a_long_pause() -> None:
    assert texts(transcript(("one", 0.0, 0.9), ("two", 3.0, 4.0))) == ["one", "two"]
    assert texts(transcript(("one", 0.0, 0.9), ("two", 1.0, 2.0))) == ["one two"]


def test_limits_may_be_chosen() -> None:
    said = evenly("the quick brown fox jumps over the lazy dog and then it sleeps")
    assert texts(said) == ["the quick brown fox jumps\nover the lazy dog and then it sleeps"]
    narrow = texts(said, CueLimits(max_line_length=20, max_lines=1))
    assert max(map(len, narrow)) <= 20 and " ".join(narrow) == said.text
    with pytest.raises(SpeechError, match="max_line_length 0 and max_lines 2"):
        CueLimits(max_line_length=0)


def test_a_word_that_is_longer_than_a_line_has_its_own() -> None:
    lines = "\n".join(texts(evenly(f"see {'x' * 50} there"))).split("\n")
    assert lines == ["see", "x" * 50, "there"]


def test_no_words_no_cues() -> None:
    assert cues(Transcript("a", 3.0, ())) == []


def test_the_text_of_speech_is_shown_as_it_is_written() -> None:
    """A number is spoken in other words, and has the time between its neighbors."""
    text = "He paid $5, twice."
    said = Timings(
        (Timing("he paid five dollars twice", 0.0, 3.0, source=text),),
        tuple(Timing(word, n / 2, n / 2 + 0.4) for n, word in enumerate("he paid five dollars twice".split())),
        (),
    )
    (cue,) = cues(said)
    assert (cue.text, cue.start, cue.end) == (text, 0.0, 3.0)


def test_a_word_is_not_found_inside_another() -> None:
    """The word "a" begins at 1.0 s; the letter in "cats" is no reason to show it at 0."""
    said = Timings(
        (Timing("cats sleep. a", 0.0, 20.0),),
        (Timing("Cats", 0.0, 0.4), Timing("sleep", 0.5, 1.0), Timing("a", 19.0, 19.5)),
        (),
    )
    assert [(cue.text, cue.start) for cue in cues(said)] == [("cats sleep.", 0.0), ("a", 19.0)]


def test_a_long_recording_takes_little_time_a_word() -> None:
    found = cues(evenly(" ".join(f"w{n}" for n in range(5000))))
    assert math.isclose(found[-1].end, 4999.9 * 0.4) and len(found) < 1000
