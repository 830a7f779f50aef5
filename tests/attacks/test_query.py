"""Attacks that only ask: exact where the answer is known, within their bounds, at the cost that they state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.attacks import (
    Cases,
    Meter,
    QueryOutcome,
    QueryPlan,
    certify_query,
    query_attack,
    query_checks,
    questions,
)
from audit.attacks._margins import array_margin
from audit.attacks._objectives import Objective
from audit.attacks._room import Room
from audit.attacks._square import Moves, bump, window_share
from audit.core import Access, ImagingModel, InputSpec, ModelCard, ModelSpec
from audit.models import from_callable
from audit.testing import FunctionModel

SHAPES = [(1, 10, 10), (3, 6, 6), (1, 4, 6, 5)]


def card(**more: Any) -> ModelCard:
    given: dict[str, Any] = {
        "name": "m", "kind": "callable", "task": "binary", "output": "logits", "access": Access.QUERY, "digest": "d",
        "classes": ("no", "yes"), "operating_point": 0.5, "input": InputSpec(range=(-10.0, 10.0), scale=False),
    }  # fmt: skip
    return ModelCard(**(given | more))


def linear(w: np.ndarray, **more: Any) -> FunctionModel:
    return FunctionModel(card=card(**more), answer=lambda x: (x.reshape(len(x), -1).astype(np.float64) @ w)[:, None])


def problem(shape: tuple[int, ...], n: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return images, targets that a linear model answers right, its weights, and the signed margins."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=int(np.prod(shape)))
    images = rng.normal(size=(n, *shape)).astype(np.float32)
    z = images.reshape(n, -1).astype(np.float64) @ w
    return images, (z > 0).astype(np.int64), w, np.abs(z)


def run(model: ImagingModel, images: np.ndarray, target: np.ndarray, plan: QueryPlan, **more: Any) -> QueryOutcome:
    (question,) = questions(model.card)
    return query_attack(
        model, question, Cases.of(images, target), plan=plan, rng=np.random.default_rng(1), **more
    )  # fmt: skip


def plan_for(limits: np.ndarray, **more: Any) -> QueryPlan:
    epsilons = tuple(float(e) for e in np.quantile(limits, [0.25, 0.5, 0.75]))
    given: dict[str, Any] = {"epsilons": epsilons, "headline": epsilons[1], "queries": 600}
    return QueryPlan(**(given | more))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("how", ["scores", "decisions"])
def test_a_linear_model_breaks_near_its_exact_size_and_never_below(shape: tuple[int, ...], how: str) -> None:
    """Under L-infinity the size is |z| / |w|_1; none falls below it, and all fall at a quarter more."""
    images, target, w, signed = problem(shape)
    limits = signed / np.abs(w).sum()
    budget = {"scores": {"queries": 600}, "decisions": {"queries": 1, "decisions": 1500}}[how]
    plan = plan_for(limits, **budget)
    outcome = run(linear(w), images, target, plan)
    for index, epsilon in enumerate(plan.epsilons):
        exact = limits > epsilon
        assert outcome.right[exact, index].all()
        # The search on decisions begins with the cases that stand at the headline size.
        if how == "scores" or index:
            assert not outcome.right[1.25 * limits <= epsilon, index].any()


@pytest.mark.parametrize("how", ["scores", "decisions"])
def test_a_smooth_linear_model_breaks_at_its_exact_size_under_l2(how: str) -> None:
    """Under the root mean square the size is |z| / (sqrt(d) |w|_2); uniform weights fall to uniform changes."""
    images, target, _, _ = problem((1, 8, 8))
    w = np.ones(64)
    signed = images.reshape(len(images), -1).astype(np.float64) @ w
    target, limits = (signed > 0).astype(np.int64), np.abs(signed) / (8 * np.linalg.norm(w))
    budget = {"scores": {"queries": 100}, "decisions": {"queries": 1, "decisions": 300}}[how]
    plan = plan_for(limits, norm="l2", **budget)
    outcome = run(linear(w), images, target, plan)
    for index, epsilon in enumerate(plan.epsilons):
        assert (outcome.right[:, index] == (limits > epsilon)).all()


def test_no_image_asked_for_leaves_the_size_or_the_range() -> None:
    """Every image of the search is within the largest size and the valid range, padding untouched."""
    seen: list[np.ndarray] = []
    w = np.random.default_rng(2).normal(size=64)

    def answer(x: np.ndarray) -> np.ndarray:
        seen.append(x.copy())
        return (x.reshape(len(x), -1) @ w)[:, None] + 1e6

    image = np.random.default_rng(3).uniform(20, 90, (1, 1, 8, 8)).astype(np.float32)
    image[:, :, :2] = 0
    spec = InputSpec(modality="ct", range=(0.0, 100.0), scale=False)
    model = FunctionModel(card=card(input=spec), answer=answer)
    for norm in ("linf", "l2"):
        seen.clear()
        outcome = run(model, image, np.ones(1), QueryPlan(epsilons=(0.7, 13.0), headline=13.0, queries=80, norm=norm))
        assert outcome.right.all()
        every = np.concatenate(seen).astype(np.float64)
        change = every - image
        assert (change[:, :, :2] == 0).all()
        assert every.min() >= 0
        assert every.max() <= 100
        size = np.abs(change).max() if norm == "linf" else np.sqrt(np.square(change).sum(axis=(1, 2, 3)) / 48).max()
        assert 12 <= size <= 13


def test_what_breaks_a_case_is_what_the_model_answers() -> None:
    """The worst image kept is wrong when the model is asked again, and its size is within the headline size."""
    images, target, w, signed = problem((1, 8, 8))
    plan = plan_for(signed / np.abs(w).sum())
    outcome = run(linear(w), images, target, plan, keep=len(images))
    raw = linear(w).predict(outcome.worst)[:, 0]
    broken = ~outcome.right[:, 1]
    assert broken.any()
    assert ((raw[broken] > 0) != (target[broken] == 1)).all()
    assert np.abs(outcome.worst.astype(np.float64) - images).max() <= plan.headline
    assert outcome.repeated.all()


def test_a_batch_of_one_and_a_batch_of_many_do_the_same() -> None:
    """What is tried on a case does not depend on its neighbours, nor on how many there are."""
    images, target, w, signed = problem((1, 6, 6), n=12)
    plan = plan_for(signed / np.abs(w).sum(), queries=40, decisions=60)
    together, alone = (run(linear(w), images, target, replace(plan, batch=b)) for b in (32, 1))
    assert (together.right == alone.right).all()
    assert (together.queries == alone.queries).all()


def test_the_cost_is_counted_and_never_above_the_budget() -> None:
    """The meter counts the images that reach the model; a case takes what the plan allows, and its last question."""
    asked = 0

    def answer(x: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(x)
        return np.full((len(x), 1), 5.0) + 1e-6 * x.reshape(len(x), -1)[:, :1]

    meter = Meter()
    plan = QueryPlan(epsilons=(0.1, 0.2), headline=0.2, queries=30, decisions=20)
    outcome = run(
        FunctionModel(card=card(), answer=answer), np.zeros((3, 1, 6, 6), np.float32), np.ones(3), plan, meter=meter
    )
    assert meter.forwards == asked == outcome.queries.sum()
    # Unchanged image, two sizes, random signs, decisions, and the worst once more.
    assert (outcome.queries <= 1 + 2 * 30 + 1 + 20 + 1).all()
    assert (outcome.needed == -1).all()


def test_a_broken_case_costs_no_more_questions() -> None:
    """Where the first change turns every case, few images are asked for, and the count says how many were needed."""
    model = FunctionModel(card=card(), answer=lambda x: 1 - 1e3 * np.abs(x).reshape(len(x), -1).max(axis=1)[:, None])
    outcome = run(
        model, np.zeros((4, 1, 6, 6), np.float32), np.ones(4), QueryPlan(epsilons=(0.1,), headline=0.1, queries=500)
    )
    assert not outcome.right.any()
    assert (outcome.queries <= 6).all()
    assert (outcome.needed == 2).all()


def test_grey_levels_are_broken_in_whole_steps_from_one_step_on() -> None:
    """On integers a case that falls to half a step stands in the file's steps until one whole step does it."""
    model = FunctionModel(
        card=card(input=InputSpec(range=(0.0, 255.0), scale=False)),
        answer=lambda x: 100.4 - x.reshape(len(x), -1).mean(axis=1)[:, None],
    )
    images = np.full((2, 1, 6, 6), 100, np.float32)
    outcome = run(model, images, np.ones(2), QueryPlan(epsilons=(0.5, 1.0), headline=1.0, queries=60))
    assert outcome.integer.all()
    assert not outcome.right.any()
    assert (outcome.right_stored == [[True, False], [True, False]]).all()


