"""ADV006: a model that plain noise turns is caught, one that only an aimed change turns is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import controls
from audit.cohorts import from_arrays
from audit.core import BUDGETS, Access, InputSpec, Measurement, ModelCard, ProbeContext
from audit.probes._images import load_images
from audit.probes.adversarial import ShuffledNoiseControl
from audit.testing import FunctionModel, check_probe, context, network, network_cohort

# Nets this small run many times slower on several threads than on one.
torch.set_num_threads(1)
BUDGET = replace(BUDGETS["smoke"], attack_cases=180, attack_queries=60, attack_steps=8)
SPEC = InputSpec(scale=False)


def make(read: Any, *, noise: float = 0.01, n: int = 40) -> ProbeContext:
    """Return the context of a callable whose logit is read from images of noise about 0.5."""
    rng = np.random.default_rng(0)
    images = (0.5 + rng.normal(0, noise, (n, 1, 12, 12))).astype(np.float32)
    card = ModelCard(
        name="m", kind="callable", task="binary", output="logits", access=Access.QUERY, digest="d", input=SPEC,
        classes=("no", "yes"), operating_point=0.5,
    )  # fmt: skip
    model = FunctionModel(card=card, answer=lambda x: read(x)[:, None])
    target = (model.predict(images)[:, 0] >= 0).astype(np.int64)
    cohort = from_arrays(images, target, task="binary", classes=("no", "yes"))
    return context(model, cohort, budget=BUDGET)


def of(given: list[Measurement], metric: str, attack: str) -> Measurement:
    (found,) = [m for m in given if m.metric == metric and m.condition["attack"] == attack]
    return found


def test_a_model_that_noise_turns_is_caught() -> None:
    """A model that calls every noisier image positive falls to noise of the cohort's own size."""
    ctx = make(lambda x: 500 * (np.std(x, axis=(1, 2, 3)) - 0.0125), noise=0.01)
    found = of(list(ShuffledNoiseControl().run(ctx)), "control_accuracy", "noise of the cohort")
    assert found.high is not None
    assert found.high < 0.2


def test_a_model_that_only_an_aimed_change_turns_is_not() -> None:
    """The mean over many pixels falls to a uniform change, which shuffling leaves alone, and to no random one."""
    ctx = make(lambda x: 50 * (x.mean(axis=(1, 2, 3)) - 0.495), noise=0.01)
    given = list(ShuffledNoiseControl().run(ctx))
    for attack in ("random signs", "noise of the cohort"):
        assert of(given, "control_accuracy", attack).value >= 0.95  # type: ignore[operator]
        difference = of(given, "control_difference", attack)
        assert difference.low is not None
        assert difference.low > 0.5
    assert of(given, "control_accuracy", "random signs").n == 40


def test_the_difference_is_that_of_the_two_shares() -> None:
    """Control minus attack of the same cases is the difference of the shares in the artifact."""
    ctx = make(lambda x: 50 * (x.mean(axis=(1, 2, 3)) - 0.5))
    given = list(ShuffledNoiseControl().run(ctx))
    (kept,) = ctx.sink.artifacts
    assert kept.name == "attack_controls"
    shares = dict(zip(kept.arrays["condition"].tolist(), kept.arrays["share_right"].tolist(), strict=True))
    assert shares["no change"] == 1.0
    for name in ("shuffled", "random signs", "noise of the cohort"):
        assert of(given, "control_accuracy", name).value == pytest.approx(shares[name])
        difference = of(given, "control_difference", name).value
        assert difference == pytest.approx(shares[name] - shares["attack"], abs=1e-12)


def test_flat_images_have_no_noise_of_their_own() -> None:
    """Where the noise cannot be measured that control is missing with the reason, and the others stand."""
    ctx = make(lambda x: 50 * (x.mean(axis=(1, 2, 3)) - 0.499), noise=0.0)
    given = list(ShuffledNoiseControl().run(ctx))
    assert (
        of(given, "control_accuracy", "noise of the cohort").missing == "the noise of these images cannot be measured"
    )
    assert of(given, "control_accuracy", "shuffled").value is not None


