#!/usr/bin/env python3
"""Write the transcripts of a cache as people write them, by Whisper's decoder on the cached states.

    python local/write.py MODEL_DIR CACHE CUTS OUT_CUTS

CACHE has a window for each utterance of CUTS; OUT_CUTS, and CACHE/written.jsonl.gz beside the states, are the same cuts
with other texts: printed ones stay as they are, apart from typographic characters; those in capitals alone, as
LibriSpeech's and AN4's, get small letters, capitals and marks (`written.py`), and are left out if they get none.
Short ones are decoded token by token, and get digits too where Whisper writes them; longer ones are refined: the
decoder reads the whole text at once and says at every word which capital and which mark it prefers, four times.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from written import printed, repaired, titled, written

from speechnar.data.manifest import load_cuts, save_cuts
from speechnar.infer.encoder_cache import EncoderCache
from speechnar.layers.decoder_block import KeyValues
from speechnar.models.asr.whisper import PROMPT, Decoder
from speechnar.models.folder import load_model
from speechnar.nar.lengths import length_mask
from speechnar.text.whisper_bpe import BytePairs, decoder_tokens

MARKS = (",", ".", "?", "!", ";", ":")
LAST_MARKS = 4
"""So many of `MARKS` may end a text."""

LAST_BONUS = 1.0
"""Nats in favor of a mark at the end of a text."""

ITERATIONS = 4
SHORT = 14
"""Words of a text that is decoded token by token, at most."""

BATCH = 8


class Writer:
    """Whisper's decoder and its tokens."""

    def __init__(self, model_dir: Path) -> None:
        model, _ = load_model(model_dir)
        self.decoder: Decoder = model.decoder.eval().bfloat16()
        self.tokenizer = BytePairs.load_lines(decoder_tokens(model_dir))
        self.marks = torch.tensor([self.tokenizer.ids[mark] for mark in MARKS])

    @torch.inference_mode()
    def refine(self, texts: list[str], states: list[Tensor]) -> list[str]:
        """Return plain texts with capitals and marks, given the states (T, d_model) of each."""
        memory = self.decoder.memory(pad_sequence(states, batch_first=True).bfloat16())
        lengths = torch.tensor([len(each) for each in states])
        pairs = [[(titled(word), "") for word in text.lower().split()] for text in texts]
        for _ in range(ITERATIONS):
            tokens = [torch.tensor(self.tokenizer.encode(joined(its))) for its in pairs]
            logits = self.decoder(pad_sequence(tokens, batch_first=True), memory, lengths).float().log_softmax(2)
            pairs = [self._rewritten(*each) for each in zip(pairs, logits)]
        return [joined(its) for its in pairs]

    def _rewritten(self, pairs: list[tuple[str, str]], log_probs: Tensor) -> list[tuple[str, str]]:
        """Return (word, mark) pairs as log_probs (N, V), predicted behind each of their tokens, prefer them."""
        made, place = [], 0
        for number, (word, mark) in enumerate(pairs):
            best, _ = self._best_case(word, log_probs[place])
            place += len(self.tokenizer.encode(word + mark)) - bool(mark)
            of_marks = log_probs[place][self.marks]
            if number + 1 < len(pairs):
                _, other = self._best_case(pairs[number + 1][0], log_probs[place])
            else:
                of_marks, other = of_marks[:LAST_MARKS], float(log_probs[place][self.tokenizer.eos_id]) - LAST_BONUS
            made.append((best, MARKS[int(of_marks.argmax())] if float(of_marks.max()) > other else ""))
            place += bool(mark)
        return made

    def _best_case(self, word: str, log_probs: Tensor) -> tuple[str, float]:
        """Return a word as it is most probably written, by its first token, and the log-probability of that."""
        small = word.lower()
        cases = {titled(small), small[:1].upper() + small[1:]} if titled(small) == small else {word}
        return max(
            ((case, float(log_probs[self.tokenizer.encode(case)[0]])) for case in cases), key=lambda pair: pair[1]
        )

    @torch.inference_mode()
    def hear(self, states: Tensor, longest: int) -> str:
        """Return what the decoder writes token by token for states (T, d_model), of `longest` tokens at most."""
        decoder = self.decoder
        memory = decoder.memory(states[None].bfloat16()).unbind(1)
        x = decoder.prompt[None] + decoder.positions[:PROMPT]
        found: list[int] = []
        heard = memory[0].shape[2]
        mask = length_mask(torch.tensor([heard]), heard)[:, None, None]
        caches: list[KeyValues | None] = [None] * len(decoder.blocks)
        while len(found) < longest:
            first = caches[0]
            before = 0 if first is None else first.keys.shape[2]
            index = torch.arange(before + x.shape[1])
            allowed = index[None] <= index[before:, None]
            for n, block in enumerate(decoder.blocks):
                x, caches[n] = block(x, allowed, KeyValues(memory[2 * n], memory[2 * n + 1]), mask, caches[n])
            token = int((decoder.norm(x)[0, -1] @ decoder.embedding.weight.T).argmax())
            if token == self.tokenizer.eos_id:
                break
            found.append(token)
            x = (decoder.embedding.weight[token] + decoder.positions[PROMPT + len(found) - 1])[None, None]
        return self.tokenizer.decode(found)


def joined(pairs: list[tuple[str, str]]) -> str:
    return " ".join(word + mark for word, mark in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "cache", "cuts", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    writer, cache = Writer(args.model), EncoderCache(args.cache / "cuts.jsonl.gz")
    texts: dict[str, str] = {}
    long: list[int] = []
    for n, utterance in enumerate(tqdm(cache.utterances, "write", unit="utt")):
        if utterance.text != utterance.text.upper():
            texts[utterance.utt_id] = printed(utterance.text)
        elif len(utterance.text.split()) <= SHORT:
            longest = 2 * len(writer.tokenizer.encode(utterance.text.lower())) + 4
            heard = writer.hear(cache.states(range(n, n + 1), padded=True), longest)
            texts[utterance.utt_id] = written(utterance.text, repaired(utterance.text, heard))
        else:
            long.append(n)
    long.sort(key=lambda n: cache.seconds(range(n, n + 1)))
    for first in tqdm(range(0, len(long), BATCH), "refine", unit="batch"):
        batch = [cache.utterances[n] for n in long[first : first + BATCH]]
        states = [cache.states(range(n, n + 1), padded=True) for n in long[first : first + BATCH]]
        for utterance, text in zip(batch, writer.refine([each.text for each in batch], states)):
            if any(mark in text for mark in MARKS):
                texts[utterance.utt_id] = text
    for source, out in ((args.cuts, args.out), (args.cache / "cuts.jsonl.gz", args.cache / "written.jsonl.gz")):
        cuts = [cut for cut in load_cuts(source) if texts.get(cut.supervisions[0].id)]
        for cut in cuts:
            cut.supervisions[0].text = texts[cut.supervisions[0].id]
        save_cuts(cuts, out)


if __name__ == "__main__":
    main()
