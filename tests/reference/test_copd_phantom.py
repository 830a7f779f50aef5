"""The longitudinal COPD phantom: every knob does what it says, and a scan depends on its patient alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.reference.phantoms import RESCAN, SCAN, SHALLOW, CopdKnobs, CopdScans, ParenchymaKnobs, copd_patients

SEED = (7, 1)
SMALL = ParenchymaKnobs(size=36, spacing_mm=2.0)
COLUMNS = (
    "number",
    "male",
    "age",
    "severity",
    "ratio",
    "copd",
    "kernel",
    "log_odds",
    "breath",
    "onset",
    "time",
    "event",
)


def test_the_first_of_more_patients_are_the_same() -> None:
    """Forty patients are the first forty of sixty; those of another seed are others."""
    few, more, other = (copd_patients(n, seed=s) for n, s in ((40, SEED), (60, SEED), (40, (7, 2))))
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(few, name), getattr(more, name)[:40], err_msg=name)
    assert not np.array_equal(few.severity, other.severity)


def test_patients_at_risk_are_those_without_copd() -> None:
    """They are the patients of the plain draw that have no COPD, in its order."""
    everybody, at_risk = copd_patients(80, seed=SEED), copd_patients(40, seed=SEED, at_risk=True)
    np.testing.assert_array_equal(at_risk.severity, everybody.severity[~everybody.copd][:40])
    assert not at_risk.copd.any()


def test_lung_function_follows_severity_as_declared() -> None:
    """Without airways and age FEV1/FVC is a straight line of severity, and COPD is what lies below 0.70; to 1e-12."""
    knobs = CopdKnobs(airways=0.0, ratio_of_age=0.0, ratio=0.75, ratio_of_severity=0.05)
    p = copd_patients(60, seed=SEED, knobs=knobs)
    np.testing.assert_allclose(p.ratio, 0.75 - 0.05 * p.severity, atol=1e-12)
    np.testing.assert_array_equal(p.copd, p.severity > 1.0)


def test_onset_is_when_the_ratio_falls_below_the_limit() -> None:
    """0.02 above 0.70, falling by 0.001 + 0.04 x 0.1 a year, is four years; nobody lost, the study ends after three."""
    knobs = CopdKnobs(
        progress_spread=0.0, progress=0.1, ratio_of_severity=0.04, ratio_of_age=0.001, lost=0.0, study=3.0
    )
    p = copd_patients(200, seed=SEED, knobs=knobs, at_risk=True)
    np.testing.assert_allclose(p.onset, (p.ratio - 0.70) / 0.005, atol=1e-9)
    np.testing.assert_array_equal(p.event, p.onset <= 3.0)
    np.testing.assert_allclose(p.time, np.minimum(p.onset, 3.0), atol=1e-12)


def test_patients_are_lost_as_often_as_declared() -> None:
    """Without COPD in sight 20 % a year leave an exponential share: exp(-0.2 x 4) are there after four; to 0.05."""
    knobs = CopdKnobs(ratio=3.0, lost=0.2, study=50.0)
    p = copd_patients(1500, seed=SEED, knobs=knobs)
    assert not p.event[p.time < 4].any()
    assert (p.time >= 4).mean() == pytest.approx(np.exp(-0.8), abs=0.05)


def test_the_kernel_is_tied_to_disease_where_asked() -> None:
    """All of the ill under the sharp kernel and none of the others; by default half of either, to 0.1."""
    tied = copd_patients(60, seed=SEED, knobs=CopdKnobs(sharp_of_ill=1.0, sharp_of_well=0.0))
    np.testing.assert_array_equal(tied.kernel == "sharp", tied.copd)
    free = copd_patients(2000, seed=SEED)
    for group in (free.copd, ~free.copd):
        assert (free.kernel[group] == "sharp").mean() == pytest.approx(0.5, abs=0.1)


def test_sex_drives_severity_only_where_asked() -> None:
    """The same draws with a knob of 1.5 put men 1.5 higher than women than they were, to 1e-12."""
    plain, tied = (copd_patients(50, seed=SEED, knobs=CopdKnobs(severity_of_sex=k)) for k in (0.0, 1.5))
    moved = tied.severity - plain.severity
    np.testing.assert_allclose(moved[plain.male], 1.5 * (1 - 0.55), atol=1e-12)
    np.testing.assert_allclose(moved[~plain.male], -1.5 * 0.55, atol=1e-12)


def test_the_lung_holds_the_emphysema_that_was_drawn() -> None:
    """The planted share is that of severity and of the septa together, to a voxel in the lung."""
    p = copd_patients(4, seed=SEED)
    scans = CopdScans(patients=p, lung=SMALL)
    for i in range(4):
        volume = scans.volume(i)
        drawn = 1 / (1 + np.exp(-p.log_odds[i])) + 1 / (1 + np.exp(-p.septal_log_odds[i]))
        assert volume.extent == pytest.approx(drawn, abs=1.01 / volume.lung.sum())
        assert volume.lesions["paraseptal"].any()


def test_a_scan_does_not_depend_on_what_was_read_before() -> None:
    """Examinations read backwards are those read one by one; regions are whole HU in the stored range."""
    p = copd_patients(3, seed=SEED)
    scans, again = CopdScans(patients=p, lung=SMALL), CopdScans(patients=p, lung=SMALL)
    backwards = [scans.load(i) for i in (2, 1, 0)][::-1]
    for i in range(3):
        np.testing.assert_array_equal(again.load(i), backwards[i])
    assert backwards[0].shape == (6, 16, 16, 16)
    assert backwards[0].min() >= -1100
    np.testing.assert_array_equal(backwards[0], np.round(backwards[0]))


def test_a_rescan_is_of_the_same_lung_and_another_image() -> None:
    """The planted share stays to 0.02, the regions are others; a shallower breath makes the lung 1/0.85 as dense."""
    p = replace(copd_patients(2, seed=SEED), breath=np.zeros((2, 2)))
    scans = CopdScans(patients=p, of=[0, 0, 0], kinds=[SCAN, RESCAN, SHALLOW], lung=SMALL)
    one, two, shallow = (scans.examine(i) for i in range(3))
    assert one.extent == pytest.approx(two.extent, abs=0.02)
    assert not np.array_equal(one.regions, two.regions)
    dense = [float(np.median(scans.volume(i).image[scans.volume(i).lung])) + 1000 for i in (0, 2)]
    assert dense[1] / dense[0] == pytest.approx(1 / 0.85, rel=0.05)
    assert shallow.ra950 < one.ra950


def test_densitometry_is_that_of_the_stored_numbers() -> None:
    """RA950, RA910 and the 15th percentile of the lung's rounded HU, counted again."""
    p = copd_patients(1, seed=SEED)
    scans = CopdScans(patients=p, lung=SMALL)
    volume, found = scans.volume(0), scans.examine(0)
    inside = np.rint(volume.image[volume.lung])
    assert found.ra950 == pytest.approx(np.count_nonzero(inside < -950) / inside.size, abs=1e-12)
    assert found.ra910 == pytest.approx(np.count_nonzero(inside < -910) / inside.size, abs=1e-12)
    assert found.perc15 == pytest.approx(np.quantile(inside, 0.15), abs=1e-6)
