"""Why an attack is misled: what a model does with images that were made to tell one cause from another.

`diagnose(trial, failed) -> str`, one of `CAUSES` or "".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._gradient import slopes
from audit.attacks._trials import Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

RANDOM, CONSTANT, SATURATED = "random transform", "constant answer", "saturated output"
ARGMAX, QUANTISED, MASKED = "argmax in the graph", "quantised input", "masked gradient"
GRAPH, FEW_STEPS, OUT_OF_BOUNDS, CHANCE = "graph of another function", "too few steps", "out of bounds", "chance level"
CAUSES: tuple[str, ...] = (
    RANDOM, CONSTANT, SATURATED, ARGMAX, QUANTISED, MASKED, GRAPH, FEW_STEPS, OUT_OF_BOUNDS, CHANCE,
)  # fmt: skip
"""What `diagnose` may find, most telling first."""

_LOOKED_AT = 16
_LINE = 129
_HALVINGS = 24
_NEAR = 1e-3
_FLAT = 1e-6
_MISLEADING = (
    "certificate_finite_difference", "certificate_path", "certificate_descent", "certificate_noise",
    "certificate_query",
)  # fmt: skip


def diagnose(trial: Trial, failed: Collection[str]) -> str:
    """Return the likely cause of failed checks.

    Asked twice, a model with a random transform answers otherwise. Images of the other cases and of nothing but noise
    turn no answer that is constant. Where gradients vanish, the way from one image to another of another answer tells:
    with a decision inside the graph only as many answers occur as there are classes, however finely the turning point
    is looked at; a saturated output sits at its ends, with values between near the turning point; a quantised input
    answers alike to a change of a thousandth of the window and in many values along the way. What is left is a gradient
    that is masked.

    Args:
        trial: Some cases of the attack.
        failed: The checks that do not hold, by name.

    Returns:
        One of `CAUSES`; "" where nothing failed, or where no cause shows.
    """
    few = trial.some(np.arange(min(_LOOKED_AT, len(trial.images))))
    if not failed or not len(few.images):
        return ""
    if "certificate_deterministic" in failed:
        return RANDOM
    if _constant(few):
        return CONSTANT
    if "certificate_gradient" in failed:
        return _vanished(few)
    if "certificate_identity" in failed:
        return GRAPH
    if "certificate_finite_difference" in failed and _plateau(few).mean() > 0.5:
        return QUANTISED
    if any(name in failed for name in _MISLEADING):
        return MASKED
    if {"certificate_steps", "certificate_one_step"} & set(failed):
        return FEW_STEPS
    if {"certificate_bound", "certificate_monotone"} & set(failed):
        return OUT_OF_BOUNDS
    if "certificate_chance" in failed:
        return CHANCE
    # What stands when the whole range may be used, though other images turn it, has no gradient that leads there.
    return MASKED if "certificate_large_epsilon" in failed else ""


def _constant(trial: Trial) -> bool:
    """Return whether no other image of the range turns any answer."""
    low, high = trial.model.card.input.range
    objective, count = trial.question.objectives[0], len(trial.images)
    right = objective.right(trial.model.predict(trial.images), trial.target)
    noise = trial.rng.uniform(low, high, trial.images.shape).astype(np.float32)
    ends = [np.full_like(trial.images, end) for end in (low, high)]
    others = [np.roll(trial.images, shift, axis=0) for shift in range(1, min(count, 4))]
    # Against the rolled targets, since an answer that is right for one case may be wrong for the other.
    for images in (noise, *ends, *others):
        if (objective.right(trial.model.predict(images), trial.target) != right).any():
            return False
    return True


def _vanished(trial: Trial) -> str:
    """Return why gradients are zero or no numbers."""
    import torch

    device = next((p.device for p in trial.model.module.parameters()), torch.device("cpu"))
    x, target = torch.as_tensor(trial.images, device=device), torch.as_tensor(trial.target, device=device)
    _, slope = slopes(trial.model.forward, trial.question.objectives, np.zeros(len(x), dtype=np.int64), x, target)
    if not bool(torch.isfinite(slope).all()):
        return MASKED
    flat = (slope == 0).flatten(1).all(dim=1).cpu().numpy()
    line = _answers_between(trial)
    values = np.unique(np.round(line, 9), axis=0)
    if len(values) <= line.shape[1] + 1 and len(values) > 1:
        return ARGMAX
    clean = _flatten(trial.model.predict(trial.images))
    lowest, highest = np.minimum(line.min(axis=0), clean.min(axis=0)), np.maximum(line.max(axis=0), clean.max(axis=0))
    at_end = (np.minimum(clean - lowest, highest - clean) <= _FLAT * np.maximum(highest - lowest, 1e-30)).all(axis=1)
    if flat.any() and at_end[flat].mean() > 0.5:
        return SATURATED
    return QUANTISED if _plateau(trial).mean() > 0.5 and len(values) > line.shape[1] + 1 else MASKED


def _flatten(raw: NDArray[Any]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.asarray(raw, dtype=np.float64).reshape(len(raw), -1)
    return out


def _answers_between(trial: Trial) -> NDArray[np.float64]:
    """Return answers on the way between the two cases of the most different answers, finest where it turns.

    The last rows close in on the place of the greatest change by halving.
    """
    clean = _flatten(trial.model.predict(trial.images))
    first = int(clean[:, -1].argmin())
    last = int(np.abs(clean - clean[first]).sum(axis=1).argmax())
    start, end = trial.images[first], trial.images[last]

    def ask(shares: NDArray[np.float64]) -> NDArray[np.float64]:
        wide = shares.reshape(-1, *[1] * start.ndim)
        images = (start + wide * (end - start)).astype(np.float32)
        parts = [trial.model.predict(images[i : i + trial.batch]) for i in range(0, len(images), trial.batch)]
        return _flatten(np.concatenate(parts))

    shares = np.linspace(0, 1, _LINE)
    found = ask(shares)
    at = int(np.abs(np.diff(found, axis=0)).sum(axis=1).argmax())
    low, high, more = shares[at], shares[at + 1], []
    before = found[at]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        answer = ask(np.array([middle]))[0]
        more.append(answer)
        low, high = (middle, high) if np.allclose(answer, before, rtol=0, atol=1e-12) else (low, middle)
    out: NDArray[np.float64] = np.concatenate([found, np.array(more)])
    return out


def _plateau(trial: Trial) -> NDArray[np.bool_]:
    """Return (m,) whether a change of a thousandth of the window, small against any step of a scanner, changes nothing.

    The change goes upwards and downwards by halves of pixels, so that a level of quantisation is met by few of them.
    """
    spec = trial.model.card.input
    low, high = spec.window or spec.range
    size = _NEAR * (high - low)
    clean = _flatten(trial.model.predict(trial.images))
    change = size * trial.rng.uniform(-1, 1, trial.images.shape)
    # Most pixels are left alone: with many of them some always lie next to a level.
    few = trial.rng.random(trial.images.shape) < 8 / trial.images[0].size
    moved = np.clip(trial.images + change * few, *spec.range).astype(np.float32)
    said = _flatten(trial.model.predict(moved))
    out: NDArray[np.bool_] = np.logical_and.reduce(said == clean, axis=1)
    return out
