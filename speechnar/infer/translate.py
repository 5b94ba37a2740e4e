"""Rewrite lines of text with a trained text model by one of the methods of `speechnar.decode`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from speechnar.data.pairs import known_tokens, padded
from speechnar.decode.candidates import best_candidates
from speechnar.decode.interface import State, refine
from speechnar.decode.methods import DECODERS, DecodeOptions, texts_of
from speechnar.infer.text_reader import text_input
from speechnar.layers.transformer import Encoded
from speechnar.models.folder import ModelError, load_model
from speechnar.models.specs import usual_decoder
from speechnar.text.tokenizer import Characters, load_tokenizer

MOST_TOKENS = 64
"""Tokens of a source that is translated at once; a longer line is divided, at the ends of sentences if it has any."""

MANY = 16
"""Batches beyond which progress is shown, if stderr is a terminal."""

_END = re.compile(r"(?<=[.!?…;:,])\s+")


@dataclass
class Translator:
    """A text model with its tokenizer and a method of decoding.

    Args:
        model_dir: the folder of a text model.
        options: the method and its options.
        any_method: whether the method is to be the first that the model can be decoded by.
        rescorer_dir: the folder of an autoregressive model that chooses among the candidates of a length beam (noisy
            parallel decoding); None leaves the choice to the model itself.

    Raises:
        ModelError: the model is no text model, or cannot be decoded by this method; or the rescorer has other tokens,
            or nothing to choose among.
    """

    model_dir: Path
    options: DecodeOptions = DecodeOptions()
    any_method: bool = True
    rescorer_dir: Path | None = None
    model: Any = field(init=False)
    symbols: Characters = field(init=False)
    decoded: int = field(init=False, default=0)
    """Sources that were decoded so far."""
    steps: int = field(init=False, default=0)
    """Steps of the decoder, summed over these."""

    def __post_init__(self) -> None:
        self.model, config = load_model(self.model_dir)
        if config.spec.task != "text2text":
            raise ModelError(f"{self.model_dir} holds the model {config.model.name}, which does not read text")
        if self.any_method:
            self.options = replace(self.options, method=usual_decoder(config.model.name, config.model.value))
        options = self.options
        if options.method not in config.spec.decoders:
            can = ", ".join(config.spec.decoders)
            raise ModelError(f"{self.model_dir} holds the model {config.model.name}, which cannot decode by "
                             f"{options.method}: it decodes by {can}")  # fmt: skip
        self.symbols = load_tokenizer(self.model_dir)
        self._decoder = DECODERS[options.method](options, self.symbols)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = self.model.to(self._device)
        self._rescorer: Any = None
        if self.rescorer_dir is not None:
            if options.length_beam < 2:
                raise ModelError(
                    f"{self.rescorer_dir} is to choose among candidates, and a length beam of {options.length_beam}"
                    " leaves it none: give a length beam of 2 or more, or leave rescoring out"
                )
            self._rescorer, rescorer_config = load_model(self.rescorer_dir)
            if not hasattr(self._rescorer, "score"):
                name = rescorer_config.model.name
                raise ModelError(f"{self.rescorer_dir} holds the model {name}: rescoring needs an autoregressive one")
            if load_tokenizer(self.rescorer_dir) != self.symbols:
                raise ModelError(
                    f"{self.rescorer_dir} has other tokens than {self.model_dir}: train both with one tokenizer"
                )
            self._rescorer = self._rescorer.to(self._device)

    @property
    def batched(self) -> bool:
        """Return True if the method decodes several sources at once."""
        return self._decoder.batched

    def translate(self, lines: Sequence[str], batch: int = 32) -> list[str]:
        """Return the target of each line, in order.

        A line in which the model knows no character is returned as it is, with a notice on stderr; an empty line too.

        Args:
            batch: sources that are decoded at once, of similar length; one by a method that takes no batches.
        """
        batch = batch if self.batched else 1
        parts = [self._parts(line) for line in lines]
        flat = [tokens for line in parts for tokens in line]
        order = sorted(range(len(flat)), key=lambda n: len(flat[n]))
        found = [""] * len(flat)
        hidden = None if len(flat) > MANY * batch else True
        with tqdm(total=len(flat), unit=" texts", leave=False, disable=hidden) as bar:
            for start in range(0, len(order), batch):
                chosen = order[start : start + batch]
                for number, text in zip(chosen, self._decoded([flat[n] for n in chosen])):
                    found[number] = text
                bar.update(len(chosen))
        texts = iter(found)
        kept = sum(not its and bool(line.strip()) for line, its in zip(lines, parts))
        if kept:
            print(f"speechnar: lines with no character that the model knows, kept as they are: {kept}", file=sys.stderr)
        return [" ".join(filter(None, (next(texts) for _ in its))) if its else line for line, its in zip(lines, parts)]

    def _parts(self, line: str) -> list[list[int]]:
        """Return the tokens of a line, in parts of at most `MOST_TOKENS`."""
        tokens = known_tokens(line, self.symbols)
        if not any(self.symbols.spellings[token] for token in tokens):
            return []  # nothing, or the beginnings of words alone
        if len(tokens) <= MOST_TOKENS:
            return [tokens]
        pieces = _END.split(line)
        if len(pieces) == 1:
            pieces = line.split()
        if len(pieces) == 1:
            return [tokens[start : start + MOST_TOKENS] for start in range(0, len(tokens), MOST_TOKENS)]
        parts: list[list[int]] = []
        for piece in pieces:
            for part in self._parts(piece):
                if parts and len(parts[-1]) + len(part) <= MOST_TOKENS:
                    parts[-1] = parts[-1] + part
                else:
                    parts.append(part)
        return parts

    @torch.inference_mode()
    def _decoded(self, sources: Sequence[Sequence[int]]) -> list[str]:
        source, lengths = (tensor.to(self._device) for tensor in padded(sources, self.symbols.pad_id))
        encoded = self.model(source, lengths)
        state = refine(self._decoder, text_input(self._decoder, self.model, encoded, self.symbols))
        self.decoded += len(sources)
        self.steps += state.step * len(sources)
        scores = None
        if self._rescorer is not None and len(state.tokens) > len(sources):
            scores = self._scores(self._rescorer(source, lengths), state, len(state.tokens) // len(sources))
        chosen = best_candidates(state, len(sources), scores)
        return [self.symbols.decode(tokens) for tokens in texts_of(chosen, self.options)]

    def _scores(self, encoded: Encoded, state: State, number: int) -> np.ndarray:
        """Return the rescorer's log-probability of each candidate, a mean over its tokens and its end."""
        tokens, lengths = (torch.from_numpy(a).to(self._device) for a in (state.tokens, state.token_lengths))
        totals = self._rescorer.score(encoded.each(number), tokens, lengths, self.symbols)
        scores: np.ndarray = (totals / (lengths + 1)).cpu().numpy()
        return scores
