"""Decodes a corpus with a trained recognizer: CTC alone, Mask-CTC's ways, or one token after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lhotse import CutSet
from torch import Tensor
from tqdm import tqdm

from speechnar.data.features import DataError
from speechnar.data.transcribed import load_wav
from speechnar.decode import beam as prefixes
from speechnar.files import atomic_write
from speechnar.layers.cross_attention import positions_in, token_positions
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.models.asr.mask_ctc import MaskCTC
from speechnar.models.autoregressive.aed import BeamOptions
from speechnar.models.folder import ModelError, load_model
from speechnar.nar.ctc import best_path
from speechnar.nar.masking import easy_first, expand_masks, mask_unsure, merge_masks
from speechnar.nar.rescoring import agreement
from speechnar.text.symbols import BLANK, SPECIAL, Vocabulary

DECODERS = ("greedy", "beam", "mask_ctc", "rescoring", "autoregressive")
"""Methods of decoding; `decoders` of a model's spec in `speechnar.models.specs` names those that it can use."""


@dataclass(frozen=True)
class DecodeOptions:
    """How to decode.

    Attributes:
        method: "greedy", CTC's best path; "beam", CTC's best text by prefix beam search; "mask_ctc", the best path with
            its unsure tokens written anew; "rescoring", the texts of the prefix beam search, among which Mask-CTC's
            decoder and CTC choose together; "autoregressive", one token after another, by beam search.
        iterations: of "mask_ctc", at most.
        threshold: tokens of which CTC is less sure are masked, in [0, 1].
        beam: of the searches; and what CTC counts for beside the decoder.
        masking_passes: over each text of the n-best list: 1 masks all tokens, more mask each token in one of them.
        nbest_threshold: nats of CTC by which a draft may be behind the first one.
        temperature: divides the log-probabilities of CTC before a search, above 0; above 1 where CTC is overconfident,
            which its loss on a dev set shows.
    """

    method: str = "greedy"
    iterations: int = 10
    threshold: float = 0.9
    beam: BeamOptions = BeamOptions()
    masking_passes: int = 1
    nbest_threshold: float = 8.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in DECODERS:
            raise ValueError(f"the method is {self.method!r} but should be one of {', '.join(DECODERS)}")
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations} but should be 1 or more")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold} but should be from 0 to 1")
        if self.masking_passes < 1:
            raise ValueError(f"masking_passes is {self.masking_passes} but should be 1 or more")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature} but should be above 0")


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
        ModelError: the model is no recognizer, or not one that can decode so.
        DataError: there is no manifest, or audio cannot be read.
    """
    model, config = load_model(model_dir)
    if options.method not in config.spec.decoders:
        can = ", ".join(config.spec.decoders) or "none of the methods"
        raise ModelError(f"{model_dir} holds the model {config.model.name}, which cannot decode by {options.method}: "
                         f"it decodes by {can}")  # fmt: skip
    symbols = Vocabulary.load(model_dir / "tokens.txt")
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
    with atomic_write(out) as part:
        part.write_text("".join(lines), encoding="utf-8")
    return Timing(seconds, encoder_seconds, samples / config.audio.sample_rate)


def decode_batch(model: Any, heard: EncoderOutput, symbols: Vocabulary, options: DecodeOptions) -> list[str]:
    """The texts of a batch."""
    if options.method in ("autoregressive", "beam", "rescoring"):
        return [symbols.decode(_searched(model, one, symbols, options)) for one in _each(heard)]
    lengths = heard.lengths
    if lengths is None:
        lengths = torch.full((len(heard.log_probs),), heard.log_probs.shape[1], device=heard.log_probs.device)
    best = best_path(heard.log_probs, lengths, symbols.blank_id)
    tokens, token_lengths = best.tokens, best.token_lengths
    if options.method == "mask_ctc":
        tokens = mask_unsure(tokens, token_lengths, best.confidences, options.threshold, symbols.mask_id)
        tokens, token_lengths = refine(model, heard, tokens, token_lengths, symbols, options.iterations)
    return [symbols.decode(row[:length]) for row, length in zip(tokens.tolist(), token_lengths.tolist())]


def refine(
    model: MaskCTC, heard: EncoderOutput, tokens: Tensor, token_lengths: Tensor, symbols: Vocabulary, iterations: int
) -> tuple[Tensor, Tensor]:
    """Finds how many tokens the masks of (B, N) hide, and which; returns tokens without masks, and their lengths."""
    mask_id = symbols.mask_id
    if not (tokens == mask_id).any():
        return tokens, token_lengths
    memory = model.memory(heard, symbols.blank_id)
    merged, lengths, _ = merge_masks(tokens, token_lengths, mask_id)
    counts = model.decode(memory, merged, lengths).count_logits.argmax(2)
    tokens, token_lengths = expand_masks(merged, lengths, counts, mask_id)
    allowed = torch.tensor([s not in (BLANK, *SPECIAL) for s in symbols.symbols], device=tokens.device)

    def decode(tokens: Tensor, token_lengths: Tensor) -> Tensor:
        return model.decode(memory, tokens, token_lengths).logits.log_softmax(2)

    return easy_first(tokens, token_lengths, decode, iterations, mask_id, allowed), token_lengths


def _searched(model: Any, heard: EncoderOutput, symbols: Vocabulary, options: DecodeOptions) -> list[int]:
    """What a search finds for a batch of one."""
    if options.temperature != 1:
        heard = replace(heard, log_probs=(heard.log_probs / options.temperature).log_softmax(2))
    if options.method == "autoregressive":
        return model.search(heard, symbols.bos_id, symbols.eos_id, symbols.blank_id, options.beam)
    sharp, usual = 1 / options.temperature, prefixes.PrefixBeamConfig(options.beam.beam)
    search = replace(  # as if CTC had not been calmed: then there is no more to try
        usual, token_threshold=sharp * usual.token_threshold, beam_threshold=sharp * usual.beam_threshold
    )
    found = prefixes.nbest(heard.log_probs[0].cpu().numpy(), symbols, None, search)
    near = [draft for draft in found if draft.score >= found[0].score - options.nbest_threshold]
    if options.method == "beam" or len(near) == 1 or options.beam.ctc_weight == 1:
        return list(found[0].tokens)
    return list(near[choose(model, heard, near, symbols, options)].tokens)


def choose(
    model: MaskCTC,
    heard: EncoderOutput,
    drafts: Sequence[prefixes.Candidate],
    symbols: Vocabulary,
    options: DecodeOptions,
) -> int:
    """Which of the drafts of one utterance CTC and the decoder together find best; the decoder reads all at once."""
    weight, device = options.beam.ctc_weight, heard.hidden.device
    rows = [torch.tensor(draft.tokens, dtype=torch.long) for draft in drafts]
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=symbols.blank_id).to(device)
    path = heard.log_probs[0].argmax(1).unique_consecutive()
    positions = positions_in(
        token_positions(heard.log_probs, symbols.blank_id)[0],
        path[path != symbols.blank_id].tolist(),
        [list(draft.tokens) for draft in drafts],
    )
    memory = model.memory(heard, symbols.blank_id, positions).each(options.masking_passes)

    def decode(tokens: Tensor, token_lengths: Tensor) -> Tensor:
        return model.decode(memory, tokens, token_lengths).logits  # of which differences matter alone

    lengths = torch.tensor([len(row) for row in rows], device=device)
    scores = agreement(tokens, lengths, decode, options.masking_passes, symbols.mask_id)
    ctc = torch.tensor([draft.score for draft in drafts], device=device)
    return int(((1 - weight) * scores + weight * ctc).argmax())


def _each(heard: EncoderOutput) -> Iterator[EncoderOutput]:
    """The utterances of a batch, one by one, without padding."""
    for row in range(len(heard.hidden)):
        length = None if heard.lengths is None else int(heard.lengths[row])
        yield EncoderOutput(heard.hidden[row : row + 1, :length], None, heard.log_probs[row : row + 1, :length], ())
