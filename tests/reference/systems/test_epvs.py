"""The network that counts perivascular spaces: its outputs, how it is trained, its figures and its folder."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.config import load_audit
from audit.models import load_model
from audit.reference import _counting, _spaces_folder, write_audit
from audit.reference._counting import Counting, agreement, answers, learn_counts
from audit.reference._files import read_figures
from audit.reference._systems import all_systems, figures_of, weights_of
from audit.reference.phantoms import BRAIN_REGIONS, DETERMINANTS, PerivascularSpaces, SpacesTable, scanned
from audit.reference.systems.epvs import _curves, _folder, _learning, nets, training
from audit.reference.systems.epvs.nets import REGION_NAMES

FULL = 4095.0


@pytest.fixture(scope="module")
def few() -> SpacesTable:
    return scanned(_learning.cohort("basal ganglia", 70, seed=5, part=_learning.TEST, knobs=_learning.Settings().knobs))


@pytest.fixture(scope="module")
def net() -> Any:
    from safetensors.torch import load_file

    made = nets.counter()
    made.load_state_dict(load_file(weights_of(all_systems()["epvs"])))
    return made.eval()


def test_regions_are_those_of_the_phantom() -> None:
    """The outputs stand in the order of the phantom's regions."""
    assert tuple(BRAIN_REGIONS) == REGION_NAMES


def test_networks_of_regions_share_all_weights(few: SpacesTable) -> None:
    """Each region's network answers with one column of the same network."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = nets.counter().eval()
    every = answers(whole, few.images[:3], full=FULL)
    for column, make in enumerate((nets.midbrain, nets.hippocampi, nets.basal_ganglia, nets.centrum_semiovale)):
        one = make()
        one.load_state_dict(whole.state_dict())
        np.testing.assert_allclose(answers(one, few.images[:3], full=FULL)[:, 0], every[:, column], rtol=1e-6)


def test_there_are_more_convolutions_than_poolings_and_no_final_activation() -> None:
    """Five convolutions, two poolings; the last layer is linear."""
    from torch import nn

    layers = list(nets.counter().modules())
    assert sum(isinstance(one, nn.Conv3d) for one in layers) == 5
    assert sum(isinstance(one, nn.MaxPool3d) for one in layers) == 2
    assert isinstance(layers[-1], nn.Linear)


@pytest.fixture(scope="module")
def bars() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return (48, 8, 8, 8) cubes with none to three bright bars, and their number."""
    counts = np.random.default_rng(0).integers(0, 4, 48)
    images = np.zeros((48, 8, 8, 8), dtype=np.uint16)
    for i, count in enumerate(counts):
        for k in range(count):
            images[i, 2 * k, 3:5, 3:5] = 4000
    return images, counts


