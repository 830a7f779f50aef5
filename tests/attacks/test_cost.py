"""What an attack costs: half of the gradients of one that starts afresh, and memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.attacks import Cases, Meter, Outcome, Plan, _slots, attack, attack_cases, questions
from audit.attacks._slots import slots_for
from tests.attacks.nets import Linear, convolutional, wrap

STEPS = 20


def spread_cases(n: int = 64) -> tuple[Any, np.ndarray, np.ndarray, tuple[float, ...]]:
    """Return a model, cases that it answers right, and six sizes over which they break one after the other."""
    images = np.random.default_rng(0).normal(size=(n, 1, 6, 6)).astype(np.float32)
    model = wrap(convolutional(3))
    answers = model.predict(images)[:, 0]
    return model, images, (answers > 0).astype(int), (0.02, 0.09, 0.15, 0.21, 0.28, 0.36)


def run(plan: Plan, model: Any, images: np.ndarray, target: np.ndarray) -> tuple[Outcome, Meter]:
    meter, (question,) = Meter(), questions(model.card)
    return attack(model, question, images, target, plan=plan, rng=np.random.default_rng(1), meter=meter), meter


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_curve_costs_half_of_one_from_scratch(norm: Any) -> None:
    """Six sizes that break cases one after the other take at most half the gradients of six attacks, pushing included.

    The cases that stand are among those that stand under six attacks of the same steps, each begun afresh.
    """
    model, images, target, epsilons = spread_cases()
    plan = Plan(epsilons=epsilons, headline=epsilons[2], steps=STEPS, restarts=1, norm=norm)
    found, meter = run(plan, model, images, target)
    stands = found.right.mean(axis=0)
    assert stands[0] > 0.8
    assert stands[-1] < 0.2
    assert np.unique(stands).size >= 5
    assert meter.gradients <= 0.5 * len(epsilons) * STEPS * len(images)
    missed = 0
    for index, epsilon in enumerate(epsilons):
        alone = replace(plan, epsilons=(epsilon,), headline=epsilon, cold=True)
        afresh, _ = run(alone, model, images, target)
        missed += int((found.right[:, index] & ~afresh.right[:, 0]).sum())
    assert missed == 0


@pytest.mark.parametrize("size", [(), (6, 6)], ids=["one batch of slots", "four"])
def test_what_becomes_of_a_case_does_not_depend_on_the_others(size: tuple[int, ...]) -> None:
    """Batches of any size, and cases read one by one, give the same outcome."""
    plain, images, target, epsilons = spread_cases(40)
    model = wrap(convolutional(3), input=replace(plain.card.input, size=size))
    plan = Plan(epsilons=epsilons, headline=epsilons[2], steps=6, restarts=2)
    whole, _ = run(replace(plan, batch=64), model, images, target)
    (question,) = questions(model.card)
    asked: list[np.ndarray] = []

    def read(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return images[rows]

    seen: dict[int, np.ndarray] = {}
    streamed = attack_cases(
        model, question,
        Cases(count=40, images=read, targets=lambda r: target[r], anchors=Cases.of(images, target).anchors),
        plan=replace(plan, batch=7), rng=np.random.default_rng(1), keep=2,
        observe=lambda rows, x0, x: seen.update(zip(rows.tolist(), x, strict=True)),
    )  # fmt: skip
    assert (whole.right == streamed.right).all()
    assert np.allclose(whole.answers, streamed.answers, atol=1e-4)
    assert np.concatenate(asked).tolist() == list(range(40))
    assert max(len(rows) for rows in asked) <= 7
    assert sorted(seen) == list(range(40))
    assert streamed.worst.shape == (2, 1, 6, 6)
    assert np.allclose(np.stack([seen[i] for i in range(40)]), whole.worst, atol=1e-5)


@pytest.mark.parametrize(
    ("batch", "size", "channels", "slots"),
    [(32, (96, 96), 1, 128), (32, (192, 192), 1, 32), (8, (192, 192), 1, 32), (32, (64, 64, 64), 1, 32),
     (32, (96, 96), 3, 64), (32, (), 1, 32), (1, (16, 16), 1, 4)],
)  # fmt: skip
def test_slots_hold_several_batches_of_small_images(
    batch: int, size: tuple[int, ...], channels: int, slots: int
) -> None:
    """Beyond a batch they hold two million values; where images are large, or their size is not declared, one batch."""
    assert slots_for(batch, size, channels) == slots


def test_more_slots_fill_batches_and_ask_about_no_more_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cases fall with fewer questions of more images each; the largest question stays as large."""
    plain, images, target, epsilons = spread_cases()
    model = wrap(convolutional(3), input=replace(plain.card.input, size=(6, 6)))
    plan = Plan(epsilons=epsilons, headline=epsilons[2], steps=6, restarts=1, batch=8)
    sizes: dict[int, list[int]] = {1: [], 4: []}
    found = {}
    for held, asked in sizes.items():
        monkeypatch.setattr(_slots, "_BATCHES", held)
        hook = model.module.register_forward_hook(lambda _, given, __, asked=asked: asked.append(len(given[0])))
        found[held], meter = run(plan, model, images, target)
        hook.remove()
        assert sum(asked) == meter.forwards + meter.gradients
    assert max(sizes[4]) == max(sizes[1]) == 2 * plan.batch
    assert len(sizes[4]) < 0.75 * len(sizes[1])
    assert (found[1].right == found[4].right).all()
    assert np.allclose(found[1].answers, found[4].answers, atol=1e-4)


