"""Attacks of torchattacks by name: what they break is verified, what they refuse is said, nothing global is moved."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import CATALOGUE, Cases, Meter, Outcome, Plan, attack_cases, extended, known_attacks, questions
from audit.core import InputSpec
from audit.errors import InputError
from audit.models import TorchModel
from tests.attacks.nets import convolutional, wrap

pytest.importorskip("torchattacks")

REFUSED = ("APGDT", "AutoAttack", "PIFGSM", "PIFGSMPP", "TIFGSM")
"""Two logits have no DLR loss; three were written for three channels."""
SILENT = ("CW", "FFGSM", "GN", "JSMA", "OnePixel", "Pixle")
"""Too weak for an L-infinity size of this problem; they run."""


@cache
def made(norm: Any = "linf") -> tuple[TorchModel, Cases, Outcome, Plan]:
    """Return a small network, cases, and an outcome in which nothing has been tried yet."""
    model = wrap(convolutional(0), input=InputSpec(range=(0, 255), modality="photo"))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (12, 1, 6, 6)).astype(np.float32)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    plan = Plan(epsilons=(2.0, 8.0, 32.0), headline=8.0, steps=10, restarts=0, norm=norm)
    cases = Cases.of(images, target)
    tried = attack_cases(model, questions(model.card)[0], cases, plan=plan, rng=rng)
    every = np.repeat(tried.right_clean[:, None], 3, axis=1)
    clean = np.repeat(tried.clean[:, None], 3, axis=1)
    by = np.where(tried.right_clean, "", "wrong already")
    return model, cases, replace(tried, right=every, right_stored=every, answers=clean, by=by), plan


def run(name: str, norm: Any = "linf") -> tuple[Outcome, tuple[Any, ...], Plan]:
    """Return the outcome of one attack alone, and what refused."""
    model, cases, nothing, plan = made(norm)
    outcome, refused = extended(
        model, questions(model.card)[0], cases, nothing, (f"torchattacks:{name}",), plan=plan,
        rng=np.random.default_rng(1), meter=Meter(),
    )  # fmt: skip
    return outcome, refused, plan


def test_the_catalogue_is_that_of_the_library() -> None:
    """Every attack that the installed torchattacks names is in the catalogue, but for wrappers and the empty one."""
    import torchattacks

    left_out = {"MultiAttack", "LGV", "VANILA"}
    assert {f"torchattacks:{n}" for n in set(torchattacks.__all__) - left_out} == set(CATALOGUE)


@pytest.mark.parametrize("name", [n.removeprefix("torchattacks:") for n in CATALOGUE])
def test_every_attack_runs_or_says_why_not(name: str) -> None:
    """An attack breaks cases in order of size, or is named with the library's reason, and moves no global state."""
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    outcome, refused, _ = run(name)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert random.getstate() == python_state
    assert bool(refused) == (name in REFUSED)
    assert all(r.name == f"torchattacks:{name}" and r.reason and r.cases == 12 for r in refused)
    assert (np.diff(outcome.right.astype(int), axis=1) <= 0).all()
    assert (outcome.right <= outcome.right_stored).all()
    broken = ~outcome.right[:, -1]
    assert broken.any() or name in REFUSED + SILENT
    assert set(outcome.by[broken]) <= {f"torchattacks:{name}"}
    assert set(outcome.by[~broken]) <= {""}


@pytest.mark.parametrize("name", ["PGDL2", "DeepFool", "EADEN", "FAB", "SparseFool"])
def test_attacks_on_length_break_under_l2(name: str) -> None:
    """Where the size is a root mean square the attacks on the length of a change break most cases at the largest."""
    outcome, refused, _ = run(name, "l2")
    assert not refused
    assert outcome.right[:, -1].mean() < 0.5


def test_a_worst_answer_is_kept() -> None:
    """The answer of a broken case is beyond the operating point, that of one that stands is the old one."""
    model, cases, nothing, _ = made()
    outcome, _, _ = run("PGD")
    target = cases.targets(np.arange(12))
    broken = ~outcome.right[:, -1]
    assert ((outcome.answers[broken, -1, 0] >= 0) != (target[broken] == 1)).all()
    assert np.array_equal(outcome.answers[~broken, -1], nothing.answers[~broken, -1])
    assert model.card.task == "binary"


def test_nothing_that_was_broken_stands_again() -> None:
    """On top of our own attack a weaker one changes nothing, not even who broke what."""
    model, cases, _, plan = made()
    plan = replace(plan, restarts=1)
    own = attack_cases(model, questions(model.card)[0], cases, plan=plan, rng=np.random.default_rng(0))
    more, _ = extended(
        model, questions(model.card)[0], cases, own, known_attacks(["torchattacks:FGSM"]), plan=plan,
        rng=np.random.default_rng(1), meter=Meter(),
    )  # fmt: skip
    assert (more.right <= own.right).all()
    same = (more.right == own.right).all(axis=1)
    assert np.array_equal(more.by[same], own.by[same])


def test_values_are_attacked_one_by_one() -> None:
    """A regression has a target a case, which the library cannot be told of in a batch; it works all the same."""
    model = wrap(
        convolutional(1), task="regression", output="value", operating_point=None, classes=(), clinical_tolerance=0.01
    )
    images = np.random.default_rng(0).normal(0, 1, (4, 1, 6, 6)).astype(np.float32)
    target = model.predict(images)[:, 0]
    plan = Plan(epsilons=(0.5,), headline=0.5, steps=5, restarts=0)
    question, cases = questions(model.card)[0], Cases.of(images, target)
    tried = attack_cases(model, question, cases, plan=plan, rng=np.random.default_rng(0))
    every = np.ones((4, 1), dtype=bool)
    outcome, refused = extended(
        model, question, cases, replace(tried, right=every, right_stored=every, by=np.full(4, "")),
        ("torchattacks:BIM",), plan=plan, rng=np.random.default_rng(1), meter=Meter(),
    )  # fmt: skip
    assert not refused
    assert not outcome.right.any()


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    """A name that is not in the catalogue is an error that names the nearest; repeats are dropped."""
    with pytest.raises(InputError, match="EADEN"):
        known_attacks(["torchattacks:EADN"])
    assert known_attacks(["torchattacks:FAB", "torchattacks:FAB"]) == ("torchattacks:FAB",)
