"""What may be changed: never beyond a size or the range, to the last bit, and as far as a size allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import NORMS, Ball
from audit.attacks._rows import copied, placed, taken
from audit.attacks._steps import largest_rounded

SIZES = {"linf": 3.7, "l2": 1.3, "l0": 0.2}


def ball_of(norm: Any, *, scale: float = 100.0, seed: int = 0, channels: int = 2) -> Ball:
    rng = np.random.default_rng(seed)
    x0 = torch.as_tensor(rng.uniform(0, scale, (5, channels, 6, 7)).astype(np.float32))
    region = torch.as_tensor((rng.random((5, 1, 6, 7)) < 0.7).astype(np.float32))
    return Ball.around(x0, (0.0, scale), region, norm)


def exact_size(ball: Ball, x: torch.Tensor) -> np.ndarray:
    """Return sizes in double precision, from their definition."""
    change = x.double().numpy() - ball.x0.double().numpy()
    pixels = ball.region.numpy().sum(axis=(1, 2, 3))
    if ball.norm == "linf":
        return np.abs(change).max(axis=(1, 2, 3))
    if ball.norm == "l2":
        return np.sqrt((change**2).sum(axis=(1, 2, 3)) / (pixels * change.shape[1]))
    return (change != 0).any(axis=1).sum(axis=(1, 2)) / pixels


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1.0, 100.0, 40000.0])
def test_nothing_exceeds_size_range_or_region(norm: Any, scale: float) -> None:
    """Projections of large random changes, no numbers among them, keep all three bounds exactly, a size a row."""
    ball = ball_of(norm, scale=scale)
    rng = np.random.default_rng(1)
    epsilon = torch.as_tensor(SIZES[norm] * (scale / 100 if norm != "l0" else 1) * np.array([0.1, 0.3, 0.5, 0.9, 1.0]))
    delta = torch.as_tensor(rng.normal(0, scale, tuple(ball.x0.shape)).astype(np.float32))
    delta[0, 0, 0, 0] = float("nan")
    for x in (ball.project(delta, epsilon), ball.along(delta, epsilon)):
        assert (exact_size(ball, x) <= epsilon.numpy()).all()
        assert (exact_size(ball, x)[epsilon.numpy() * 24 > 1] > 0).all()
        assert x.min() >= 0
        assert x.max() <= scale
        assert (x == ball.x0).logical_or(ball.region.bool()).all()


@pytest.mark.parametrize("norm", NORMS)
def test_size_0_is_the_identity(norm: Any) -> None:
    """A projection onto size 0 gives the image back, bit by bit, one that lies outside the range, too."""
    ball = ball_of(norm)
    outside = Ball.around(ball.x0 + 80, (0.0, 100.0), ball.region, norm)
    assert (outside.project(torch.ones_like(ball.x0), 0.0) == outside.x0).all()
    assert (outside.along(torch.ones_like(ball.x0), 0.0) == outside.x0).all()


def test_a_change_within_the_size_is_left_as_it_is() -> None:
    """The control: what is allowed already stays, up to the rounding of one addition."""
    for norm in ("linf", "l2"):
        ball = ball_of(norm)
        delta = 0.01 * torch.ones_like(ball.x0) * ball.region
        x = ball.project(delta, 1.0)
        inside = ball.x0 < 99
        assert torch.allclose((x - ball.x0)[inside], delta[inside], atol=1e-5)


def test_the_farthest_change_under_l2_is_that_of_a_convex_solver() -> None:
    """With the range in the way, scipy's constrained optimum is reached to 0.1 %, and never exceeded."""
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(2)
    x0 = rng.uniform(0, 1, (1, 1, 3, 4)).astype(np.float32)
    x0[0, 0, 0, :2] = 0.02
    w = rng.normal(size=12) * np.array([5.0] * 3 + [0.3] * 9)
    ball = Ball.around(torch.as_tensor(x0), (0.0, 1.0), torch.ones((1, 1, 3, 4)), "l2")
    found = ball.along(torch.as_tensor(w.reshape(1, 1, 3, 4).astype(np.float32)), 0.25)
    gained = float(((found.numpy() - x0).ravel() * w).sum())
    flat, length = x0.ravel().astype(float), 0.25 * np.sqrt(12)
    best = optimize.minimize(
        lambda d: -(d @ w), np.zeros(12), jac=lambda d: -w, bounds=list(zip(-flat, 1 - flat, strict=True)),
        constraints={"type": "ineq", "fun": lambda d: length**2 - d @ d, "jac": lambda d: -2 * d}, method="SLSQP",
    )  # fmt: skip
    assert best.success
    assert gained == pytest.approx(-best.fun, rel=1e-3)
    # Without the range the optimum would be more, so the range did bind.
    assert gained < 0.99 * length * np.linalg.norm(w)


