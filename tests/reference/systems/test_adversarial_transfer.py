"""Networks attacked from others: what is perturbed and by how much, what they share, and the folder of the audit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.config import load_audit, load_policy
from audit.models import load_model
from audit.reference import write_audit
from audit.reference._files import read_figures
from audit.reference._systems import all_systems, figures_of, weights_of
from audit.reference.systems.adversarial_transfer import _folder, _grid, _learning, _measuring, nets
from audit.reference.systems.adversarial_transfer._attacking import perturbed, shuffled
from audit.reference.systems.adversarial_transfer._learning import D1, TEST, Settings
from audit.reference.systems.adversarial_transfer.recipe import networks

TWINS = ("adversarial-transfer", "adversarial-apart")
TINY = Settings(patients=60, validation=20, test=40, elsewhere=40, steps=2, pre_steps=2, batch=16)


@pytest.fixture(scope="module")
def few() -> _learning.Table:
    return _learning.patches(200, 7, TEST, Settings())


def line(weights: np.ndarray) -> object:
    """A network whose only logit is a weighted sum of the pixels."""
    import torch

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.Parameter(torch.from_numpy(weights.astype(np.float32)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * self.weights).flatten(1).sum(dim=1, keepdim=True)

    return Line()


@pytest.mark.parametrize("steps", [1, 20])
def test_on_a_line_the_perturbation_is_the_known_best(steps: int) -> None:
    """Against weights w the worst change within epsilon is -epsilon sign(w) for a lesion, + for none; to 1e-6.

    Where the full scale ends the change ends, too. Twenty steps of half a per cent reach the corner as well.
    """
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(1, 4, 4))
    images = rng.uniform(0.1, 0.9, (3, 1, 4, 4)).astype(np.float32)
    images[0, 0, 0, 0] = 0.0
    labels = np.array([1, 0, 1], dtype=np.float32)
    found = perturbed(line(weights), images, labels, epsilon=0.02, steps=steps)
    wanted = np.clip(images - 0.02 * np.sign(weights) * (2 * labels - 1)[:, None, None, None], 0, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.abs(found.astype(np.float64) - images).max() <= 0.02


def test_shuffled_perturbations_keep_their_sizes() -> None:
    """The changes of each image are the same numbers in other places."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0.3, 0.7, (4, 1, 8, 8)).astype(np.float32)
    attacked = images + rng.uniform(-0.02, 0.02, images.shape).astype(np.float32)
    moved = shuffled(images, attacked, np.random.default_rng(1))
    for one, two, three in zip(images, attacked, moved, strict=True):
        np.testing.assert_allclose(np.sort((two - one).ravel()), np.sort((three - one).ravel()), atol=1e-6)
    assert not np.allclose(attacked, moved, atol=1e-3)


def test_per_cent_left_of_a_hand_worked_ranking() -> None:
    """All 64 pairs are right at first; then one lesion of eight falls below four of eight others: 60 of 64."""
    labels = np.array([True] * 8 + [False] * 8)
    clean = np.concatenate([np.arange(8) + 10.0, np.arange(8.0)])
    attacked = clean.copy()
    attacked[0] = 3.5
    found = _measuring.percent_left(attacked, clean, labels, np.random.default_rng(0))
    assert found.value == pytest.approx(100 * (64 - 4) / 64)
    low, high = found.bounds(0.025)
    assert low < found.value < high


def test_families_take_patches_of_any_size() -> None:
    """Either family gives one logit a patch, and three where three tasks are learned."""
    import torch

    for family in nets.FAMILIES.values():
        assert family().eval()(torch.zeros(2, 1, 24, 24)).shape == (2, 1)
        assert family(3).eval()(torch.zeros(2, 1, 32, 20)).shape == (2, 3)


def test_data_are_disjoint_or_parts_as_named() -> None:
    """d1/10 and d2/2 are the first tenth and half; d1 and d2 have no patch in common."""
    one, two = (_learning.development(n, 3, TINY) for n in ("d1", "d2"))
    np.testing.assert_array_equal(_learning.development("d1/10", 3, TINY).images, one.images[:6])
    np.testing.assert_array_equal(_learning.development("d2/2", 3, TINY).images, two.images[:30])
    assert not np.intersect1d(one.images.sum(axis=(1, 2, 3)), two.images.sum(axis=(1, 2, 3))).size
    np.testing.assert_array_equal(_learning.patches(6, 3, D1, TINY).images, one.images[:6])


def test_twins_differ_in_their_start_alone() -> None:
    """The attacker's networks are equal tensor by tensor; only the target differs, and who shares its start."""
    shared, apart = (networks(n, seed=2, settings=TINY, say=lambda _: None) for n in TWINS)
    assert set(shared) - set(apart) == {"same init"}
    for one in ("other init", "other data", "other architecture"):
        own, other = shared[one].state_dict(), apart[one].state_dict()
        assert all((own[k] == other[k]).all() for k in own), one
    own, other = shared["target"].state_dict(), apart["target"].state_dict()
    assert not (own["0.weight"] == other["0.weight"]).all()


def test_a_public_start_is_what_training_starts_from() -> None:
    """After no step a network has the public weights but for its last layer."""
    given = _learning.elsewhere(1, TINY)
    start = _learning.pre_trained("dense", given, seed=1, settings=TINY)
    net = _learning.trained(
        "dense", _learning.development("d1", 1, TINY), seed=2, settings=replace(TINY, steps=1, learning_rate=1e-9),
        start=start,
    )  # fmt: skip
    own = net.state_dict()
    kernels = [k for k in start if k.endswith("0.weight")]
    assert kernels
    assert all(np.allclose(own[k], start[k], atol=1e-6) for k in kernels)
    assert {k.split(".")[0] for k in own} - {k.split(".")[0] for k in start} == {str(len(net) - 1)}


