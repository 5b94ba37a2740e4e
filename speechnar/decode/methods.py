"""The methods of decoding by name, `DECODERS`, and the options that they are made of.

The spec of a model names the methods that it can use (`speechnar.models.specs`).

Source: repeated tokens, an error of parallel decoders: Wang et al. 2019, "Non-Autoregressive Machine Translation with
    Auxiliary Regularization", section 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from speechnar.decode.align_refine import AlignRefineDecoder
from speechnar.decode.autoregressive import AutoregressiveDecoder
from speechnar.decode.beam import BeamDecoder, PrefixBeamConfig
from speechnar.decode.crf import CRFDecoder
from speechnar.decode.diffusion import DiffusionDecoder
from speechnar.decode.directed_graph import LookaheadDecoder
from speechnar.decode.draft import VerifyConfig
from speechnar.decode.greedy import GreedyDecoder
from speechnar.decode.imputer import ImputerDecoder
from speechnar.decode.interface import Decoder, DecoderInput, State
from speechnar.decode.levenshtein import LevenshteinDecoder
from speechnar.decode.mask_ctc import MaskCTCDecoder
from speechnar.decode.mask_predict import MaskPredictDecoder
from speechnar.decode.parallel import ParallelDecoder
from speechnar.decode.rescoring import AutoregressiveRescoringDecoder, RescoringDecoder
from speechnar.decode.result import DecodeError
from speechnar.decode.scorer import Scorer, ScorerOptions
from speechnar.decode.semi_autoregressive import SemiAutoregressiveDecoder
from speechnar.decode.speculative import SpeculativeDecoder, greedy_draft
from speechnar.lm.arpa import load_lm
from speechnar.text.symbols import Vocabulary

MAX_TOKENS = 1000
"""Longest text of speculative decoding, in tokens."""

PARTICULAR: dict[str, tuple[str, tuple[str, ...]]] = {
    "lm": ("a language model", ("beam", "rescoring", "autoregressive_rescoring")),
    "resizing": ("resizing", ("mask_ctc",)),
    "length_beam": ("a length beam", ("mask_predict",)),
    "masking_passes": ("masking in passes", ("rescoring",)),
    "deduplicated": (
        "leaving repeats out",
        ("mask_predict", "mask_ctc", "levenshtein", "diffusion", "parallel", "crf"),
    ),
}
"""Options of a few methods: the name in error messages, and the methods. Repeats are an error of decoders that predict
several tokens at once, none of which sees the others."""


@dataclass(frozen=True)
class DecodeOptions:
    """Options of decoding; each method uses some of them.

    Attributes:
        method: a key of `DECODERS`.
        iterations: steps of the iterative methods, at most; of imputer, the frames of a block too.
        threshold: confidence in [0, 1] below which mask_ctc masks a token of CTC.
        resizing: of mask_ctc: whether the decoder predicts the number of tokens that masks stand for.
        beam: hypotheses that the searches keep.
        ctc_weight: weight of CTC's score of a whole text beside the decoder's, in [0, 1].
        masking_passes: of rescoring, over each text: 1 masks all tokens, more mask each token in one of them.
        nbest_threshold: of both rescoring methods: nats by which the CTC score of a text may be below the best one.
        acceptance_threshold: of speculative: nats by which the decoder may prefer another token to that of CTC.
        sampled: of diffusion: whether positions and tokens are drawn at random, and not the most confident first.
        temperature: divides the log-probabilities of CTC before decoding, above 0; above 1 where CTC is overconfident,
            which its loss on a dev set shows.
        length_beam: of mask_predict: how many lengths are decoded, the most probable ones by a model that predicts
            lengths, else those next to the length of CTC's best path; the best text by the mean log-probability of its
            tokens is taken.
        length_penalty: of autoregressive: scores are divided by the length to this power.
        lm: of beam and both rescoring methods: file of an n-gram model of words, of `speechnar lm train`; none by
            default.
        lm_weight, word_bonus: of `lm`; see `ScorerOptions`.
        deduplicated: of the methods that predict tokens in parallel: whether tokens that repeat the one before are left
            out of the text. Words such as `banana` lose tokens that they should have, if they are spelled `b an an a`.
        entropy_gate: nats, of the methods that have a decoder beside CTC: an utterance in which the mean entropy of CTC
            (`mean_entropy`, at the given temperature) is below this is CTC's best path, and the decoder is not run; 0
            is no gate.
        overlapping: of a blockwise encoder: whether blocks overlap by half, are decoded apart, and their texts merged.
            No word is cut then; the delay is half a block longer.
    """

    method: str = "greedy"
    iterations: int = 10
    threshold: float = 0.9
    beam: int = 10
    ctc_weight: float = 0.3
    masking_passes: int = 1
    nbest_threshold: float = 8.0
    acceptance_threshold: float = 0.0
    temperature: float = 1.0
    sampled: bool = False
    length_beam: int = 1
    length_penalty: float = 0.0
    lm: str | None = None
    lm_weight: float = 0.5
    word_bonus: float = 1.0
    overlapping: bool = False
    resizing: bool = True
    deduplicated: bool = False
    entropy_gate: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in DECODERS:
            raise DecodeError(f"the method is {self.method!r} but should be one of {', '.join(DECODERS)}")
        for name in ("iterations", "beam", "masking_passes", "length_beam"):
            if getattr(self, name) < 1:
                raise DecodeError(f"{name} is {getattr(self, name)} but should be 1 or more")
        for name in ("threshold", "ctc_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise DecodeError(f"{name} is {getattr(self, name)} but should be from 0 to 1")
        if not 0 < self.temperature < math.inf:
            raise DecodeError(f"temperature is {self.temperature} but should be above 0")
        if not (0 <= self.lm_weight < math.inf and math.isfinite(self.word_bonus)):
            raise DecodeError(
                f"lm_weight is {self.lm_weight} and word_bonus {self.word_bonus}, but both should be numbers, the first"
                " 0 or more"
            )
        for name, (what, methods) in PARTICULAR.items():
            if getattr(self, name) != getattr(DecodeOptions, name) and self.method not in methods:
                plural = "s" if len(methods) > 1 else ""
                raise DecodeError(
                    f"{what} is for the method{plural} {', '.join(methods)}, not for {self.method}: leave it out"
                )
        if not 0 <= self.entropy_gate < math.inf:
            raise DecodeError(f"entropy_gate is {self.entropy_gate} but should be 0 or more")
        if self.entropy_gate and self.method in ("greedy", "beam", "lookahead"):
            raise DecodeError(f"the method {self.method} has no decoder beside CTC: leave the entropy gate out")

    @property
    def prefix_beam(self) -> PrefixBeamConfig:
        """Return the config of the prefix beam search.

        Its thresholds are divided by the temperature, so that it tries the same tokens at every temperature.
        """
        usual = PrefixBeamConfig(self.beam)
        return replace(
            usual,
            token_threshold=usual.token_threshold / self.temperature,
            beam_threshold=usual.beam_threshold / self.temperature,
        )

    def scorer(self, vocabulary: Vocabulary) -> Scorer | None:
        """Return the scorer of texts by the language model, if there is one."""
        if not self.lm:
            return None
        weights = ScorerOptions(self.lm_weight, self.word_bonus)
        return Scorer(vocabulary, load_lm(Path(self.lm)), options=weights)


DECODERS: dict[str, Callable[[DecodeOptions, Vocabulary], Decoder[Any]]] = {
    "greedy": lambda options, vocabulary: GreedyDecoder(vocabulary),
    "beam": lambda options, vocabulary: BeamDecoder(vocabulary, options.prefix_beam, options.scorer(vocabulary)),
    "mask_predict": lambda options, vocabulary: MaskPredictDecoder(vocabulary, options.iterations, options.length_beam),
    "mask_ctc": lambda options, vocabulary: MaskCTCDecoder(
        vocabulary, options.threshold, options.iterations, options.resizing
    ),
    "align_refine": lambda options, vocabulary: AlignRefineDecoder(vocabulary, options.iterations),
    "imputer": lambda options, vocabulary: ImputerDecoder(vocabulary, options.iterations),
    "levenshtein": lambda options, vocabulary: LevenshteinDecoder(vocabulary, options.iterations),
    "diffusion": lambda options, vocabulary: DiffusionDecoder(vocabulary, options.iterations, options.sampled),
    "parallel": lambda options, vocabulary: ParallelDecoder(vocabulary),
    "crf": lambda options, vocabulary: CRFDecoder(vocabulary),
    "semi_autoregressive": lambda options, vocabulary: SemiAutoregressiveDecoder(vocabulary),
    "rescoring": lambda options, vocabulary: RescoringDecoder(
        vocabulary,
        options.prefix_beam,
        options.ctc_weight,
        options.nbest_threshold,
        options.scorer(vocabulary),
        options.masking_passes,
    ),  # fmt: skip
    "autoregressive_rescoring": lambda options, vocabulary: AutoregressiveRescoringDecoder(
        vocabulary, options.prefix_beam, options.ctc_weight, options.nbest_threshold, options.scorer(vocabulary)
    ),
    "speculative": lambda options, vocabulary: SpeculativeDecoder(
        vocabulary, greedy_draft(vocabulary), MAX_TOKENS, VerifyConfig(options.iterations, options.acceptance_threshold)
    ),
    "autoregressive": lambda options, vocabulary: AutoregressiveDecoder(
        vocabulary, options.beam, options.ctc_weight, options.length_penalty
    ),
    "lookahead": lambda options, vocabulary: LookaheadDecoder(vocabulary),
}
"""Methods of decoding: each makes a decoder of options and a vocabulary."""


def with_temperature(encoder_out: DecoderInput, temperature: float) -> DecoderInput:
    """Return the output of an encoder with the log-probabilities of CTC divided by a temperature, and normalized."""
    if temperature == 1:
        return encoder_out
    logits = encoder_out.log_probs / np.float32(temperature)
    logits = logits - logits.max(axis=2, keepdims=True)
    return replace(encoder_out, log_probs=logits - np.log(np.exp(logits).sum(axis=2, keepdims=True)))


def texts_of(state: State, options: DecodeOptions) -> list[list[int]]:
    """Return the tokens of each utterance, without those that repeat the one before if the options say so."""
    texts = state.sequences()
    return [[token for token, _ in itertools.groupby(text)] for text in texts] if options.deduplicated else texts
