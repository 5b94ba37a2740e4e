"""A learned aligner: log-likelihoods of each frame of speech under each state of each token.

A token is a sequence of a few states; a state is a Gaussian over the cepstra of a frame and their slopes. Its mean is
that of the symbol plus, later in training, a correction by the neighboring tokens. Paths through the states, and the
losses on them, are in `speechnar.nar.alignment`.

Source: One TTS Alignment To Rule Them All (Badlani et al. 2022), section 2: the frames of a token are those
    near to it, and the sum over paths is the only loss. Neural HMMs are all you need (Mehta et al. 2022), section 3:
    a network that gives the Gaussians of the states of a hidden Markov model.
Differs: distances are to the cepstra themselves, each with its own variance, and not between two learned embeddings:
    an encoder with a context of a tenth of a second is free to move every boundary by as much. States do not depend on
    earlier frames, and no transition probabilities are learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.nar.lengths import length_mask

VARIANCES = (0.05, 20.0)
"""The smallest and the largest variance of the normalized features."""


@dataclass(frozen=True)
class AlignerConfig:
    """Sizes of an aligner. A training config leaves out `states` and `n_mels`, which come from the data.

    Attributes:
        states: number of states of each symbol, by id.
        n_mels: mel bands of the input.
        n_cepstra: number of cepstra that are computed from them.
        d_model: width of the network that corrects means by neighboring tokens.
        scale: factor of the log-likelihoods; below 1, as neighboring frames and bands are strongly correlated.
    """

    states: tuple[int, ...] = ()
    n_mels: int = 40
    n_cepstra: int = 24
    d_model: int = 256
    scale: float = 0.2


@dataclass(frozen=True)
class AlignerOutput:
    """The output of `Aligner`.

    Attributes:
        log_probs: (B, T_mel, N) scaled log-likelihoods of each frame under each state; padding of any value.
        state_lengths: (B,) states of each utterance.
        tokens: (B, N) position in the text of each state's token; padded with T_text - 1.
    """

    log_probs: Tensor
    state_lengths: Tensor
    tokens: Tensor

    def token_durations(self, durations: Tensor, n_tokens: int) -> Tensor:
        """Return the frames (B, `n_tokens`) of the tokens, given those of the states (B, N)."""
        return durations.new_zeros(len(durations), n_tokens).scatter_add_(1, self.tokens, durations)


class Aligner(nn.Module):
    """Tokens and log-mel to log-likelihoods of states."""

    mean: Tensor
    std: Tensor
    n_states: Tensor
    basis: Tensor

    def __init__(self, config: AlignerConfig) -> None:
        super().__init__()
        self.config = config
        n_symbols, width, most = len(config.states), 2 * config.n_cepstra, max(config.states)
        self.means = nn.Parameter(0.05 * torch.randn(n_symbols, most, width))
        self.log_variances = nn.Parameter(torch.zeros(n_symbols, most, width))
        self.embedding = nn.Embedding(n_symbols, config.d_model // 2)
        self.neighbors = nn.Conv1d(config.d_model // 2, config.d_model, kernel_size=3, padding=1)
        self.correction = nn.Linear(config.d_model, most * width)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.register_buffer("n_states", torch.tensor(config.states), persistent=False)
        bands = math.pi * (torch.arange(config.n_mels)[:, None] + 0.5) / config.n_mels
        basis = (2 / config.n_mels) ** 0.5 * torch.cos(bands * torch.arange(config.n_cepstra))
        self.register_buffer("basis", basis, persistent=False)

    def features(self, mel: Tensor, mel_lengths: Tensor) -> Tensor:
        """Return cepstra and their slopes over five frames, after subtraction of the utterance's mean.

        Args:
            mel: (B, T_mel, n_mels) natural log magnitude; padding of any value.
            mel_lengths: (B,).

        Returns:
            (B, T_mel, 2 * n_cepstra); padding of any value.
        """
        mask = length_mask(mel_lengths, mel.shape[1])[:, :, None]
        centered = mel - (mel * mask).sum(1, keepdim=True) / mel_lengths[:, None, None]
        cepstra = centered @ self.basis
        frames = torch.arange(-2, mel.shape[1] + 2, device=mel.device)[None, :]
        # Beyond the ends of an utterance its first and last frames are repeated.
        index = torch.minimum(frames.clamp(min=0), mel_lengths[:, None] - 1)
        around = cepstra.gather(1, index[:, :, None].expand(-1, -1, cepstra.shape[2]))
        slopes = (around[:, 3:-1] - around[:, 1:-3] + 2 * (around[:, 4:] - around[:, :-4])) / 5
        return torch.cat([cepstra, slopes], dim=2)

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Set the statistics that `features` are normalized by, (2 * n_cepstra,) each."""
        self.mean.copy_(mean)
        self.std.copy_(std.clamp(min=1e-3))

    def forward(
        self, tokens: Tensor, token_lengths: Tensor, mel: Tensor, mel_lengths: Tensor, context: bool = True
    ) -> AlignerOutput:
        """Compute log-likelihoods, in float32 under autocast too.

        Args:
            tokens: (B, T_text), `<s>` and `</s>` included; padding of any symbol.
            token_lengths, mel_lengths: (B,).
            mel: (B, T_mel, n_mels) natural log magnitude; padding of any value.
            context: whether neighboring tokens correct the means.
        """
        with torch.autocast(mel.device.type, enabled=False):
            frames = (self.features(mel.float(), mel_lengths) - self.mean) / self.std
            means, variances = self._gaussians(tokens, token_lengths, context)
            place, state, state_lengths = self._states(tokens, token_lengths)
            rows = torch.arange(len(tokens), device=tokens.device)[:, None]
            score = _log_likelihoods(frames, means[rows, place, state], variances[rows, place, state])
            return AlignerOutput(self.config.scale * score, state_lengths, place)

    def _variances(self) -> Tensor:
        least, most = VARIANCES
        return self.log_variances.exp().clamp(least, most)

    def _gaussians(self, tokens: Tensor, token_lengths: Tensor, context: bool) -> tuple[Tensor, Tensor]:
        """Return means and variances of each token's states, (B, T_text, states, width) each."""
        means, variances = self.means[tokens], self._variances()[tokens]
        if context:
            mask = length_mask(token_lengths, tokens.shape[1])[:, :, None]
            hidden = F.relu(self.neighbors((self.embedding(tokens) * mask).transpose(1, 2))).transpose(1, 2)
            means = means + self.correction(hidden).view(means.shape)
        return means, variances

    def _states(self, tokens: Tensor, token_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each state's token and its number within the token, (B, N) each, and the numbers of states, (B,)."""
        counts = self.n_states[tokens] * length_mask(token_lengths, tokens.shape[1])
        ends = counts.cumsum(1)
        lengths = ends[:, -1]
        states = torch.arange(int(lengths.max()), device=tokens.device).expand(len(tokens), -1).contiguous()
        place = torch.searchsorted(ends, states, right=True).clamp(max=tokens.shape[1] - 1)
        state = states - (ends - counts).gather(1, place)
        return place, state.clamp(max=self.means.shape[1] - 1), lengths


def _log_likelihoods(frames: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """Return (B, T, N) log-likelihoods, up to a constant, of (B, T, D) frames under (B, N, D) diagonal Gaussians."""
    precision = 1 / variances
    constant = (means.square() * precision + variances.log()).sum(2)[:, None, :]
    squares = frames.square() @ precision.transpose(1, 2) - 2 * frames @ (means * precision).transpose(1, 2)
    return -0.5 * (squares + constant)