def test_training_lowers_the_error(bars: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> None:
    """Bars are counted from their numbers alone: less than half of the variance is left."""
    images, counts = bars
    settings = Counting(epochs=12, batch=8, learning_rate=1e-2)
    made = learn_counts(
        _learning.fresh(3), images, counts, np.zeros(48, dtype=np.int64), full=FULL, seed=1, settings=settings
    )
    assert np.mean((answers(made, images, full=FULL)[:, 0] - counts) ** 2) < 0.5 * counts.var()


def test_training_is_the_same_twice(bars: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> None:
    """The same seed gives the same weights, another seed others."""
    import torch

    images, counts = bars
    one, two, other = (
        learn_counts(
            _learning.fresh(3), images[:8], counts[:8], np.zeros(8, dtype=np.int64), full=FULL, seed=seed,
            settings=Counting(epochs=1, batch=4, shift=1),
        )
        for seed in (1, 1, 2)
    )  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_moved_scans_hold_what_stays_inside() -> None:
    """A voxel in the middle is moved by a step at most along every axis, and nothing is added."""
    image = np.zeros((40, 5, 5, 5), dtype=np.uint16)
    image[:, 2, 2, 2] = 7
    moved = _counting._varied(image, np.random.default_rng(0), 1)
    places = np.argwhere(moved == 7)
    assert len(places) == 40
    assert set(np.unique(places[:, 1:])) == {1, 2, 3}
    assert moved.sum() == image.sum()


def test_shipped_weights_reach_their_shipped_figures(net: Any, few: SpacesTable) -> None:
    """On other patients of the basal ganglia agreement with observer 1 has an interval that meets the shipped one."""
    _, shipped = read_figures(figures_of(all_systems()["epvs"]))
    figure = {f.name: f for f in shipped}["icc with observer 1, basal ganglia"]
    found = agreement(answers(net, few.images, full=FULL)[:, 2], few.readings[:, 0])
    low, high = found.bounds(0.025) or (None, None)
    assert figure.low is not None
    assert figure.high is not None
    assert low is not None
    assert high is not None
    assert low < figure.high
    assert high > figure.low
    assert found.value is not None
    assert found.value > 0.6


def test_every_region_has_figures_beside_those_of_observers() -> None:
    """Five figures a region, with intervals; the network repeats better than observer 1 in every one of them."""
    _, shipped = read_figures(figures_of(all_systems()["epvs"]))
    found = {f.name: f for f in shipped}
    assert len(found) == 5 * len(REGION_NAMES)
    for region in REGION_NAMES:
        ours, theirs = found[f"scan-rescan icc, {region}"], found[f"scan-rescan icc of observer 1, {region}"]
        assert ours.value is not None
        assert theirs.value is not None
        assert ours.value > theirs.value


def test_bright_parts_are_counted_by_hand() -> None:
    """Two bright bars of four voxels in the plane, one off it and one of two voxels: two in the plane, three in all."""
    image = np.random.default_rng(0).normal(1000, 5, (1, 20, 32, 28))
    for plane, row, length in ((10, 8, 4), (10, 16, 4), (3, 12, 4), (10, 24, 2)):
        image[0, plane, row, 10 : 10 + length] = 2500
    region, masks = np.ones((1, 20, 32, 28), dtype=bool), np.zeros((1, 3, 20, 32, 28), dtype=bool)
    for plane, wanted in ((10, 2), (-1, 3)):
        table = SpacesTable(
            images=image.astype(np.uint16), masks=masks, regions=region, planes=np.array([plane]),
            readings=np.zeros((1, 3), dtype=np.int64), there=np.array([3]),
        )  # fmt: skip
        assert _spaces_folder.parts_of_table(table).tolist() == [wanted]


def test_the_folder_is_one_that_an_audit_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four files load, each with masks, distractors, raters, repeats and twenty determinants; the model answers."""
    monkeypatch.setattr(_folder, "PATIENTS", {"smoke": 6})
    monkeypatch.setattr(_folder, "RESCANS", {"smoke": 2})
    monkeypatch.setattr(_folder, "SCALED_ON", 6)
    monkeypatch.setattr(_folder, "DEVELOPED", {"smoke": 5})
    main = write_audit("epvs", tmp_path / "epvs", profile="smoke")
    assert main.name == "audit.toml"
    for stem in ("audit", "midbrain", "hippocampi", "centrum-semiovale"):
        config = load_audit(main.with_name(f"{stem}.toml"))
        cohort = load_cohort(config.cohort, config.root, task="regression", classes=(), input=config.model.input)
        model = load_model(config.model, config.root)
        assert (len(cohort), cohort.n_patients) == (8, 6)
        assert cohort.phantom
        assert set(cohort.distractors) == {"white matter lesion", "lacune"}
        assert set(cohort.raters) == {"observer_1", "observer_2", "observer_3"}
        assert set(DETERMINANTS) <= set(cohort.attributes)
        assert (cohort.annotated_planes is not None) == (stem in ("audit", "centrum-semiovale"))
        assert cohort.masks is not None
        assert cohort.images is not None
        assert np.isfinite(model.predict(np.stack([cohort.images.load(0)]))).all()
    sized = load_audit(main.with_name("training-size.toml"))
    assert sized.training is not None
    with (tmp_path / "epvs" / "development.csv").open(encoding="utf-8") as stream:
        assert {row["patient"] for row in csv.DictReader(stream)} == {f"trained-{i:04d}" for i in range(5)}
    with (tmp_path / "epvs" / "cases-basal-ganglia.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["examined_twice"] for row in rows] == ["0000", "0001", "", "", "", "", "0000", "0001"]


def test_the_cohort_does_not_depend_on_the_weights_and_shares_no_patient_with_training() -> None:
    """Parts differ in their entropy."""
    knobs = _learning.Settings().knobs
    ages = [
        tuple(_learning.cohort("midbrain", 5, seed=1, part=part, knobs=knobs).patient(i).age for i in range(5))
        for part in (_learning.TRAINING, _learning.TEST, _learning.AUDIT, _learning.DEVELOPMENT)
    ]
    assert len(set(ages)) == 4
    assert isinstance(_learning.cohort("midbrain", 5, seed=1, part=0, knobs=knobs), PerivascularSpaces)


def test_curves_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that has a file is not measured again; every number of patients and seed has one."""
    asked: list[tuple[int, int]] = []

    def cell(size: int, seed: int) -> dict[str, object]:
        asked.append((size, seed))
        return {"patients": size, "seed": seed, **{name: {"observer 1": 0.5} for name in REGION_NAMES}}

    monkeypatch.setattr(_curves, "cell", cell)
    monkeypatch.setattr(_curves, "SIZES", (4, 8))
    monkeypatch.setattr(_curves, "SEEDS", (1, 2))
    (tmp_path / "epvs-0004-1.json").write_text('{"patients": 4, "seed": 1, "there": true}', encoding="utf-8")
    _curves.curves("epvs", tmp_path, say=lambda _: None)
    assert asked == [(4, 2), (8, 1), (8, 2)]
    assert len(list(tmp_path.glob("epvs-*.json"))) == 4


def test_a_short_training_gives_figures_for_every_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell of the curve has agreement with both observers in all four regions."""
    tiny = replace(_learning.Settings(), tested=8, counting=Counting(epochs=1, batch=4))
    monkeypatch.setattr(_curves, "Settings", lambda patients=4: replace(tiny, patients=patients))
    monkeypatch.setattr(_curves, "STEPS", 4)
    _curves._tested.cache_clear()
    found = _curves.cell(4, 1)
    _curves._tested.cache_clear()
    assert all(set(found[name]) == {"observer 1", "observer 2"} for name in REGION_NAMES)  # type: ignore[call-overload]


def test_the_recipe_of_an_audit_takes_stored_grey_levels(few: SpacesTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it returns answers stored images with one count each, near the mean after a few steps."""
    import torch

    monkeypatch.setattr(training, "STEPS", 2)
    made = training.fit(few.images[:8, None].astype(np.float32), few.readings[:8, 0], 1)
    with torch.inference_mode():
        said = made(torch.as_tensor(few.images[:3, None].astype(np.float32)))
    assert said.shape == (3, 1)
    assert torch.isfinite(said).all()
