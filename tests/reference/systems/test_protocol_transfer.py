"""Transfer between protocols: features, machine, weights and boosting by hand, and the audited folder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.config import load_audit
from audit.models import load_model
from audit.reference import write_audit
from audit.reference._files import read_figures
from audit.reference._systems import all_systems, figures_of
from audit.reference.phantoms import SPIN_ECHO, STORED_TISSUE, TISSUE_PATCH
from audit.reference.systems.protocol_transfer import _data as data
from audit.reference.systems.protocol_transfer import _ways as ways
from audit.reference.systems.protocol_transfer import recipe
from audit.reference.systems.protocol_transfer._distance import maximum_mean_discrepancy, proxy_distance
from audit.reference.systems.protocol_transfer._features import FEATURES, features
from audit.reference.systems.protocol_transfer._fitted import fitted
from audit.reference.systems.protocol_transfer.nets import TissueNet
from audit.reference.systems.protocol_transfer.recipe import fit

NAMES = ("protocol-transfer", "protocol-source")
RNG = np.random.default_rng(5)


def clusters(n: int, shift: float, seed: int) -> ways.Voxels:
    """Three clouds on a line, 2 apart with a spread of 0.3, all moved by `shift`; the second number says nothing."""
    rng = np.random.default_rng(seed)
    tissue = np.arange(n) % 3
    line = 2.0 * tissue + shift + 0.3 * rng.standard_normal(n)
    return ways.Voxels(features=np.stack([line, rng.standard_normal(n)], axis=1), tissue=tissue)


def test_features_of_a_smooth_patch_are_those_of_scipy() -> None:
    """Blurred value, gradient magnitude and |Laplacian| at 1 and 2 mm agree with scipy.ndimage to 1 % of their size.

    The patch holds four standard deviations of the widest filter; scipy is given a wider image around the same middle.
    """
    from scipy import ndimage

    wide = ndimage.gaussian_filter(RNG.standard_normal((61, 61)), 2.5) * 12 * 800 + 2000
    half, middle = TISSUE_PATCH // 2, 30
    patch = wide[middle - half : middle + half + 1, middle - half : middle + half + 1]
    found = dict(zip(FEATURES, features(patch[None])[0], strict=True))
    unit = wide / STORED_TISSUE
    assert found["intensity"] == pytest.approx(unit[middle, middle], rel=1e-9)
    for sigma in (1, 2):
        assert found[f"blurred at {sigma} mm"] == pytest.approx(
            ndimage.gaussian_filter(unit, sigma)[middle, middle], rel=1e-3
        )
        slope = ndimage.gaussian_gradient_magnitude(unit, sigma)[middle, middle]
        assert found[f"gradient at {sigma} mm"] == pytest.approx(slope, rel=0.02)
        bend = abs(ndimage.gaussian_laplace(unit, sigma)[middle, middle])
        assert found[f"|Laplacian| at {sigma} mm"] == pytest.approx(bend, rel=0.05, abs=2e-4)


def test_a_flat_patch_has_no_gradient_and_no_laplacian() -> None:
    """All derivatives of a constant are 0, to rounding."""
    found = features(np.full((1, TISSUE_PATCH, TISSUE_PATCH), 1000.0))[0]
    for name, value in zip(FEATURES, found, strict=True):
        wanted = 0.0 if "gradient" in name or "Laplacian" in name else 1000 / STORED_TISSUE
        assert value == pytest.approx(wanted, abs=1e-9), name


def test_the_network_answers_as_the_machine() -> None:
    """Logits of 60 voxels agree to 2e-3, and so do features."""
    import torch

    drawn = data.drawn(data.TEST_PATIENTS, 9, SPIN_ECHO, patients=10, each=2)
    model = fitted(drawn.voxels(), drawn.patient, seed=1)
    net = TissueNet()
    net.load_state_dict({k: torch.from_numpy(v) for k, v in model.tensors().items()})
    images = torch.from_numpy(drawn.patches[:, None].astype(np.float32) / STORED_TISSUE)
    with torch.no_grad():
        np.testing.assert_allclose(net.features(images).numpy(), features(drawn.patches), atol=1e-5)
        np.testing.assert_allclose(net(images).numpy(), model.predict(drawn.patches[:, None]), atol=2e-3, rtol=2e-3)


def test_every_way_learns_what_is_apart() -> None:
    """Without a shift, clouds four standard deviations apart are told apart by every way of transfer."""
    source, target, test = clusters(300, 0.0, 1), clusters(60, 0.0, 2), clusters(300, 0.0, 3)
    for name, way in ways.WAYS.items():
        wrong = way(source, target, 0)(test.features) != test.tissue
        assert wrong.mean() < 0.05, name


def test_weighting_mends_a_shift_that_pooling_does_not() -> None:
    """Clouds moved by the distance of two neighbours: the source alone is wrong throughout, ten labels each mend it."""
    source, target, test = clusters(600, 0.0, 1), clusters(30, 1.2, 2), clusters(300, 1.2, 3)
    error = {n: (way(source, target, 0)(test.features) != test.tissue).mean() for n, way in ways.WAYS.items()}
    assert error["source only"] > 0.4
    assert error["weighted SVM"] < error["pooled"] < error["source only"]
    assert error["reweighted SVM"] <= error["weighted SVM"] + 0.02


def test_pairs_without_a_label_move_the_source() -> None:
    """With the same places under both protocols the shift is undone, and nobody labelled the target."""
    source, test = clusters(300, 0.0, 1), clusters(300, 1.2, 3)
    places = clusters(60, 0.0, 4).features
    answer = ways.transformed(source, ways.Pairs(source=places, target=places + np.array([1.2, 0.0])), 0)
    assert (answer(test.features) != test.tissue).mean() < 0.05


def test_weights_of_the_target_by_hand() -> None:
    """4 source and 2 target voxels: 0.2 each against 1 each; 100 source voxels share what 2 target voxels have."""
    np.testing.assert_allclose(ways.even_weights(4, 2), np.array([0.2] * 4 + [1.0] * 2) * 6 / 2.8)
    many = ways.even_weights(100, 2)
    assert many.mean() == pytest.approx(1)
    assert many[:100].sum() == pytest.approx(many[100:].sum())


def test_the_factor_of_boosting_is_that_of_the_paper() -> None:
    """1 / (1 + sqrt(2 ln n / N)) with n source voxels and N rounds."""
    assert ways.beta(100, 10) == pytest.approx(1 / (1 + math.sqrt(2 * math.log(100) / 10)))


def test_a_heavier_voxel_counts_as_several() -> None:
    """Twice the weight on half of the voxels gives nearly the machine of a table in which these stand twice."""
    voxels = clusters(90, 0.0, 6)
    weights = np.where(np.arange(90) < 45, 4 / 3, 2 / 3)
    rows = np.concatenate([np.arange(45), np.arange(90)])
    twice = ways.Voxels(features=voxels.features[rows], tissue=voxels.tissue[rows])
    asked = clusters(50, 0.0, 7).features
    said = ways.fit(voxels, seed=0, weights=weights).decide(asked)
    np.testing.assert_allclose(said, ways.fit(twice, seed=0).decide(asked), atol=0.02)


def test_distances_of_equal_and_of_different_sets() -> None:
    """Sets of one law lie near 0; sets that never overlap reach the proxy distance's largest value, 2."""
    one, other = RNG.standard_normal((200, 3)), RNG.standard_normal((200, 3))
    groups = np.arange(200) // 10
    assert abs(proxy_distance(one, other, groups, groups)) < 0.5
    assert abs(maximum_mean_discrepancy(one, other)) < 0.02
    assert proxy_distance(one, other + 20, groups, groups) == 2.0
    assert maximum_mean_discrepancy(one, other + 20) > 0.5