def test_the_farthest_change_of_few_pixels_takes_those_that_gain_most() -> None:
    """Two of eight pixels: those of the largest slope times the room that is left."""
    x0 = torch.full((1, 1, 2, 4), 0.5)
    x0[0, 0, 0, 0] = 0.95
    ball = Ball.around(x0, (0.0, 1.0), torch.ones((1, 1, 2, 4)), "l0")
    slope = torch.tensor([[[[4.0, 1.0, -2.0, 0.1], [0.5, 0.2, 0.0, 1.5]]]])
    x = ball.along(slope, 0.25)
    changed = (x != x0).nonzero()[:, 2:].tolist()
    assert changed == [[0, 2], [1, 3]]
    assert x[0, 0, 0, 2] == 0.0
    assert x[0, 0, 1, 3] == 1.0


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_belong_to_their_case(norm: Any) -> None:
    """A case's start is drawn by its own generator, whatever stands beside it in the batch."""
    ball = ball_of(norm)
    both = ball.random(SIZES[norm], [np.random.default_rng(k) for k in range(5)])
    alone = ball.take(slice(3, 4)).random(SIZES[norm], [np.random.default_rng(3)])
    assert torch.equal(both[3:4], alone)
    sizes = exact_size(ball, ball.project(both, SIZES[norm]))
    assert (sizes <= SIZES[norm]).all()
    assert (sizes > 0.5 * SIZES[norm]).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_whole_steps_stay_within_size_and_range(norm: Any) -> None:
    """Integer images stay integers within the size; under L2 the budget is nearly used up by the largest changes."""
    rng = np.random.default_rng(4)
    x0 = torch.as_tensor(rng.integers(0, 256, (4, 1, 8, 8)).astype(np.float32))
    ball = Ball.around(x0, (0.0, 255.0), torch.ones((4, 1, 8, 8)), norm)
    x = ball.project(torch.as_tensor(rng.normal(0, 0.4, (4, 1, 8, 8)).astype(np.float32)), 0.3 if norm == "l2" else 2.5)
    whole = ball.whole(x, 0.3 if norm == "l2" else 2.5)
    assert (whole == whole.round()).all()
    assert whole.min() >= 0
    assert whole.max() <= 255
    sizes = exact_size(ball, whole)
    if norm == "linf":
        assert (sizes <= 2).all()
        return
    # 0.3 of 64 pixels is 5.76 squared steps, so five single steps.
    assert (sizes <= 0.3).all()
    assert ((whole - x0).abs().sum(dim=(1, 2, 3)) >= 4).all()
    moved = (whole != x0).flatten(1)
    change = (x - x0).abs().flatten(1)
    for row in range(4):
        assert change[row][moved[row]].min() >= change[row].sort(descending=True).values[5]


def test_whole_steps_need_room_for_one() -> None:
    """Half a grey level of any pixel cannot be stored; a root mean square of half a level over 64 pixels can."""
    x0 = torch.zeros((1, 1, 8, 8))
    region = torch.ones((1, 1, 8, 8))
    given = {norm: Ball.around(x0, (0.0, 255.0), region, norm) for norm in NORMS}  # type: ignore[arg-type]
    assert not given["linf"].storable(0.5).any()
    assert given["linf"].storable(1.0).all()
    assert given["l2"].storable(0.5).all()
    assert not given["l2"].storable(0.1).any()
    assert given["l0"].storable(1 / 64).all()


