#!/usr/bin/env python3
"""Make the model that training starts from: Whisper base, and a CTC branch with random weights and outputs of zero.

    python local/init_model.py OUT_DIR [--draft-tokens N] [--decoder-tokens N]

The decoder keeps those of its tokens that the most frequent English words are written with (wordfreq); the CTC branch
writes with the first of Whisper's tokens that are lower-case letters.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

import torch
from whisper import load_whisper
from wordfreq import top_n_list, word_frequency

from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.models.asr.whisper import HOP_LENGTH, N_FFT, SAMPLE_RATE, Whisper, WhisperConfig
from speechnar.models.folder import ModelConfig, save_model
from speechnar.text.symbols import BLANK, BOS, EOS, PAD, SymbolTable
from speechnar.text.tokenizer import BOUNDARY
from speechnar.text.whisper_bpe import PIECES, BytePairs

PROMPT = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
END = "<|endoftext|>"
WORDS = 120_000
"""Most frequent words whose tokens are counted."""


def most_frequent(lower: list[str], first: int, size: int) -> list[str]:
    """Return `size` tokens at most, in Whisper's order: the `first` ones, all letters, and those that running English
    has most, with the tokens that each of them is merged from.
    """
    tokenizer = BytePairs((*lower, EOS))
    counts: Counter[int] = Counter()
    for word in top_n_list("en", WORDS):
        if re.fullmatch("[a-z']+", word):
            for token in tokenizer.encode(word):
                counts[token] += word_frequency(word, "en")
    kept = {number for number, token in enumerate(lower) if len(token) == 1} | set(range(first))
    for token, _ in counts.most_common():
        needed = kept | set(tokenizer.merges(lower[token]))
        if len(needed) <= size:
            kept = needed
    return [lower[number] for number in sorted(kept)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--draft-tokens", type=int, default=200)
    parser.add_argument("--decoder-tokens", type=int, default=20_000)
    args = parser.parse_args()
    torch.manual_seed(0)
    sizes = WhisperConfig(n_symbols=args.draft_tokens + 4, n_tokens=args.decoder_tokens)
    published = load_whisper(sizes)
    ids = published.vocabulary
    lower = [
        token.replace("Ġ", BOUNDARY) for token in sorted(ids, key=ids.__getitem__) if re.fullmatch("Ġ?[a-z']+|Ġ", token)
    ]
    tokens = [*most_frequent(lower, args.draft_tokens, args.decoder_tokens - 1), EOS]
    rows = [ids[token.replace(BOUNDARY, "Ġ")] for token in tokens[:-1]]
    model = Whisper(sizes)
    weights = published.weights | {
        "decoder.prompt": published.embedding[[ids[token] for token in PROMPT]],
        "decoder.embedding.weight": published.embedding[[*rows, ids[END]]],
        "decoder.positions": published.positions[: len(model.decoder.positions)],
    }
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert all(name.startswith("draft.") for name in missing) and not unexpected, (missing, unexpected)
    audio = AudioConfig(SAMPLE_RATE, N_FFT, HOP_LENGTH, N_FFT, sizes.n_mels, 0.0, SAMPLE_RATE / 2)
    symbols = SymbolTable((BLANK, *tokens[: args.draft_tokens], PAD, BOS, EOS))
    save_model(args.out, ModelConfig(audio, Choice("whisper", sizes)), model, symbols)
    (args.out / PIECES).write_text("\n".join(tokens) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
