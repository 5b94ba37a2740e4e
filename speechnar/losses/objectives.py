"""The losses that a decoder which predicts all tokens at once can be trained by, under their names in configs.

`cross_entropy`, place by place, is in the models, which choose the places; the others are of whole texts:

    axe             of the best monotonic alignment; places without a token say the blank
    oaxe            of the best assignment of tokens to places
    bag_of_ngrams   the share of the target's pairs of tokens that are not expected to be said anywhere
    edit_invariant  of the pairs of tokens, each at any place

The last two do not teach the order of pairs: a model starts from one that was trained by cross-entropy (`--init`).

Source: in `speechnar.losses.axe`, `speechnar.losses.oaxe` and `speechnar.losses.ngram`. N-grams of two tokens, as Shao
    et al. 2020 train with.
"""

from __future__ import annotations

from torch import Tensor

from speechnar.losses.axe import axe_loss
from speechnar.losses.mean import Mean
from speechnar.losses.ngram import bag_of_ngrams_loss, edit_invariant_loss
from speechnar.losses.oaxe import oaxe_loss

OBJECTIVES = ("cross_entropy", "axe", "oaxe", "bag_of_ngrams", "edit_invariant")

WITHOUT_BLANKS = ("cross_entropy", "oaxe", "bag_of_ngrams", "edit_invariant")
"""Those for a decoder with as many places as tokens, which says no blank."""

ORDER = 2
"""Length of the n-grams."""


def check_objective(objective: str, among: tuple[str, ...] = OBJECTIVES) -> None:
    """Check the name of an objective.

    Raises:
        ValueError: it is none of those that the model can be trained by.
    """
    if objective not in among:
        raise ValueError(f"the objective is {objective!r} but should be one of {', '.join(among)}")


def text_loss(
    objective: str, logits: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, blank_id: int
) -> Mean:
    """Return a loss of whole texts, by its name: in nats a token, of `bag_of_ngrams` a share in [0, 1].

    Texts without a token or a prediction are left out; of "oaxe", those with fewer predictions than tokens too.

    Args:
        objective: one of `OBJECTIVES` but for "cross_entropy".
        logits: (B, T, V); lengths: (B,) predictions.
        tokens: (B, N), padding of any value; token_lengths: (B,).
    """
    rows = (token_lengths >= 1) & (lengths >= (token_lengths if objective == "oaxe" else 1))
    if not bool(rows.any()):
        return Mean(logits.sum() * 0, token_lengths.new_zeros(()))
    given = logits[rows].log_softmax(2), lengths[rows], tokens[rows], token_lengths[rows]
    if objective == "axe":
        value = axe_loss(*given, blank_id)
    elif objective == "oaxe":
        value = oaxe_loss(*given)
    else:
        loss = bag_of_ngrams_loss if objective == "bag_of_ngrams" else edit_invariant_loss
        value = loss(*given, min(ORDER, int(given[3].max())))
    return Mean(value, given[3].sum())