def test_rows_are_those_of_an_index() -> None:
    """Rows side by side are a part of the tensor, others a copy, and a copy is asked for by name."""
    values = torch.arange(24.0).reshape(8, 3)
    for rows in ([2, 3, 4], [0], list(range(8)), [4, 3, 2], [1, 3], [3, 3, 3], [2, 4, 3], [1, 3, 2, 4], []):
        at = np.array(rows, dtype=np.int64)
        assert taken(values, placed(at, values.device)).equal(values[at])
        assert copied(values, at).equal(values[at])
    first = np.arange(3)
    assert isinstance(placed(first, values.device), slice)
    assert taken(values, placed(first, values.device)).data_ptr() == values.data_ptr()
    assert copied(values, first).data_ptr() != values.data_ptr()


def test_whole_steps_are_chosen_as_by_sorting() -> None:
    """Which changes are kept, found by counting, is what a stable sort by size finds, whatever the sum may be."""
    rng = np.random.default_rng(0)
    for number in range(30):
        delta = rng.normal(0, 10 ** rng.uniform(-2, 3), (4, 2, 7, 5)).astype(np.float32)
        delta = np.round(2 * delta) / 2 if number % 3 == 0 else delta
        delta[rng.random(delta.shape) < 0.3] = 0
        spent = np.square(delta.astype(np.float64)).sum(axis=(1, 2, 3))
        for most in (0 * spent, 0.3 * spent, np.floor(spent), 5 * spent, np.full(4, float(number))):
            size = np.abs(delta).reshape(4, -1)
            near = np.where(size > 0, np.maximum(np.round(size), 1), 0)
            order = np.argsort(-size, axis=1, kind="stable")
            kept = np.zeros(size.shape, dtype=bool)
            np.put_along_axis(
                kept, order,
                np.cumsum(np.take_along_axis(near, order, 1).astype(np.float64) ** 2, axis=1)
                <= most[:, None] * (1 + 1e-12), 1,
            )  # fmt: skip
            expected = (np.sign(delta.reshape(4, -1)) * near * kept).reshape(delta.shape)
            got = largest_rounded(torch.as_tensor(delta), torch.as_tensor(most)).numpy()
            assert np.array_equal(got, expected)
    # Beyond what is counted, they are sorted.
    far = torch.tensor([[[[1e5, -2.0, 0.4, 0.0]]]])
    assert largest_rounded(far, torch.tensor([1e10 + 4], dtype=torch.float64)).tolist() == [[[[1e5, -2.0, 0.0, 0.0]]]]


@pytest.mark.parametrize("norm", NORMS)
def test_a_part_of_a_ball_is_that_of_its_images(norm: Any) -> None:
    """Projections and steps of some images are those rows of all, to the bit, whichever rows and region."""
    ball = ball_of(norm)
    everywhere = Ball.around(ball.x0, (0.0, 100.0), torch.ones_like(ball.region), norm)
    rng = np.random.default_rng(2)
    delta, slope = (torch.as_tensor(rng.normal(0, 3, tuple(ball.x0.shape)).astype(np.float32)) for _ in range(2))
    size = torch.as_tensor(SIZES[norm] * np.linspace(0.2, 1, 5))
    for whole in (ball, everywhere):
        assert whole.everywhere == (whole is everywhere)
        for rows in ([0, 1, 2, 3, 4], [1, 2, 3], [4, 0, 2]):
            at = np.array(rows)
            part = whole.take(at)
            assert part.everywhere == whole.everywhere
            assert part.project(delta[at], size[at]).equal(whole.project(delta, size)[at])
            assert part.step(delta[at], slope[at], size[at]).equal(whole.step(delta, slope, size)[at])
            moved = part.valid_(delta[at] * part.region, part.limits(size[at]))
            assert (moved - part.project(delta[at], size[at])).abs().max() < 1e-4
