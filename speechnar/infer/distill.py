"""Sequence-level distillation: a trained model writes the targets of a corpus, from which other models then learn.

Source: Kim and Rush 2016, "Sequence-level knowledge distillation", section 3.2; for parallel models: Gu et al. 2018,
    "Non-autoregressive neural machine translation", section 4.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
from lhotse.utils import fastcopy

from speechnar.data.difficulty import conditional_entropy
from speechnar.data.manifest import load_cuts, read_lines, save_cuts
from speechnar.data.pairs import read_pairs
from speechnar.decode.methods import DecodeOptions
from speechnar.files import atomic_write
from speechnar.infer.decode import decode_corpus
from speechnar.infer.translate import Translator
from speechnar.models.folder import load_model
from speechnar.text.tokenizer import Characters

MOST_PAIRS = 20_000
"""Pairs whose conditional entropy is measured: some hundred million links would not fit into memory."""


@dataclass(frozen=True)
class Distilled:
    """The result of distillation.

    Attributes:
        number: targets that were written.
        kept: of these, those of the corpus, where the teacher wrote nothing.
        changed: the share of words by which the new targets differ from the old ones: their word error rate.
        before, after: the conditional entropy of the targets in nats; nan for transcripts of speech.
    """

    number: int
    kept: int
    changed: float
    before: float = float("nan")
    after: float = float("nan")


def distill_pairs(teacher: Path, pairs: Path, out: Path, options: DecodeOptions, batch: int = 32) -> Distilled:
    """Write pairs, `source<TAB>target` a line, with the targets of a text model; each source stands once.

    Raises:
        ModelError, DataError: as `Translator` and `read_pairs`.
    """
    translator = Translator(teacher, options, False)
    given = read_pairs(pairs)
    first = dict(reversed(given))  # the first target of each source
    sources = list(dict.fromkeys(source for source, _ in given))
    written = [" ".join(text.split()) for text in translator.translate(sources, batch)]
    made = [(source, text or first[source]) for source, text in zip(sources, written)]
    with atomic_write(out) as part:
        part.write_text("".join(f"{source}\t{target}\n" for source, target in made), encoding="utf-8")
    return Distilled(
        len(made),
        sum(not text for text in written),
        jiwer.wer([first[source] for source in sources], [target for _, target in made]),
        _entropy([(source, first[source]) for source in sources], translator.symbols),
        _entropy(made, translator.symbols),
    )


def distill_cuts(teacher: Path, cuts: Path, out: Path, options: DecodeOptions, batch: int = 1) -> Distilled:
    """Write a manifest with the transcripts of a recognizer in place of its own.

    Args:
        cuts: a manifest of audio; of cached encoder states, where the teacher reads these: `out` then has to be in the
            same folder.

    Raises:
        ModelError, DataError: as `decode_corpus`.
    """
    with tempfile.TemporaryDirectory() as folder:
        decode_corpus(teacher, cuts, Path(folder) / "text", options, batch=batch)
        lines = [line.split(" ", 1) for line in read_lines(Path(folder) / "text")]
    texts = {utterance: (rest or [""])[0] for utterance, *rest in lines}
    cached = bool(load_model(teacher)[1].model.value.encoder.d_states)
    before, after, kept, made = [], [], 0, []
    for cut in load_cuts(cuts):
        supervisions = []
        for supervision in cut.supervisions:
            text = texts[supervision.id if cached else cut.id]
            kept += not text
            before.append(supervision.text or "")
            after.append(text or before[-1])
            supervisions.append(fastcopy(supervision, text=after[-1]))
        made.append(fastcopy(cut, supervisions=supervisions))
    save_cuts(made, out)
    return Distilled(len(after), kept, jiwer.wer(before, after))


def _entropy(pairs: Sequence[tuple[str, str]], symbols: Characters) -> float:
    """Return the conditional entropy of pairs, over the tokens of a tokenizer, of at most `MOST_PAIRS` of them."""
    chosen = pairs[:: -(-len(pairs) // MOST_PAIRS)]
    return conditional_entropy([(symbols.split(source), symbols.split(target)) for source, target in chosen])
