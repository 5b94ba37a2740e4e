"""Quantize the matrices of a Whisper recognizer, each layer for its inputs on training utterances.

Encoder, draft, decoder and output layer are quantized in this order, each on what the quantized ones before it compute
(`speechnar.export.quantize`).
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from lhotse.cut import Cut
from torch import Tensor, nn
from tqdm import tqdm

from speechnar.data.manifest import load_cuts, read_wav
from speechnar.export.quantize import round_parts
from speechnar.infer.encoder_cache import Variant, varied
from speechnar.models.asr.whisper import SAMPLE_RATE, SILENCE, Whisper
from speechnar.models.folder import ModelError, load_model, save_model
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS, BytePairs, decoder_tokens

ENCODER_STEP, DRAFT_STEP, DECODER_STEP, OUTPUT_STEP = 0.12, 0.12, 0.18, 0.09
"""Steps as shares of a row's root mean square; the output layer is by far the most sensitive part.
recipes/english_base/RESULTS.md has what these and larger steps cost."""

UTTERANCES = 160


class _Calibration:
    """The utterances that a recognizer is quantized for, and one pass of each part over them."""

    def __init__(self, model: Whisper, cuts: Sequence[Cut], tokenizer: BytePairs, variant: Variant | None) -> None:
        self.model = model
        self.texts = [torch.tensor([tokenizer.encode(cut.supervisions[0].text)]) for cut in cuts]
        self.silence = round(SILENCE * SAMPLE_RATE)
        self.mels: list[Tensor] = []
        for number, cut in enumerate(cuts):
            wav = torch.from_numpy(read_wav(cut, SAMPLE_RATE))[None]
            if variant and number % 2:
                wav = varied(wav, variant)
            self.mels.append(model.features(F.pad(wav, (0, self.silence))))
        self.states: list[Tensor] = []
        self.progress = tqdm(desc="quantize", unit="utt")

    def encode(self) -> None:
        self.states = []
        for mel in self.mels:
            self.states.append(self.model.encoder(mel, None))
            self.progress.update()

    def draft(self) -> None:
        for states in self.states:
            self.model.draft(states[:, : -(self.silence // self.model.config.state_hop)], None)

    def decode(self) -> None:
        for states, text in zip(self.states, self.texts):
            self.model.decoder(text, self.model.decoder.memory(states), None)
            self.progress.update()


@torch.no_grad()
def quantize_weights(model: Whisper, cuts: Sequence[Cut], tokenizer: BytePairs, variant: Variant | None = None) -> None:
    """Quantize the matrices of encoder, draft, decoder and output layer, in place.

    Args:
        cuts: each has one supervision with a text.
        variant: how the audio of every second one is varied, so that the weights suit noise and rooms too;
            nothing is joined or masked.
    """
    work = _Calibration(model, cuts, tokenizer, variant)
    merge = model.encoder.merge
    numbered = [[merge[str(n)], block] if str(n) in merge else [block] for n, block in enumerate(model.encoder.blocks)]
    round_parts([part for parts in numbered for part in parts], work.encode, ENCODER_STEP)
    work.encode()
    draft = model.draft
    layers = [nn.ModuleList([a, b]) for a, b in zip(draft.convolutions, draft.blocks)]
    round_parts([draft.merge, *layers, draft.head], work.draft, DRAFT_STEP)
    decoder = model.decoder
    round_parts(list(decoder.blocks), work.decode, DECODER_STEP)
    output = nn.Linear(decoder.embedding.embedding_dim, decoder.embedding.num_embeddings, bias=False)
    output.weight = decoder.embedding.weight  # the output layer: logits are products with the embedding

    def multiply(norm: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        output(made)

    hook = decoder.norm.register_forward_hook(multiply)
    round_parts([output], work.decode, OUTPUT_STEP)
    hook.remove()
    work.progress.close()


def quantize_recognizer(
    model_dir: Path, cuts_path: Path, out: Path, utterances: int = UTTERANCES, variant: Variant | None = None
) -> None:
    """Write the model folder `out`: that of a Whisper recognizer with its matrices quantized, ready to be exported.

    Args:
        cuts_path: a manifest of training utterances, of which `utterances` are drawn at random, always the same ones.
        variant: as `quantize_weights` takes it.

    Raises:
        ModelError: `model_dir` is no model folder, or has another kind of model.
        DataError: there is no manifest, or audio cannot be read.
    """
    model, config = load_model(model_dir)
    if config.spec.graph != "whisper":
        raise ModelError(f"{model_dir} holds no Whisper recognizer: others are quantized by `speechnar export`")
    cuts = load_cuts(cuts_path)
    chosen = random.Random(0).sample(cuts, min(utterances, len(cuts)))
    torch.manual_seed(0)
    quantize_weights(model.eval(), chosen, BytePairs.load_lines(decoder_tokens(model_dir)), variant)
    save_model(out, config, model, SymbolTable.load(model_dir / "tokens.txt"))
    shutil.copy(decoder_tokens(model_dir), out / DECODER_TOKENS)
