"""Decode a corpus with a trained recognizer by one of the methods of `speechnar.decode`."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from speechnar.data.manifest import load_cuts
from speechnar.data.transcribed import load_wav
from speechnar.decode.candidates import best_candidates
from speechnar.decode.forced_alignment import align
from speechnar.decode.gate import mean_entropy
from speechnar.decode.greedy import best_path
from speechnar.decode.interface import (
    CausalReader,
    Decoder,
    DraftReader,
    EditReader,
    FrameReader,
    GroupReader,
    MaskedReader,
    TokenReader,
    TransitionReader,
    refine,
)
from speechnar.decode.methods import DECODERS, DecodeOptions, texts_of, with_temperature
from speechnar.decode.overlap import Segment, merged
from speechnar.decode.result import DecodeError
from speechnar.files import atomic_write
from speechnar.infer.encoder_cache import EncoderCache
from speechnar.infer.reader import (
    TorchCausalReader,
    TorchEditReader,
    TorchFrameReader,
    TorchMaskedReader,
    TorchTokenReader,
    decoder_input,
)
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.models.folder import ModelError, load_model
from speechnar.nar.blocks import windows_of
from speechnar.text.symbols import Vocabulary

TOLERANCE = 2.0
"""Frames of the encoder by which a token's place in two blocks may differ."""


@dataclass(frozen=True)
class Timing:
    """The time that decoding took.

    Attributes:
        seconds: of work, without reading audio.
        encoder_seconds: of these, those of the features and the encoder, which all methods have in common.
        audio_seconds: duration of the audio that was decoded.
        iterations: steps of the decoder for an utterance, on average; in batches, those of the batch or its parts.
        utterances: how many were decoded.
    """

    seconds: float
    encoder_seconds: float
    audio_seconds: float
    iterations: float
    utterances: int

    @property
    def real_time_factor(self) -> float:
        return self.seconds / self.audio_seconds


@dataclass(frozen=True)
class Given:
    """An utterance to decode; `load` returns what the encoder is given: samples (T_wav,), or states (T, d_states)."""

    utt_id: str
    seconds: float
    load: Callable[[], Tensor]


def _recorded(cuts_path: Path, sample_rate: int) -> list[Given]:
    """Return the utterances of a manifest of audio."""
    cuts = load_cuts(cuts_path)
    return [Given(cut.id, cut.duration, functools.partial(load_wav, cut, sample_rate)) for cut in cuts]


def _cached(cuts_path: Path) -> list[Given]:
    """Return the utterances of a manifest of cached encoder states."""
    cache = EncoderCache(cuts_path)
    return [
        Given(u.utt_id, (u.end - u.start) / cache.rate, functools.partial(cache.states, range(n, n + 1)))
        for n, u in enumerate(cache.utterances)
    ]


