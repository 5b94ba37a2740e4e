"""Guess the phones of words that a lexicon lacks, all phones of a word at once, by a CTC model of letters.

The models come from `recipes/g2p`, by `speechnar.export.letters`.

Source: Graves et al. 2006, "Connectionist temporal classification", section 3.2, best path decoding.
Differs: a frame is a blank only if that has a probability above `BLANK_THRESHOLD`. A vowel's probability is divided
    among its stresses and similar vowels, so that the best path has a blank in place of many vowels.
"""

from __future__ import annotations

import json
import math
import threading
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from speechnar.text.guesser import Phones
from speechnar.text.symbols import BOUNDARY, TextError, Vocabulary

SYMBOLS = "symbols"
"""The key of the graph's metadata that has the model's tokens, as a JSON list."""

BLANK_THRESHOLD = 0.6
"""The best of 0.4, 0.5, 0.6 and 0.7 on the dev words of `recipes/g2p`: 43.1 % WER, and 47.6 % by the best path."""


class LetterGuesser:
    """A CTC model from letters to phones; the file is read at the first call. Threads may share one.

    Args:
        path: of an ONNX file of `speechnar.export.letters`.

    Raises:
        TextError: at the first call, the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._session: Any = None
        self._symbols = Vocabulary(())

    @lru_cache(maxsize=20_000)  # noqa: B019 - one guesser of a language lives as long as the process
    def __call__(self, word: str) -> Phones:
        """Return the phones of a lower-case word; none where it has no letter that the model knows."""
        import numpy as np

        session = self._loaded()
        ids = self._symbols.ids
        letters = [ids[BOUNDARY + letter] for letter in word if BOUNDARY + letter in ids]
        if not letters:
            return ()
        (log_probs,) = session.run(None, {"letters": np.array([letters])})
        blank = log_probs[0, :, self._symbols.blank_id]
        blank[:] = np.where(blank > math.log(BLANK_THRESHOLD), 0.0, -np.inf)
        path = (self._symbols.spellings[n] for n, _ in groupby(log_probs[0].argmax(1).tolist()))
        return tuple(filter(None, path))  # a blank spells nothing

    def _loaded(self) -> Any:
        with self._lock:
            if self._session is None:
                import onnxruntime

                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = 1  # a word is too little work for two
                options.log_severity_level = 4
                try:
                    session = onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
                except Exception as error:  # ONNX Runtime's errors have no base class of their own
                    cause = str(error).splitlines()[0]
                    raise TextError(f"{self._path} cannot be loaded, export or install it again: {cause}") from None
                symbols = session.get_modelmeta().custom_metadata_map.get(SYMBOLS)
                if symbols is None:
                    raise TextError(f"{self._path} does not name its tokens: make it by `speechnar export`")
                self._symbols, self._session = Vocabulary(tuple(json.loads(symbols))), session
        return self._session
