"""A small network learns a model's answers from queries alone, whatever their scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import distil
from audit.core import Access, NotApplicable
from audit.core.clock import Clock
from tests.attacks.nets import Linear, wrap


def lessons(n: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and images on which they tell half from half."""
    rng = np.random.default_rng(0)
    w = rng.uniform(0.5, 1.5, 36)
    level = rng.choice([-1.0, 1.0], n)[:, None, None, None]
    return w, (0.5 * level + rng.normal(0, 0.3, (n, 1, 6, 6))).astype(np.float32)


@pytest.mark.parametrize(
    ("gain", "output", "squash"), [(1.0, "logits", ""), (50.0, "logits", ""), (1.0, "probabilities", "sigmoid")]
)
def test_decisions_are_learnt_on_other_images(gain: float, output: Any, squash: str) -> None:
    """On images that were not asked about, nine in ten decisions are the teacher's, saturated or not."""
    w, images = lessons()
    model = wrap(Linear(w, gain=gain, squash=squash), output=output)
    student = distil(
        model, np.arange(100), lambda rows: images[rows], passes=12, batch=16, rng=np.random.default_rng(0)
    )
    said, known = student.predict(images[100:])[:, 0], model.predict(images[100:])[:, 0]
    threshold = 0.5 if output == "probabilities" else 0.0
    assert ((said > 0) == (known > threshold)).mean() > 0.9
    assert student.card.output == "logits"
    assert student.card.access == Access.GRADIENT


def test_equal_seeds_teach_equal_students() -> None:
    """The student follows from the generator alone."""
    w, images = lessons(40)
    model = wrap(Linear(w))
    digests = {
        distil(
            model, np.arange(32), lambda rows: images[rows], passes=2, batch=8, rng=np.random.default_rng(5)
        ).state_digest()
        for _ in range(2)
    }
    assert len(digests) == 1


def test_few_cases_teach_nothing() -> None:
    """Fewer than 16 cases are not applicable, with the reason."""
    w, images = lessons(10)
    with pytest.raises(NotApplicable, match="10 cases are too few"):
        distil(wrap(Linear(w)), np.arange(10), lambda r: images[r], passes=1, batch=8, rng=np.random.default_rng(0))


def test_what_learns_is_told_as_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimiser is made, and steps, while training is timed: nothing of it counts as the audit's own doing."""
    w, images = lessons(40)
    clock, seen = Clock(), []

    class Watched(torch.optim.Adam):
        def __init__(self, *given: Any, **more: Any) -> None:
            seen.append(clock.enter("forward"))
            super().__init__(*given, **more)

        def step(self, *given: Any) -> None:
            seen.append(clock.enter("forward"))
            super().step(*given)

    monkeypatch.setattr(torch.optim, "Adam", Watched)
    with clock.part("x"):
        distil(
            wrap(Linear(w)), np.arange(32), lambda rows: images[rows], passes=1, batch=8, rng=np.random.default_rng(5)
        )
    # Passes that are part of a training are not begun.
    assert seen == [-1] * 5