def test_decisions_alone_break_a_model_whose_scores_are_flat() -> None:
    """Where scores are 0 or 1 a search on them is blind beyond its starts; the search on decisions is not."""
    images, target, w, signed = problem((1, 8, 8))
    model = FunctionModel(
        card=card(output="probabilities"),
        answer=lambda x: (x.reshape(len(x), -1).astype(np.float64) @ w > 0).astype(np.float64)[:, None],
    )
    limits = signed / np.abs(w).sum()
    plan = plan_for(limits, queries=100)
    blind, seeing = (run(model, images, target, replace(plan, decisions=d)) for d in (0, 1500))
    exact = limits <= plan.headline
    assert (~blind.right[exact, 1]).mean() < 0.8
    assert (~seeing.right[exact, 1]).mean() >= 0.9
    assert seeing.right[~exact, 1].all()


def test_a_model_that_says_no_number_is_broken_there() -> None:
    """An answer that is not finite is wrong, at the size that made it so, and its number is not kept."""

    def answer(x: np.ndarray) -> np.ndarray:
        far = np.abs(x).reshape(len(x), -1).max(axis=1) > 0.15
        return np.where(far, np.nan, 3.0)[:, None]

    model = FunctionModel(card=card(), answer=answer)
    plan = QueryPlan(epsilons=(0.1, 0.2), headline=0.2, queries=20)
    outcome = run(model, np.zeros((2, 1, 6, 6), np.float32), np.ones(2), plan)
    assert (outcome.right == [[True, False], [True, False]]).all()
    assert np.isfinite(outcome.answers).all()


