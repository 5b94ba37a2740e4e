"""Training recognizers through the real loop on spoken letters, and what they then read."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lhotse import CutSet
from lhotse.utils import fastcopy
from spoken import AUDIO, make_corpus

from speechnar import config as config_files
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.data.transcribed import TranscribedData
from speechnar.decode.interface import DecoderInput, refine
from speechnar.decode.methods import DecodeOptions
from speechnar.decode.parallel import ParallelDecoder
from speechnar.export import RecognizerCard
from speechnar.infer.decode import decode_batch, decode_corpus, overlapping_text
from speechnar.layers.augment import SpecAugmentConfig
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.cross_attention import Memory
from speechnar.layers.ctc_encoder import CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.asr.align_refine import AlignRefineConfig
from speechnar.models.asr.crf import CRFConfig
from speechnar.models.asr.ctc import CTCConfig
from speechnar.models.asr.imputer import ImputerConfig
from speechnar.models.asr.levenshtein import LevenshteinConfig
from speechnar.models.asr.mask_ctc import DecoderOutput, MaskCTC, MaskCTCConfig
from speechnar.models.asr.masked_diffusion import MaskedDiffusionConfig
from speechnar.models.asr.paraformer import ParaformerConfig
from speechnar.models.asr.paraformer_v2 import ParaformerV2Config
from speechnar.models.autoregressive.aed import AEDConfig
from speechnar.models.folder import ModelError, load_model
from speechnar.nar.blocks import BlockConfig
from speechnar.tasks.recognizer import Augmentation, RecognitionConfig, RecognitionTask, train_recognizer
from speechnar.text.symbols import SymbolTable, Vocabulary
from speechnar.text.tokenizer import load_tokenizer, train_tokenizer
from speechnar.train.loop import LoopConfig

TEXTS = ["ab", "ba c", "cab", "b a", "ac", "bcb"]
ENCODER = CTCEncoderConfig(ConformerConfig(16, 2, 2, 32, 3, 2, 4, dropout=0.0), (1,), True)
DECODER = DecoderConfig(16, 2, 1, 16, dropout=0.0)
MODELS = {
    "ctc": CTCConfig(0, ENCODER),
    "mask_ctc": MaskCTCConfig(0, ENCODER, DECODER),
    "aed": AEDConfig(0, ENCODER, DECODER),
    "align_refine": AlignRefineConfig(0, ENCODER, DECODER),
    "imputer": ImputerConfig(0, ENCODER, DECODER),
    "levenshtein": LevenshteinConfig(0, ENCODER, DECODER),
    "masked_diffusion": MaskedDiffusionConfig(0, ENCODER, DECODER),
    "paraformer": ParaformerConfig(0, ENCODER, DECODER),
    "paraformer_v2": ParaformerV2Config(0, ENCODER, DECODER),
    "crf": CRFConfig(0, ENCODER, DECODER, rank=2, candidates=3),
}
LOOP = LoopConfig(max_steps=1, log_every=1, validate_every=1, warmup_steps=0, precision="no", ema_decay=0.0, threads=1)
TERMS = dict.fromkeys(MODELS, {"decoder"}) | {
    "ctc": set(),
    "mask_ctc": {"decoder", "counts"},
    "levenshtein": {"decoder", "deletions", "insertions"},
    "paraformer": {"decoder", "quantity"},
    "crf": {"decoder", "crf"},
}


def config_of(name: str, **changes) -> RecognitionConfig:
    spec = SpecAugmentConfig(1, 4, 1.0, 5, 0.2)
    config = RecognitionConfig(
        AUDIO, Choice(name, MODELS[name]), loop=LOOP, batch_seconds=3.0, two_views=True,
        augmentation=Augmentation((0.9, 1.0), 0.5, (10.0, 20.0), spec), weights={"intermediate": 0.5, "smoothing": 0.1},
    )  # fmt: skip
    return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Tokenizer, training and dev manifests."""
    folder = tmp_path_factory.mktemp("spoken")
    train_tokenizer(TEXTS, folder / "tokenizer")
    return folder / "tokenizer", make_corpus(folder, TEXTS, "train"), make_corpus(folder, TEXTS[:2], "dev")


