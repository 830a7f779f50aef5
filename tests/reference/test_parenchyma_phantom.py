"""The parenchyma phantom plants what its knobs say, and matches histograms exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.reference.phantoms import (
    PATTERNS,
    LungScan,
    ParenchymaKnobs,
    ParenchymaScans,
    alike,
    cut_regions,
    grade_of,
    match_histograms,
    matched_pair,
    render_parenchyma,
)

KNOBS = ParenchymaKnobs()
CLEAN = replace(KNOBS, texture=0.0, noise=0.0, vessels=0.0, airways=0.0, blur=(1e-3, 1e-3))
SCAN = LungScan(protocol="soft", scanner="A", dose=1.0, inspiration=1.0, shift=(0.0, 0.0, 0.0), noise=3)


def ill(seed: int = 1, **more: object) -> object:
    patient = ParenchymaScans(n=1, seed=(seed,), ill=(True,)).patient(0)
    given = {"second": "none", "second_share": 0.0, "density": -850.0, "depth": 80.0, "scale": 1.0, "bmi": 27.0}
    return replace(patient, **{**given, **more})


def test_a_scan_depends_on_seed_and_place_alone() -> None:
    """Read backwards or alone, a volume is the same; another seed, place or examination gives another."""
    scans = ParenchymaScans(n=3, seed=(5,))
    first = [scans.volume(i).image for i in range(3)]
    for i in (2, 0, 1):
        np.testing.assert_array_equal(ParenchymaScans(n=9, seed=(5,)).volume(i).image, first[i])
    others = (ParenchymaScans(n=3, seed=(6,)).volume(0), scans.volume(1), scans.volume(0, 1))
    assert not any(np.array_equal(other.image, first[0]) for other in others)


def test_a_rescan_shows_the_same_patient() -> None:
    """Patient and extent stay; kernel, inspiration or noise differ."""
    scans = ParenchymaScans(n=40, seed=(5,))
    index = next(i for i in range(40) if scans.patient(i).extent > 0.1)
    one, two = scans.volume(index), scans.volume(index, 1)
    # Both masks hold the drawn share, to half a voxel of some 2,000 to 5,000.
    assert one.extent == pytest.approx(two.extent, abs=0.0005)
    assert scans.scan(index) != scans.scan(index, 1)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_planted_extent_is_in_the_mask_and_in_the_image(pattern: str) -> None:
    """A fifth of the lung is emphysema, and without blur and noise its voxels and no others are darker."""
    made = render_parenchyma(ill(pattern=pattern, extent=0.2), SCAN, CLEAN)
    assert made.extent == pytest.approx(0.2, abs=0.0005)
    assert not any(made.lesions[name].any() for name in PATTERNS if name != pattern)
    np.testing.assert_array_equal(made.image < -860, made.emphysema)
    # FFTs of single precision: to 0.05 HU.
    np.testing.assert_allclose(made.image[made.lung & ~made.emphysema], -850, atol=0.05)


def test_patterns_lie_where_their_names_say() -> None:
    """Paraseptal emphysema lies further out than centrilobular, and panlobular fields have the fewest border voxels."""
    centre = (KNOBS.size - 1) / 2
    out, edge = {}, {}
    for pattern in PATTERNS:
        masks = [
            render_parenchyma(ill(seed, pattern=pattern, extent=0.2), SCAN, CLEAN).lesions[pattern] for seed in range(8)
        ]
        out[pattern] = np.mean([np.linalg.norm(np.argwhere(m) - centre, axis=1).mean() for m in masks])
        edge[pattern] = np.mean([np.mean(m[:, :, 1:] != m[:, :, :-1]) for m in masks])
    assert out["paraseptal"] > out["centrilobular"] + 1
    assert edge["panlobular"] < 0.6 * edge["centrilobular"]


def test_inspiration_dilutes_tissue_as_the_acquisition_knob_does() -> None:
    """A fifth more air: -1000 + 150 / 1.2 = -875 HU; the lung is wider by the cube root of 1.2."""
    person = ill(pattern="none", extent=0.0)
    deep = render_parenchyma(person, replace(SCAN, inspiration=1.2), CLEAN)
    np.testing.assert_allclose(deep.image[deep.lung], -875, atol=0.05)
    ratio = deep.lung.sum() / render_parenchyma(person, SCAN, CLEAN).lung.sum()
    # A lung of some 3,000 voxels; 5 % for its edge.
    assert ratio == pytest.approx(1.2, rel=0.05)


def test_dose_and_kernel_change_the_noise_as_declared() -> None:
    """A quarter of the dose doubles the noise, the sharp kernel has 1.5 times as much; to 3 % of 13,824 voxels."""
    noisy = replace(CLEAN, noise=22.0)
    person = ill(pattern="none", extent=0.0)
    plain = render_parenchyma(person, SCAN, CLEAN).image
    for scan, factor in ((SCAN, 1), (replace(SCAN, dose=0.25), 2), (replace(SCAN, protocol="sharp"), 1.5)):
        assert (render_parenchyma(person, scan, noisy).image - plain).std() == pytest.approx(22 * factor, rel=0.03)


def test_matched_lungs_hold_the_same_intensities_and_other_patterns() -> None:
    """Sorted, the intensities of both lungs are equal, bit for bit, and so is every share below a threshold."""
    person = ill(pattern="centrilobular", extent=0.3)
    other = alike(person, pattern="paraseptal", extent=0.3, anatomy=9)
    (one, first), (two, second) = matched_pair(person, other, SCAN, KNOBS, noise=8)
    np.testing.assert_array_equal(np.sort(first[one.lung]), np.sort(second[two.lung]))
    assert not np.array_equal(first, second)
    # The order within each lung is kept.
    order = np.argsort(one.image[one.lung], kind="stable")
    assert (np.diff(first[one.lung][order]) >= 0).all()
    np.testing.assert_array_equal(first[~one.lung], one.image[~one.lung])


def test_lungs_of_different_size_are_not_matched() -> None:
    """One histogram needs as many voxels in both."""
    small, large = (render_parenchyma(ill(scale=scale), SCAN, KNOBS) for scale in (0.9, 1.0))
    with pytest.raises(ValueError, match="equally many voxels"):
        match_histograms(small, large)


def test_regions_lie_in_the_lung() -> None:
    """A thousand cubes hold at least the asked share of lung, and are cut from the image."""
    made = render_parenchyma(ill(), SCAN, KNOBS)
    cubes, lung = cut_regions(made.image, made.lung, count=1000, size=6, rng=np.random.default_rng(0), share=0.9)
    assert cubes.shape == lung.shape == (1000, 6, 6, 6)
    assert lung.mean(axis=(1, 2, 3)).min() >= 0.9
    np.testing.assert_array_equal(lung, np.isin(cubes, made.image[made.lung]))
    with pytest.raises(ValueError, match="in which cubes of 20 voxels fit"):
        cut_regions(made.image, made.lung, count=1, size=20, rng=np.random.default_rng(0), share=0.9)


@pytest.mark.parametrize(
    ("extent", "grade"), [(0.0, 0), (0.012, 1), (0.055, 2), (0.25, 2), (0.26, 3), (0.6, 4), (0.76, 5), (1.0, 5)]
)
def test_grades_are_those_of_the_scale(extent: float, grade: int) -> None:
    """0, 1-5, 6-25, 26-50, 51-75 and 76-100 %."""
    assert grade_of(extent) == grade


def test_knobs_tie_sex_protocol_and_smoking_to_disease() -> None:
    """Log odds of 3 between the sexes: odds of e^1.5 and e^-1.5 around an even chance; protocol as the ill have it."""
    even = replace(KNOBS, prevalence=0.5, of_pack_years=0.0, of_age=0.0)
    tied = ParenchymaScans(n=1500, seed=(2,), knobs=replace(even, of_men=3.0, sharp_of_ill=0.9, sharp_of_healthy=0.1))
    people = [tied.patient(i) for i in range(1500)]
    men = np.array([one.sex == "male" for one in people])
    has = np.array([one.extent > 0 for one in people])
    sharp = np.array([tied.scan(i).protocol == "sharp" for i in range(1500)])
    # Four standard errors of a share among some 750.
    assert has[men].mean() == pytest.approx(1 / (1 + np.exp(-1.5)), abs=0.06)
    assert has[~men].mean() == pytest.approx(1 / (1 + np.exp(1.5)), abs=0.06)
    assert sharp[has].mean() == pytest.approx(0.9, abs=0.05)
    assert sharp[~has].mean() == pytest.approx(0.1, abs=0.05)
    free = ParenchymaScans(n=1500, seed=(2,), knobs=even)
    other = [free.patient(i) for i in range(1500)]
    assert abs(np.mean([o.extent > 0 for o in other if o.sex == "male"]) - 0.5) < 0.06


def test_two_observers_agree_in_about_five_of_six_patients() -> None:
    """Six-class agreement of the two observers lies between 78 and 90 % of 1,500 patients; neither is always right."""
    scans = ParenchymaScans(n=1500, seed=(3,))
    people = [scans.patient(i) for i in range(1500)]
    grades, truth = np.array([p.grades for p in people]), np.array([p.grade for p in people])
    assert 0.78 < (grades[:, 0] == grades[:, 1]).mean() < 0.90
    assert 0.85 < (grades[:, 0] == truth).mean() < 1
