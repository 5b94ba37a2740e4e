"""The aligner: its states by hand, its likelihoods by torch.distributions, and padding."""

from __future__ import annotations

import pytest
import torch
from scipy.fft import dct
from torch import Tensor
from torch.distributions import Independent, Normal

from speechnar.models.tts.aligner import Aligner, AlignerConfig

CONFIG = AlignerConfig(states=(1, 3, 2), n_mels=6, n_cepstra=4, d_model=8, scale=0.5)
TOKENS = torch.tensor([[0, 1, 2, 0], [0, 2, 0, 1]])
TOKEN_LENGTHS, MEL_LENGTHS = torch.tensor([4, 3]), torch.tensor([9, 6])


@pytest.fixture
def model() -> Aligner:
    torch.manual_seed(0)
    model = Aligner(CONFIG).eval()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.5)
    model.set_statistics(torch.randn(8), torch.rand(8) + 0.5)
    return model


def mel() -> Tensor:
    return 3 * torch.randn(2, 9, 6, generator=torch.Generator().manual_seed(1))


def test_states_follow_their_tokens(model: Aligner) -> None:
    output = model(TOKENS, TOKEN_LENGTHS, mel(), MEL_LENGTHS)
    assert output.state_lengths.tolist() == [7, 4]
    assert output.tokens[0].tolist() == [0, 1, 1, 1, 2, 2, 3]
    assert output.tokens[1, :4].tolist() == [0, 1, 1, 2]
    durations = torch.tensor([[2, 1, 1, 1, 1, 2, 1], [1, 2, 1, 2, 0, 0, 0]])
    assert output.token_durations(durations, 4).tolist() == [[2, 3, 3, 1], [1, 3, 2, 0]]


def test_features_are_cepstra_and_regression_slopes(model: Aligner) -> None:
    features = model.features(mel(), MEL_LENGTHS)[1, :6]
    centered = (mel()[1, :6] - mel()[1, :6].mean(0)).numpy()
    cepstra = torch.from_numpy(dct(centered, type=2, norm="ortho", axis=1)[:, :4])
    cepstra[:, 0] *= 2**0.5
    torch.testing.assert_close(features[:, :4], cepstra, atol=1e-5, rtol=1e-5)
    for t in range(6):
        around = cepstra[[min(max(t + k, 0), 5) for k in (-2, -1, 0, 1, 2)]]
        slope = (torch.tensor([-2.0, -1, 0, 1, 2])[:, None] * around).sum(0) / 5
        torch.testing.assert_close(features[t, 4:], slope, atol=1e-5, rtol=1e-5)


def test_scores_are_those_of_diagonal_gaussians_but_for_a_constant(model: Aligner) -> None:
    output = model(TOKENS, TOKEN_LENGTHS, mel(), MEL_LENGTHS, context=False)
    frames = (model.features(mel(), MEL_LENGTHS) - model.mean) / model.std
    ids, states = [0, 1, 1, 1, 2, 2, 0], [0, 0, 1, 2, 0, 1, 0]
    variances = model.log_variances.exp().clamp(0.05, 20)[ids, states]
    gaussians = Independent(Normal(model.means[ids, states], variances.sqrt()), 1)
    expected = 0.5 * gaussians.log_prob(frames[0][:, None, :])
    difference = output.log_probs[0] - expected
    torch.testing.assert_close(difference, difference[0, 0].expand_as(difference), atol=1e-4, rtol=0)


def test_only_the_tokens_beside_a_token_correct_it(model: Aligner) -> None:
    lengths = (torch.tensor([4]), torch.tensor([9]))
    before = model(torch.tensor([[0, 2, 2, 2]]), lengths[0], mel()[:1], lengths[1])
    after = model(torch.tensor([[1, 2, 2, 2]]), lengths[0], mel()[:1], lengths[1])
    score = before.log_probs[0, :, -4:], after.log_probs[0, :, -4:]  # of the last two tokens
    torch.testing.assert_close(score[0], score[1])
    assert not torch.allclose(before.log_probs[0, :, 1:3], after.log_probs[0, :, 3:5])


def test_padding_has_no_effect(model: Aligner) -> None:
    together = model(TOKENS, TOKEN_LENGTHS, mel(), MEL_LENGTHS)
    noisy = mel()
    noisy[1, 6:] = 100.0
    other = model(torch.tensor([[0, 1, 2, 0], [0, 2, 0, 2]]), TOKEN_LENGTHS, noisy, MEL_LENGTHS)
    alone = model(TOKENS[1:, :3], TOKEN_LENGTHS[1:], mel()[1:, :6], MEL_LENGTHS[1:])
    for output, row in ((together, 1), (other, 1), (alone, 0)):
        torch.testing.assert_close(output.log_probs[row, :6, :4], alone.log_probs[0], atol=1e-4, rtol=1e-5)


def test_untrained_context_changes_nothing_and_learns() -> None:
    torch.manual_seed(0)
    model = Aligner(CONFIG)
    with_context, without = (
        model(TOKENS, TOKEN_LENGTHS, mel(), MEL_LENGTHS, context=c).log_probs for c in (True, False)
    )
    torch.testing.assert_close(with_context, without)
    with_context.sum().backward()
    assert model.correction.weight.grad is not None and model.correction.weight.grad.abs().max() > 0
