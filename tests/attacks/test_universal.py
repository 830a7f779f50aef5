"""One perturbation for all: the closed form of a linear model is reached, size and range hold."""

from __future__ import annotations

import numpy as np
import pytest

from audit.attacks import Cases, Meter, UniversalFit, questions, under
from tests.attacks.nets import Linear, convolutional, wrap


def test_a_linear_model_has_the_signs_of_its_weights() -> None:
    """Against positives alone the best perturbation is minus epsilon times the signs; it is found exactly."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=36)
    images = rng.normal(0, 1, (40, 1, 6, 6)).astype(np.float32)
    logit = images.reshape(40, -1).astype(float) @ w
    images = images[logit > 0]
    model, cases, meter = wrap(Linear(w)), Cases.of(images, np.ones(len(images), dtype=int)), Meter()
    fit = UniversalFit(
        model, questions(model.card)[0], cases, passes=4, batch=8, rng=np.random.default_rng(1), meter=meter
    )
    epsilon = 0.3
    delta, stands = fit.at(epsilon)
    exact = (logit[logit > 0] - epsilon * np.abs(w).sum() >= 0).mean()
    assert stands == pytest.approx(exact, abs=1e-9)
    assert 0 < exact < 1
    assert np.abs(delta).max() <= epsilon * (1 + 1e-6)
    assert meter.gradients >= 4 * len(images)
    assert meter.forwards > 0


def test_a_smaller_size_competes_at_a_larger_one() -> None:
    """What was found for a smaller size is never beaten by less, so the share on the fitted cases never rises."""
    model = wrap(convolutional(2))
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (24, 1, 6, 6)).astype(np.float32)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    fit = UniversalFit(
        model, questions(model.card)[0], Cases.of(images, target), passes=3, batch=8, rng=rng, meter=Meter()
    )
    before: list[np.ndarray] = []
    shares = []
    for epsilon in (0.2, 0.5, 1.0, 2.0):
        delta, stands = fit.at(epsilon, before[-1:])
        before.append(delta)
        shares.append(stands)
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 1


def test_the_range_holds_for_every_image() -> None:
    """Images at the edge of the range are not pushed beyond it; no perturbation is the clean answer."""
    seen = []
    model = wrap(Linear(np.ones(36)))
    predict = model.predict

    class Watched:
        card, module, forward = model.card, model.module, staticmethod(model.forward)

        def predict(self, images: np.ndarray) -> np.ndarray:
            seen.append(images)
            return predict(images)

        def state_digest(self) -> str:
            return model.state_digest()

    images = np.full((3, 1, 6, 6), 10.0, dtype=np.float32)
    cases = Cases.of(images, np.ones(3, dtype=int))
    delta = np.full((1, 6, 6), 2.0, dtype=np.float32)
    right = under(Watched(), questions(model.card)[0], cases, delta, 2.0, 2, Meter())
    assert right.all()
    assert max(float(x.max()) for x in seen) == 10.0