def test_the_discrepancy_by_hand() -> None:
    """Two voxels each at -1, 1 and at 1, 3 standard deviations: the median squared distance is 4."""
    one, other = np.array([[-1.0], [1.0]]), np.array([[1.0], [3.0]])
    near = math.exp(-4 / 4)
    between = (math.exp(-4 / 4) + math.exp(-16 / 4) + 1 + math.exp(-4 / 4)) / 4
    assert maximum_mean_discrepancy(one, other) == pytest.approx(2 * near - 2 * between, abs=1e-5)


def test_the_recipe_is_deterministic_and_takes_weights() -> None:
    """Equal seeds give equal answers; weights of 0 on a tissue's voxels take it away."""
    drawn = data.drawn(data.TEST_PATIENTS, 9, SPIN_ECHO, patients=8, each=3)
    images = drawn.patches[:, None].astype(np.float32)
    one, again = (fit(images, drawn.tissue, 3).predict(images) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    weights = np.where(drawn.tissue == 0, 1e-6, 1.0)
    assert (fit(images, drawn.tissue, 3, weights).predict(images).argmax(axis=1) == 0).sum() < 4


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of both audits, of the smallest size."""
    root = tmp_path_factory.mktemp("transfer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipe.PATIENTS, "smoke", 40)
        patch.setitem(recipe.DEVELOPMENT, "smoke", 4)
        return {name: write_audit(name, root / name, profile="smoke").parent for name in NAMES}


def test_both_are_audited_on_the_same_voxels(folders: dict[str, Path]) -> None:
    """Images and manifests are equal; audit.toml differs in name, weights and what the model was trained on."""
    one, other = (folders[name] for name in NAMES)
    for file in ("voxels.npy", "cases.csv", "development.npy", "development.csv", "policy.toml"):
        assert (one / file).read_bytes() == (other / file).read_bytes()
    lines = [(f / "audit.toml").read_text().splitlines() for f in (one, other)]
    changed = {a.split("=")[0].strip() for a, b in zip(*lines, strict=True) if a != b}
    assert {c for c in changed if not c.startswith("#")} == {"name", "path", "protocol"}


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_weights_have_their_figures_in_the_audited_folder(folders: dict[str, Path], name: str) -> None:
    """The error under each protocol lies in the shipped interval, widened by this cohort's own half."""
    from audit.core import Levels
    from audit.stats import proportion

    config = load_audit(folders[name] / "audit.toml")
    cohort = load_cohort(
        config.cohort, config.root, task="multiclass", classes=config.model.classes, input=config.model.input
    )
    assert cohort.phantom
    model = load_model(config.model, config.root)
    said = model.predict(np.stack([cohort.images.load(i) for i in range(len(cohort))])).argmax(axis=1)
    wrong, protocol = said != cohort.targets, cohort.attributes["protocol"].levels
    shipped = {f.name: f for f in read_figures(figures_of(all_systems()[name]))[1]}
    for level, words in (("A", "error, source protocol A"), ("B", "error, target protocol B")):
        rows = protocol == level
        found = proportion(wrong[rows], cohort.patients[rows], Levels())
        half = (found.bounds(0.025)[1] - found.bounds(0.025)[0]) / 2
        assert shipped[words].low - half <= found.value <= shipped[words].high + half


def test_some_patients_are_scanned_under_both_protocols(folders: dict[str, Path]) -> None:
    """15 % of the patients have the same voxels under A and under B."""
    rows = [line.split(",") for line in (folders["protocol-transfer"] / "cases.csv").read_text().splitlines()[1:]]
    by_patient: dict[str, set[str]] = {}
    for row in rows:
        by_patient.setdefault(row[1], set()).add(row[6])
    assert sum(len(p) == 2 for p in by_patient.values()) == 0.15 * 40


def test_few_labels_of_the_target_take_most_of_the_error_away() -> None:
    """The shipped figures: under the target protocol the intervals of both models lie apart by a factor of two."""
    one, other = ({f.name: f for f in read_figures(figures_of(all_systems()[n]))[1]} for n in NAMES)
    assert 2 * one["error, target protocol B"].value < other["error, target protocol B"].value
    assert one["error, target protocol B"].high < other["error, target protocol B"].low