def test_a_network_with_gradients_is_attacked_by_descent() -> None:
    """The undefended network falls to the attack far more often than to its controls."""
    ctx = context(network("undefended"), network_cohort(np.random.default_rng(0), n=40), budget=BUDGET)
    given = list(ShuffledNoiseControl().run(ctx))
    for name in ("shuffled", "random signs"):
        difference = of(given, "control_difference", name)
        assert difference.low is not None
        assert difference.low > 0.2


def test_controls_keep_size_region_and_range() -> None:
    """A shuffled change holds the same values in the region; signs have the size that was allowed; padding stays."""
    rng = np.random.default_rng(0)
    image = rng.uniform(20, 80, (2, 8, 8)).round().astype(np.float32)
    image[:, :3] = 0
    worst = image.copy()
    worst[:, 3:] += rng.integers(-4, 5, (2, 5, 8))
    spec = InputSpec(modality="ct", range=(0.0, 100.0), channels=2)
    made = controls(image, worst, spec, size=6, noise_sd=2.0, rng=rng)
    assert list(made) == ["shuffled", "random signs", "noise of the cohort"]
    (unmoved,) = controls(image, image, spec, size=6, noise_sd=0.01, rng=rng).items()
    assert unmoved[0] == "random signs"
    assert np.abs(unmoved[1] - image)[:, 3:].min() == 6
    assert sorted((made["shuffled"] - image)[:, 3:].ravel()) == sorted((worst - image)[:, 3:].ravel())
    assert not np.array_equal(made["shuffled"], worst)
    assert np.abs(made["random signs"] - image)[:, 3:].min() == 6
    noise = (made["noise of the cohort"] - image)[:, 3:]
    assert noise.std() == pytest.approx(2.0, rel=0.25)
    for changed in made.values():
        assert (changed[:, :3] == 0).all()
        assert (changed == np.round(changed)).all()
        assert changed.min() >= 0
        assert changed.max() <= 100


def test_what_the_attack_did_not_change_is_not_shuffled() -> None:
    """A model that nothing moves has no change to shuffle; random signs of the headline size are tried all the same."""
    ctx = make(lambda x: np.full(len(x), 5.0))
    given = list(ShuffledNoiseControl().run(ctx))
    shuffled = of(given, "control_accuracy", "shuffled")
    assert shuffled.value is None
    assert shuffled.missing == "the attack found no change of any case that is right, so there is nothing to shuffle"
    signs = of(given, "control_accuracy", "random signs")
    assert (signs.value, signs.n) == (1.0, 40)
    assert ctx.sink.artifacts[0].arrays["condition"].tolist()[2:] == ["random signs", "noise of the cohort"]


def test_cases_that_nothing_moved_do_not_count_as_standing() -> None:
    """Where scores of some images do not respond, shuffling is measured on the others alone."""

    def read(x: np.ndarray) -> np.ndarray:
        dead = x[:, 0, 0, 0] > 0.5
        return np.where(dead, 9.0, 50 * (x.mean(axis=(1, 2, 3)) - 0.48))

    ctx = make(read, noise=0.05)
    images = load_images(ctx.cohort, np.arange(40))
    dead = int((images[:, 0, 0, 0] > 0.5 + 8 / 255).sum())
    given = list(ShuffledNoiseControl().run(ctx))
    assert dead > 5
    assert of(given, "control_accuracy", "shuffled").n <= 40 - dead
    assert of(given, "control_accuracy", "random signs").n == 40


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    mean = {"callable": lambda: make(lambda x: 50 * (x.mean(axis=(1, 2, 3)) - 0.5), n=16)}
    assert check_probe(ShuffledNoiseControl, mean) == ("callable",)
