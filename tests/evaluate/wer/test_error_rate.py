"""Error rates against tables worked by hand and a plain dynamic program; segments against sclite's state machine."""

from __future__ import annotations

import math
import random

import pytest

from speechnar.evaluate.wer.error_rate import Confusion, Counts, Score, WerError, report, score, segments

REFERENCE = {"u1": "the cat sat on the mat", "u2": "yes", "u3": ""}
HEARD = {"u3": "uh", "u2": "no", "u1": "the cat sat the mat too"}  # on is missing, too was added; yes/no; uh was added


def distance(left: list[str], right: list[str]) -> int:
    """Levenshtein's, by the textbook's table."""
    row = list(range(len(right) + 1))
    for i, one in enumerate(left, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (one != other))
    return row[-1]


def texts(rng: random.Random, n_utterances: int) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """A reference and two systems, in a vocabulary so small that alignments are not obvious."""

    def heard(words: list[str]) -> str:
        kept = [rng.choice("abcd") if rng.random() < 0.1 else word for word in words if rng.random() > 0.07]
        return " ".join(word + " d" * (rng.random() < 0.07) for word in kept)

    said = {str(n): [rng.choice("abcd") for _ in range(rng.randrange(25))] for n in range(n_utterances)}
    first, second = ({name: heard(words) for name, words in said.items()} for _ in range(2))
    return {name: " ".join(words) for name, words in said.items()}, first, second


def test_a_table_worked_by_hand() -> None:
    aligned = score("ours", REFERENCE, HEARD, str)
    assert [alignment.utterance for alignment in aligned.alignments] == ["u1", "u2", "u3"]
    assert list(aligned.errors) == [2, 1, 1]
    assert list(aligned.lengths) == [6, 1, 0]
    (system,) = report([aligned], ["f", "m", "m"]).systems
    assert system.total == Counts("ours", 3, 7, substitutions=1, deletions=1, insertions=2)
    assert system.rate.value == system.total.rate == 4 / 7
    assert system.speakers == (Counts("f", 1, 6, 0, 1, 1), Counts("m", 2, 1, 1, 0, 1))
    none, few, more = system.lengths
    assert none == Counts("0", 1, 0, 0, 0, 1)
    assert few == Counts("1 to 5", 1, 1, 1, 0, 0)
    assert more == Counts("6 to 10", 1, 6, 0, 1, 1)
    assert math.isnan(none.rate)
    assert system.confusions == (
        Confusion("", "too", 1),
        Confusion("", "uh", 1),
        Confusion("on", "", 1),
        Confusion("yes", "no", 1),
    )


def test_characters_worked_by_hand() -> None:
    aligned = score("ours", {"u1": "a  bc", "u2": "d"}, {"u1": "abd", "u2": "d "}, str, "character")
    assert aligned.alignments[0].pairs == (("a", "a"), (" ", ""), ("b", "b"), ("c", "d"))
    assert report([aligned]).systems[0].total == Counts("ours", 2, 5, substitutions=1, deletions=1, insertions=0)
    assert [alignment.words for alignment in aligned.alignments] == [2, 1]


def test_alignments_spell_both_texts_with_the_fewest_errors() -> None:
    said, heard, _ = texts(random.Random(0), 60)
    for alignment in score("a", said, heard, str).alignments:
        left, right = (" ".join(filter(None, side)) for side in zip(*alignment.pairs)) if alignment.pairs else ("", "")
        assert left == said[alignment.utterance]
        assert right == " ".join(heard[alignment.utterance].split())
        assert alignment.errors == distance(left.split(), right.split())
        assert alignment.errors == sum(one != other for one, other in alignment.pairs)


def test_both_sides_are_normalized() -> None:
    assert score("a", {"u": "Hello THERE"}, {"u": "hello there"}, str.lower).errors.sum() == 0


def test_nothing_to_divide_by() -> None:
    with pytest.raises(WerError, match="no reference has any words"):
        score("a", {"u": "...", "v": ""}, {"u": "uh", "v": ""}, lambda text: text.replace(".", ""))


def sclite_segments(first: Score, second: Score) -> list[tuple[int, int]]:
    """Word by word: an error opens a segment, two words that both have right close it."""
    found = []
    for alignments in zip(first.alignments, second.alignments):
        words: list[list[list[int]]] = []  # of each system, for each word [inserted before it, wrong]
        for alignment in alignments:
            places = [[0, 0]]
            for said, heard in alignment.pairs:
                if said:
                    places[-1][1] = int(said != heard)
                    places.append([0, 0])
                else:
                    places[-1][0] += 1
            words.append(places)
        errors, right = [0, 0], 2
        for ours, theirs in zip(*words):
            for (one, other), is_word in ((zip(ours, theirs).__next__(), False), ((ours[1], theirs[1]), True)):
                if one or other:
                    errors, right = [errors[0] + one, errors[1] + other], 0
                elif is_word:
                    right += 1
                    if right >= 2 and any(errors):
                        found.append((errors[0], errors[1]))
                        errors = [0, 0]
        if any(errors):
            found.append((errors[0], errors[1]))
    return found


def test_segments_are_sclites() -> None:
    for seed in range(20):
        said, heard, guessed = texts(random.Random(seed), 10)
        first, second = score("a", said, heard, str), score("b", said, guessed, str)
        ours, theirs = segments(first, second)
        assert list(zip(ours, theirs)) == sclite_segments(first, second)
        assert (ours.sum(), theirs.sum()) == (first.errors.sum(), second.errors.sum())


def test_segments_worked_by_hand() -> None:
    said = {"u": "a b c d e f g h", "v": "a b"}
    first = score("a", said, {"u": "x b c y e f g h", "v": "a x"}, str)
    second = score("b", said, {"u": "a b c y e z f g h", "v": "x b"}, str)
    # a|x, then b and c are right; d|y, e is right, z is inserted; then f and g are right; v: both words.
    assert [list(side) for side in segments(first, second)] == [[1, 1, 1], [0, 2, 1]]


def test_no_errors_no_segments() -> None:
    perfect = score("a", REFERENCE, REFERENCE, str)
    assert [side.size for side in segments(perfect, perfect)] == [0, 0]
    (comparison,) = report([perfect, perfect]).comparisons
    assert (comparison.difference.value, comparison.matched.segments, comparison.matched.p) == (0, 0, 1)


def test_each_system_is_compared_with_each() -> None:
    said, heard, guessed = texts(random.Random(1), 40)
    scores = [score(name, said, text, str) for name, text in (("a", heard), ("b", guessed), ("c", said))]
    found = report(scores)
    assert [(pair.first, pair.second) for pair in found.comparisons] == [("a", "b"), ("a", "c"), ("b", "c")]
    rates = {system.total.name: system.rate.value for system in found.systems}
    for pair in found.comparisons:
        assert pair.difference.value == pytest.approx(rates[pair.second] - rates[pair.first])
    assert report([scores[0], scores[2]]).comparisons[0].difference.p < 0.001


def test_speakers_are_drawn_where_there_are_enough() -> None:
    said, heard, _ = texts(random.Random(2), 40)
    aligned = score("a", said, heard, str)
    few, enough = ([str(n % count) for n in range(40)] for count in (4, 5))
    assert report([aligned], few).drawn == "utterance"
    assert report([aligned], few).systems[0].rate == report([aligned]).systems[0].rate
    assert report([aligned], enough).drawn == "speaker"
    assert report([aligned], enough).systems[0].rate != report([aligned]).systems[0].rate
