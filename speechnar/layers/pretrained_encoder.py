"""The encoder of a pre-trained transformers model as a layer: wav2vec 2.0, HuBERT, WavLM or Whisper.

    samples -> features -> blocks of the transformer -> states, one for 320 samples

The features are the outputs of the convolutions of wav2vec 2.0 and its relatives, and Whisper's log-mel frames. They
are computed for each utterance alone: the first convolution of wav2vec 2.0 base is normalized over time, so that
padding would change them. The blocks then take a whole batch and do not see its padding.

Source: wav2vec 2.0 (Baevski et al. 2020), sections 2 and 4.2; HuBERT (Hsu et al. 2021); WavLM (Chen et al. 2022);
    Whisper (Radford et al. 2023), section 2.2.
Differs: `speechnar.layers.augment` masks the features, where wav2vec 2.0 masks their projections with a learned vector.
"""

from __future__ import annotations

import importlib
import math
import sys
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from speechnar.extras import needing
from speechnar.layers.blocks import masked
from speechnar.nar.lengths import length_mask

MODEL_TYPES = ("wav2vec2", "hubert", "wavlm", "whisper")
"""`model_type` of the architectures that are known here."""

SAMPLE_RATE = 16000
HOP = 320
"""Samples from one state to the next."""

WINDOW = 400
"""Samples that the convolutions of wav2vec 2.0 and its relatives read for one state."""

UNMASKED = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "add_adapter": False}
"""Settings without the masking of transformers, whose random numbers are not torch's, and without further layers."""


@dataclass(frozen=True)
class PretrainedEncoderConfig:
    """The architecture of a transformers model, and what of it is trained.

    Attributes:
        architecture: the content of its `config.json`, of which `model_type` is needed and all else has the defaults of
            transformers. `--init` of a transformers model brings it.
        preprocessor: the content of its `preprocessor_config.json`, which `--init` brings too.
        unpadded: of Whisper: whether a recording is encoded as long as it is, and not with silence up to 30 s, as
            Whisper was trained. That is many times faster. The others are never padded.
        frozen_convolutions: whether the convolutions below the blocks are kept as they are.
        frozen_layers: the number of lowest blocks that are kept as they are, with all that is below them; with all
            blocks, the whole encoder is kept.
        frozen_steps: steps of training before the encoder is trained too, so that the new layers above learn first.
    """

    architecture: dict[str, Any] = field(default_factory=dict)
    preprocessor: dict[str, Any] = field(default_factory=dict)
    unpadded: bool = False
    frozen_convolutions: bool = True
    frozen_layers: int = 0
    frozen_steps: int = 0

    def __post_init__(self) -> None:
        kind = self.architecture.get("model_type")
        if self.architecture and kind not in MODEL_TYPES:
            known = ", ".join(MODEL_TYPES)
            raise ValueError(f"the pre-trained encoder is of model_type {kind}, which should be one of {known}")
        if self.frozen_layers < 0 or self.frozen_steps < 0:
            raise ValueError(
                f"frozen_layers is {self.frozen_layers} and frozen_steps {self.frozen_steps}; both should be 0 or more"
            )


def load_transformers() -> Any:
    """Import transformers, without torchaudio where that does not load, as one that was built for another torch.

    Raises:
        ValueError: transformers is not installed.
    """
    with needing("a pre-trained encoder", "encoders"):
        transformers = importlib.import_module("transformers")
    try:
        importlib.import_module("torchaudio")
    except ImportError:
        pass
    except OSError:
        sys.modules["torchaudio"] = None  # type: ignore[assignment]
        try:
            importlib.import_module("transformers.utils.import_utils").is_torchaudio_available.cache_clear()
            importlib.import_module("transformers.audio_utils")  # the one that imports it
        finally:
            del sys.modules["torchaudio"]
    return transformers


def settings_of(config: PretrainedEncoderConfig) -> Any:
    """Return the config object of transformers.

    Raises:
        ValueError: there is no architecture.
    """
    if not config.architecture:
        raise ValueError(
            "the pre-trained encoder has no architecture: give a transformers model by --init DIR or --init"
            f" hf:owner/name, or `architecture: {{model_type: NAME}}` with one of {', '.join(MODEL_TYPES)}"
        )
    settings = {**config.architecture, **UNMASKED}
    return load_transformers().AutoConfig.for_model(settings.pop("model_type"), **settings)


