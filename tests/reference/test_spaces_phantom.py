"""The phantom of perivascular spaces in four brain regions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.reference.phantoms import (
    BRAIN_REGIONS,
    CROP_SIZE,
    DETERMINANTS,
    OBSERVERS,
    SCANNER_SETTINGS,
    Observer,
    PerivascularSpaces,
    SpacesKnobs,
    scanned,
)

REGION = "basal ganglia"


def cohort(n: int = 8, **knobs: object) -> PerivascularSpaces:
    """Return a small cohort."""
    return PerivascularSpaces(n=n, region=REGION, seed=(7, 0), knobs=SpacesKnobs(**knobs))  # type: ignore[arg-type]


def test_a_scan_depends_on_seed_and_index_alone() -> None:
    """Read backwards, from a longer cohort, a patient has the same scan; another seed gives another one."""
    first = [cohort(3).scan(i).image for i in range(3)]
    for i in (2, 0, 1):
        assert np.array_equal(cohort(9).scan(i).image, first[i])
    assert not np.array_equal(PerivascularSpaces(n=3, region=REGION, seed=(8, 0)).scan(0).image, first[0])


@pytest.mark.parametrize("region", list(BRAIN_REGIONS))
def test_every_region_has_a_crop_with_tissue_inside_its_mask(region: str) -> None:
    """Crops are 20 x 32 x 28 voxels; the region is a few thousand of them, none at the edge of all, all with signal."""
    scan = PerivascularSpaces(n=1, region=region, seed=(1, 0)).scan(0)
    assert scan.image.shape == scan.region.shape == CROP_SIZE == (20, 32, 28)
    assert max(CROP_SIZE) <= 32
    assert 2500 < scan.region.sum() < 9000
    assert (scan.image[scan.region] > 0).mean() > 0.99
    assert (scan.plane >= 0) == (BRAIN_REGIONS[region].plane is not None)


def test_spaces_are_bright_tubes_and_lacunes_brighter_than_white_matter_lesions() -> None:
    """Inside their masks spaces are brighter than the region about them; fluid is brighter than a lesion."""
    source = PerivascularSpaces(
        n=12, region="centrum semiovale", seed=(3, 0), knobs=SpacesKnobs(distractors=(2.0, 2.0), noise=0.0)
    )
    table = scanned(source)
    means = []
    for kind in range(3):
        inside, plain = table.masks[:, kind], table.regions & ~table.masks.any(axis=1)
        means.append(table.images[inside].mean() / table.images[plain].mean())
    assert means[0] > 1.15
    assert means[2] > means[1] + 0.1 > 1.1


def test_a_space_lies_in_the_plane_where_its_mask_has_voxels() -> None:
    """Counts of a plane are the tubes whose line comes within their radius of it; all of the region counts more."""
    source = cohort(12)
    for i in range(12):
        scan = source.scan(i)
        height = scan.plane - (CROP_SIZE[0] - 1) / 2
        near = 0
        for thing in source.anatomy(i).of_kind("space"):
            reach = abs(thing.direction[0]) * thing.length / 2
            near += abs(thing.middle[0] - height) <= reach + thing.core
        # A tube may come near the plane between two voxels and have none in it.
        assert len(scan.counted("space")) <= near
        assert len(scan.counted("space")) <= len(replace(scan, plane=-1).counted("space"))


def test_masks_of_different_things_do_not_touch() -> None:
    """What was placed lies apart, so that parts of the mask are what was counted."""
    from scipy import ndimage

    source = cohort(10)
    for i in range(10):
        scan = source.scan(i)
        _, parts = ndimage.label(np.any(list(scan.masks.values()), axis=0), structure=np.ones((3, 3, 3)))
        assert parts == len(scan.things)


def test_a_rescan_shows_the_same_things_in_another_position() -> None:
    """The number of spaces stays, but for one at the edge; image and masks are others."""
    source = cohort(6)
    for i in range(6):
        one, two = source.scan(i), source.scan(i, again=True)
        assert not np.array_equal(one.image, two.image)
        assert len(one.things) == len(two.things)


def test_drivers_change_the_expected_number_and_nothing_else_does() -> None:
    """Without spread, the log rate is the sum of the drivers' slopes, by hand: 0.5 for who smokes, less half 0.25."""
    source = cohort(40, drivers={"smoking": 0.5}, spread=0.0)
    for i in range(40):
        patient = source.patient(i)
        assert patient.log_rate == pytest.approx(0.5 * patient.present["smoking"] - 0.125, abs=1e-12)


def test_the_protocol_is_tied_to_the_lesion_where_a_knob_says_so() -> None:
    """With a steep tie the busier half is scanned at 3 T; without one the scanner says nothing."""
    for tie, low, high in ((0.0, -0.2, 0.2), (4.0, 0.5, 1.0)):
        source = cohort(400, busy_at_3t=tie)
        patients = [source.patient(i) for i in range(400)]
        rate, strong = np.array([p.log_rate for p in patients]), np.array([p.scanner == "3 T" for p in patients])
        assert low < np.corrcoef(rate, strong)[0, 1] < high


def test_there_are_twenty_determinants() -> None:
    """Age and sex, and eighteen that every patient has."""
    patient = cohort().patient(0)
    assert len(DETERMINANTS) == len(set(DETERMINANTS)) == 20
    assert {*patient.numbers, *patient.present, "age", "sex"} == set(DETERMINANTS)


def test_a_perfect_observer_counts_what_is_there() -> None:
    """One who sees all, takes nothing else and does not stray counts the spaces of the plane."""
    perfect = Observer(sees=1.0, thin=0.0, takes=(0.0, 0.0), invents=0.0, astray=0.0)
    source, rng = cohort(8), np.random.default_rng(0)
    for i in range(8):
        scan = source.scan(i)
        assert perfect.count(scan, rng) == len(scan.counted("space"))
    assert list(OBSERVERS) == ["observer_1", "observer_2", "observer_3"]


def test_without_contrast_spaces_do_not_show() -> None:
    """The knob takes the spaces out of the image and leaves them in the mask."""
    shown, hidden = cohort(1, noise=0.0).scan(0), cohort(1, noise=0.0, contrast=0.0).scan(0)
    mask = shown.masks["space"]
    assert np.array_equal(mask, hidden.masks["space"])
    assert shown.image[mask].mean() > hidden.image[mask].mean() + 100


def test_fluid_is_brightest_on_both_scanners() -> None:
    """T2 weighting by TR, TE and field: white matter, grey matter, lesion, fluid, from dark to bright."""
    for setting in SCANNER_SETTINGS.values():
        said = setting.signals()
        assert said["white matter"] < said["grey matter"] < said["lesion"] < said["fluid"]
        assert said["white matter"] == pytest.approx(setting.white_matter, rel=1e-12)
