"""Batches and the devices that their tensors are on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from speechnar.data.batch import Batch


@dataclass(frozen=True)
class Inner(Batch):
    wav: torch.Tensor


@dataclass(frozen=True)
class Outer(Batch):
    utt_ids: tuple[str, ...]
    mel: torch.Tensor
    inner: Inner


def test_every_tensor_of_a_batch_and_of_those_within_moves() -> None:
    batch = Outer(("a",), torch.zeros(1, 2), Inner(torch.zeros(3)))
    moved = batch.to("meta")
    assert moved.mel.is_meta and moved.inner.wav.is_meta and moved.utt_ids == ("a",)
    assert not batch.mel.is_meta and not batch.inner.wav.is_meta
