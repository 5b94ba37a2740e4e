#!/usr/bin/env python3
"""Make the model that training starts from: Whisper base, and a CTC branch with random weights and outputs of zero.

    python local/init_model.py OUT_DIR [--decoder-tokens N]

The decoder keeps those of its tokens that written English needs: all marks and digits, and the tokens that the most
frequent words (wordfreq) are written with, in small letters, with a capital, or in capitals. The CTC branch writes with
every printable ASCII character, the first of Whisper's tokens in small letters, and a few frequent words with a capital
letter.
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
from speechnar.text.whisper_bpe import DECODER_TOKENS, BytePairs

PROMPT = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
END = "<|endoftext|>"
WORDS = 120_000
"""Most frequent words whose tokens are counted."""

CASES = ((str.lower, 1.0), (str.capitalize, 0.2), (lambda word: f'"{word.capitalize()}', 0.05), (str.upper, 0.01))
"""Forms in which a word is written, each with its assumed frequency, of which that of small letters is 1."""

DRAFT_TOKENS = 200
"""Tokens of small letters that the CTC branch writes with."""

LETTERS = "Ġ?[A-Za-z']+|Ġ"
OTHERS = r"Ġ?[!-@\[-`{-~]+"
"""Tokens of marks and digits, all of which are kept."""

BEYOND_ASCII = "£€°½¼¾éèêáàâäãåæçíîïñóôöøßúüœÉ–—…‘’“”"
"""Characters beyond ASCII that Whisper writes in English; the tokens that are nothing but one of them are kept."""

DRAFT_WORDS = "I The And But He She It You In This That What We They There A Mr Mrs Dr If When No Yes For Not Then So"
"""Words that the CTC branch may write in one token; those that are no token of Whisper's are left out."""


def readable(vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Return (as Whisper's vocabulary spells it, as text) of the tokens that English may need, in Whisper's order."""
    byte_of = {letter: byte for byte, letter in byte_letters().items()}
    found = []
    for token in sorted(vocabulary, key=vocabulary.__getitem__)[: vocabulary[END]]:
        if re.fullmatch(f"{LETTERS}|{OTHERS}", token):
            found.append((token, token.replace("Ġ", BOUNDARY)))
        elif all(letter in byte_of for letter in token):
            text = bytes(byte_of[letter] for letter in token).decode("utf-8", "replace")
            if text.strip() in BEYOND_ASCII and len(text.strip()) == 1:
                found.append((token, text.replace(" ", BOUNDARY)))
    return found


def byte_letters() -> dict[int, str]:
    """Return the letter that stands for each byte in the vocabulary, as in GPT-2's."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def most_frequent(tokens: list[str], kept: set[int], size: int) -> list[str]:
    """Return `size` tokens at most, in Whisper's order: the `kept` ones, and those that running English has most, with
    the tokens that each of them is merged from.
    """
    tokenizer = BytePairs((*tokens, EOS))
    counts: Counter[int] = Counter()
    for word in top_n_list("en", WORDS):
        if re.fullmatch("[a-z']+", word):
            for case, share in CASES:
                for token in tokenizer.encode(case(word)):
                    counts[token] += share * word_frequency(word, "en")
    for token, _ in counts.most_common():
        needed = kept | {token, *tokenizer.merges(tokens[token])}
        if len(needed) <= size:
            kept = needed
    return [tokens[number] for number in sorted(kept)]


def draft_tokens(tokens: list[str], first: int) -> list[str]:
    """Return the tokens of the CTC branch, in Whisper's order: see the module's docstring."""
    tokenizer = BytePairs((*tokens, EOS))
    lower = [token for token in tokens if re.fullmatch(f"{BOUNDARY}?[a-z']+|{BOUNDARY}", token)]
    kept = {token for token in tokens if re.fullmatch(f"[!-~]|{BOUNDARY}[A-Za-z0-9$'\"-]?", token)} | set(lower[:first])
    for word in DRAFT_WORDS.split():
        if len(ids := tokenizer.encode(word)) == 1:
            kept |= {tokens[token] for token in (*ids, *tokenizer.merges(tokens[ids[0]]))}
    return [token for token in tokens if token in kept]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--decoder-tokens", type=int, default=32_000)
    args = parser.parse_args()
    torch.manual_seed(0)
    published = load_whisper(WhisperConfig(1, 1))
    ids = published.vocabulary
    known = dict((text, token) for token, text in readable(ids))
    spelled = list(known)
    always = {n for n, text in enumerate(spelled) if len(text) == 1 or not re.search("[A-Za-z]", text)}
    tokens = [*most_frequent(spelled, always, args.decoder_tokens - 1), EOS]
    draft = draft_tokens(tokens[:-1], DRAFT_TOKENS)
    rows = [ids[known[token]] for token in tokens[:-1]]
    sizes = WhisperConfig(len(draft) + 4, len(tokens))
    model = Whisper(sizes)
    weights = published.weights | {
        "decoder.prompt": published.embedding[[ids[token] for token in PROMPT]],
        "decoder.embedding.weight": published.embedding[[*rows, ids[END]]],
        "decoder.positions": published.positions[: len(model.decoder.positions)],
    }
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert all(name.startswith("draft.") for name in missing) and not unexpected, (missing, unexpected)
    audio = AudioConfig(SAMPLE_RATE, N_FFT, HOP_LENGTH, N_FFT, sizes.n_mels, 0.0, SAMPLE_RATE / 2)
    symbols = SymbolTable((BLANK, *draft, PAD, BOS, EOS))
    save_model(args.out, ModelConfig(audio, Choice("whisper", sizes)), model, symbols)
    (args.out / DECODER_TOKENS).write_text("\n".join(tokens) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