# The checks


def checks_of(model: ImagingModel, images: np.ndarray, target: np.ndarray, plan: QueryPlan) -> Any:
    (question,) = questions(model.card)
    cases, clean = Cases.of(images, target), model.predict(images)
    outcome = run(model, images, target, plan)
    return query_checks(
        model, question, cases, outcome, clean=clean, sample=np.arange(0, len(images), 3),
        patients=np.arange(len(images)) // 2, plan=plan, rng=np.random.default_rng(2), meter=Meter(),
    )  # fmt: skip


def test_a_working_attack_passes_its_checks() -> None:
    """On a linear model with enough queries nothing is wrong with the attack."""
    images, target, w, signed = problem((1, 6, 6), n=24)
    plan = plan_for(signed / np.abs(w).sum(), queries=400, decisions=200)
    checks = checks_of(linear(w), images, target, plan)
    assert checks.failed == ()
    assert checks.found["certificate_identity"].n == 24
    assert checks.found["certificate_identity"].n_patients == 12
    assert checks.found["certificate_large_epsilon"].value == 0.0


def test_a_constant_model_fails_the_checks() -> None:
    """A model that no change turns, chance no less than the search, and whose scores do not move is not robust."""
    model = FunctionModel(card=card(), answer=lambda x: np.ones((len(x), 1)))
    plan = QueryPlan(epsilons=(0.1,), headline=0.1, queries=20, decisions=20)
    checks = checks_of(model, np.zeros((6, 1, 6, 6), np.float32), np.ones(6), plan)
    assert set(checks.failed) == {"certificate_large_epsilon", "certificate_response", "certificate_noise"}
    assert checks.found["certificate_large_epsilon"].value == 1.0


def test_a_random_model_fails_the_checks() -> None:
    """A model that answers differently each time is neither repeatable nor what it was before the attack."""
    rng = np.random.default_rng(5)
    model = FunctionModel(card=card(), answer=lambda x: rng.normal(1, 1, (len(x), 1)))
    plan = QueryPlan(epsilons=(0.1,), headline=0.1, queries=20)
    checks = checks_of(model, np.zeros((6, 1, 6, 6), np.float32), np.ones(6), plan)
    assert {"certificate_identity", "certificate_deterministic"} <= set(checks.failed)


