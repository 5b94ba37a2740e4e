"""The models of this package: `MODELS`, one `ModelSpec` each. To add a model is to add its file and its entry here.

The key of a model in `MODELS` is its key in YAML files (`ctc: {...}`). Whatever the rest of the package has to know of
a model stands in its spec: nothing outside `speechnar.models` tests for the class of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from speechnar.audio import AudioConfig
from speechnar.layers.class_transformer import ClassTransformerConfig
from speechnar.losses.acoustic import fastspeech2_loss
from speechnar.losses.ctc import ctc_terms
from speechnar.losses.mean import Mean
from speechnar.losses.spectral import spectral_loss
from speechnar.models.asr.align_refine import AlignRefine, AlignRefineConfig, refinement_terms
from speechnar.models.asr.best_rq import BestRQ, BestRQConfig, prediction_terms
from speechnar.models.asr.crf import CRF, CRFConfig, crf_terms
from speechnar.models.asr.ctc import CTC, CTCConfig
from speechnar.models.asr.imputer import Imputer, ImputerConfig, imputer_terms
from speechnar.models.asr.levenshtein import Levenshtein, LevenshteinConfig, edit_terms
from speechnar.models.asr.mask_ctc import MaskCTC, MaskCTCConfig, masked_terms
from speechnar.models.asr.masked_diffusion import MaskedDiffusion, MaskedDiffusionConfig, diffusion_terms
from speechnar.models.asr.paraformer import Paraformer, ParaformerConfig, paraformer_terms
from speechnar.models.asr.paraformer_v2 import ParaformerV2, ParaformerV2Config, posterior_terms
from speechnar.models.asr.whisper import Whisper, WhisperConfig
from speechnar.models.autoregressive.aed import AED, AEDConfig, causal_terms
from speechnar.models.autoregressive.image_transformer import ImageTransformer, raster_terms
from speechnar.models.autoregressive.transformer import (
    AutoregressiveTransformer,
    AutoregressiveTransformerConfig,
    next_token_terms,
)
from speechnar.models.image.maskgit import MaskGIT, masked_image_terms
from speechnar.models.image.vqvae import VQVAE, VQVAEConfig, image_terms
from speechnar.models.text.cmlm import CMLM, CMLMConfig, conditional_mask_terms
from speechnar.models.text.ctc import TextCTC, TextCTCConfig, text_ctc_terms
from speechnar.models.text.da_transformer import DATransformer, DATransformerConfig, graph_terms
from speechnar.models.text.glat import GLAT, GLATConfig, glancing_terms
from speechnar.models.text.levenshtein import TextLevenshtein, TextLevenshteinConfig, text_edit_terms
from speechnar.models.tts.aligner import Aligner, AlignerConfig
from speechnar.models.tts.fastspeech2 import FastSpeech2, FastSpeech2Config, adapted_weights
from speechnar.models.tts.flow_matching import FlowMatching, FlowMatchingConfig, flow_terms
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig

Loss = Callable[..., Mapping[str, Tensor | Mean]]


@dataclass(frozen=True)
class ModelSpec:
    """Everything that the rest of the package has to know of a model.

    Attributes:
        config: class of the model's config, a frozen dataclass.
        build: returns the untrained model of a config and of the audio that the model reads or writes.
        task: what the model does: "acoustic", "aligner", "recognizer" (trained by `speechnar train recognizer`),
            "speculative" (a recognizer trained by `speechnar train speculative`), "text2text", "vocoder", "vqvae",
            "pretraining" (an encoder that learns from audio alone), "image" (a model of the tokens that a "vqvae"
            makes) or "flow" (samples what an acoustic model leaves open).
        losses: functions that return named loss terms, which are added up. The task says what they are called with:
            a recognizer's with (model, encoder_out, targets), a text model's with (model, pairs), an acoustic model's
            as `fastspeech2_loss`, a vocoder's as `spectral_loss`, a VQ-VAE's with (model, images), a pre-trained
            encoder's with (model, predicted), an image model's with (model, tokens), a flow's as `flow_terms`. An
            aligner's task has its own, which depend on the step.
        decoders: methods of `speechnar decode` that the model can be decoded by; of an image model, the method of
            `speechnar.infer.images`.
        graph: name of the function in `speechnar.export` that makes the model's runtime graphs; None where there is no
            runtime for the model.
        not_exported: the parts of the model that the runtime graphs leave out, as `speechnar export` names them.
        init_from: names of other models whose weights can be the start of this one, by name and shape.
        symbol_weights: names of the weights that have a row for each symbol, and the dimension of the rows.
        adapted_weights: returns the weights of a trained model, changed to suit this one, and remarks; None where
            weights are taken as they are. Arguments: this model, the trained model, names of buffers that are kept.
        uses_f0: of a vocoder: it is called with (mel, f0, noise, phase), as `HarmonicVocos` is, and not with the mel
            alone.
        statistics: of a vocoder: names of the features' statistics that `set_statistics` is given before training.
        weight_norm: of a vocoder: it is trained with weight norm, by `normalize_weights` and `folded`.
    """

    config: type
    build: Callable[[Any, AudioConfig], Any]
    task: str
    losses: tuple[Loss, ...] = ()
    decoders: tuple[str, ...] = ()
    graph: str | None = None
    not_exported: str = ""
    init_from: tuple[str, ...] = ()
    symbol_weights: Mapping[str, int] = field(default_factory=dict)
    adapted_weights: Callable[[Any, Any, frozenset[str]], tuple[dict[str, Tensor], list[str]]] | None = None
    uses_f0: bool = False
    statistics: tuple[str, ...] = ()
    weight_norm: bool = False


CTC_SYMBOLS = {"encoder.head.out.weight": 0, "encoder.head.out.bias": 0, "encoder.head.condition.weight": 1}
TEXT_MODELS = ("transformer", "text_ctc", "cmlm", "glat", "da_transformer", "text_levenshtein")
TEXT_SYMBOLS = {"transformer.embedding.weight": 0}
DECODER_SYMBOLS = {"decoder.embedding.weight": 0, "decoder.out.weight": 0, "decoder.out.bias": 0}
INNER_SYMBOLS = {name.replace("decoder", "decoder.tokens"): 0 for name in DECODER_SYMBOLS}
FRAME_SYMBOLS = {"decoder.embedding.weight": 0, "decoder.head.out.weight": 0, "decoder.head.out.bias": 0}
RECOGNIZERS = (
    "ctc", "mask_ctc", "aed", "align_refine", "imputer", "levenshtein", "masked_diffusion", "paraformer",
    "paraformer_v2", "crf", "best_rq",
)  # fmt: skip
"""Models with a `CTCEncoder`: each can start from the encoder of another."""


def _text_model(
    config: type, model: Callable[[Any], Any], loss: Loss, decoders: tuple[str, ...], **more: Any
) -> ModelSpec:
    """Return the spec of a text model: each can start from the weights of any other."""
    return ModelSpec(
        config,
        lambda config, audio: model(config),
        "text2text",
        losses=(loss,),
        decoders=decoders,
        init_from=TEXT_MODELS,
        symbol_weights=TEXT_SYMBOLS,
        **more,
    )


MODELS: dict[str, ModelSpec] = {
    "fastspeech2": ModelSpec(
        FastSpeech2Config,
        lambda config, audio: FastSpeech2(config),
        "acoustic",
        losses=(fastspeech2_loss,),
        graph="acoustic",
        symbol_weights={"embedding.weight": 0},
        adapted_weights=adapted_weights,
    ),
    "flow_matching": ModelSpec(
        FlowMatchingConfig, lambda config, audio: FlowMatching(config), "flow", losses=(flow_terms,)
    ),
    "harmonic_vocos": ModelSpec(
        HarmonicVocosConfig,
        HarmonicVocos,
        "vocoder",
        losses=(spectral_loss,),
        graph="harmonic_vocos",
        uses_f0=True,
        statistics=("mel_mean", "mel_std", "log_f0_mean", "log_f0_std"),
    ),
    "hifigan": ModelSpec(HiFiGANConfig, HiFiGAN, "vocoder", losses=(spectral_loss,), graph="hifigan", weight_norm=True),
    "whisper": ModelSpec(WhisperConfig, lambda config, audio: Whisper(config), "speculative", graph="whisper"),
    "ctc": ModelSpec(
        CTCConfig,
        CTC,
        "recognizer",
        losses=(ctc_terms,),
        decoders=("greedy", "beam"),
        graph="ctc",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS,
    ),
    "mask_ctc": ModelSpec(
        MaskCTCConfig,
        MaskCTC,
        "recognizer",
        losses=(ctc_terms, masked_terms),
        decoders=("greedy", "beam", "mask_predict", "mask_ctc", "rescoring"),
        graph="ctc",
        not_exported="the masked decoder (methods mask_predict, mask_ctc and rescoring)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | DECODER_SYMBOLS,
    ),
    "aed": ModelSpec(
        AEDConfig,
        AED,
        "recognizer",
        losses=(ctc_terms, causal_terms),
        decoders=("greedy", "beam", "speculative", "autoregressive", "autoregressive_rescoring", "semi_autoregressive"),
        graph="ctc",
        not_exported="the autoregressive decoder (methods speculative, autoregressive and autoregressive_rescoring)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | DECODER_SYMBOLS,
    ),
    "align_refine": ModelSpec(
        AlignRefineConfig,
        AlignRefine,
        "recognizer",
        losses=(ctc_terms, refinement_terms),
        decoders=("greedy", "beam", "align_refine"),
        graph="ctc",
        not_exported="the decoder over frames (method align_refine)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | FRAME_SYMBOLS,
    ),
    "imputer": ModelSpec(
        ImputerConfig,
        Imputer,
        "recognizer",
        losses=(ctc_terms, imputer_terms),
        decoders=("greedy", "beam", "imputer"),
        graph="ctc",
        not_exported="the decoder over frames (method imputer)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | FRAME_SYMBOLS,
    ),
    "levenshtein": ModelSpec(
        LevenshteinConfig,
        Levenshtein,
        "recognizer",
        losses=(ctc_terms, edit_terms),
        decoders=("greedy", "beam", "levenshtein"),
        graph="ctc",
        not_exported="the decoder that edits (method levenshtein)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | DECODER_SYMBOLS,
    ),
    "masked_diffusion": ModelSpec(
        MaskedDiffusionConfig,
        MaskedDiffusion,
        "recognizer",
        losses=(ctc_terms, diffusion_terms),
        decoders=("greedy", "beam", "diffusion"),
        graph="ctc",
        not_exported="the masked decoder (method diffusion)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | DECODER_SYMBOLS,
    ),
    "paraformer": ModelSpec(
        ParaformerConfig,
        Paraformer,
        "recognizer",
        losses=(ctc_terms, paraformer_terms),
        decoders=("greedy", "beam", "parallel"),
        graph="ctc",
        not_exported="the parallel decoder (method parallel)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | DECODER_SYMBOLS,
    ),
    "paraformer_v2": ModelSpec(
        ParaformerV2Config,
        ParaformerV2,
        "recognizer",
        losses=(ctc_terms, posterior_terms),
        decoders=("greedy", "beam", "parallel"),
        graph="ctc",
        not_exported="the parallel decoder (method parallel)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | INNER_SYMBOLS,
    ),
    "crf": ModelSpec(
        CRFConfig,
        CRF,
        "recognizer",
        losses=(ctc_terms, crf_terms),
        decoders=("greedy", "beam", "crf", "parallel"),
        graph="ctc",
        not_exported="the parallel decoder (methods crf and parallel)",
        init_from=RECOGNIZERS,
        symbol_weights=CTC_SYMBOLS | INNER_SYMBOLS | {"left.weight": 0, "right.weight": 0},
    ),
    "best_rq": ModelSpec(BestRQConfig, BestRQ, "pretraining", losses=(prediction_terms,)),
    "transformer": _text_model(
        AutoregressiveTransformerConfig,
        AutoregressiveTransformer,
        next_token_terms,
        ("autoregressive", "semi_autoregressive"),
    ),
    "text_ctc": _text_model(TextCTCConfig, TextCTC, text_ctc_terms, ("greedy", "beam"), graph="letters"),
    "cmlm": _text_model(CMLMConfig, CMLM, conditional_mask_terms, ("mask_predict",)),
    "glat": _text_model(GLATConfig, GLAT, glancing_terms, ("mask_predict",)),
    "da_transformer": _text_model(DATransformerConfig, DATransformer, graph_terms, ("lookahead",)),
    "text_levenshtein": _text_model(TextLevenshteinConfig, TextLevenshtein, text_edit_terms, ("levenshtein",)),
    "aligner": ModelSpec(
        AlignerConfig,
        lambda config, audio: Aligner(config),
        "aligner",
        symbol_weights={"means": 0, "log_variances": 0, "embedding.weight": 0},
    ),
    "vqvae": ModelSpec(VQVAEConfig, lambda config, audio: VQVAE(config), "vqvae", losses=(image_terms,)),
    "maskgit": ModelSpec(
        ClassTransformerConfig,
        lambda config, audio: MaskGIT(config),
        "image",
        losses=(masked_image_terms,),
        decoders=("maskgit",),
    ),
    "image_transformer": ModelSpec(
        ClassTransformerConfig,
        lambda config, audio: ImageTransformer(config),
        "image",
        losses=(raster_terms,),
        decoders=("sampling",),
    ),
}


def usual_decoder(name: str, config: Any) -> str:
    """Return the method by which a model is decoded where none is named.

    Args:
        name: of the model; config: its own.
    """
    return "semi_autoregressive" if getattr(config, "group", 1) > 1 else MODELS[name].decoders[0]


def configs_of(*tasks: str) -> dict[str, type]:
    """Return the config class of each model of the given tasks, by name; of every model where no task is given."""
    return {name: spec.config for name, spec in MODELS.items() if not tasks or spec.task in tasks}
