"""Flow matching: its loss by hand, steps with a known velocity, and what it learns of a residual of two values."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from speechnar.models.tts.flow_matching import FlowMatching, FlowMatchingConfig, flow_terms

CONFIG = FlowMatchingConfig(n_features=2, d_condition=3, d_model=8, d_ff=8, kernel_size=3, n_layers=1)


def made(config: FlowMatchingConfig = CONFIG, seed: int = 0) -> FlowMatching:
    """A network with random weights, also where training starts from zeros."""
    torch.manual_seed(seed)
    model = FlowMatching(config)
    torch.nn.init.normal_(model.out.weight)
    return model.eval()


class Straight(FlowMatching):
    """The velocity of the straight way to one target from any state."""

    target = torch.tensor([[[1.0, -2.0], [0.5, 4.0]]])

    def velocity(self, state: Tensor, time: Tensor, condition: Tensor, mask: Tensor | None = None) -> Tensor:
        return (self.target - state) / (1 - time[:, None, None])


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_with_the_right_velocity_any_number_of_steps_reaches_the_target(steps: int) -> None:
    model = Straight(CONFIG)
    reached = model.sample(torch.randn(1, 2, 2), torch.zeros(1, 2, 3), steps)
    torch.testing.assert_close(reached, Straight.target)


def test_the_sample_is_in_units_of_the_residual(steps: int = 1) -> None:
    model = Straight(CONFIG)
    model.set_statistics(residual_std=[2.0, 0.5])
    reached = model.sample(torch.randn(1, 2, 2), torch.zeros(1, 2, 3), steps)
    torch.testing.assert_close(reached, Straight.target * torch.tensor([2.0, 0.5]))


def test_the_loss_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # One frame: residual (4, 1), which is (2, 2) in deviations of (2, 0.5); noise (1, -1), so the velocity is (1, 3).
    # An untrained network takes the residual for Gaussian: at t = 0.75 the state is (1.75, 1.25), D = 0.5625 + 0.0625,
    # and the velocity 0.5 / 0.625 = 0.8 times it: (1.4, 1). The errors are 0.4 and 2. The second frame is padding.
    model = FlowMatching(CONFIG)
    model.set_statistics(residual_std=[2.0, 0.5])
    monkeypatch.setattr(torch, "randn_like", lambda x: torch.tensor([[[1.0, -1.0], [7.0, 7.0]]]))
    monkeypatch.setattr(torch, "rand_like", lambda x: torch.tensor([0.75]))
    term = flow_terms(model, torch.tensor([[[4.0, 1.0], [9.0, 9.0]]]), torch.randn(1, 2, 3), torch.tensor([1]))["flow"]
    assert float(term) == pytest.approx((0.4**2 + 2**2) / 2, rel=1e-5)
    assert int(term.count) == 1


def test_untrained_it_keeps_a_gaussian_residual_gaussian() -> None:
    # The way of a Gaussian of unit deviation: sqrt(D) at each time, so that small steps end with unit deviation again.
    noise = torch.randn(1, 5, 2)
    torch.testing.assert_close(FlowMatching(CONFIG).sample(noise, torch.zeros(1, 5, 3), 1000), noise, rtol=0.01, atol=0)


def test_padding_has_no_effect() -> None:
    model = made()
    state, condition = torch.randn(1, 6, 2), torch.randn(1, 6, 3)
    alone = model.velocity(state[:, :4], torch.tensor([0.3]), condition[:, :4])
    padded = model.velocity(state, torch.tensor([0.3]), condition, torch.tensor([[True] * 4 + [False] * 2]))
    torch.testing.assert_close(padded[:, :4], alone)


def test_gradient_reaches_every_weight() -> None:
    model = made().train()
    flow_terms(model, torch.randn(2, 5, 2), torch.randn(2, 5, 3), torch.tensor([5, 3]))["flow"].value.backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_it_learns_a_residual_that_is_one_of_two_values() -> None:
    # Half of the residuals are +1 and half -1, whatever the condition. Their mean, 0, is what a deterministic model
    # learns; samples are near +1 or -1, about as often.
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, n_features=1, d_model=16, d_ff=32, kernel_size=1)
    model = FlowMatching(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    condition = torch.zeros(256, 1, 3)
    for _ in range(300):
        residual = torch.randint(2, (256, 1, 1)) * 2.0 - 1
        loss = flow_terms(model, residual, condition, torch.ones(256, dtype=torch.long))["flow"].value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        sampled = model.sample(torch.randn(256, 1, 1), condition, 16)[:, 0, 0]
        mean = model.sample(torch.randn(256, 1, 1), condition, 1)[:, 0, 0]
    assert float((sampled.abs() - 1).abs().mean()) < 0.2
    assert 0.35 < float((sampled > 0).float().mean()) < 0.65
    assert float(mean.abs().mean()) < 0.3  # one step is the mean


def test_the_velocity_knows_the_time() -> None:
    model, state, condition = made(), torch.zeros(2, 4, 2), torch.zeros(2, 4, 3)
    velocity = model.velocity(state, torch.tensor([0.0, 1.0]), condition)
    assert not torch.allclose(velocity[0], velocity[1]) and bool(velocity.isfinite().all())


def test_an_unknown_latent_is_refused() -> None:
    with pytest.raises(ValueError, match="latent is 'duration' but should be one of mel, prosody"):
        FlowMatchingConfig(latent="duration")