@pytest.mark.parametrize("name", MODELS)
def test_a_step_logs_every_term_and_weighs_it(name: str, corpus: tuple[Path, Path, Path], tmp_path: Path) -> None:
    train_recognizer(config_of(name), *corpus, tmp_path)
    step, validation = map(json.loads, (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines())
    terms = {"ctc", "intermediate", "smoothing", "consistency", *TERMS[name]}
    values = {term: step[f"recognizer/{term}"] for term in terms}
    assert all(map(math.isfinite, values.values()))
    weighted = sum(value * {"intermediate": 0.5, "smoothing": 0.1}.get(term, 1.0) for term, value in values.items())
    assert step["recognizer/loss"] == pytest.approx(weighted, rel=1e-5)
    assert {f"validation/{term}" for term in terms - {"consistency"} | {"wer"}} <= validation.keys()
    model, config = load_model(tmp_path)
    assert config.model.value.n_symbols == len(SymbolTable.load(tmp_path / "tokens.txt")) == 9
    assert model.encoder.mel_std.min() > 0 and model.encoder.mel_mean.abs().min() > 0


def test_it_learns_to_read(corpus: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop = dataclasses.replace(LOOP, max_steps=120, validate_every=120, learning_rate=0.01, warmup_steps=5)
    plain = Augmentation((1.0,), 0.0, spec=None)
    config = config_of("ctc", loop=loop, augmentation=plain, two_views=False, weights={})
    train_recognizer(config, *corpus, tmp_path / "ctc")
    took = decode_corpus(tmp_path / "ctc", corpus[1], tmp_path / "read.txt", DecodeOptions())
    ticks = iter(range(1000))
    counted = decode_corpus(tmp_path / "ctc", corpus[1], tmp_path / "read.txt", DecodeOptions(), lambda: next(ticks))
    assert (counted.seconds, counted.encoder_seconds) == (2 * len(TEXTS), len(TEXTS))
    read = (tmp_path / "read.txt").read_text(encoding="utf-8").splitlines()
    assert read == [f"train-{n} {text}" for n, text in enumerate(TEXTS)]
    assert 0 < took.encoder_seconds < took.seconds
    wrong = CutSet.from_file(corpus[1]).map_supervisions(lambda supervision: fastcopy(supervision, text="c"))
    wrong.to_file(tmp_path / "wrong.jsonl.gz")
    assert main(["distill", str(tmp_path / "ctc"), str(tmp_path / "wrong.jsonl.gz"), str(tmp_path / "d.jsonl.gz")]) == 0
    assert [cut.supervisions[0].text for cut in CutSet.from_file(tmp_path / "d.jsonl.gz")] == TEXTS
    assert capsys.readouterr().out.splitlines()[-1] == "6 targets; 116.7 % of the words differ"  # 7 errors, 6 words
    assert took.audio_seconds == pytest.approx(sum(cut.duration for cut in CutSet.from_file(corpus[1])))


def test_a_blockwise_encoder_learns_and_overlapping_blocks_are_decoded(
    corpus: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = dataclasses.replace(LOOP, max_steps=350, validate_every=350, learning_rate=0.01, warmup_steps=5)
    plain = Augmentation((1.0,), 0.0, spec=None)
    read = tmp_path / "read.txt"
    for block in (10, 80):  # a letter has 10 frames; no utterance has 80
        encoder = dataclasses.replace(ENCODER, blocks=BlockConfig(block, 10, 40))
        model = Choice("ctc", CTCConfig(0, encoder))
        config = config_of("ctc", model=model, loop=loop, augmentation=plain, two_views=False, weights={})
        train_recognizer(config, *corpus, tmp_path / f"blocks_{block}")
        assert main(["decode", str(tmp_path / f"blocks_{block}"), str(corpus[1]), str(read)]) == 0
        assert read.read_text(encoding="utf-8").splitlines() == [f"train-{n} {text}" for n, text in enumerate(TEXTS)]
    assert main(["decode", str(tmp_path / "blocks_80"), str(corpus[1]), str(read), "--overlapping"]) == 0
    assert read.read_text(encoding="utf-8").splitlines() == [f"train-{n} {text}" for n, text in enumerate(TEXTS)]
    assert main(["decode", str(tmp_path / "blocks_10"), str(corpus[1]), str(read), "--overlapping"]) == 0
    assert len(read.read_text(encoding="utf-8").splitlines()) == len(TEXTS)
    train_recognizer(config_of("ctc"), *corpus, tmp_path / "ctc")
    assert main(["decode", str(tmp_path / "ctc"), str(corpus[1]), str(read), "--overlapping"]) == 1
    assert f"the encoder of {tmp_path / 'ctc'} is not blockwise" in capsys.readouterr().err
    config_files.save(
        RecognizerCard("letters", "en-us", "CC0-1.0", "tones"), tmp_path / "blocks_80" / "recognizer.yaml"
    )
    assert main(["export", str(tmp_path / "blocks_80"), str(tmp_path / "exported")]) == 1
    assert "the encoder is blockwise, which the runtime has no graph for" in capsys.readouterr().err


@pytest.mark.parametrize("hop", [3, 4, 5])
def test_the_texts_of_overlapping_blocks_are_merged(hop: int) -> None:
    """Blocks of 8 frames, cut anywhere out of an alignment of `1 2 2 3 1 1 2` with blanks."""
    path = torch.tensor([0, 1, 0, 2, 0, 2, 2, 0, 0, 3, 1, 0, 0, 1, 0, 2, 2, 0])
    log_probs = torch.full((len(path), 4), 0.01).scatter(1, path[:, None], 0.97).log()
    starts = range(0, len(path) - 8 + hop, hop)
    lengths = torch.tensor([min(8, len(path) - start) for start in starts])
    rows = torch.nn.utils.rnn.pad_sequence([log_probs[start : start + 8] for start in starts], batch_first=True)
    texts = []
    for start in starts:
        symbols = path[start : start + 8].unique_consecutive()
        texts.append(symbols[symbols > 0].tolist())
    blocks = EncoderOutput(torch.zeros(len(lengths), 8, 1), lengths, rows, ())
    assert overlapping_text(blocks, texts, hop, 0) == [1, 2, 2, 3, 1, 1, 2]


def test_init_takes_what_fits_of_another_model(
    corpus: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_recognizer(config_of("ctc"), *corpus, tmp_path / "ctc")
    source = load_model(tmp_path / "ctc")[0].encoder.state_dict()
    task = RecognitionTask(config_of("mask_ctc"), *corpus, init=tmp_path / "ctc")
    assert all(torch.equal(value, source[name]) for name, value in task.model.encoder.state_dict().items())
    other = MaskCTCConfig(0, dataclasses.replace(ENCODER, self_conditioned=False), DECODER)
    capsys.readouterr()
    RecognitionTask(config_of("mask_ctc", model=Choice("mask_ctc", other)), *corpus, init=tmp_path / "ctc")
    said = capsys.readouterr().err
    assert said.startswith(f"from {tmp_path}/ctc: {len(source) - 2} of ") and said.count("\n") == 1
    assert "; not in this model: encoder.head.condition.weight, encoder.head.condition.bias\n" in said


def test_init_takes_the_weights_of_a_symbol_whatever_its_id(
    corpus: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_recognizer(config_of("aed"), *corpus, tmp_path / "aed")
    source = load_model(tmp_path / "aed")[0].state_dict()
    train_tokenizer(["0 a b c"], tmp_path / "tokenizer")
    capsys.readouterr()
    task = RecognitionTask(config_of("aed"), tmp_path / "tokenizer", *corpus[1:], init=tmp_path / "aed")
    weights, ids = task.model.state_dict(), task.symbols.ids
    before = SymbolTable.load(tmp_path / "aed" / "tokens.txt").ids
    assert ids["a"] != before["a"]
    for symbol in set(ids) & set(before):
        now, then = ids[symbol], before[symbol]
        for name in (
            "encoder.head.out.weight",
            "encoder.head.out.bias",
            "decoder.embedding.weight",
            "decoder.out.weight",
            "decoder.out.bias",
        ):
            assert torch.equal(weights[name][now], source[name][then]), (name, symbol)
        assert torch.equal(
            weights["encoder.head.condition.weight"][:, now], source["encoder.head.condition.weight"][:, then]
        )
    assert "weights taken; symbols new: '0'\n" in capsys.readouterr().err


def test_the_former_key_of_freeze_still_works(capsys: pytest.CaptureFixture[str]) -> None:
    values = config_files.to_dict(config_of("aed"))
    del values["freeze"]
    assert config_files.from_dict(RecognitionConfig, values | {"freeze_encoder": True}).freeze == ("encoder",)
    assert capsys.readouterr().err == "speechnar: config: the key 'freeze_encoder' is now called 'freeze'\n"
    assert config_files.from_dict(RecognitionConfig, values | {"freeze_encoder": False}).freeze == ()


@pytest.mark.parametrize("name", [name for name in MODELS if name != "ctc"])
def test_a_frozen_encoder_stays_and_the_decoder_learns(
    name: str, corpus: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    train_recognizer(config_of("ctc"), *corpus, tmp_path / "ctc")
    config = config_of(name, freeze=("encoder",), two_views=False, weights={})
    begun = RecognitionTask(config, *corpus, init=tmp_path / "ctc").model.state_dict()
    train_recognizer(config, *corpus, tmp_path / "out", tmp_path / "ctc")
    step, validation = map(json.loads, (tmp_path / "out" / "log.jsonl").read_text(encoding="utf-8").splitlines())
    assert {name for name in step if name.startswith("recognizer/")} == {
        f"recognizer/{term}" for term in (*TERMS[name], "loss", "grad_norm")
    }
    assert {"validation/ctc", "validation/decoder", "validation/wer"} <= validation.keys()
    trained = load_model(tmp_path / "out")[0].state_dict()
    encoder = [key for key in trained if key.startswith("encoder.")]
    assert all(torch.equal(trained[key], begun[key]) for key in encoder)
    changed = [name for name in begun if name.startswith("decoder.")]
    assert not any(torch.equal(trained[name], begun[name]) for name in changed if name.endswith("norm.weight"))


@pytest.mark.parametrize("objective", ["axe", "oaxe"])
def test_paraformer_v2_learns_by_other_objectives(
    objective: str, corpus: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    loop = dataclasses.replace(LOOP, max_steps=200, validate_every=200, learning_rate=0.01, warmup_steps=5)
    model = Choice("paraformer_v2", ParaformerV2Config(0, ENCODER, DECODER, objective))
    plain = Augmentation((1.0,), 0.0, spec=None)
    config = config_of("ctc", model=model, loop=loop, augmentation=plain, two_views=False, weights={})
    train_recognizer(config, *corpus, tmp_path)
    decode_corpus(tmp_path, corpus[1], tmp_path / "read.txt", DecodeOptions("parallel"))
    read = [line.split(" ", 1)[1] for line in (tmp_path / "read.txt").read_text(encoding="utf-8").splitlines()]
    if objective == "oaxe":  # which does not teach the order of tokens
        assert [sorted(text.replace(" ", "")) for text in read] == [sorted(text.replace(" ", "")) for text in TEXTS]
    else:
        assert read == TEXTS
    with pytest.raises(ValueError, match="the objective is 'ctc' but should be one of cross_entropy, axe, oaxe"):
        ParaformerV2Config(objective="ctc")


def test_blanks_of_a_parallel_decoder_are_left_out() -> None:
    vocabulary = Vocabulary(("<blank>", "a", "b", "<pad>"))
    probabilities = np.array([[[0.6, 0.2, 0.1, 0.1], [0.1, 0.2, 0.6, 0.1], [0.1, 0.3, 0.1, 0.5]],
                              [[0.1, 0.7, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]]])  # fmt: skip
    reader = SimpleNamespace(predict=lambda: (np.log(probabilities), np.array([3, 2])))
    given = DecoderInput(np.zeros((2, 3, 4)), np.array([3, 3]), reader)
    state = refine(ParallelDecoder(vocabulary), given)
    assert state.sequences() == [[2, 1], [1]]  # padding's last position is not read
    assert np.exp(state.scores[0]).tolist() == pytest.approx([0.6, 0.3])


def test_a_teacher_adds_a_term_that_is_0_for_the_teacher_itself(
    corpus: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    plain = {"augmentation": Augmentation((1.0,), 0.0, spec=None), "two_views": False}
    train_recognizer(config_of("ctc"), *corpus, tmp_path / "ctc")
    batch = next(TranscribedData(corpus[1], corpus[0], AUDIO.sample_rate, num_buckets=1).epoch(0))
    for config, lowest in ((config_of("ctc", **plain), 0.0), (config_of("ctc", **plain | {"two_views": True}), 0.0)):
        task = RecognitionTask(config, *corpus, tmp_path / "ctc", tmp_path / "ctc")
        assert float(task.loss(batch, 0)["distillation"]) == pytest.approx(lowest, abs=1e-5)
    task = RecognitionTask(config_of("ctc", **plain), *corpus, teacher=tmp_path / "ctc")
    assert float(task.loss(batch, 0)["distillation"]) > 0.01
    train_recognizer(config_of("ctc"), *corpus, tmp_path / "student", teacher=tmp_path / "ctc")
    step, _ = map(json.loads, (tmp_path / "student" / "log.jsonl").read_text(encoding="utf-8").splitlines())
    assert step["recognizer/distillation"] > 0
    encoder = dataclasses.replace(ENCODER, conformer=dataclasses.replace(ENCODER.conformer, subsampling=4))
    task = RecognitionTask(config_of("ctc", model=Choice("ctc", CTCConfig(0, encoder))), *corpus,
                           teacher=tmp_path / "ctc")  # fmt: skip
    with pytest.raises(ModelError, match="give both one subsampling"):
        task.loss(batch, 0)
    wider = dataclasses.replace(config_of("ctc"), audio=dataclasses.replace(AUDIO, f_max=AUDIO.f_max - 100))
    with pytest.raises(ModelError, match="this model differ in f_max"):
        RecognitionTask(wider, *corpus, teacher=tmp_path / "ctc")
    train_tokenizer(["0 a b c"], tmp_path / "tokenizer")
    with pytest.raises(ModelError, match="has other tokens than this model"):
        RecognitionTask(config_of("ctc"), tmp_path / "tokenizer", *corpus[1:], teacher=tmp_path / "ctc")


def test_freezing_needs_a_start_and_a_decoder(corpus: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="freeze would keep encoder as drawn at random: give --init too"):
        RecognitionTask(config_of("mask_ctc", freeze=("encoder",)), *corpus)
    train_recognizer(config_of("ctc"), *corpus, tmp_path)
    with pytest.raises(ModelError, match="freezing encoder leaves nothing to train"):
        RecognitionTask(config_of("ctc", freeze=("encoder",)), *corpus, init=tmp_path)


@pytest.mark.parametrize(
    ("given", "sentence"), [({}, "none of ctc, "), ({"ctc": {}, "aed": {}}, "has ctc and aed: keep one")]
)
def test_a_config_has_one_model(given: dict, sentence: str) -> None:
    with pytest.raises(config_files.ConfigError, match=sentence):
        config_files.from_dict(RecognitionConfig, {"audio": config_files.to_dict(AUDIO)} | given)


class Corrector(MaskCTC):
    """A decoder that knows the text: says that every mask hides two tokens, and that these are `b c`."""

    def decode(self, memory: Memory, tokens: torch.Tensor, token_lengths: torch.Tensor) -> DecoderOutput:
        counts = torch.nn.functional.one_hot(torch.full_like(tokens, 2), 21).float()
        places = torch.arange(tokens.shape[1]) % 2
        logits = torch.nn.functional.one_hot(torch.tensor([3, 4])[places].expand_as(tokens), 9).float()
        return DecoderOutput(logits, counts)


def test_mask_ctc_replaces_what_ctc_is_unsure_of(corpus: tuple[Path, Path, Path]) -> None:
    symbols = load_tokenizer(corpus[0])
    model = Corrector(dataclasses.replace(MODELS["mask_ctc"], n_symbols=9), AUDIO)
    ids = symbols.encode("a")  # ▁ and a, at 1 and 2; b and c are 3 and 4
    probabilities = torch.full((2, 6, 9), 1e-4)
    for row in range(2):
        for frame, (symbol, p) in enumerate([(ids[0], 0.99), (ids[1], 0.95), (0, 0.9), (3, 0.4), (4, 0.5), (0, 0.9)]):
            probabilities[row, frame, symbol] = p
    heard = EncoderOutput(torch.zeros(2, 6, 16), torch.tensor([6, 2]), probabilities.log(), ())
    assert decode_batch(model, heard, symbols, DecodeOptions()) == ["abc", "a"]
    # b and c are masked, merged and found to be two: at places 2 and 3, where the decoder says b and c
    options = DecodeOptions("mask_ctc", iterations=1, threshold=0.9)
    assert decode_batch(model, heard, symbols, options) == ["abc", "a"]
    # a too is masked: the mask stands at 1 and hides two, which at places 1 and 2 are c and b
    options = DecodeOptions("mask_ctc", iterations=1, threshold=0.97)
    assert decode_batch(model, heard, symbols, options) == ["cb", "cb"]


def test_the_verbs_from_manifest_to_transcripts(
    corpus: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer, train, dev = map(str, corpus)
    assert main(["tokenizer", train, str(tmp_path / "tokenizer")]) == 0
    assert capsys.readouterr().out == "9 symbols\n"
    assert (tmp_path / "tokenizer" / "tokens.txt").read_bytes() == (corpus[0] / "tokens.txt").read_bytes()
    config_files.save(config_of("aed"), tmp_path / "aed.yaml")
    out = str(tmp_path / "aed")
    data = ["--tokenizer", tokenizer, "--train", train, "--dev", dev, "--out", out]
    assert main(["train", "recognizer", str(tmp_path / "aed.yaml"), *data]) == 0
    read = tmp_path / "read.txt"
    assert main(["decode", out, dev, str(read), "--method", "ar", "--beam", "2"]) == 0
    assert " s: RTF " in capsys.readouterr().out
    assert [line.split(" ")[0] for line in read.read_text(encoding="utf-8").splitlines()] == ["dev-0", "dev-1"]
    (tmp_path / "shar").mkdir()
    CutSet.from_file(dev).to_shar(tmp_path / "shar", fields={"recording": "flac"})
    assert main(["decode", out, str(tmp_path / "shar"), str(read), "--method", "beam", "--beam", "2"]) == 0
    assert [line.split(" ")[0] for line in read.read_text(encoding="utf-8").splitlines()] == ["dev-0", "dev-1"]
    assert main(["decode", out, dev, str(read), "--method", "mask_ctc"]) == 1
    said = capsys.readouterr().err
    assert (
        "the model aed, which cannot decode by mask_ctc: it decodes by greedy, beam, speculative, autoregressive"
        in said
    )
    assert main(["decode", out, dev, str(read), "--method", "magic"]) == 1
    assert "'magic' but should be one of greedy, beam, mask_predict, mask_ctc, " in capsys.readouterr().err


def test_a_curriculum_follows_the_steps_of_the_training(corpus: tuple[Path, Path, Path]) -> None:
    found = {}
    for group, curriculum in ((3, (1, 2)), (1, ()), (2, ()), (3, ())):
        model = Choice("aed", AEDConfig(0, ENCODER, DECODER, group, curriculum))
        loop = dataclasses.replace(LOOP, max_steps=30)
        config = config_of("aed", model=model, loop=loop, augmentation=Augmentation((1.0,), 0.0, spec=None))
        torch.manual_seed(0)
        task = RecognitionTask(config, *corpus)
        batch = task.load(task.batches(0)[0])
        for step in (0, 15, 30):
            found[group, curriculum, step] = float(task.loss(batch, step)["decoder"])
    for group, step in ((1, 0), (2, 15), (3, 30)):
        assert found[3, (1, 2), step] == pytest.approx(found[group, (), step], rel=1e-5)
    assert found[1, (), 0] == pytest.approx(found[1, (), 30], rel=1e-5) != pytest.approx(found[2, (), 0], rel=1e-3)
