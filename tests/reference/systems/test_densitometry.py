"""Densitometry counts voxels and knows no pattern."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.config import load_audit
from audit.models import load_model
from audit.reference._files import read_figures
from audit.reference._systems import all_systems, figures_of, weights_of
from audit.reference.systems.densitometry import _measure, recipe
from audit.reference.systems.densitometry.nets import MEASURES, perc15, ra910, ra950
from audit.reference.systems.emphysema import _folder
from audit.reference.systems.emphysema._data import MATCHED, TEST, render, render_matched


def _lung(*hu: float) -> np.ndarray:
    image = np.full((1, 1, 2, 5, 5), 40.0, np.float32)
    image.reshape(-1)[: len(hu)] = hu
    return image


def test_shares_and_percentile_are_those_of_a_lung_of_ten_voxels() -> None:
    """Of -1000, -960, -940, -920, -900 and five of -850 HU two lie below -950, four below -910; muscle is no lung.

    The 15th percentile lies 0.35 of the way from the second (-960) to the third (-940): -953 HU; to 1e-3.
    """
    image = _lung(-1000, -960, -940, -920, -900, -850, -850, -850, -850, -850)
    assert ra950(image)[0] == pytest.approx(20.0)
    assert ra910(image)[0] == pytest.approx(40.0)
    assert perc15(image)[0] == pytest.approx(953.0, abs=1e-3)


def test_an_image_without_lung_has_no_emphysema() -> None:
    """Nothing lies below a threshold where nothing is lung."""
    assert [float(measure(_lung())[0]) for measure in (ra950, ra910)] == [0.0, 0.0]


def test_lungs_of_one_histogram_are_one_to_every_measure() -> None:
    """The healthy and the ill of a pair get the same number, to the rounding of their file."""
    pairs = render_matched(MATCHED, 4, 1)
    assert (pairs.extents[1::2] > 0).all()
    for measure in MEASURES.values():
        said = measure(pairs.images)
        np.testing.assert_allclose(said[::2], said[1::2], rtol=1e-6)


def test_patterns_of_one_histogram_are_told_apart_by_chance() -> None:
    """The AUC of each two patterns is 0.5, exactly, and a deeper breath raises the 15th percentile's measure."""
    rows = {f.name: f for f in (*_measure.of_patterns(8, 1), *_measure.of_breath(8, 1))}
    told = [f.value for name, f in rows.items() if name.startswith("auc")]
    assert told == [0.5, 0.5, 0.5]
    deeper = rows["change of Perc15 with a breath deeper by a fifth, healthy lungs, HU"]
    # From 0.9 to 1.1 of full inspiration tissue of some 150 HU above air falls from 167 to 136: by 30 HU; noise stays.
    assert deeper.value == pytest.approx(30.0, abs=4.0)


def test_the_shipped_figures_are_those_of_the_phantom(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 60 of the 300 test patients the AUC lies within the shipped interval, 0.05 wider for so few."""
    monkeypatch.setattr(_measure, "RESAMPLES", 100)
    system = all_systems()["densitometry"]
    seed, shipped = read_figures(figures_of(system))
    tested = render(TEST, 60, seed)
    found = {f.name: f for f in _measure.of_presence(tested, "own histograms")}
    name = "auc, presence, RA950, own histograms"
    held = {f.name: f for f in shipped}[name]
    assert held.low is not None
    assert held.high is not None
    assert held.low - 0.05 < (found[name].value or 0) < held.high + 0.05
    assert {f.value for n, f in zip((f.name for f in shipped), shipped, strict=True) if "against" in n} == {0.5}


def test_the_written_folder_is_an_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten scans are read, and the callable answers them as the function does."""
    for table, n in ((_folder.PATIENTS, 6), (_folder.RESCANS, 2), (_folder.PAIRS, 1)):
        monkeypatch.setitem(table, "smoke", n)
    monkeypatch.setattr(_folder, "SCALED_ON", 20)
    system = all_systems()["densitometry"]
    recipe.write(system.name, tmp_path, weights=weights_of(system), seed=1, profile="smoke")
    config = load_audit(tmp_path / "audit.toml")
    cohort = load_cohort(
        config.cohort, config.root, task="binary", classes=config.model.classes, input=config.model.input
    )
    assert cohort.phantom
    assert len(cohort) == 10
    images = np.stack([cohort.images.load(i) for i in range(len(cohort))])
    said = load_model(config.model, config.root).predict(images)
    np.testing.assert_allclose(np.ravel(said), ra950(images))


def test_a_smaller_lung_is_no_emphysema() -> None:
    """A lung of half the size in the same tissue has the same share below -950 HU, to 2 points of noise."""
    from audit.reference.phantoms import LungScan, ParenchymaKnobs, ParenchymaScans, alike, render_parenchyma

    knobs = replace(ParenchymaKnobs(), vessels=0.0, airways=0.0)
    scan = LungScan(protocol="soft", scanner="A", dose=1.0, inspiration=1.0, shift=(0.0, 0.0, 0.0), noise=1)
    person = alike(ParenchymaScans(n=1, seed=(1,)).patient(0), pattern="none", extent=0.0, anatomy=3)
    both = [render_parenchyma(replace(person, scale=s), scan, knobs).image[None, None] for s in (1.0, 0.8)]
    assert ra950(both[0])[0] == pytest.approx(ra950(both[1])[0], abs=2.0)