def test_a_linear_model_is_broken_exactly_up_to_its_margin_under_l2() -> None:
    """Right under attack means |w| epsilon sqrt(pixels) below the signed logit, within 1 % of the cases."""
    rng = np.random.default_rng(0)
    images, w = rng.normal(size=(300, 1, 6, 6)).astype(np.float32), rng.normal(size=36)
    target = rng.integers(0, 2, 300)
    epsilons = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
    found, _ = run(
        Plan(epsilons=epsilons, headline=0.1, steps=8, restarts=1, norm="l2"), wrap(Linear(w)), images, target
    )
    signed = np.where(target == 1, 1, -1) * (images.reshape(300, -1) @ w)
    expected = signed[:, None] > np.linalg.norm(w) * np.array(epsilons) * 6
    assert found.right.mean(axis=0) == pytest.approx(expected.mean(axis=0), abs=0.01)
    assert 0 < expected[:, -2].mean() < expected[:, 0].mean() - 0.1


@pytest.mark.slow
def test_memory_does_not_grow_with_the_cohort() -> None:
    """The peak of 2,000 cases is within 10 % of that of 200."""
    script = textwrap.dedent(
        """
        import sys
        import numpy as np
        from audit.attacks import Cases, Plan, attack_cases, questions
        from benchmarks._driver import peak_mb
        from tests.attacks.nets import wrap
        import torch
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(),
            torch.nn.Linear(64, 1),
        )
        model, count = wrap(net), int(sys.argv[1])
        def read(rows):
            return np.stack([np.random.default_rng(int(r)).normal(size=(1, 128, 128)) for r in rows]).astype("float32")
        cases = Cases(count=count, images=read, targets=lambda rows: rows % 2)
        plan = Plan(epsilons=(0.05, 0.1), headline=0.1, steps=2, restarts=1, batch=32)
        attack_cases(model, questions(model.card)[0], cases, plan=plan, rng=np.random.default_rng(0))
        print(round(peak_mb()))
        """
    )
    peaks = [
        int(subprocess.run([sys.executable, "-c", script, str(n)], capture_output=True, text=True, check=True).stdout)
        for n in (200, 2000)
    ]
    assert peaks[1] <= 1.1 * peaks[0], peaks
