"""The skull-base phantom: what is planted is in the image, by an amount that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import label

from audit.reference.phantoms import READERS, SkullBaseKnobs, SkullBaseVolumes, draw_patient, draw_scan
from audit.reference.phantoms._skull_base import SHARP, SOFT, Plaque, Spicule
from audit.reference.phantoms._skull_base_drawn import box_of

KNOBS = SkullBaseKnobs()
QUIET = replace(SHARP, noise_hu=0.0)


@pytest.fixture(scope="module")
def bare():
    """A patient without calcium, bone at the vessels or noise."""
    patient = draw_patient(np.random.default_rng(1), KNOBS)
    vessels = tuple(replace(v, clinoid=None, sway_mm=0.0, canal_mm=-5.0) for v in patient.vessels)
    return replace(patient, plaques=(), spicules=(), vessels=vessels, acquisition=QUIET)


def plaque(**more):
    """Return a plaque on the left, in the middle of the field."""
    given = {
        "side": 1, "height_mm": 10.0, "angle": 0.0, "along_mm": 3.0, "around_mm": 3.0, "deep_mm": 1.0, "hu": 600.0,
    }  # fmt: skip
    return Plaque(**{**given, **more})


def drawn(patient, **more):
    """Return a scan; the generator draws noise alone, of which there is none."""
    return draw_scan(patient, np.random.default_rng(0), KNOBS, **more)


def test_patients_do_not_depend_on_the_order_in_which_they_are_read():
    """The same place of the same seed gives the same bytes; another seed or place gives others."""
    volumes = SkullBaseVolumes(patients=4, seed=(3,))
    last, first = volumes.scan(3).image, volumes.scan(0).image
    again = SkullBaseVolumes(patients=4, seed=(3,))
    np.testing.assert_array_equal(again.scan(0).image, first)
    np.testing.assert_array_equal(again.scan(3).image, last)
    assert not np.array_equal(first, last)
    assert not np.array_equal(SkullBaseVolumes(patients=4, seed=(4,)).scan(0).image, first)


def test_a_plaque_is_where_it_was_planted(bare):
    """At 0 radians of the left vessel it lies to the left of it, at 10 mm of height, and nowhere else."""
    with_it, without = drawn(replace(bare, plaques=(plaque(),))), drawn(bare)
    assert not without.plaques.any()
    places = np.argwhere(with_it.plaques)
    vessel = bare.vessels[1]
    middle = (places + 0.5) * np.array(KNOBS.spacing_mm)
    assert middle[:, 0].mean() == pytest.approx(10.0, abs=0.1)
    assert middle[:, 1].mean() == pytest.approx(vessel.row_mm, abs=0.3)
    from_midline = middle[:, 2] - KNOBS.size[2] * KNOBS.spacing_mm[2] / 2 - vessel.column_mm
    # It is bent round the vessel, so its middle lies inside the wall, at most the radius and a little from the centre.
    assert 0.5 * vessel.radius_mm < from_midline.mean() < vessel.radius_mm + 0.5
    far = ~np.isin(np.arange(KNOBS.size[0]), np.unique(places[:, 0]))
    np.testing.assert_array_equal(with_it.image[far][1:-1], without.image[far][1:-1])


def test_the_reference_has_the_density_that_was_planted(bare):
    """All of it is 130 HU or more without noise, none of it above its own density; fainter than that is not marked."""
    scan = drawn(replace(bare, plaques=(plaque(),)))
    inside = scan.image[scan.plaques]
    assert inside.min() >= 130
    assert inside.max() <= 600
    assert not drawn(replace(bare, plaques=(plaque(hu=125.0),))).plaques.any()


def test_the_reference_is_that_of_the_sharp_kernel_in_thin_planes(bare):
    """However the patient is scanned, the reference stays; a soft kernel and thick planes lower the plaque in it."""
    patient = replace(bare, plaques=(plaque(along_mm=1.0, around_mm=1.0, hu=400.0),))
    one = drawn(patient)
    other = drawn(patient, acquisition=replace(SOFT, noise_hu=0.0, thickness_mm=2.0))
    np.testing.assert_array_equal(one.plaques, other.plaques)
    assert other.image[one.plaques].max() < 0.8 * one.image[one.plaques].max()


def test_thick_planes_mean_over_thin_ones():
    """Planes of 2 mm count 1/4, 1/2, 1/4 of planes of 1 mm; of 3 mm a third each; of 1 mm one."""
    np.testing.assert_allclose(box_of(2.0, 1.0), [0.25, 0.5, 0.25], atol=1e-12)
    np.testing.assert_allclose(box_of(3.0, 1.0), [1 / 3] * 3, atol=1e-12)
    np.testing.assert_allclose(box_of(1.0, 1.0), [1.0], atol=1e-12)


@pytest.mark.parametrize("how", [SHARP, SOFT])
def test_noise_is_as_large_as_declared(bare, how):
    """The standard deviation in soft tissue away from everything, to 5 % over 2,000 voxels."""
    noisy = draw_scan(bare, np.random.default_rng(5), KNOBS, acquisition=how).image.astype(float)
    still = drawn(bare, acquisition=replace(how, noise_hu=0.0)).image
    assert (noisy - still)[3:-3].std() == pytest.approx(how.noise_hu, rel=0.05)


def test_a_ligament_is_as_dense_as_plaque_and_not_plaque(bare):
    """A rod of 500 HU beside the vessel is a spicule, and no voxel of it a plaque or bone."""
    rod = Spicule(
        side=-1, height_mm=10.0, away_mm=6.5, angle=1.57, turn=0.0, half_mm=2.0, radius_mm=0.9, hu=500.0
    )  # fmt: skip
    scan = drawn(replace(bare, spicules=(rod,)))
    assert scan.spicules.any()
    assert scan.image[scan.spicules].min() >= 130
    assert not (scan.plaques | (scan.spicules & scan.bone)).any()


def test_the_region_is_soft_tissue_about_the_vessels(bare):
    """It holds both vessels, no bone and nothing further than 9 mm from both."""
    scan = drawn(bare)
    assert scan.region.any()
    assert not (scan.region & scan.bone).any()
    places = (np.argwhere(scan.region) + 0.5) * np.array(KNOBS.spacing_mm)
    away = [
        np.hypot(places[:, 1] - v.row_mm, places[:, 2] - KNOBS.size[2] * KNOBS.spacing_mm[2] / 2 - v.column_mm)
        for v in bare.vessels
    ]
    assert np.minimum(*away).max() < 9.0


def mean_number(**knobs):
    """Return the mean number of planted plaques of 1,500 patients who smoke and of those who do not."""
    made = SkullBaseKnobs(spread=0.0, of_age=0.0, of_men=0.0, of_hypertension=0.0, **knobs)
    rng = np.random.default_rng(7)
    patients = [draw_patient(rng, made) for _ in range(1500)]
    return {flag: np.mean([len(p.plaques) for p in patients if p.smoker == flag]) for flag in (True, False)}


def test_risk_factors_drive_the_number_of_plaques():
    """With a log ratio of ln 2 smokers have more, of 0 as many; plaques that would touch are left out, so not twice."""
    driven, free = mean_number(plaques=0.6, of_smoking=np.log(2)), mean_number(plaques=0.6, of_smoking=0.0)
    assert 1.6 < driven[True] / driven[False] < 2.1
    # Two means of 450 and 1,050 counts of about 0.6: standard error of the ratio 0.07.
    assert free[True] / free[False] == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(("tie", "low", "high"), [(0.0, -0.08, 0.08), (np.log(9), 0.32, 0.48)])
def test_the_kernel_can_be_tied_to_sex(tie, low, high):
    """Log odds of ln 9 more make 0.9 of 0.5: a difference of 0.4, to three standard errors of 1,000 patients."""
    rng = np.random.default_rng(8)
    patients = [draw_patient(rng, SkullBaseKnobs(sharp_of_men=tie)) for _ in range(1000)]
    share = {
        sex: np.mean([p.acquisition.kernel == "sharp" for p in patients if p.sex == sex]) for sex in ("male", "female")
    }
    assert low < share["male"] - share["female"] < high


def test_a_rescan_shows_the_same_patient_elsewhere():
    """Volumes of both references differ by voxels at the edge alone, images throughout."""
    volumes = SkullBaseVolumes(patients=40, seed=(9,))
    pairs = [(volumes.scan(i), volumes.rescan(i)) for i in range(40)]
    sizes = np.array([[s.plaques.sum() for s in pair] for pair in pairs], dtype=float)
    assert np.corrcoef(sizes.T)[0, 1] > 0.95
    assert all((a.image != b.image).mean() > 0.5 for a, b in pairs)


def test_readers_err_as_they_are_described():
    """The one who sees small plaques finds more; all agree with the truth better than chance; none is perfect."""
    volumes = SkullBaseVolumes(patients=60, seed=(10,))
    found, asked, ligaments, rods = np.zeros(3), 0, np.zeros(3), 0
    for index in range(60):
        scan = volumes.scan(index)
        parts, count = label(scan.plaques, np.ones((3, 3, 3)))
        asked += count
        rods += label(scan.spicules, np.ones((3, 3, 3)))[1]
        for k, reader in enumerate(READERS):
            read = volumes.reading(index, reader, scan)
            np.testing.assert_array_equal(read, volumes.reading(index, reader))
            assert scan.image[read].min(initial=9999) >= 130
            found[k] += np.unique(parts[read & (parts > 0)]).size
            ligaments[k] += label(read & scan.spicules, np.ones((3, 3, 3)))[1]
    assert (found / asked > 0.6).all()
    assert (found < asked).all()
    # 0.25 against 0.05 of some 70 ligaments: 18 against 4.
    assert ligaments[2] > ligaments[1]
    assert rods > 40


def test_a_stroke_is_likelier_with_more_calcium():
    """500 patients with 400 mm³ have it more often than without any, by the declared log odds."""
    volumes = SkullBaseVolumes(patients=500, seed=(11,), knobs=SkullBaseKnobs(stroke_of_age=0.0))
    share = {v: np.mean([volumes.stroke(i, v) for i in range(500)]) for v in (0.0, 400.0)}
    odds = {v: 1 / (1 + np.exp(2.6 - 0.25 * np.log2(1 + v))) for v in share}
    for volume, wanted in odds.items():
        # Three standard errors of 500 draws.
        assert share[volume] == pytest.approx(wanted, abs=3 * np.sqrt(wanted * (1 - wanted) / 500))
