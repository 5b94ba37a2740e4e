from __future__ import annotations

import pytest

from speechnar.score.repeats import BarMarks, unroll


def bars(text: str) -> list[BarMarks]:
    """`|: a [1 b :| [2 c ] d`: a letter is a bar, `:3|` ends what is played three times."""
    marks: list[BarMarks] = []
    forward, endings = False, set()
    for token in text.split():
        if token == "|:":
            forward = True
        elif token.startswith("["):
            endings = {int(n) for n in token[1:].split(",")}
        elif token == "]":
            endings = set()
        elif token.startswith(":"):
            marks[-1].times, endings = int(token[1:-1] or 2), set()
        elif token in ("D.C.", "D.S."):
            marks[-1].jump = {"D.C.": "capo", "D.S.": "segno"}[token]
        elif token in ("segno", "coda", "fine", "to_coda"):
            setattr(marks[-1], token, True)
        else:
            marks.append(BarMarks(forward=forward, endings=set(endings)))
            forward = False
    return marks


@pytest.mark.parametrize(
    ("written", "played"),
    [  # by hand
        ("a b c", "abc"),
        ("a |: b c :| d", "abcbcd"),
        ("a b :| c", "ababc"),
        ("|: a :3| b", "aaab"),
        ("|: a [1 b :| [2 c ] d", "abacd"),
        ("|: a [1,2 b :| [3 c ] d", "ababacd"),
        ("|: a [1 b :| [2 c :| [3 d ] e", "abacade"),
        ("|: a :| |: b :| c", "aabbc"),
        ("a :| b :| c", "aabbc"),
        ("|: a b", "ab"),
        ("a b D.C.", "abab"),
        ("a fine b D.C.", "aba"),
        ("a b segno c D.S.", "abcbc"),
        ("a b to_coda c D.C. d coda e", "abcabde"),
        ("|: a [1 b :| [2 c ] d D.C.", "abacdacd"),
        ("", ""),
    ],
)
def test_bars_are_played_in_the_order_that_musicians_play_them(written: str, played: str) -> None:
    letters = [t for t in written.split() if len(t) == 1 and t.isalpha()]
    assert "".join(letters[bar.index] for bar in unroll(bars(written))) == played


def test_each_pass_has_its_number_and_a_verse_keeps_one_pass() -> None:
    marks = bars("a |: b [1,2 c :| [3 d ] e")
    assert [(bar.index, bar.number) for bar in unroll(marks)] == [
        (0, 1), (1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (3, 3), (4, 1)
    ]  # fmt: skip
    assert [bar.index for bar in unroll(marks, verse=3)] == [0, 1, 3, 4]
    assert [bar.index for bar in unroll(marks, verse=7)] == [0, 1, 3, 4]
    assert [bar.index for bar in unroll(marks, verse=1)] == [0, 1, 2, 4]


def test_marks_of_broken_files_end() -> None:
    assert len(unroll([BarMarks(forward=True, times=10**6, endings={99}) for _ in range(50)])) <= 20_000
    assert len(unroll([BarMarks(times=10**6)])) == 32
