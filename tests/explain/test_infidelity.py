"""Infidelity against captum's and against cases worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity

from audit.explain import collect_infidelity, foretold, infidelity, shares_moved


def test_worked_by_hand() -> None:
    """Foretold 1, 2 and true 2, 4: all. Foretold 1, 0 and true 1, 1: half is left. The wrong sign: everything is."""
    said = np.array([[1.0, 2.0], [1.0, 0.0], [-1.0, -2.0], [0.0, 0.0]])
    true = np.array([[2.0, 4.0], [1.0, 1.0], [2.0, 4.0], [1.0, 2.0]])
    assert infidelity(said, true) == pytest.approx([0.0, 0.5, 1.0, 1.0])


def test_no_change_is_no_number_and_a_broken_answer_is_infinite() -> None:
    """NaN where nothing ever changes, so that it can be told from an answer that is no number."""
    out = infidelity(np.ones((2, 3)), np.array([[0.0, 0.0, 0.0], [1.0, np.nan, 1.0]]))
    assert np.isnan(out[0])
    assert np.isinf(out[1])


@pytest.mark.parametrize("kind", ["square", "noise"])
def test_it_is_that_of_captum(kind: str) -> None:
    """Captum's optimally scaled infidelity over the mean squared change, within 1e-4, where its factor is positive."""
    rng = np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    images = rng.normal(size=(1, 1, 8, 8)).astype(np.float32)
    base = np.zeros_like(images)
    x = torch.as_tensor(images).requires_grad_()
    net(x).sum().backward()
    maps = (x.grad.detach().numpy() * images)[:, 0].astype(np.float64)
    count, seen = 40, []
    moved = np.concatenate([shares_moved(kind, (1, 8, 8), rng) for _ in range(count)])

    def ask(z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.as_tensor(z, dtype=torch.float32)).double().numpy()[:, 0]

    changed = np.array([ask(images)[0] - ask(images - m[None, None] * (images - base))[0] for m in moved])
    said = np.concatenate([foretold(maps, m[None]) for m in moved])
    ours = infidelity(said[None], changed[None])[0]

    def perturb(inputs: Any) -> tuple[Any, Any]:
        share = torch.as_tensor(moved[len(seen) : len(seen) + len(inputs)], dtype=torch.float32)[:, None]
        seen.extend(range(len(inputs)))
        return share, inputs - share * inputs

    theirs = captum_infidelity(
        lambda z: net(z)[:, 0], perturb, torch.as_tensor(images), torch.as_tensor(maps, dtype=torch.float32)[:, None],
        n_perturb_samples=count, max_examples_per_batch=count, normalize=True,
    ).item()  # fmt: skip
    assert (said * changed).sum() > 0
    assert ours == pytest.approx(theirs / (changed**2).mean(), abs=1e-4)


def test_the_gradient_of_a_linear_model_foretells_everything() -> None:
    """Closed form: w foretells w x (local), w (x - baseline) foretells it, too (a share of each); |w| does not."""
    rng = np.random.default_rng(1)
    images = rng.normal(size=(5, 1, 8, 8)).astype(np.float32)
    base = rng.normal(size=(5, 1, 8, 8)).astype(np.float32)
    w = rng.normal(size=(8, 8))

    def ask(z: np.ndarray) -> np.ndarray:
        return (z[:, 0].astype(float) * w).sum(axis=(1, 2))

    maps = {
        "gradient": np.broadcast_to(w, (5, 8, 8)), "absolute": np.broadcast_to(np.abs(w), (5, 8, 8)),
        "contribution": w * (images - base)[:, 0], "flipped": -w * (images - base)[:, 0],
    }  # fmt: skip
    for kind in ("square", "noise"):
        out = collect_infidelity(ask, images, base, maps, frozenset({"gradient", "absolute"}), rng, kind=kind, count=30)
        assert out["gradient"] == pytest.approx(0.0, abs=1e-6)
        assert out["contribution"] == pytest.approx(0.0, abs=1e-6)
        assert out["absolute"].min() > 0.1
        assert out["flipped"] == pytest.approx(1.0)


def test_squares_and_noise_are_as_they_are_said_to_be() -> None:
    """A quarter of each side, all of the way; noise of standard deviation 0.2 on every pixel."""
    rng = np.random.default_rng(0)
    squares = shares_moved("square", (2000, 16, 20), rng)
    assert set(np.unique(squares)) == {0.0, 1.0}
    assert (squares.sum(axis=(1, 2)) == 4 * 5).all()
    assert (squares.mean(axis=0) > 0).all()
    noise = shares_moved("noise", (50, 16, 20), rng)
    assert noise.std() == pytest.approx(0.2, rel=0.02)
    assert abs(noise.mean()) < 0.005
    assert shares_moved("square", (2, 1, 8, 8), rng).sum() == 2 * 4
