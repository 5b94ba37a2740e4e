"""The STFT on rows of hops against NumPy's FFT, and its inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speechnar.layers.stft import HopSTFT


def rows(n_rows: int, hop: int) -> torch.Tensor:
    return torch.randn(2, n_rows, hop, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("hop, overlap", [(10, 3), (7, 3), (8, 5)])
def test_transform_is_a_windowed_fft_centered_on_each_row(hop: int, overlap: int) -> None:
    stft, x = HopSTFT(hop, overlap), rows(9, hop)
    n_fft, side = hop * overlap, overlap // 2
    assert stft.n_bins == n_fft // 2 + 1
    wav = np.pad(x.flatten(1).numpy(), [(0, 0), (side * hop, side * hop)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    real, imaginary = stft.transform(x).chunk(2, dim=2)
    for t in range(9):
        expected = np.fft.rfft(wav[:, t * hop : t * hop + n_fft] * window) / np.sqrt(n_fft)
        np.testing.assert_allclose(real[:, t].numpy(), expected.real, atol=1e-5)
        np.testing.assert_allclose(imaginary[:, t].numpy(), expected.imag, atol=1e-5)


@pytest.mark.parametrize("hop, overlap", [(10, 3), (7, 3), (8, 5)])
def test_inverse_gives_the_inner_rows_back(hop: int, overlap: int) -> None:
    stft, x = HopSTFT(hop, overlap), rows(9, hop)
    back = stft.inverse(stft.transform(x))
    side = overlap // 2
    assert back.shape == (2, 9 * hop)
    torch.testing.assert_close(back.view(2, 9, hop)[:, side:-side], x[:, side:-side], atol=1e-5, rtol=0)


@pytest.mark.parametrize("overlap", [1, 4])
def test_overlap_is_odd_and_at_least_three(overlap: int) -> None:
    with pytest.raises(ValueError, match=f"odd and at least 3 but is {overlap}"):
        HopSTFT(10, overlap)


@pytest.mark.parametrize("hop, overlap", [(10, 3), (7, 3), (8, 5)])
def test_magnitudes_are_those_of_the_transform(hop: int, overlap: int) -> None:
    stft, x = HopSTFT(hop, overlap), rows(9, hop)
    real, imaginary = stft.transform(x).chunk(2, dim=2)
    torch.testing.assert_close(stft.magnitudes(x), torch.complex(real, imaginary).abs(), atol=1e-5, rtol=0)


def test_no_fast_fourier_transform_is_in_a_graph() -> None:
    class Magnitudes(HopSTFT):
        forward = HopSTFT.magnitudes

    stft, x = Magnitudes(10), rows(9, 10)
    traced = torch.jit.trace(stft, (x,))
    assert "fft" not in str(traced.inlined_graph) and "matmul" in str(traced.inlined_graph)
    torch.testing.assert_close(traced(x), stft(x), atol=1e-5, rtol=0)
