"""Windows of frames, and a blockwise encoder that sees nothing beyond its look-ahead."""

from __future__ import annotations

import pytest
import torch

from speechnar.audio import AudioConfig
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig
from speechnar.nar.blocks import BlockConfig, windows_of

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=6, f_min=0.0, f_max=4000.0)
BLOCKS = BlockConfig(8, 3, 4)


def test_windows_by_hand() -> None:
    frames = torch.arange(11.0)[None, :, None].repeat(2, 1, 1)
    windows = windows_of(frames, torch.tensor([11, 6]), BlockConfig(4, 1, 2))
    assert windows.starts.tolist() == [0, 2, 6]
    assert windows.lengths.tolist() == [5, 7, 5, 5, 4, 1]  # the last holds nothing of the second utterance
    assert windows.frames[1, :, 0].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert windows.frames[2, :5, 0].tolist() == [6, 7, 8, 9, 10]
    assert torch.equal(windows.joined(windows.frames, 1), frames)


@pytest.mark.parametrize("subsampling", [2, 4])
def test_frames_come_back_in_order(subsampling: int) -> None:
    for total in range(1, 40):
        frames = torch.randn(2, total, 3)
        windows = windows_of(frames, None, BLOCKS)
        outputs = windows.frames[:, ::subsampling]
        assert torch.equal(windows.joined(outputs, subsampling), frames[:, ::subsampling])


def test_overlapping_blocks_by_hand() -> None:
    frames = torch.arange(11.0)[None, :, None]
    windows = windows_of(frames, None, BlockConfig(4, 1, 2), hop=2)
    assert windows.blocks.tolist() == [0, 2, 4, 6, 8] and windows.starts.tolist() == [0, 0, 2, 4, 6]
    assert windows.own_lengths(1).tolist() == [4, 4, 4, 4, 3]
    own = windows.own(windows.frames, 1)[:, :, 0].tolist()
    assert own[:4] == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]] and own[4][:3] == [8, 9, 10]
    assert windows_of(frames[:, :3], None, BlockConfig(4, 1, 2), hop=2).blocks.tolist() == [0]


def encoder(blocks: BlockConfig | None) -> CTCEncoder:
    torch.manual_seed(0)
    conformer = ConformerConfig(8, 2, 3, 8, 5, 2, 4, dropout=0.0)
    return CTCEncoder(CTCEncoderConfig(conformer, (1,), True, blocks=blocks), AUDIO, 5).eval()


@torch.no_grad()
def test_an_output_depends_on_its_block_its_look_ahead_and_its_history_alone() -> None:
    made, mel = encoder(BLOCKS), torch.randn(1, 32, 6)
    outputs = made(mel, None).hidden
    assert outputs.shape == (1, 16, 8)
    for changed in range(32):
        other = mel.clone()
        other[:, changed] += 5
        moved = (made(other, None).hidden - outputs).abs().amax(dim=(0, 2)) > 1e-6
        for block in range(4):
            seen = max(0, 8 * block - 4) <= changed < 8 * block + 8 + 3
            assert bool(moved[4 * block : 4 * block + 4].any()) is seen, (changed, block)


@torch.no_grad()
def test_one_block_is_the_whole_utterance_and_padding_changes_nothing() -> None:
    mel, lengths = torch.randn(3, 21, 6), torch.tensor([21, 13, 5])
    whole, blocks = encoder(None)(mel, lengths), encoder(BlockConfig(24))(mel, lengths)
    assert torch.equal(whole.lengths, blocks.lengths)
    torch.testing.assert_close(blocks.log_probs[0], whole.log_probs[0])
    made = encoder(BLOCKS)
    batch = made(mel, lengths)
    assert len(batch.intermediate) == 1
    for row, length in enumerate(lengths.tolist()):
        alone = made(mel[row : row + 1, :length], None)
        frames = int(batch.lengths[row])
        assert frames == alone.hidden.shape[1] and alone.lengths is None
        torch.testing.assert_close(batch.log_probs[row, :frames], alone.log_probs[0], atol=1e-5, rtol=1e-4)


def test_gradients_are_finite_where_windows_are_empty() -> None:
    made = encoder(BLOCKS).train()
    found = made(torch.randn(2, 32, 6), torch.tensor([32, 3]))
    (found.log_probs[0].sum() + found.log_probs[1, :2].sum()).backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in made.parameters())
    assert made.conformer.blocks[0].feed_in.expand.weight.grad.any()


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="block is 0, look_ahead 0 and history 0, but block should be 1"):
        BlockConfig(0)
    with pytest.raises(
        ValueError, match="block is 7 and history 0, but both should be multiples of the subsampling, 2"
    ):
        encoder(BlockConfig(7))
