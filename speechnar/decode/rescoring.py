"""N-best rescoring: a decoder and CTC choose together among the texts of a prefix beam search.

A masked decoder masks the texts:

    text               s  i  x  t  y
    masking passes     _  i  _  t  _     each token is masked in one pass over its text,
                       s  _  x  _  y     and compared with the decoder's own prediction for its position

An autoregressive decoder predicts each token, and the end, from the tokens before it (noisy parallel decoding):

    text and end       s  i  x  t  y  /
    it reads           <s>  s  i  x  t  y

Either way, all texts are one call of the decoder.

Source: pseudo-log-likelihood: Salazar et al. 2020, "Masked Language Model Scoring", section 2. Noisy parallel decoding:
    Gu et al. 2018, "Non-Autoregressive Neural Machine Translation", section 4.2. Weighted sum with CTC: Watanabe et al.
    2017, "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", section III.
Differs: a pass of a masked decoder masks all tokens, or every second token and so on, and not one alone, so that the
    number of passes does not grow with the text: these are the masks that Mask-CTC is trained with. The score of a
    token is relative to the most probable token of its position: the sum of log-probabilities alone would prefer short
    texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from speechnar.decode.beam import Candidate, PrefixBeamConfig, nbest
from speechnar.decode.interface import DecoderInput, DraftReader, MaskedReader, State, padded, single
from speechnar.decode.scorer import Scorer
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class NbestState(State):
    """The best text of the n-best list; `candidates` are the texts to choose among."""

    candidates: tuple[Candidate, ...] = ()
    reader: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class RescoringDecoder:
    """Decode by n-best rescoring with a masked decoder.

    Attributes:
        ctc_weight: weight of CTC's score, in [0, 1], beside the decoder's.
        nbest_threshold: nats by which the CTC score of a text may be below the best one.
        scorer: of the prefix beam search, such as a language model; its score is part of CTC's.
        masking_passes: over each text, 1 or more; 1 masks all tokens.
    """

    vocabulary: Vocabulary
    config: PrefixBeamConfig = PrefixBeamConfig()
    ctc_weight: float = 0.3
    nbest_threshold: float = 8.0
    scorer: Scorer | None = None
    masking_passes: int = 1
    iterations: int = 1
    batched: ClassVar[bool] = False
    reader: ClassVar[type | None] = MaskedReader

    def first(self, encoder_out: DecoderInput) -> NbestState:
        found = nbest(single(encoder_out), self.vocabulary, self.scorer, self.config)
        near = tuple(text for text in found if text.score >= found[0].score - self.nbest_threshold)
        done = len(near) == 1 or self.ctc_weight == 1
        return _state(NbestState(*padded([()]), np.zeros((1, 1)), done, 0, (), near, encoder_out.reader), near[0])

    def step(self, state: NbestState) -> NbestState:
        scores = self.scores([text.tokens for text in state.candidates], state.reader)
        ctc = np.array([text.score for text in state.candidates])
        best = int(((1 - self.ctc_weight) * scores + self.ctc_weight * ctc).argmax())
        return _state(replace(state, done=True), state.candidates[best])

    def scores(self, texts: Sequence[Sequence[int]], reader: Any) -> np.ndarray:
        """Return what the decoder thinks of texts of one utterance, (texts,) natural logarithms."""
        return agreement(texts, reader, self.masking_passes, self.vocabulary.mask_id)


@dataclass(frozen=True)
class AutoregressiveRescoringDecoder(RescoringDecoder):
    """Decode by n-best rescoring with an autoregressive decoder; `masking_passes` are of no use to it."""

    reader: ClassVar[type | None] = DraftReader

    def scores(self, texts: Sequence[Sequence[int]], reader: DraftReader) -> np.ndarray:
        """Return the log-probability of each text and its end, (texts,)."""
        return likelihood(texts, reader, self.vocabulary.eos_id)


def likelihood(texts: Sequence[Sequence[int]], reader: DraftReader, eos_id: int) -> np.ndarray:
    """Return the natural log-probability (texts,) that an autoregressive decoder gives to each text and its end.

    Args:
        texts: token ids of texts of one utterance.
        reader: called once, with a row for each text; it should keep no text yet.
    """
    rows, lengths = padded([[*text, eos_id] for text in texts], value=eos_id)
    real = np.arange(rows.shape[1]) < lengths[:, None]
    return np.where(real, reader.read(rows).log_probs, 0.0).sum(axis=1)


def agreement(texts: Sequence[Sequence[int]], reader: MaskedReader, masking_passes: int, mask_id: int) -> np.ndarray:
    """Return how much less probable the tokens of texts are, where they are masked, than the most probable tokens.

    Args:
        texts: token ids of texts of one utterance.
        reader: called once, for len(texts) * masking_passes rows, the passes over a text one after another.

    Returns:
        (texts,) natural logarithms of ratios: 0 for a text that the decoder itself would predict, and for an empty one.
    """
    tokens, lengths = padded(texts)
    places = np.arange(tokens.shape[1])
    masked = places % masking_passes == np.arange(masking_passes)[:, None]
    masked = masked & (places < lengths[:, None])[:, None]  # (texts, passes, N)
    rows = np.where(masked, mask_id, tokens[:, None]).reshape(-1, tokens.shape[1])
    log_probs = reader.aligned_with(texts, masking_passes).predict(rows, lengths.repeat(masking_passes))
    log_probs = log_probs.reshape(*masked.shape, -1)
    given = np.take_along_axis(log_probs, tokens[:, None, :, None], axis=3)[..., 0]
    return np.where(masked, given - log_probs.max(axis=3), 0.0).sum(axis=(1, 2))


def _state(state: NbestState, text: Candidate) -> NbestState:
    """Return the state with a text as its tokens; the score of each token is that of the text."""
    tokens, lengths = padded([text.tokens])
    return replace(state, tokens=tokens, token_lengths=lengths, scores=np.full(tokens.shape, text.score))
