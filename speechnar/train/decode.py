"""Decodes a corpus with a trained recogniser: CTC alone, Mask-CTC's refinement, or one token after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from lhotse import CutSet
from torch import Tensor, nn
from tqdm import tqdm

from speechnar.audio import replacing
from speechnar.core.ctc import best_path
from speechnar.core.ctc_encoder import EncoderOutput
from speechnar.core.refine import easy_first, expand_masks, mask_unsure, merge_masks
from speechnar.data.features import DataError
from speechnar.data.transcribed import load_wav
from speechnar.models.aed import AED, BeamOptions
from speechnar.models.ctc import CTC
from speechnar.models.folder import ModelError, load_model
from speechnar.models.mask_ctc import MaskCTC
from speechnar.text.symbols import BLANK, SymbolTable
from speechnar.text.units import SPECIAL, spelled

METHODS = {"greedy": (CTC, MaskCTC, AED), "mask-ctc": (MaskCTC,), "ar": (AED,)}
"""How to decode, and the models that can."""


@dataclass(frozen=True)
class DecodeOptions:
    """How to decode.

    Attributes:
        method: "greedy", CTC's best path; "mask-ctc"; or "ar", by beam search.
        iterations: of Mask-CTC, at most.
        threshold: tokens of which CTC is less sure are masked, in [0, 1].
        beam: of the beam search.
    """

    method: str = "greedy"
    iterations: int = 10
    threshold: float = 0.9
    beam: BeamOptions = BeamOptions()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"the method is {self.method!r} but should be one of {', '.join(METHODS)}")
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations} but should be 1 or more")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold} but should be from 0 to 1")


@dataclass(frozen=True)
class Timing:
    """How long decoding took.

    Attributes:
        seconds: of work, without reading audio.
        encoder_seconds: of these, for features and encoder, which all ways of decoding have in common.
        audio_seconds: that were decoded.
    """

    seconds: float
    encoder_seconds: float
    audio_seconds: float

    @property
    def real_time_factor(self) -> float:
        return self.seconds / self.audio_seconds


def decode_corpus(
    model_dir: Path,
    cuts_path: Path,
    out: Path,
    options: DecodeOptions,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Writes `UTT text` lines, as Kaldi keeps transcripts, in the manifest's order; one utterance after another.

    Args:
        clock: counts the seconds; `time.process_time`, with one thread, is blind to what else the machine does.

    Raises:
        ModelError: the model is no recogniser, or not one that can decode so.
        DataError: there is no manifest, or audio cannot be read.
    """
    model, config = load_model(model_dir)
    if type(model) not in METHODS[options.method]:
        raise ModelError(f"{model_dir} holds {type(model).__name__}, which cannot decode by {options.method}")
    symbols = SymbolTable.load(model_dir / "tokens.txt")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    if not cuts_path.exists():
        raise DataError(f"there is no manifest at {cuts_path}: run the stage that prepares the data")
    cuts = list(CutSet.from_file(cuts_path))
    lines = []
    seconds = encoder_seconds = samples = 0.0
    with torch.inference_mode():
        for cut in tqdm(cuts, desc="decode", unit="utt", disable=None):
            wav = load_wav(cut, config.audio.sample_rate)
            started = clock()
            heard = model(*model.encoder.features(wav[None].to(device), None))
            if device.type == "cuda":
                torch.cuda.synchronize()
            encoded = clock()
            (text,) = decode_batch(model, heard, symbols, options)
            seconds += clock() - started
            encoder_seconds += encoded - started
            samples += len(wav)
            lines.append(f"{cut.id} {text}".rstrip() + "\n")
    with replacing(out) as part:
        part.write_text("".join(lines), encoding="utf-8")
    return Timing(seconds, encoder_seconds, samples / config.audio.sample_rate)


def decode_batch(model: nn.Module, heard: EncoderOutput, symbols: SymbolTable, options: DecodeOptions) -> list[str]:
    """The texts of a batch."""
    if options.method == "ar":
        assert isinstance(model, AED)
        ids = [
            model.search(one, symbols.bos_id, symbols.eos_id, symbols.blank_id, options.beam) for one in _each(heard)
        ]
        return [spelled(symbols, row) for row in ids]
    lengths = heard.lengths
    if lengths is None:
        lengths = torch.full((len(heard.log_probs),), heard.log_probs.shape[1], device=heard.log_probs.device)
    best = best_path(heard.log_probs, lengths, symbols.blank_id)
    tokens, token_lengths = best.tokens, best.token_lengths
    if options.method == "mask-ctc":
        assert isinstance(model, MaskCTC)
        tokens = mask_unsure(tokens, token_lengths, best.confidences, options.threshold, symbols.mask_id)
        tokens, token_lengths = refine(model, heard, tokens, token_lengths, symbols, options.iterations)
    return [spelled(symbols, row[:length]) for row, length in zip(tokens.tolist(), token_lengths.tolist())]


def refine(
    model: MaskCTC, heard: EncoderOutput, tokens: Tensor, token_lengths: Tensor, symbols: SymbolTable, iterations: int
) -> tuple[Tensor, Tensor]:
    """Finds how many tokens the masks of (B, N) hide, and which; returns tokens without masks, and their lengths."""
    mask_id = symbols.mask_id
    if not (tokens == mask_id).any():
        return tokens, token_lengths
    memory = model.listen(heard, symbols.blank_id)
    merged, lengths, _ = merge_masks(tokens, token_lengths, mask_id)
    counts = model.decode(memory, merged, lengths).count_logits.argmax(2)
    tokens, token_lengths = expand_masks(merged, lengths, counts, mask_id)
    allowed = torch.tensor([s not in (BLANK, *SPECIAL) for s in symbols.symbols], device=tokens.device)

    def decode(tokens: Tensor, token_lengths: Tensor) -> Tensor:
        return model.decode(memory, tokens, token_lengths).logits.log_softmax(2)

    return easy_first(tokens, token_lengths, decode, iterations, mask_id, allowed), token_lengths


def _each(heard: EncoderOutput) -> Iterator[EncoderOutput]:
    """The utterances of a batch, one by one, without padding."""
    for row in range(len(heard.hidden)):
        length = None if heard.lengths is None else int(heard.lengths[row])
        yield EncoderOutput(heard.hidden[row : row + 1, :length], None, heard.log_probs[row : row + 1, :length], ())
