"""The decoder's second choice: where CTC finds it more probable, see how the text would go on behind it.

    text      We  ate  Lindbergh  '  s  cake     the decoder's first choice at every place
    other              lime                      is a little less probable for the decoder, and more probable for CTC
    branch    We  ate  lime  cake                the text behind it is verified as any draft is, and so becomes another

A verified draft is what greedy search would write. A beam search that keeps several texts finds better ones, but reads
all of them at every token; here the decoder reads on behind few tokens, because CTC has judged them before. Of the text
and its branches the one with the best score stands: the mean log-probability that the decoder gives its tokens, plus a
share of what CTC gives the whole.

Source: the score follows that of Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech
    Recognition", section III.
Differs: both parts are divided by the number of tokens, and CTC's is the difference from that of the verified text. The
    end of a text is not counted, since a text that ends with a mark is not read beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from speechnar.decode.acceptance import Written
from speechnar.decode.passes import Passes
from speechnar.decode.speculative import SpeculativeDecoder, SpeculativeState, next_pass

Texts = Sequence[Sequence[int]]


@dataclass(frozen=True)
class SecondChoiceConfig:
    """Limits of the second choice; `recipes/english_base/RESULTS.md` has error rates and speed of other values.

    Attributes:
        max_gap: nats that the decoder may give the second choice less than its first.
        max_places: places of a text at which CTC is asked, those of the smallest gaps.
        rejoin_tokens: tokens behind a second choice that have to be those of the text again, before what is left of the
            branch is taken to be as probable as it is there.
        ctc_weight: of CTC's log-probability of a text, beside the decoder's of all its tokens.
        ctc_limit: nats by which CTC may find another text more or less probable; what is beyond counts as this.
    """

    max_gap: float = 0.5
    max_places: int = 4
    rejoin_tokens: int = 4
    ctc_weight: float = 0.1
    ctc_limit: float = 30.0


def reconsider(
    decoder: SpeculativeDecoder,
    state: SpeculativeState,
    ctc: Callable[[Texts], np.ndarray],
    config: SecondChoiceConfig = SecondChoiceConfig(),
) -> Passes[SpeculativeState]:
    """Return the state of the best text: the verified one or one that begins as it does up to a second choice.

    The passes of the decoder are as many as `decoder` allows, those of `state` included.

    Expected words stand: there are branches behind the last token with a bonus only. A text or branch that CTC cannot
    spell, for a number in it, is not compared.

    Args:
        state: of a text that is complete. It stays as it is where the reader's verdicts have no second choice.
        ctc: returns the natural log-probabilities of texts, NaN of what CTC cannot spell.
    """
    places = _places(decoder, state, config)
    text = _tokens(state.accepted)
    if not places or state.step >= decoder.iterations or state.sequences() != [list(text)]:
        return state
    first, *others = ctc([text, *((*text[:n], state.accepted[n].other, *text[n + 1 :]) for n in places)])
    branches, step = [], state.step
    for n, other in zip(places, others):
        if other > first:
            branch = yield from _read(decoder, state, n, step, config)
            step = branch.step
            if branch.done:
                branches.append(branch)
    found = [state]
    scores = [_total(state) / len(text)]
    for branch, log_prob in zip(branches, ctc([_tokens(branch.accepted) for branch in branches]) if branches else ()):
        if not np.isnan(log_prob):
            gain = float(np.clip(log_prob - first, -config.ctc_limit, config.ctc_limit))
            found.append(branch)
            scores.append((_total(branch) + config.ctc_weight * gain) / len(branch.accepted))
    return replace(found[int(np.argmax(scores))], step=step)


def _places(decoder: SpeculativeDecoder, state: SpeculativeState, config: SecondChoiceConfig) -> list[int]:
    """Return the places at which the second choice is another word, or part of one, in the order of the gap."""
    begins, rule = decoder.vocabulary.begins_word, decoder.acceptance
    expected = [n for n, written in enumerate(state.accepted) if written.bonus]
    start = expected[-1] + 1 if expected else 0
    found = []
    for n, written in enumerate(state.accepted[start:], start):
        gap, token, other = written.log_prob - written.other_log_prob, written.token, written.other
        if other < 0 or other == decoder.vocabulary.eos_id or gap > config.max_gap:
            continue
        if expected and n == start and not begins[other]:  # it would lengthen the expected word
            continue
        if not (rule.is_mark(other) or rule.is_mark(token) or rule.alike(other, token)):
            found.append((gap, n))
    return [n for _, n in sorted(found)[: config.max_places]]


def _read(
    decoder: SpeculativeDecoder, state: SpeculativeState, n: int, step: int, config: SecondChoiceConfig
) -> Passes[SpeculativeState]:
    """Return the branch at place `n`, which is not `done` if passes ran out, or if it was given up.

    It is given up once its log-probability is further below that of the text than CTC could make up for.
    """
    branch = replace(decoder.branch(state, n), step=step)
    draft, lowest = branch.draft, _total(state) - config.ctc_weight * config.ctc_limit
    while not branch.done and branch.step < decoder.iterations and _total(branch) >= lowest:
        branch = yield from next_pass(decoder, branch)
        rest = branch.draft[branch.starts[0] :]
        end = n + 1 + len(draft) - len(rest)  # where the rest begins in the text, if it is still the text's
        same = _tokens(branch.accepted[n + 1 :][-config.rejoin_tokens :])
        if branch.done or len(same) < config.rejoin_tokens or rest != draft[len(draft) - len(rest) :]:
            continue
        if same == _tokens(state.accepted[end - config.rejoin_tokens : end]):
            branch = decoder.complete(branch, state.accepted[end:])
    return branch


def _tokens(accepted: Sequence[Written]) -> tuple[int, ...]:
    return tuple(written.token for written in accepted)


def _total(state: SpeculativeState) -> float:
    """Return the log-probability of what is accepted."""
    return sum(written.log_prob for written in state.accepted)