def decode_corpus(
    model_dir: Path,
    cuts_path: Path,
    out: Path | None,
    options: DecodeOptions,
    clock: Callable[[], float] = time.perf_counter,
    batch: int = 1,
) -> Timing:
    """Decode a corpus and write `UTT text` lines, as Kaldi does, in the order of the manifest.

    Args:
        cuts_path: a manifest of audio; of cached encoder states, where the model reads these.
        out: the file of the transcripts; None writes none.
        clock: returns seconds; `time.process_time`, with one thread, is not disturbed by other work on the machine.
        batch: utterances of similar length that are decoded at once; 1 decodes one after another.

    Raises:
        ModelError: the model is no recognizer, or cannot be decoded by this method.
        DataError: there is no manifest, or audio cannot be read.
    """
    model, config = load_model(model_dir)
    if options.method not in config.spec.decoders:
        can = ", ".join(config.spec.decoders) or "none of the methods"
        raise ModelError(f"{model_dir} holds the model {config.model.name}, which cannot decode by {options.method}: "
                         f"it decodes by {can}")  # fmt: skip
    blocks, subsampling = model.encoder.config.blocks, model.encoder.config.conformer.subsampling
    if options.overlapping:
        batch = 1  # whose blocks are a batch
        if blocks is None:
            raise ModelError(f"the encoder of {model_dir} is not blockwise: train it with `blocks`, or leave "
                             "overlapping decoding out")  # fmt: skip
        if blocks.block < 2 * subsampling:
            raise ModelError(f"the blocks of {model_dir} are of one frame, which cannot overlap: leave overlapping "
                             "decoding out")  # fmt: skip
        hop = blocks.block // subsampling // 2 * subsampling
    symbols = Vocabulary.load(model_dir / "tokens.txt")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    decoder = DECODERS[options.method](options, symbols)
    seconds = encoder_seconds = 0.0
    steps = 0
    utterances = _cached(cuts_path) if model.encoder.config.d_states else _recorded(cuts_path, config.audio.sample_rate)
    order = list(range(len(utterances)))
    if batch > 1:
        order.sort(key=lambda number: utterances[number].seconds)
    texts = [""] * len(utterances)
    with torch.inference_mode(), tqdm(total=len(utterances), desc="decode", unit="utt", disable=None) as progress:
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            loaded = [utterances[number].load().to(device) for number in chosen]
            lengths = None if len(chosen) == 1 else torch.tensor([len(each) for each in loaded], device=device)
            given = pad_sequence(loaded, batch_first=True)
            started = clock()
            frames, lengths = model.encoder.features(given, lengths)
            encoder_out = (
                overlapping_blocks(model.encoder, frames, hop) if options.overlapping else model(frames, lengths)
            )
            if device.type == "cuda":
                torch.cuda.synchronize()
            encoder_done = clock()
            rows = decoded(model, encoder_out, symbols, decoder, options)
            if options.overlapping:
                found = [tokens for tokens, _ in rows]
                text = overlapping_text(encoder_out, found, hop // subsampling, symbols.blank_id)
                rows = [(text, max(step for _, step in rows))]
            seconds += clock() - started
            encoder_seconds += encoder_done - started
            for number, (tokens, step) in zip(chosen, rows):
                texts[number] = symbols.decode(tokens)
                steps += step
            progress.update(len(chosen))
    if out is not None:
        lines = [f"{utterance.utt_id} {text}".rstrip() + "\n" for utterance, text in zip(utterances, texts)]
        with atomic_write(out) as part:
            part.write_text("".join(lines), encoding="utf-8")
    audio_seconds = sum(utterance.seconds for utterance in utterances)
    return Timing(seconds, encoder_seconds, audio_seconds, steps / len(utterances), len(utterances))


def overlapping_text(blocks: EncoderOutput, texts: Sequence[list[int]], hop: int, blank_id: int) -> list[int]:
    """Return the text of an utterance whose overlapping blocks were decoded apart.

    The text of a block is placed in time by forced alignment with CTC, and merged with that of the next block where
    both overlap.

    Args:
        blocks: a row for each block; texts: the tokens of each.
        hop: frames of the encoder from one block to the next.
    """
    assert blocks.lengths is not None
    segments = []
    for row, (text, length) in enumerate(zip(texts, blocks.lengths.tolist())):
        start = row * hop
        try:
            found = align(blocks.log_probs[row, :length].cpu().numpy(), text, blank_id)
            times = tuple(((found.starts + found.ends) / 2 + start).tolist())
        except DecodeError:  # more tokens than frames: spread them evenly
            times = tuple(start + (n + 0.5) * length / len(text) for n in range(len(text)))
        segments.append(Segment(tuple(text), times, start, start + length))
    return merged(segments, TOLERANCE)


def overlapping_blocks(encoder: Any, frames: Tensor, hop: int) -> EncoderOutput:
    """Return what a blockwise encoder makes of the blocks of one utterance, a row each.

    Args:
        frames: (1, T, C) of `encoder.features`.
        hop: frames from one block to the next.
    """
    step = encoder.config.conformer.subsampling
    windows = windows_of(frames, None, encoder.config.blocks, hop)
    found = encoder.whole(windows.frames, windows.lengths)
    hidden, log_probs = (windows.own(part, step) for part in (found.hidden, found.log_probs))
    return EncoderOutput(hidden, windows.own_lengths(step), log_probs, ())


def decode_batch(model: Any, encoder_out: EncoderOutput, vocabulary: Vocabulary, options: DecodeOptions) -> list[str]:
    """Return the texts of a batch."""
    decoder = DECODERS[options.method](options, vocabulary)
    return [vocabulary.decode(tokens) for tokens, _ in decoded(model, encoder_out, vocabulary, decoder, options)]


def decoded(
    model: Any, encoder_out: EncoderOutput, vocabulary: Vocabulary, decoder: Decoder[Any], options: DecodeOptions
) -> list[tuple[list[int], int]]:
    """Return the tokens of each utterance of a batch, and the steps of the decoder.

    Utterances that pass the entropy gate have the tokens of CTC's best path and no steps. The others are decoded at
    once, or one by one by a method that takes no batches.
    """
    size = len(encoder_out.hidden)
    found: dict[int, tuple[list[int], int]] = {}
    if options.entropy_gate:
        given = with_temperature(decoder_input(encoder_out), options.temperature)
        for row, log_probs in enumerate(given.utterances()):
            if mean_entropy(log_probs, vocabulary.blank_id) < options.entropy_gate:
                found[row] = best_path(log_probs, vocabulary).tokens.tolist(), 0
    left = [row for row in range(size) if row not in found]
    together = [left] if decoder.batched else [[row] for row in left]
    for rows in filter(None, together):
        part = encoder_out if decoder.batched and len(rows) == size else _rows(encoder_out, rows)
        given = decoder_input(part, _reader(decoder.reader, model, part, vocabulary))
        state = refine(decoder, with_temperature(given, options.temperature))
        texts = texts_of(best_candidates(state, len(rows)), options)
        found.update(zip(rows, ((tokens, state.step) for tokens in texts)))
    return [found[row] for row in range(size)]


def _reader(protocol: type | None, model: Any, encoder_out: EncoderOutput, vocabulary: Vocabulary) -> Any:
    """Return a reader of a model that follows the protocol; None for None."""
    blank_id = vocabulary.blank_id
    if protocol is MaskedReader:
        return TorchMaskedReader(model, encoder_out, blank_id)
    if protocol is FrameReader:
        return TorchFrameReader(model, encoder_out)
    if protocol is EditReader:
        return TorchEditReader(model, model.memory(encoder_out, blank_id), encoder_out.hidden.device)
    if protocol in (TokenReader, TransitionReader):
        return TorchTokenReader(model, encoder_out, blank_id)
    if protocol in (CausalReader, DraftReader, GroupReader):
        return TorchCausalReader(model, encoder_out, blank_id, vocabulary.bos_id)
    return None


def _rows(encoder_out: EncoderOutput, rows: list[int]) -> EncoderOutput:
    """Return some utterances of a batch; one alone is without padding."""
    lengths = None if encoder_out.lengths is None else encoder_out.lengths[rows]
    size = None if lengths is None else int(lengths.max())
    hidden, log_probs = (part[rows, :size] for part in (encoder_out.hidden, encoder_out.log_probs))
    return EncoderOutput(hidden, lengths if len(rows) > 1 else None, log_probs, ())
