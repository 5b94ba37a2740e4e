"""Weights that were saved when modules had other names."""

from __future__ import annotations

import torch
from torch import nn

from speechnar.audio import AudioConfig
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.old_names import accept_old_names
from speechnar.models.asr.mask_ctc import MaskCTC, MaskCTCConfig
from speechnar.models.asr.whisper import Whisper, WhisperConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=6, f_min=0.0, f_max=4000.0)


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.new = nn.Linear(2, 2)
        accept_old_names(self, {"old.": "new."})


def test_former_names_are_read_at_any_depth_and_present_names_still_are() -> None:
    model = nn.ModuleDict({"a": nn.Sequential(Inner()), "old": nn.Linear(2, 2)})
    given = {name: torch.randn_like(value) for name, value in model.state_dict().items()}
    former = {name.replace("a.0.new.", "a.0.old."): value for name, value in given.items()}
    for state in (given, former):
        model.load_state_dict(state)
        assert all(torch.equal(value, given[name]) for name, value in model.state_dict().items())
    assert set(former) == {"a.0.old.weight", "a.0.old.bias", "old.weight", "old.bias"}  # the caller's is not changed


def test_the_recognizers_of_version_0_1_can_be_loaded() -> None:
    encoder = CTCEncoderConfig(ConformerConfig(8, 2, 2, 8, 3, 2, 4), (1,), True)
    model = MaskCTC(MaskCTCConfig(7, encoder, DecoderConfig(8, 2, 1, 8)), AUDIO)
    names = {"encoder.head.norm": "encoder.head_norm", "encoder.head.out": "encoder.head"}
    names |= {"encoder.head.condition": "encoder.back", "decoder.projection": "memory"}
    names |= {f"decoder.{part}": part for part in ("embedding", "blocks", "norm", "out")}
    check(model, names)


def test_the_ctc_branch_of_version_0_1_can_be_loaded() -> None:
    sizes = {"n_mels": 8, "d_model": 16, "d_ff": 8, "n_heads": 2, "n_layers": 1, "decoder_layers": 1}
    model = Whisper(WhisperConfig(5, 9, **sizes, d_draft=8, draft_layers=2))
    names = {"draft.head.norm": "draft.norm", "draft.head.out": "draft.head", "draft.head.condition": "draft.condition"}
    check(model, names)


def check(model: nn.Module, names: dict[str, str]) -> None:
    """Load weights under the names of version 0.1: present beginnings to those of that time."""
    wanted = {name: torch.randn_like(value) for name, value in model.state_dict().items()}
    former = {}
    for name, value in wanted.items():
        now = next((now for now in names if name.startswith(f"{now}.")), None)
        former[name if now is None else names[now] + name[len(now) :]] = value
    assert len(former) == len(wanted) and former.keys() != wanted.keys()
    model.load_state_dict(former)
    assert all(torch.equal(value, wanted[name]) for name, value in model.state_dict().items())
