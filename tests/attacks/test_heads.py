"""An undefended model of every head is broken, whatever the scale of its outputs, and as often as theory says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import (
    CENSORED,
    BinaryMargin,
    CandidateMargin,
    ErasedMargin,
    InventedMargin,
    Outcome,
    Plan,
    Question,
    VolumeMargin,
    attack,
    lesion_numbers,
    questions,
    unasked,
)
from audit.core import Access, Cohort, InputSpec, ModelCard, NotApplicable
from audit.testing import HEADS, head, linear_stands, network, network_cohort
from tests.attacks.nets import Linear, wrap

# Nets this small run many times slower on several threads than on one.
torch.set_num_threads(1)

HEADLINE, LARGE = 2 / 255, 4 / 255
PLAN = Plan(epsilons=(HEADLINE, LARGE), headline=LARGE, steps=10, restarts=1)
SEGMENTED = ("dice", "erased", "invented", "volume")
NAMES: dict[str, tuple[str | None, ...]] = {
    "multilabel": ("effusion", "nodule"),
    "ordinal": (None, "within 1 grade"),
    **dict.fromkeys(("segmentation", "segmentation-3d", "segmentation-3d-tiled"), SEGMENTED),
}


def images_of(cohort: Cohort) -> np.ndarray:
    assert cohort.images is not None
    return np.stack([cohort.images.load(i) for i in range(len(cohort))])


def targets_of(cohort: Cohort, question: Question) -> np.ndarray:
    if cohort.masks is None:
        return question.targets(cohort.targets)
    return question.targets(np.stack([cohort.masks.load(i)[0] for i in range(len(cohort))]))


def run(model: Any, cohort: Cohort, question: Question, plan: Plan = PLAN) -> Outcome:
    target = targets_of(cohort, question)
    asked = question.applies(target)
    return attack(model, question, images_of(cohort)[asked], target[asked], plan=plan, rng=np.random.default_rng(1))


def card(**more: Any) -> ModelCard:
    given = {"task": "segmentation", "output": "mask_logits", **more}
    return ModelCard(name="m", kind="torch", access=Access.GRADIENT, digest="d", **given)


@pytest.mark.parametrize("name", HEADS)
def test_an_undefended_model_of_every_head_is_broken(name: str) -> None:
    """Nearly all is right without an attack and nearly nothing at 4/255, for every question of every head."""
    model, cohort = head(name, np.random.default_rng(0), n=20)
    asked = questions(model.card)
    assert tuple(q.name for q in asked) == NAMES.get(name, (None,))
    for question in asked:
        outcome = run(model, cohort, question)
        assert outcome.right_clean.mean() >= 0.8, question.name
        assert outcome.gradient.all(), question.name
        assert outcome.right[:, -1].mean() <= 0.05, question.name


@pytest.mark.parametrize("name", [n for n in HEADS if not n.startswith("segmentation")])
def test_noise_of_the_same_size_leaves_the_heads_standing(name: str) -> None:
    """The control: what the attack breaks random signs of the same size do not."""
    model, cohort = head(name, np.random.default_rng(0), n=40)
    for question in questions(model.card):
        outcome = run(model, cohort, question)
        assert outcome.right_noise.mean() >= 0.7


def test_logits_times_50_do_not_look_robust() -> None:
    """The same cases stand at every size, whatever the scale of the logits."""
    cohort, plan = (
        network_cohort(np.random.default_rng(0)),
        Plan(epsilons=(0.5 / 255, 1 / 255, 1.5 / 255), headline=1 / 255, steps=10, restarts=1),
    )
    plain, loud = (run(network(n), cohort, questions(network(n).card)[0], plan) for n in ("undefended", "saturated"))
    shares = plain.right.mean(axis=0)
    assert 0.1 < shares[1] < 0.9
    assert loud.right.mean(axis=0) == pytest.approx(shares, abs=0.01)


@pytest.mark.parametrize(
    ("norm", "sizes"), [("linf", (0.0005, 0.001, 0.0015, 0.002, 0.003)), ("l2", (0.0005, 0.001, 0.002, 0.003, 0.004))]
)
def test_the_robust_accuracy_of_a_linear_model_is_the_exact_one(norm: Any, sizes: tuple[float, ...]) -> None:
    """Hölder's inequality says which cases stand; the attack is within 0.01 of it at every size."""
    cohort, model = network_cohort(np.random.default_rng(4), n=200), network("linear")
    plan = Plan(epsilons=sizes, headline=sizes[1], steps=20, restarts=1, norm=norm)
    outcome = run(model, cohort, questions(model.card)[0], plan)
    exact = [linear_stands(images_of(cohort), cohort.targets, e, norm=norm).mean() for e in sizes]
    assert exact[0] - exact[-1] > 0.3
    assert outcome.right.mean(axis=0) == pytest.approx(exact, abs=0.01)


