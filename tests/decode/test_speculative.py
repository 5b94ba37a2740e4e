"""A verified draft is what the decoder would have written token by token, in few passes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from speechnar.decode.draft import Draft, VerifyConfig
from speechnar.decode.interface import DraftReader, Verdict
from speechnar.decode.passes import alone, read_alone, together
from speechnar.decode.result import DecodeError
from speechnar.decode.speculative import SpeculativeDecoder, SpeculativeState, verify
from speechnar.decode.spelling import edit_distances
from speechnar.text.whisper_bpe import BytePairs

TOKENS = BytePairs((*(f"▁{letter}" for letter in "abcdefgh"), *"ijkl", "</s>"))
END = TOKENS.eos_id
DEFAULT = VerifyConfig()
FIRST_WIDTH, WIDTH = VerifyConfig.first_width, VerifyConfig.max_row
Says = Callable[[tuple[int, ...]], np.ndarray]


class Decoder:
    """A reader that asks a function for the log-probabilities of the token behind any text."""

    def __init__(self, says: Says) -> None:
        self.says = says
        self.text: tuple[int, ...] = ()
        self.widest = 0

    def read(self, rows: np.ndarray) -> Verdict:
        self.rows = rows
        self.widest = max(self.widest, rows.size)
        said = np.array([[self.says((*self.text, *row[:n])) for n in range(len(row) + 1)] for row in rows.tolist()])
        given = np.array([[said[i, n, token] for n, token in enumerate(row)] for i, row in enumerate(rows)])
        ranked, probable = np.argsort(-said, axis=2), -np.sort(-said, axis=2)
        first, second = ((ranked[:, :, n], probable[:, :, n]) for n in (0, 1))
        return Verdict(*first, given.reshape(rows.shape), *second)

    def keep(self, row: int, n: int, *tokens: int) -> None:
        self.text = (*self.text, *self.rows[row, :n].tolist(), *tokens)


def verified(
    draft: Sequence[int],
    decoder: Decoder,
    tokens: BytePairs,
    max_tokens: int,
    config: VerifyConfig = DEFAULT,
    bonus: Sequence[float] = (),
) -> SpeculativeState:
    return alone(verify(SpeculativeDecoder(tokens, lambda _: Draft(draft, bonus), max_tokens, config), decoder))


def text_of(state: SpeculativeState) -> list[int]:
    return state.sequences()[0]


def chance(seed: int, ends: float = 0.0) -> Says:
    """Log-probabilities that depend on the whole text, in a way that only its hash knows."""

    def says(text: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng((seed, *text))
        logits = 2 * rng.normal(size=len(TOKENS))
        logits[END] = 10 if len(text) >= ends else -10
        return logits - np.log(np.exp(logits).sum())

    return says


def one_by_one(says: Says, longest: int) -> list[int]:
    text: list[int] = []
    while len(text) < longest and (token := int(says(tuple(text)).argmax())) != END:
        text.append(token)
    return text


def spoilt(text: Sequence[int], errors: int, rng: random.Random) -> list[int]:
    """Return a text with tokens replaced, left out and put in."""
    draft = list(text)
    for _ in range(errors):
        place = rng.randrange(len(draft))
        draft[place : place + rng.choice((0, 1, 1, 2))] = [rng.randrange(END) for _ in range(rng.choice((0, 1, 1, 2)))]
        draft = draft or [0]
    return draft


@pytest.mark.parametrize("seed", range(30))
def test_what_comes_out_is_what_the_decoder_writes_token_by_token(seed: int) -> None:
    rng = random.Random(seed)
    says = chance(seed, ends=rng.randrange(2, 30))
    expected = one_by_one(says, 100)
    draft = spoilt(expected, rng.randrange(6), rng)
    made = verified(draft, Decoder(says), TOKENS, 100)
    assert text_of(made) == expected
    probabilities = [np.exp(says(tuple(expected[:n]))[token]) for n, token in enumerate(expected)]
    np.testing.assert_allclose(np.exp(made.scores[0]), probabilities)


@pytest.mark.parametrize("size", [1, WIDTH, *(FIRST_WIDTH + more for more in (-1, 0, 1, WIDTH + 1, WIDTH + 2, 60))])
def test_a_right_draft_is_read_in_as_few_passes_as_its_width_allows(size: int) -> None:
    says = chance(1, ends=size)
    decoder = Decoder(says)
    expected = one_by_one(says, 200)
    made = verified(expected, decoder, TOKENS, 200)
    assert text_of(made) == expected and len(expected) == size
    passes, left = 1, size - FIRST_WIDTH
    while left > 0:  # each pass gives a token of its own besides
        passes, left = passes + 1, left - 1 - WIDTH
    assert made.step == passes
    assert decoder.widest == min(size, FIRST_WIDTH)


@pytest.mark.parametrize(
    ("spoil", "passes"),
    [
        (lambda text: [*text[:5], (text[5] + 1) % 8, *text[6:]], 2),  # another word
        (lambda text: [*text[:5], *text[6:]], 2),  # a word too few
        (lambda text: [*text[:5], (text[5] + 1) % 8, *text[5:]], 2),  # a word too many
    ],
)
def test_one_wrong_word_costs_one_pass(spoil: Callable[[list[int]], list[int]], passes: int) -> None:
    words = [0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 4]

    def says(text: tuple[int, ...]) -> np.ndarray:
        wanted = (*words, END)[len(text)] if text == tuple(words[: len(text)]) else END
        return np.where(np.arange(len(TOKENS)) == wanted, 0.0, -9.0)

    made = verified(spoil(words), Decoder(says), TOKENS, 100)
    assert text_of(made) == words
    assert made.step <= passes + 1  # rows are shorter when there are several
    assert made.step < len(words)


@pytest.mark.parametrize("extra", range(10))
def test_a_decoder_that_does_not_end_is_cut_where_the_draft_ends(extra: int) -> None:
    words = [0, 1, 2, 3, 4]

    def says(text: tuple[int, ...]) -> np.ndarray:
        wanted = (*words, *[5, 6] * 5)[len(text)] if len(text) < len(words) + extra else END
        return np.where(np.arange(len(TOKENS)) == wanted, 0.0, -9.0)

    for draft in (words, [0, 1, 2, 3, 7]):
        made = verified(draft, Decoder(says), TOKENS, 100)
        assert text_of(made) == words + ([5, 6] * 3)[:extra] * (extra <= DEFAULT.max_extra_tokens)
        assert len(np.exp(made.scores[0])) == len(text_of(made))


def test_within_the_acceptance_threshold_the_draft_stands() -> None:
    def says(text: tuple[int, ...]) -> np.ndarray:
        logits = np.full(len(TOKENS), -9.0)
        logits[END if len(text) == 2 else 3] = -0.5
        logits[4] = -1.5 if len(text) < 2 else -9.0
        return logits

    assert text_of(verified([4, 4], Decoder(says), TOKENS, 100)) == [3, 3]
    assert text_of(verified([4, 4], Decoder(says), TOKENS, 100, VerifyConfig(acceptance_threshold=1.1))) == [4, 4]
    assert text_of(verified([4, 4], Decoder(says), TOKENS, 100, VerifyConfig(acceptance_threshold=0.9))) == [3, 3]
    assert text_of(verified([4, 4], Decoder(says), TOKENS, 100, bonus=[2.0, 0.0])) == [4, 3]


def by_place(words: list[int]) -> Says:
    """Whatever came before, it is sure of the word that belongs to a place."""

    def says(text: tuple[int, ...]) -> np.ndarray:
        return np.where(np.arange(len(TOKENS)) == (*words, *[END] * 9)[len(text)], 0.0, -9.0)

    return says


def test_what_the_decoder_reads_on_rewrites_the_draft_behind() -> None:
    words = [0, 1, 2, 3, 4, 5, 6, 7] * 3
    draft = [(word + 1) % 8 for word in words]
    made = verified(draft, Decoder(by_place(words)), TOKENS, 100)
    assert text_of(made) == words
    assert made.step <= len(words) // 3  # not a pass for every wrong word


def spelled(text: str) -> tuple[BytePairs, list[int]]:
    """Return a tokenizer, and a text in its tokens."""
    said = text.split()
    tokens = BytePairs((*dict.fromkeys(said), "▁sh", "ure", "▁zzzzzzzzzzzzzzzz", "</s>"))
    return tokens, [tokens.ids[symbol] for symbol in said]


def sure_of(words: list[int], tokens: BytePairs, lost: str) -> Says:
    """It is sure of a text, and says the same whenever it does not stand in it."""

    def says(text: tuple[int, ...]) -> np.ndarray:
        its = list(text) == words[: len(text)]
        wanted = (*words, tokens.eos_id)[len(text)] if its else tokens.ids[lost]
        return np.where(np.arange(len(tokens)) == wanted, 0.0, -9.0)

    return says


def test_a_draft_goes_on_behind_what_is_spelled_as_the_decoders_token() -> None:
    tokens, words = spelled("▁a ▁sure ▁means ▁of ▁not ▁encountering ▁objections ▁because ▁that ▁was ▁known")
    draft = [words[0], tokens.ids["▁sh"], tokens.ids["ure"], *words[2:]]
    decoder = Decoder(sure_of(words, tokens, "</s>"))
    made = verified(draft, decoder, tokens, 100, VerifyConfig(tokens_behind_doubt=12))
    assert (text_of(made), made.step) == (words, 2)
    assert len(decoder.rows) == 1


def test_a_draft_that_is_lost_is_found_again_by_the_text_written_since_then() -> None:
    text = "▁Chapter ▁1 ▁Mrs ▁Rachel ▁Lind ▁is ▁surprised ▁Mrs ▁Rachel ▁Lind ▁lived ▁just ▁where ▁the ▁Av on ly ▁main"
    heard = (
        "▁Chapter ▁one ▁M ▁Mrs ▁Rach al ▁Lind ▁is ▁surprised ▁M ▁Mrs ▁Rachel ▁Lind ▁lived ▁just ▁where ▁the ▁aven ly"
    )
    tokens = BytePairs((*dict.fromkeys(f"{text} {heard}".split()), "▁zzzzzzzzzzzzzzzz", "</s>"))
    words, draft = ([tokens.ids[symbol] for symbol in each.split()] for each in (text, heard))
    made = verified(draft, Decoder(sure_of(words, tokens, "▁zzzzzzzzzzzzzzzz")), tokens, 100)
    assert text_of(made) == words and made.step <= 9


def test_letters_that_are_skipped_may_cost_less_than_others() -> None:
    assert edit_distances("abc", ["a", "xbc", "d"]) == [3, 2, 1, 2]
    assert edit_distances("abc", ["a", "xbc", "d"], 0.5) == [3, 2, 0.5, 1]


def test_a_row_ends_where_the_decoder_doubted_the_draft() -> None:
    text = "▁earthquakes ▁but ▁which ▁luxury ▁from ▁symphony ▁did ▁chemist ▁upon ▁gardeners ▁known ▁means"
    tokens, (*words, misspelled) = spelled(f"{text} ▁luxurys")
    doubted, widths = 9, []

    def says(text: tuple[int, ...]) -> np.ndarray:
        """Say one word after the other, but another one at one place, whatever stands before."""
        wanted = (*words, tokens.eos_id)[min(len(text), len(words))]
        other = tokens.ids["▁zzzzzzzzzzzzzzzz"]
        return np.where(np.arange(len(tokens)) == (other if len(text) == doubted else wanted), 0.0, -9.0)

    class Watched(Decoder):
        def read(self, rows: np.ndarray) -> Verdict:
            widths.append(rows.shape)
            return super().read(rows)

    draft = [*words[:3], misspelled, *words[4:]]
    verified(draft, Watched(says), tokens, 100, VerifyConfig(tokens_behind_doubt=1))
    assert widths[:2] == [(1, len(draft)), (1, doubted + 1 - 4 + 1)]


def test_what_is_read_beside_what_was_said_leaves_the_draft() -> None:
    tokens, words = spelled("▁earthquakes ▁but ▁which ▁luxury ▁from ▁symphony ▁did ▁chemist ▁upon ▁gardeners ▁known")
    draft = [words[-1], *words]  # a word too many
    config = VerifyConfig(tokens_behind_doubt=12)
    made = verified(draft, Decoder(sure_of(words, tokens, "▁zzzzzzzzzzzzzzzz")), tokens, 100, config)
    assert (text_of(made), made.step) == (words, 2)
    config = VerifyConfig(tokens_behind_doubt=12, rewrite_difference=1.0)
    made = verified(draft, Decoder(sure_of(words, tokens, "▁zzzzzzzzzzzzzzzz")), tokens, 100, config)
    assert text_of(made) == words and made.step > 2


def test_what_iterations_do_not_reach_stays_a_draft() -> None:
    words = [0, 1, 2, 3, 4, 5]
    draft = [1, 1, 3, 3, 5, 4]
    assert text_of(verified(draft, Decoder(by_place(words)), TOKENS, 100, VerifyConfig(iterations=0))) == draft
    made = verified(draft, Decoder(by_place(words)), TOKENS, 100, VerifyConfig(iterations=1))
    assert made.step == 1
    assert text_of(made) == [*words[:5], 4]  # of the last word it is not known whether it ends there
    assert [probability > 0 for probability in np.exp(made.scores[0])] == [True] + [False] * 5


def test_drafts_that_are_verified_together_become_what_they_become_alone() -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        drafts = [rng.integers(0, len(TOKENS) - 1, n).tolist() for n in rng.integers(0, 12, 4)]
        says = [chance(10 * seed + n, ends=8) for n in range(4)]
        expected = [verified(draft, Decoder(its), TOKENS, 30) for draft, its in zip(drafts, says)]
        sizes: list[int] = []

        def read(asked: Mapping[int, tuple[DraftReader, np.ndarray]], sizes: list[int] = sizes) -> dict[int, Verdict]:
            sizes.append(len(asked))
            return read_alone(asked)

        decoders = [SpeculativeDecoder(TOKENS, lambda _, its=draft: Draft(its), 30, DEFAULT) for draft in drafts]
        found = together([verify(*work) for work in zip(decoders, map(Decoder, says))], read)
        assert [text_of(state) for state in found] == [text_of(state) for state in expected]
        assert [state.step for state in found] == [state.step for state in expected]
        steps = [state.step for state in expected]
        assert (len(sizes), sum(sizes)) == (max(steps), sum(steps))


def test_a_decoder_that_goes_round_in_circles_is_stopped() -> None:
    says = chance(3, ends=10**9)
    made = verified([0, 1, 2], Decoder(says), TOKENS, 1000, VerifyConfig(iterations=1000))
    assert len(text_of(made)) < 30
    assert len(text_of(verified([0] * 50, Decoder(says), TOKENS, 20, VerifyConfig(iterations=1000)))) >= 20


def test_options_are_checked() -> None:
    with pytest.raises(DecodeError, match="should be 0 or more"):
        VerifyConfig(iterations=-1)
    with pytest.raises(DecodeError, match="should be 0 or more"):
        VerifyConfig(acceptance_threshold=-0.1)


WRITTEN = BytePairs(("▁a", "▁A", "▁b", "▁B", "▁c", ",", ";", ".", "▁6", "000", ',"', "▁-", "</s>"))


def prefers(**says: dict[str, float]) -> Says:
    """Return the decoder that gives tokens these probabilities behind a text, written as its tokens, and the rest to
    the end.
    """

    def answer(text: tuple[int, ...]) -> np.ndarray:
        given = says.get("".join(WRITTEN.symbols[token] for token in text).replace("▁", "_"), {})
        left = 1 - sum(given.values())
        probabilities = np.full(len(WRITTEN), 1e-9)
        probabilities[WRITTEN.eos_id] = max(left, 1e-9)
        for symbol, probability in given.items():
            probabilities[WRITTEN.ids[symbol]] = probability
        return np.log(probabilities)

    return answer


def written(draft: str, says: Says, **options: float) -> tuple[str, int]:
    """Return what is written for a draft, and the number of passes."""
    state = verified(WRITTEN.encode(draft), Decoder(says), WRITTEN, 20, VerifyConfig(**options))
    return WRITTEN.decode(text_of(state)), state.step


def test_a_capital_is_the_decoders_and_costs_no_pass() -> None:
    says = prefers(**{"": {"▁A": 0.9}, "_a": {"▁B": 0.6, "▁b": 0.4}, "_a_b": {"▁c": 1.0}})
    assert written("a b c", says) == ("A B c", 1)


def test_a_comma_that_the_draft_lacks_is_written_and_costs_no_pass() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {",": 0.8, "▁b": 0.15}, "_a_b": {"▁c": 1.0}})
    assert written("a b c", says, acceptance_threshold=0.5) == ("a, b c", 1)


@pytest.mark.parametrize(("comma", "text"), [(0.42, "a, b c"), (0.3, "a b c")])  # 0.29 and 0.63 nats less
def test_a_comma_that_is_nearly_as_probable_as_the_word_is_written(comma: float, text: str) -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {"▁b": 0.56, ",": comma}, "_a_b": {"▁c": 1.0}})
    assert written("a b c", says) == (text, 1)


@pytest.mark.parametrize(("comma", "text"), [(0.42, "a, b c"), (0.3, "a b c")])
def test_a_comma_of_the_draft_stays_if_it_is_nearly_as_probable_as_the_word(comma: float, text: str) -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {"▁b": 0.56, ",": comma}, "_a,": {"▁b": 1.0}, "_a,_b": {"▁c": 1.0}})
    assert written("a, b c", says) == (text, 1)


def test_a_comma_before_a_word_that_the_decoder_writes_itself() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {"▁c": 0.5, ",": 0.4}, "_a,_c": {"▁c": 1.0}})
    assert written("a b c", says)[0] == "a, c c"


def test_what_is_written_in_place_of_the_draft_is_read_in_the_next_pass() -> None:
    rejects = {"": {"▁A": 0.9}, "_a": {",": 0.8, "▁b": 0.15}, "_a_b": {"▁c": 0.9, "▁a": 0.01}, "_a_b_a": {"▁a": 1.0}}
    says = prefers(**rejects, **{"_A,_b_c": {"▁B": 1.0}})
    assert written("a b a c", says, acceptance_threshold=0.5)[0] == "A, b c B"


def test_a_comma_that_is_left_out_is_not_read_in_the_next_pass() -> None:
    rejects = {"": {"▁a": 1.0}, "_a": {"▁b": 0.9, ",": 0.01}, "_a,": {"▁c": 0.9, "▁b": 0.01}, "_a,_b": {"▁b": 1.0}}
    assert written("a, b c", prefers(**rejects, **{"_a_c": {"▁B": 1.0}}))[0] == "a c B"


@pytest.mark.parametrize(
    ("draft", "says"),
    [
        ("a b", {"": {"▁a": 0.5, ",": 0.4}, "_a": {"▁b": 1.0}}),
        ("a. B", {"": {"▁a": 1.0}, "_a": {".": 1.0}, "_a.": {"▁B": 0.5, ",": 0.4}}),
        ("6 b", {"": {"▁6": 1.0}, "_6": {"▁b": 0.5, ",": 0.4}}),
        ("a", {"": {"▁a": 1.0}, "_a": {"</s>": 0.5, ",": 0.4}}),
        ('a," b', {"": {"▁a": 1.0}, "_a": {',"': 1.0}, '_a,"': {"▁b": 0.5, ",": 0.4}}),
        ("a - b", {"": {"▁a": 1.0}, "_a": {"▁-": 0.5, ",": 0.4}, "_a_-": {"▁b": 0.5, ",": 0.4}}),
    ],
)
def test_no_comma_at_the_beginning_behind_a_mark_within_a_number_or_at_the_end(
    draft: str, says: dict[str, dict[str, float]]
) -> None:
    assert written(draft, prefers(**says))[0] == draft


@pytest.mark.parametrize("first_width", [1, 8])
@pytest.mark.parametrize("bonus", [5.0, np.inf])
@pytest.mark.parametrize("after_a", [{"▁b": 0.5, ",": 0.4}, {"▁c": 0.6, "▁b": 0.3}])
def test_expected_words_have_no_comma_within_and_stay_at_the_end_of_a_row_too(
    first_width: int, bonus: float, after_a: dict[str, float]
) -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": after_a, "_a_b": {"▁c": 1.0}})
    config = VerifyConfig(first_width=first_width)
    state = verified(WRITTEN.encode("a b c"), Decoder(says), WRITTEN, 20, config, [bonus, bonus, 0.0])
    assert WRITTEN.decode(text_of(state)) == "a b c"


def test_an_expected_word_that_the_decoder_rejects_ends_no_text_and_costs_a_pass() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {"▁c": 0.9, "▁b": 1e-6}, "_a_c": {"▁c": 1.0}})
    config = VerifyConfig(first_width=1)
    state = verified(WRITTEN.encode("a b c"), Decoder(says), WRITTEN, 20, config, [0.0, 5.0, 0.0])
    assert WRITTEN.decode(text_of(state)) == "a c c"


def test_no_comma_behind_the_draft() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {"▁b": 0.5, ",": 0.4}})
    assert written("a", says)[0] == "a b"


def test_a_comma_that_is_written_is_no_second_choice() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {"▁b": 0.5, ",": 0.4}, "_a_b": {"▁c": 1.0}})
    rejected = prefers(**{"": {"▁a": 1.0}, "_a": {"▁c": 0.5, ",": 0.4}, "_a,_c": {"▁c": 1.0}})
    for decoder, words in ((says, "_a,_b_c"), (rejected, "_a,_c_c")):
        accepted = verified(WRITTEN.encode("a b c"), Decoder(decoder), WRITTEN, 20).accepted
        assert "".join(WRITTEN.symbols[each.token] for each in accepted).replace("▁", "_") == words
        assert [each.other for each in accepted[1:3]] == [-1, -1]


def test_no_comma_within_a_word() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {"000": 0.5, ",": 0.4}})
    word = [WRITTEN.ids["▁a"], WRITTEN.ids["000"]]
    assert text_of(verified(word, Decoder(says), WRITTEN, 20)) == word


def test_a_word_that_is_wrong_behind_a_missing_comma_costs_a_pass() -> None:
    comma_first = {"": {"▁a": 1.0}, "_a": {",": 0.6, "▁c": 0.39, "▁b": 0.01}, "_a,": {"▁c": 1.0}}
    text, passes = written("a b", prefers(**comma_first), acceptance_threshold=0.5)
    assert (text, passes > 1) == ("a, c", True)


def test_a_comma_that_the_decoder_does_not_want_is_left_out_and_costs_no_pass() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {"▁b": 0.9, ",": 0.05}, "_a,": {"▁b": 1.0}, "_a,_b": {"▁c": 1.0}})
    assert written("a, b c", says, acceptance_threshold=0.5) == ("a b c", 1)


def test_another_mark_within_a_sentence_is_written_in_place_of_the_drafts() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {";": 0.9, ",": 0.05}, "_a,": {"▁b": 1.0}})
    assert written("a, b", says) == ("a; b", 1)


def test_the_end_of_a_sentence_that_the_draft_lacks_costs_no_pass_and_a_capital_follows() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {".": 0.9, "▁b": 0.1}, "_a_b": {"▁c": 1.0}})
    assert written("a b c", says) == ("a. B c", 1)


def test_a_comma_that_is_the_end_of_a_sentence_costs_no_pass_and_a_capital_follows() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {".": 0.9, ",": 0.1}, "_a,": {"▁b": 1.0}, "_a,_b": {"▁c": 1.0}})
    assert written("a, b c", says) == ("a. B c", 1)


def test_an_end_of_a_sentence_that_is_none_costs_a_pass() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {",": 0.9, ".": 0.1}, "_a,": {"▁b": 1.0}, "_a,_B": {"▁c": 1.0}})
    text, passes = written("a. B c", says)
    assert (text, passes > 1) == ("a, b c", True)


@pytest.mark.parametrize(("free", "text"), [(True, "a,"), (False, "a, b")])
def test_a_mark_behind_the_draft_ends_the_text_without_a_pass(free: bool, text: str) -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {",": 0.8}, "_a,": {"▁b": 1.0}})
    made, passes = written("a", says, free_marks=free)
    assert (made, passes == 1) == (text, free)


def test_a_comma_within_a_number_ends_no_text() -> None:
    says = prefers(**{"": {"▁6": 1.0}, "_6": {",": 0.9}, "_6,": {"000": 1.0}})
    assert written("6", says)[0] == "6,000"


def test_a_point_behind_a_digit_may_be_of_a_number_and_costs_a_pass() -> None:
    """The draft has "6 b" where the decoder writes "6.000 c": a full stop in place would end the number."""
    says = prefers(
        **{"": {"▁6": 1.0}, "_6": {".": 0.6, "▁b": 0.4}, "_6.": {"000": 1.0}, "_6.000": {"▁c": 1.0}},
        **{"_6_b": {"▁c": 1.0}},
    )
    assert written("6 b c", says)[0] == "6.000 c"


def test_behind_a_digit_a_word_of_the_draft_has_to_be_the_decoders_own_choice() -> None:
    says = prefers(**{"": {"▁6": 1.0}, "_6": {"▁c": 0.5, "▁b": 0.4}, "_6_b": {"▁c": 1.0}})
    assert written("6 b c", says, acceptance_threshold=0.5)[0] == "6 c"


@pytest.mark.parametrize("bonus", [5.0, np.inf])
def test_a_full_stop_behind_a_digit_is_written_before_words_that_are_expected(bonus: float) -> None:
    says = prefers(
        **{"": {"▁6": 1.0}, "_6": {".": 0.9, "▁b": 0.05}, "_6.": {"▁B": 0.9}, "_6_b": {"▁c": 1.0}},
        **{"_6.▁b": {"▁c": 1.0}, "_6._b": {"▁c": 1.0}, "_6._B": {"▁c": 1.0}},
    )
    draft = WRITTEN.encode("6 b c")
    state = verified(draft, Decoder(says), WRITTEN, 20, VerifyConfig(acceptance_threshold=0.5), [0.0, bonus, 0.0])
    assert WRITTEN.decode(text_of(state)) == "6. B c"


def test_a_mark_of_the_draft_within_a_number_is_verified() -> None:
    says = prefers(
        **{"": {"▁6": 1.0}, "_6": {".": 0.6, ",": 0.4}, "_6,": {"▁b": 1.0}, "_6.": {"000": 1.0}},
        **{"_6.000": {"▁c": 1.0}, "_6,_b": {"▁c": 1.0}},
    )
    assert written("6, b c", says)[0] == "6.000 c"
    kept = verified(WRITTEN.encode("6, b c"), Decoder(says), WRITTEN, 20, DEFAULT, [np.inf] * 4)
    assert WRITTEN.decode(text_of(kept)) == "6, b c"


def test_marks_may_be_verified_as_other_tokens_are() -> None:
    says = prefers(**{"": {"▁a": 1.0}, "_a": {",": 0.8, "▁b": 0.2}, "_a,": {"▁b": 1.0}})
    text, passes = written("a b", says, free_marks=False)
    assert (text, passes) == ("a, b", 2)