def test_too_few_queries_fail_the_checks() -> None:
    """Where twice the queries turn a further twentieth of the cases, the number is not to be trusted."""
    images, target, w, signed = problem((1, 12, 12), n=60)
    limits = signed / np.abs(w).sum()
    plan = QueryPlan(epsilons=(float(np.quantile(limits, 0.9)),), headline=float(np.quantile(limits, 0.9)), queries=40)
    assert "certificate_queries" in checks_of(linear(w), images, target, plan).failed


def test_asking_more_than_the_gradient_found_fails_the_check() -> None:
    """Cases that an attack with gradients left standing and that fall to questions are a share above the limit."""
    images, target, w, signed = problem((1, 6, 6), n=20)
    limits = signed / np.abs(w).sum()
    plan, (question,) = plan_for(limits, queries=500), questions(card())
    more = {"patients": np.arange(20), "plan": plan, "rng": np.random.default_rng(0)}
    cases = Cases.of(images, target)
    masked = certify_query(linear(w), question, cases, np.ones(20, bool), **more)
    honest = certify_query(linear(w), question, cases, limits > plan.headline, **more)
    assert not masked.holds
    assert masked.value == pytest.approx((limits <= plan.headline).mean(), abs=0.1)
    assert honest.holds
    assert honest.value == 0.0


# The parts


def objectives() -> list[tuple[Objective, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    one, three, p = rng.normal(size=(9, 1)), rng.normal(size=(9, 3)), rng.dirichlet(np.ones(3), 9)
    binary, classes = rng.integers(0, 2, 9), rng.integers(0, 3, 9)
    names = ("a", "b", "c")
    extreme = np.array([[0.0], [1.0], [0.5]] * 3)
    made = [
        (card(), one, binary), (card(operating_point=0.2), one, binary), (card(), three[:, :2], binary),
        (card(output="probabilities"), 1 / (1 + np.exp(-one)), binary), (card(output="probabilities"), extreme, binary),
        (card(output="probabilities"), p[:, :2] / p[:, :2].sum(axis=1, keepdims=True), binary),
        (card(output="value", operating_point=0.3), one, binary),
        (card(task="multiclass", classes=names), three, classes),
        (card(task="multiclass", classes=names, output="probabilities"), p, classes),
        (card(task="ordinal", classes=names, clinical_tolerance=1.0), three, classes),
        (card(task="multilabel", classes=names), three, rng.integers(0, 2, (9, 3))),
        (card(task="regression", output="value", clinical_tolerance=0.5), one, rng.normal(size=9)),
        (card(task="detection", output="probabilities", classes=("x",)), p, binary),
    ]  # fmt: skip
    out = []
    for known, raw, target in made:
        for question in questions(known):
            out += [(objective, raw, question.targets(target)) for objective in question.objectives]
    return out


@pytest.mark.parametrize("index", range(len(objectives())))
def test_margins_on_arrays_are_those_of_the_objectives(index: int) -> None:
    """The formula in numpy and the one in torch give the same float64 to a relative 1e-12."""
    import torch

    objective, raw, target = objectives()[index]
    expected = objective.margin(torch.as_tensor(raw), torch.as_tensor(target)).double().numpy()
    assert array_margin(objective, raw, target) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_windows_shrink_as_in_the_paper() -> None:
    """At 10,000 queries the share halves after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000."""
    shares = [window_share(i, 10000) for i in (0, 10, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001, 9999)]
    assert shares == [0.8 / 2**k for k in (0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9)]


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (1, 4), (1, 1), (4, 5, 3)])
def test_a_bump_has_length_one_and_two_signs(shape: tuple[int, ...]) -> None:
    """A bump is of Euclidean length 1, with halves of opposite sign where it has more than one pixel."""
    made = bump(shape, np.random.default_rng(0))
    assert made.shape == shape
    assert np.linalg.norm(made) == pytest.approx(1)
    assert made.size == 1 or (made > 0).any() == (made < 0).any() is np.True_