@pytest.mark.parametrize("name", TWINS)
def test_shipped_weights_reach_their_figures(name: str, few: _learning.Table, tmp_path: Path) -> None:
    """On 200 other patients each AUC lies within 0.05 of the shipped one, and what an attack leaves within 12 %."""
    import torch
    from safetensors.torch import load_file

    held = load_file(weights_of(all_systems()[name]))
    shipped = {f.name: f.value for f in read_figures(figures_of(all_systems()[name]))[1]}
    made = {}
    for one in {k.split("/")[0] for k in held}:
        made[one] = nets.FAMILIES["dense" if one == "other architecture" else "plain"]().eval()
        made[one].load_state_dict({k.partition("/")[2]: v for k, v in held.items() if k.startswith(f"{one}/")})
    labels = few.labels[:, 0] == 1
    clean = _learning.logits(made["target"], few.images)
    for one, net in made.items():
        title = "auc" if one == "target" else f"auc of the surrogate, {one}"
        assert _measuring.ranked(_learning.logits(net, few.images), labels).value == pytest.approx(
            shipped[title], abs=0.05
        )
        changed = perturbed(net, few.images, few.labels[:, 0], epsilon=0.01, steps=1)
        left = _measuring.percent_left(
            _learning.logits(made["target"], changed), clean, labels, np.random.default_rng(0)
        )
        on = "the target itself" if one == "target" else one
        assert left.value == pytest.approx(shipped[f"per cent of the clean auc, one step, {on}"], abs=12)
    assert isinstance(next(iter(held.values())), torch.Tensor)


@pytest.mark.parametrize("name", TWINS)
def test_the_folder_is_one_that_the_suite_audits(name: str, tmp_path: Path) -> None:
    """Target and surrogates load and answer; every declared surrogate has its rule, and no rule lacks its surrogate."""
    config = load_audit(write_audit(name, tmp_path / "audit", profile="smoke"))
    cohort = load_cohort(
        config.cohort, config.root, task="binary", classes=config.model.classes, input=config.model.input
    )
    assert len(cohort) == _folder.PATIENTS["smoke"]
    assert cohort.phantom
    images = np.stack([cohort.images.load(i) for i in range(3)])
    answers = [
        load_model(m, config.root).predict(images) for m in (config.model, *(s.model for s in config.surrogates))
    ]
    assert all(a.shape == (3, 1) for a in answers)
    assert not any(np.allclose(answers[0], a) for a in answers[1:])
    rules = {r.where.get("attack", "") for r in load_policy(tmp_path / "audit" / "policy.toml").rules}
    assert {r for r in rules if r.startswith("transfer")} == {f"transfer: {s.relation}" for s in config.surrogates}


def test_the_grid_holds_every_factor_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of the summary is the mean of one cell or more; a seed that is there is not measured again."""
    said: list[str] = []
    monkeypatch.setattr(_grid, "perturbed", lambda net, images, labels, *, epsilon, steps: images)
    _grid.measure(tmp_path, say=said.append, seeds=(1, 2), settings=replace(TINY, steps=1, pre_steps=1))
    count = len(said)
    _grid.measure(tmp_path, say=said.append, seeds=(1, 2), settings=TINY)
    assert len(said) == count
    found = json.loads((tmp_path / "factors.json").read_text())
    assert {k.split(":")[0] for k in found["levels"]} == {"attack", "white box", "start", "data", "small target"}
    # Images that nobody changed leave all of the clean AUC, and two seeds have no interval.
    assert all(v["value"] is None and v["each"] == [100.0, 100.0] for v in found["levels"].values())


def test_the_shipped_target_is_public_where_the_attacker_is() -> None:
    """Two convolutions are the same numbers in target and surrogate of one start, the third is not; apart has none."""
    from safetensors.numpy import load_file

    folder = Path(nets.__file__).parent
    held = load_file(folder / "adversarial-transfer.safetensors")
    kernels = [k.partition("/")[2] for k, v in held.items() if k.startswith("target/") and v.ndim == 4]
    same = [np.array_equal(held[f"target/{k}"], held[f"same init/{k}"]) for k in sorted(kernels, key=_layer)]
    assert same == [True, True, False]
    assert not any(np.array_equal(held[f"target/{k}"], held[f"other init/{k}"]) for k in kernels)
    apart = load_file(folder / "adversarial-apart.safetensors")
    assert not any(np.array_equal(apart[f"target/{k}"], held[f"target/{k}"]) for k in kernels)


def test_held_convolutions_stay_as_they_started() -> None:
    """After a few steps of training the first two kernels are those of the start, the third has moved."""
    settings = Settings(patients=64, elsewhere=64, steps=3, pre_steps=2)
    given = _learning.patches(64, 3, D1, settings)
    start = _learning.pre_trained("plain", _learning.elsewhere(3, settings), seed=3, settings=settings)
    net = _learning.trained("plain", given, seed=4, settings=settings, start=start, held=2)
    kernels = sorted((k for k, v in net.state_dict().items() if v.ndim == 4), key=_layer)
    moved = [not np.array_equal(net.state_dict()[k].numpy(), start[k].numpy()) for k in kernels]
    assert moved == [False, False, True]


def _layer(name: str) -> int:
    return int(name.split(".")[0])