class PretrainedEncoder(nn.Module):
    """Samples to features, and features to states.

    Args:
        sample_rate: Hz, of the audio that it is to read.
        model: the encoder with its weights; None to draw them at random.

    Attributes:
        channels: of the features.
        width: channels of a state.
        longest: the most states that it computes at once.
        resting: whether it is not trained at the moment.

    Raises:
        ValueError: there is no architecture, it has fewer blocks than are to be frozen, the audio has another sample
            rate, or transformers is not installed.
    """

    def __init__(self, config: PretrainedEncoderConfig, sample_rate: int = SAMPLE_RATE, model: Any = None) -> None:
        super().__init__()
        if sample_rate != SAMPLE_RATE:
            raise ValueError(f"the audio has {sample_rate} Hz, but a pre-trained encoder reads {SAMPLE_RATE} Hz")
        transformers = load_transformers()
        settings = settings_of(config)
        self.config = config
        self.whisper = settings.model_type == "whisper"
        extractor = "WhisperFeatureExtractor" if self.whisper else "Wav2Vec2FeatureExtractor"
        given = {"feature_size": settings.num_mel_bins} if self.whisper else {}
        self._extract: Any = getattr(transformers, extractor).from_dict({**given, **config.preprocessor})
        if model is None and self.whisper:
            model = importlib.import_module("transformers.models.whisper.modeling_whisper").WhisperEncoder(settings)
        elif model is None:
            model = transformers.AutoModel.from_config(settings)
        self.model: Any = model.float()
        self.channels: int = settings.num_mel_bins if self.whisper else settings.conv_dim[-1]
        self.width: int = settings.hidden_size
        self.longest: int = settings.max_source_positions if self.whisper else sys.maxsize
        self.resting = False
        self._freeze()

    @property
    def blocks(self) -> nn.ModuleList:
        """Return the blocks of the transformer, the lowest first."""
        blocks: nn.ModuleList = self.model.layers if self.whisper else self.model.encoder.layers
        return blocks

    def _freeze(self) -> None:
        frozen, blocks = self.config.frozen_layers, self.blocks
        if frozen > len(blocks):
            raise ValueError(f"frozen_layers is {frozen}, but the pre-trained encoder has {len(blocks)} blocks")
        model = self.model
        self._frozen_below = self.config.frozen_convolutions or frozen > 0
        convolutions = [model.conv1, model.conv2] if self.whisper else [model.feature_extractor]
        below = convolutions if self._frozen_below else []
        if frozen and not self.whisper:
            below += [model.feature_projection, model.encoder.pos_conv_embed]
            if not model.config.do_stable_layer_norm:  # else it comes after the blocks
                below.append(model.encoder.layer_norm)
        for module in [model] if frozen == len(blocks) else [*below, *blocks[:frozen]]:
            module.requires_grad_(False)

    def features(self, wav: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the features of samples.

        Args:
            wav: (B, T_wav) in [-1, 1] at 16 kHz, padding of any value; lengths: (B,) samples, None without padding.
                Samples that are too few for one state are padded with silence.

        Returns:
            (B, T, channels), padding of any value, and (B,) lengths, None where nothing is padding. T is that of the
            states, (T_wav - 400) // 320 + 1 for the windows that fit; Whisper has two log-mel frames for a state and
            T_wav / 320 states, rounded up. Unless it is unpadded, Whisper's frames have silence up to 30 s behind them.

        Raises:
            ValueError: an utterance is longer than Whisper's 30 s.
        """
        rows = list(wav) if lengths is None else [row[:length] for row, length in zip(wav, lengths.tolist())]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not (self.resting or self._frozen_below)):
            found = [self._log_mel(row) if self.whisper else self._convolved(row) for row in rows]
        frames = pad_sequence(found, batch_first=True)
        if lengths is None and (not self.whisper or self.config.unpadded):
            return frames, None
        ends = [2 * math.ceil(len(row) / HOP) if self.whisper else len(each) for row, each in zip(rows, found)]
        return frames, torch.tensor(ends, device=wav.device)

    def _convolved(self, wav: Tensor) -> Tensor:
        """Return the outputs (T, channels) of the convolutions for samples (T_wav,)."""
        samples = self._extracted(F.pad(wav, (0, max(0, WINDOW - len(wav)))))
        convolved: Tensor = self.model.feature_extractor(samples)
        return convolved[0].mT

    def _log_mel(self, wav: Tensor) -> Tensor:
        """Return log-mel frames (T_mel, channels) of samples (T_wav,)."""
        count = math.ceil(len(wav) / HOP)
        if count > self.longest:
            seconds, most = len(wav) / SAMPLE_RATE, self.longest * HOP / SAMPLE_RATE
            raise ValueError(
                f"an utterance of {seconds:.1f} s is longer than the {most:g} s that the pre-trained encoder takes:"
                " leave it out, or split it"
            )
        wav = F.pad(wav, (0, count * HOP - len(wav)))
        return self._extracted(wav, padding="longest" if self.config.unpadded else "max_length")[0].mT

    def _extracted(self, wav: Tensor, **padding: Any) -> Tensor:
        """Return the input that the model was trained on: samples (1, T_wav) or log-mel (1, n_mels, T_mel)."""
        with torch.autocast("cpu", enabled=False):  # transformers makes Whisper's log-mel by torch, for NumPy
            found = self._extract(wav.cpu().numpy(), sampling_rate=SAMPLE_RATE, return_tensors="pt", **padding)
        extracted: Tensor = found[self._extract.model_input_names[0]]
        return extracted.to(wav.device)

    def forward(self, frames: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the states (B, T, width), padding of any value, and their lengths (B,) of `features`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.resting):
            if self.whisper:
                return self._encoded(frames, lengths)
            projected = self.model.feature_projection(frames)
            hidden = projected[0] if isinstance(projected, tuple) else projected
            mask = None if lengths is None else length_mask(lengths, frames.shape[1])
            return self.model.encoder(hidden, attention_mask=mask).last_hidden_state, lengths

    def _encoded(self, mel: Tensor, mel_lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the states of Whisper's encoder, which sees no padding, as `WhisperEncoder.forward` would."""
        model, lengths = self.model, None if mel_lengths is None else mel_lengths // 2
        mask = None
        if lengths is not None and self.config.unpadded:
            mel = masked(mel, length_mask(2 * lengths, mel.shape[1]))
            mask = length_mask(lengths, mel.shape[1] // 2)
        hidden = F.gelu(model.conv1(mel.mT))
        if mask is not None:
            hidden = hidden * mask.repeat_interleave(2, 1)[:, None]
        hidden = F.gelu(model.conv2(hidden)).mT
        hidden = hidden + model.embed_positions.weight[: hidden.shape[1]]
        hidden = F.dropout(hidden, model.dropout, self.training)
        bias = None if mask is None else torch.where(mask, 0.0, -torch.inf).to(hidden.dtype)[:, None, None]
        for block in model.layers:
            hidden = block(hidden, bias)
        hidden = model.layer_norm(hidden)
        return (hidden, None) if lengths is None else (hidden[:, : int(lengths.max())], lengths)
