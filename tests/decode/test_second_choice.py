"""The best of a text and its branches is the one that a search of its own finds, token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from speechnar.decode.draft import Draft, VerifyConfig
from speechnar.decode.interface import Verdict
from speechnar.decode.passes import alone
from speechnar.decode.second_choice import SecondChoiceConfig, reconsider
from speechnar.decode.speculative import SpeculativeDecoder, SpeculativeState, verify
from speechnar.text.whisper_bpe import BytePairs

TOKENS = BytePairs((*(f"▁{letter}" for letter in "abcdefgh"), *"ijkl", "</s>"))
END = TOKENS.eos_id
VERIFY, LIMITS = VerifyConfig(), SecondChoiceConfig()
Says = Callable[[tuple[int, ...]], np.ndarray]


class Decoder:
    """A reader that asks a function for the log-probabilities of the token behind any text."""

    def __init__(self, says: Says, text: tuple[int, ...] = ()) -> None:
        self.says, self.text = says, text

    def read(self, rows: np.ndarray) -> Verdict:
        self.rows = rows
        said = np.array([[self.says((*self.text, *row[:n])) for n in range(len(row) + 1)] for row in rows.tolist()])
        given = np.array([[said[i, n, token] for n, token in enumerate(row)] for i, row in enumerate(rows)])
        order, ranked = np.argsort(-said, axis=2), -np.sort(-said, axis=2)
        return Verdict(order[..., 0], ranked[..., 0], given.reshape(rows.shape), order[..., 1], ranked[..., 1])

    def keep(self, row: int, n: int, *tokens: int) -> None:
        self.text = (*self.text, *self.rows[row, :n].tolist(), *tokens)

    def branch(self, n: int, token: int) -> Decoder:
        assert n < len(self.text)
        return Decoder(self.says, (*self.text[:n], token))


class Silent(Decoder):
    """A reader that has no second choice."""

    def read(self, rows: np.ndarray) -> Verdict:
        verdict = super().read(rows)
        return Verdict(verdict.best, verdict.best_log_probs, verdict.log_probs)


def chance(seed: int, ends: int) -> Says:
    """Log-probabilities that depend on the whole text, in a way that only its hash knows."""

    def says(text: tuple[int, ...]) -> np.ndarray:
        logits = 2 * np.random.default_rng((seed, *text)).normal(size=len(TOKENS))
        logits[END] = 10 if len(text) >= ends else -10
        return logits - np.log(np.exp(logits).sum())

    return says


def heard(seed: int) -> Callable[[Sequence[Sequence[int]]], np.ndarray]:
    """Return what gives texts a log-probability of CTC: chance too."""
    return lambda texts: np.array([30 * np.random.default_rng((seed, 99, *text)).normal() for text in texts])


def one_by_one(says: Says, text: tuple[int, ...]) -> tuple[int, ...]:
    while (token := int(says(text).argmax())) != END:
        text = (*text, token)
    return text


def reconsidered(
    says: Says,
    ctc: Callable[[Sequence[Sequence[int]]], np.ndarray],
    draft: Sequence[int],
    config: VerifyConfig = VERIFY,
    limits: SecondChoiceConfig = LIMITS,
    bonus: Sequence[float] = (),
    reader: type[Decoder] = Decoder,
    tokens: BytePairs = TOKENS,
) -> tuple[SpeculativeState, SpeculativeState]:
    """The state of the verified text, and the state that is left."""
    decoder = SpeculativeDecoder(tokens, lambda _: Draft(draft, bonus), 100, config)
    before = alone(verify(decoder, reader(says)))
    return before, alone(reconsider(decoder, before, ctc, limits))


@pytest.mark.parametrize("seed", range(30))
def test_the_best_branch_is_that_of_a_search_token_by_token(seed: int) -> None:
    says, ctc, limits = chance(seed, 4 + seed % 7), heard(seed), SecondChoiceConfig(max_gap=2.0)
    text = one_by_one(says, ())
    found: list[tuple[float, tuple[int, ...]]] = []

    def score(other: tuple[int, ...]) -> float:
        gain = float(np.clip(ctc([other])[0] - ctc([text])[0], -limits.ctc_limit, limits.ctc_limit))
        total = sum(float(says(other[:n])[token]) for n, token in enumerate(other))
        return (total + limits.ctc_weight * gain) / len(other)

    lacking = [float(-np.diff(np.sort(says(text[:n]))[-2:])[0]) for n in range(len(text))]
    for n in sorted(range(len(text)), key=lambda n: -lacking[n])[: limits.max_places]:
        other = int(np.argsort(says(text[:n]))[-2])
        swapped = (*text[:n], other, *text[n + 1 :])
        if -lacking[n] <= limits.max_gap and ctc([swapped])[0] > ctc([text])[0]:
            branch = one_by_one(says, (*text[:n], other))
            found.append((score(branch), branch))
    best = max([(score(text), text), *found])[1]
    before, after = reconsidered(says, ctc, text, limits=limits)
    assert tuple(before.sequences()[0]) == text
    assert tuple(after.sequences()[0]) == best
    np.testing.assert_allclose(after.scores[0], [says(best[:n])[token] for n, token in enumerate(best)])


def test_some_of_these_searches_find_another_text() -> None:
    texts = [(chance(seed, 4 + seed % 7), heard(seed)) for seed in range(30)]
    changed = [
        before.sequences() != after.sequences()
        for before, after in (reconsidered(says, ctc, one_by_one(says, ())) for says, ctc in texts)
    ]
    assert 5 < sum(changed) < 25


def prefers(**says: dict[str, float]) -> Says:
    """Return the decoder that gives tokens these probabilities behind a text, and the rest to the end."""

    def answer(text: tuple[int, ...]) -> np.ndarray:
        given = says.get("".join(TOKENS.symbols[token] for token in text).replace("▁", ""), {})
        probabilities = np.full(len(TOKENS), 1e-9)
        probabilities[END] = max(1 - sum(given.values()), 1e-9)
        for symbol, probability in given.items():
            probabilities[TOKENS.ids[symbol if symbol in "ijkl" else f"▁{symbol}"]] = probability
        return np.log(probabilities)

    return answer


SAYS = prefers(**{"": {"a": 0.55, "b": 0.45}, "a": {"c": 1.0}, "b": {"d": 1.0}, "bd": {"e": 1.0}})


def likes(**gains: float) -> Callable[[Sequence[Sequence[int]]], np.ndarray]:
    return lambda texts: np.array([gains.get(TOKENS.decode(text).replace(" ", ""), 0.0) for text in texts])


def text(ctc: Callable[[Sequence[Sequence[int]]], np.ndarray], **options: object) -> tuple[str, bool]:
    """Return what is left of "a c", and whether the decoder was asked once more."""
    before, after = reconsidered(SAYS, ctc, TOKENS.encode("a c"), **options)  # type: ignore[arg-type]
    return TOKENS.decode(after.sequences()[0]), after.step > before.step


def test_ctc_is_asked_before_the_decoder_and_again_about_what_it_made() -> None:
    assert text(likes(bc=5, bde=5)) == ("b d e", True)
    assert text(likes(bc=-5, bde=5)) == ("a c", False)  # no pass for what CTC does not want
    assert text(likes(bc=5, bde=-5)) == ("a c", True)
    assert text(likes(bc=np.nan)) == ("a c", False)  # what it cannot spell, it does not want
    assert text(likes(bc=5, bde=np.nan)) == ("a c", True)
    assert text(likes(bc=5, bde=-np.inf)) == ("a c", True)
    assert text(likes(bc=5, bde=0.1)) == ("b d e", True)  # by the decoder alone: 0.45 in three tokens, 0.55 in two


def test_limits() -> None:
    assert text(likes(bc=5, bde=5), limits=SecondChoiceConfig(max_gap=0.1)) == ("a c", False)
    assert text(likes(bc=5, bde=5), limits=SecondChoiceConfig(max_places=0)) == ("a c", False)


def test_a_branch_that_writes_the_same_again_is_not_read_to_its_end() -> None:
    words = TOKENS.encode("b c d e f g h a b c d e f g h a b c d e f g h")
    other = TOKENS.ids["▁a"]

    def says(text: tuple[int, ...]) -> np.ndarray:
        probabilities = np.full(len(TOKENS), 1e-9)
        probabilities[(*words, END, END)[len(text)]] = 0.9 if text else 0.55
        probabilities[other] = max(probabilities[other], 0.09 if text else 0.45)
        return np.log(probabilities)

    def ctc(texts: Sequence[Sequence[int]]) -> np.ndarray:
        return np.array([9.0 * (each[0] == other) for each in texts])

    for rejoin, passes in ((4, 1), (99, 2)):
        limits = SecondChoiceConfig(rejoin_tokens=rejoin)
        before, after = reconsidered(says, ctc, words, limits=limits)
        assert after.sequences()[0] == [other, *words[1:]]
        assert after.step - before.step == passes
        assert len(after.scores[0]) == len(words) and np.isfinite(after.scores).all()


def test_no_more_passes_than_are_allowed() -> None:
    assert text(likes(bc=5, bde=5), config=VerifyConfig(iterations=1)) == ("a c", False)


def test_words_that_were_expected_stand() -> None:
    assert text(likes(bc=5, bde=5), bonus=[1.0, 0.0]) == ("a c", False)
    assert text(likes(bc=5, bde=5), bonus=[0.0, 1.0]) == ("a c", False)  # no branch before them either
    says = prefers(**{"": {"a": 1.0}, "a": {"b": 0.55, "i": 0.45}})  # a second choice would make it longer
    before, after = reconsidered(says, likes(ai=5), TOKENS.encode("a b"), bonus=[np.inf, 0.0])
    assert after is before
    before, after = reconsidered(says, likes(ai=5), TOKENS.encode("a b"))
    assert TOKENS.decode(after.sequences()[0]) == "ai"


def test_a_mark_ends_a_branch_as_it_ends_the_text() -> None:
    tokens = BytePairs(("▁a", "▁b", "▁c", "▁d", ".", "</s>"))
    said = {(): {0: 0.55, 1: 0.45}, (0,): {2: 0.99}, (1,): {2: 0.99}, (0, 2): {4: 0.9}, (1, 2): {4: 0.9}}

    def says(text: tuple[int, ...]) -> np.ndarray:
        probabilities = np.full(len(tokens), 1e-9)
        for token, probability in said.get(text, {3: 0.9}).items():
            probabilities[token] = probability
        return np.log(probabilities)

    before, after = reconsidered(says, lambda texts: np.array([9.0 * t[0] for t in texts]), [0, 2], tokens=tokens)
    assert (tokens.decode(before.sequences()[0]), tokens.decode(after.sequences()[0])) == ("a c.", "b c.")


def test_without_a_second_choice_the_text_stays() -> None:
    assert text(likes(bc=5, bde=5), reader=Silent) == ("a c", False)
    config = VerifyConfig(acceptance_threshold=0.5)  # the draft's token stands, and the decoder's best one is known
    before, after = reconsidered(SAYS, likes(ade=5, ac=5), TOKENS.encode("b d e"), config=config, reader=Silent)
    assert before is after
    before, after = reconsidered(SAYS, likes(ade=5, ac=5), TOKENS.encode("b d e"), config=config)
    assert TOKENS.decode(after.sequences()[0]) == "a c"