def test_one_perturbation_goes_through_all_tiles_of_a_volume() -> None:
    """Where two tiles overlap a voxel is changed once: exactly the cases break that the volume's own weights say."""
    rng = np.random.default_rng(3)
    w, images = rng.normal(size=(4, 4, 4)), rng.normal(size=(60, 1, 6, 4, 4)).astype(np.float32)
    whole = np.zeros((6, 4, 4))
    for start in (0, 2):
        whole[start : start + 4] += w / 2
    assert np.abs(whole).sum() < 0.9 * np.abs(w).sum()
    model = wrap(Linear(w.ravel()), input=InputSpec(range=(-10.0, 10.0), scale=False, tile=(4, 4, 4)))
    score = images.reshape(60, -1) @ whole.ravel()
    sizes = (0.05, 0.1, 0.2)
    plan = Plan(epsilons=sizes, headline=0.1, steps=8, restarts=1)
    target = (score > 0).astype(int)
    outcome = attack(model, questions(model.card)[0], images, target, plan=plan, rng=rng)
    exact = np.abs(score)[:, None] > np.abs(whole).sum() * np.array(sizes)
    assert (outcome.right == exact).all()
    # 0.1 is no float32, so the last bit of the size is not exact.
    assert np.abs(outcome.worst.astype(float) - images).max() <= 0.1 * (1 + 1e-6)


def test_a_tiled_segmentation_breaks_as_a_whole() -> None:
    """The worst volume, asked again at once, is as wrong as the attack says, within the size."""
    model, cohort = head("segmentation-3d-tiled", np.random.default_rng(0), n=12)
    (tile, *_), depth = model.card.input.tile, model.card.input.size[0]
    assert tile < depth < 3 * tile
    for question in questions(model.card):
        if question.name in ("dice", "invented"):
            outcome = run(model, cohort, question)
            assert np.abs(outcome.worst.astype(np.float64) - images_of(cohort)).max() <= LARGE
            again = question.objectives[0].right(model.predict(outcome.worst), targets_of(cohort, question))
            assert not again.any()
            assert not outcome.right[:, -1].any()


MASK_RAW = np.where(
    np.array([
        [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]],
        [[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]],
        [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]],
    ]),
    2.0, -1.0,
)[:, None]  # fmt: skip
REFERENCE = np.array([
    [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]],
    [[1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0]],
    [[0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]],
])  # fmt: skip


def test_decisions_on_hand_worked_masks() -> None:
    """One invented pixel; one of two lesions lost, and a pixel that touches a lesion invents none; all lost."""
    target = lesion_numbers(REFERENCE)
    assert target.max(axis=(1, 2)).tolist() == [1, 2, 1]
    c = card()
    erased, invented = ErasedMargin(card=c), InventedMargin(card=c)
    volume = VolumeMargin(card=c, tolerance=0.25, upward=True)
    assert erased.right(MASK_RAW, target).tolist() == [True, False, False]
    assert erased.keep(MASK_RAW, target)[:, 0].tolist() == [1.0, 0.5, 0.0]
    assert invented.right(MASK_RAW, target).tolist() == [False, True, True]
    assert invented.keep(MASK_RAW, target)[:, 0].tolist() == [1.0, 0.0, 0.0]
    assert volume.keep(MASK_RAW, target)[:, 0].tolist() == [0.25, -0.25, -1.0]
    assert volume.right(MASK_RAW, target).tolist() == [True, True, False]


def test_mask_margins_have_the_sign_of_their_decision() -> None:
    """Positive where right: the mean of what stands of a lesion, the height of a lost one, minus an invented one's."""
    target, raw = torch.as_tensor(lesion_numbers(REFERENCE)), torch.as_tensor(MASK_RAW)
    assert ErasedMargin(card=card()).margin(raw, target).tolist() == [2.0, -1.0, -1.0]
    assert InventedMargin(card=card()).margin(raw, target).tolist() == [-2.0, 1.0, 1.0]


def test_the_volume_is_pushed_both_ways_at_any_scale() -> None:
    """Five pixels for four: room 0.5 - 0.25 upward and 0.5 + 0.25 downward, within 0.1, and times 50 alike."""
    target = torch.tensor([[[1, 1, 1, 1, 0, 0, 0, 0]]])
    for gain in (1.0, 50.0):
        raw = (gain * torch.tensor([[[[5.0, 5, 5, 5, 5, -5, -5, -5]]]])).requires_grad_()
        for upward, room in ((True, 0.25), (False, 0.75)):
            margin = VolumeMargin(card=card(), tolerance=0.5, upward=upward).margin(raw, target)
            (grad,) = torch.autograd.grad(margin.sum(), raw)
            assert margin.item() == pytest.approx(room, abs=0.1)
            assert ((grad < 0) if upward else (grad > 0)).all()


def test_the_nearest_lesion_to_being_lost_is_pushed_and_only_what_stands_of_it() -> None:
    """Of lesions with 3 and 1 left the second is pushed, at its pixel above the threshold alone."""
    target = torch.tensor([[[1, 0, 2, 2]]])
    raw = torch.tensor([[[[3.0, 5.0, 2.0, -1.0]]]], requires_grad=True)
    margin = ErasedMargin(card=card()).margin(raw, target)
    (grad,) = torch.autograd.grad(margin.sum(), raw)
    assert margin.item() == 1.0
    assert grad.flatten().tolist() == [0.0, 0.0, 0.5, 0.0]