def test_a_bump_that_is_held_cannot_be_written_into() -> None:
    """The next query gets the same values, and nobody can change them for it."""
    first, again = (bump((6, 4), np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, again)
    with pytest.raises(ValueError, match="read-only"):
        again += 1


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_move_changes_part_of_the_region_and_keeps_the_size(norm: Any, shape: tuple[int, ...]) -> None:
    """Start and proposals are of the full size to 1e-3, inside the region, and differ from one another."""
    rng = np.random.default_rng(0)
    region = np.ones((1, *shape[1:]), bool)
    region[:, :2] = False
    x0 = rng.normal(size=shape).astype(np.float32)
    room = Room.around(x0, (-100.0, 100.0), region, norm=norm)
    moves = Moves.of(room, 0.5, rng)
    start = moves.start()
    x = start
    for share in (0.8, 0.1, 0.01):
        proposed = moves.propose(x, share)
        assert not np.array_equal(proposed, x)
        assert 0.4995 <= room.size_of(proposed) <= 0.5
        assert (proposed[:, :2] == x0[:, :2]).all()
        x = proposed
    assert 0.4995 <= room.size_of(start) <= 0.5


def test_whole_steps_stay_within_the_size() -> None:
    """Rounded images hold integers and are no larger than allowed, under both norms, and L2 uses most of it."""
    rng = np.random.default_rng(0)
    x0 = rng.integers(5, 250, (1, 9, 9)).astype(np.float32)
    delta = rng.normal(0, 3, x0.shape)
    for norm, epsilon in (("linf", 2.5), ("l2", 0.6), ("l2", 2.0)):
        room = Room.around(x0, (0.0, 255.0), np.ones((1, 9, 9), bool), norm=norm, step=1.0)  # type: ignore[arg-type]
        whole = room.stored(room.within(delta, epsilon), epsilon)
        assert (whole == np.round(whole)).all()
        assert 0.7 * epsilon < room.size_of(whole) <= epsilon


# Kinds of model


def test_a_callable_and_an_onnx_graph_without_gradients_are_attacked(tmp_path: Any) -> None:
    """Whatever answers can be attacked: the same function as a callable and through onnxruntime breaks alike."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from audit.models import load_model

    images, target, w, signed = problem((1, 6, 6), n=16)
    given: dict[str, Any] = {
        "task": "binary", "output": "logits", "operating_point": 0.5, "classes": ("no", "yes"),
        "input": InputSpec(range=(-10.0, 10.0), size=(6, 6), scale=False),
    }  # fmt: skip
    weights = onnx.numpy_helper.from_array(w.astype(np.float32)[:, None], "w")
    # Rounding hides the gradient, so that the graph can only be asked.
    nodes = [
        onnx.helper.make_node("Flatten", ["x"], ["flat"]), onnx.helper.make_node("MatMul", ["flat", "w"], ["z"]),
        onnx.helper.make_node("Mul", ["z", "fine"], ["big"]), onnx.helper.make_node("Round", ["big"], ["whole"]),
        onnx.helper.make_node("Div", ["whole", "fine"], ["y"]),
    ]  # fmt: skip
    fine = onnx.numpy_helper.from_array(np.array([1e3], np.float32), "fine")
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes, "g", [onnx.helper.make_tensor_value_info("x", kind, ["n", 1, 6, 6])],
        [onnx.helper.make_tensor_value_info("y", kind, ["n", 1])], [weights, fine],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    asked = load_model(ModelSpec(kind="onnx", path="m.onnx", **given), tmp_path)
    assert asked.card.access == Access.QUERY
    function: Callable[[Any], Any] = lambda x: (x.reshape(len(x), -1) @ w)[:, None]  # noqa: E731
    called = from_callable(function, ModelSpec(kind="callable", **given))
    limits = signed / np.abs(w).sum()
    for one in (asked, called):
        plan = plan_for(limits, queries=500)
        outcome = run(one, images, target, plan)
        assert outcome.right[limits > 1.001 * plan.headline, 1].all()
        assert not outcome.right[1.25 * limits <= plan.headline, 1].any()