def test_a_lesion_is_invented_away_from_what_is_there() -> None:
    """The highest pixel far from the reference is pushed, though one beside the lesion, or joined to it, is higher."""
    raw = torch.full((1, 1, 1, 20), -3.0)
    raw[0, 0, 0, :7] = torch.tensor([2.0, 2.0, 1.0, 1.0, 1.0, -0.1, -0.2])
    raw[0, 0, 0, 15] = -1.0
    raw.requires_grad_()
    target = torch.zeros((1, 1, 20), dtype=torch.long)
    target[0, 0, :2] = 1
    margin = InventedMargin(card=card()).margin(raw, target)
    (grad,) = torch.autograd.grad(margin.sum(), raw)
    assert margin.item() == 1.0
    assert grad.flatten().nonzero().flatten().tolist() == [15]


@pytest.mark.parametrize("objective", [ErasedMargin(card=card()), VolumeMargin(card=card(), tolerance=1, upward=True)])
def test_a_question_that_does_not_apply_is_refused(objective: Any) -> None:
    """A case without a lesion is neither right nor wrong about losing one, so it cannot be counted by mistake."""
    with pytest.raises(ValueError, match=r"Question\.applies"):
        objective.right(MASK_RAW, np.zeros_like(REFERENCE))


def test_only_cases_with_a_lesion_can_lose_one() -> None:
    """`erased` and `volume` concern cases with a lesion, the others all."""
    empty = REFERENCE * np.array([1, 0, 1])[:, None, None]
    for question in questions(card(clinical_tolerance=0.2)):
        concerned = question.applies(question.targets(empty)).tolist()
        assert concerned == ([True, False, True] if question.name in ("erased", "volume") else [True] * 3)


def test_a_question_that_nothing_is_declared_for_says_so() -> None:
    """The volume needs a tolerance; grades need one that leaves something to be wrong."""
    assert [q.name for q in questions(card())] == ["dice", "erased", "invented"]
    assert list(unasked(card())) == ["volume"]
    assert not unasked(card(clinical_tolerance=0.2))
    grades = {"task": "ordinal", "output": "logits", "classes": ("0", "1", "2", "3")}
    assert [q.name for q in questions(card(**grades, clinical_tolerance=2.0))] == [None, "within 2 grades"]
    for useless in (0.5, 3.0):
        assert [q.name for q in questions(card(**grades, clinical_tolerance=useless))] == [None]
        assert list(unasked(card(**grades, clinical_tolerance=useless))) == ["tolerance"]


def test_what_became_of_a_case_by_the_horizon() -> None:
    """An event by the horizon counts, one after it does not, and who left before it without one is unknown."""
    (question,) = questions(card(task="survival", output="probabilities", horizon=5.0, operating_point=0.4))
    given = np.array([[3, 1], [5, 1], [6, 1], [5, 0], [9, 0], [4, 0]], dtype=float)
    target = question.targets(given)
    assert target.tolist() == [1, 1, 0, 0, 0, CENSORED]
    assert question.applies(target).tolist() == [True] * 5 + [False]
    raw = np.array([[0.4], [0.3], [0.2], [0.5], [0.39]])
    assert question.objectives[0].right(raw, target[:5]).tolist() == [True, False, True, False, True]
    with pytest.raises(ValueError, match=r"Question\.applies"):
        question.objectives[0].right(np.full((6, 1), 0.5), target)


def test_a_risk_without_an_operating_point_has_no_decision() -> None:
    """Where no operating point is declared there is a margin and no right or wrong."""
    (question,) = questions(card(task="survival", output="value", horizon=5.0))
    assert not question.decided
    with pytest.raises(NotApplicable, match="no horizon"):
        questions(card(task="survival", output="value"))


def test_every_candidate_must_fall_for_a_miss_and_one_must_rise_for_a_false_alarm() -> None:
    """By hand: heights 2, 1, -3 give 1 for a positive case, since what stands is averaged, and -2 for a negative."""
    objective = CandidateMargin(card=card(task="detection", output="logits"), threshold=0.5)
    raw = torch.tensor([[2.0, 1.0, -3.0]] * 2, requires_grad=True)
    margin = objective.margin(raw, torch.tensor([1, 0]))
    (grad,) = torch.autograd.grad(margin.sum(), raw)
    assert margin.tolist() == [1.0, -2.0]
    assert ((grad != 0).tolist()) == [[True, True, False], [True, False, False]]


def test_a_value_far_beyond_its_threshold_still_has_a_gradient() -> None:
    """A binary model whose output is a value, a volume in ml for example, is followed on that value's own scale."""
    objective = BinaryMargin(card=card(task="binary", output="value"), threshold=30.0)
    raw = torch.tensor([[37.0], [12.0]], requires_grad=True)
    margin = objective.margin(raw, torch.tensor([1, 1]))
    (grad,) = torch.autograd.grad(margin.sum(), raw)
    assert margin.tolist() == [7.0, -18.0]
    assert grad.flatten().tolist() == [1.0, 1.0]
    assert objective.right(np.array([[37.0], [12.0]]), np.array([1, 1])).tolist() == [True, False]
