"""The tissue phantom: seeded, independent of the order of reading, and as its knobs say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.reference.phantoms import (
    PREPARED,
    SPIN_ECHO,
    STORED_TISSUE,
    TissueKnobs,
    TissuePatients,
    TissueProtocol,
    spin_echo,
)
from audit.reference.phantoms._protocol import FLUID, GREY_MATTER, WHITE_MATTER

SEED = (3, 1)
CLEAN = TissueProtocol(name="A", blur_mm=0.01, noise=0.0, bias=0.0)
PLAIN = TissueKnobs(texture=0.0, reader=0.0)


def patients(**more: object) -> TissuePatients:
    return TissuePatients(n=40, seed=SEED, **more)  # type: ignore[arg-type]


def test_patients_are_the_same_in_any_order() -> None:
    """The fifth patient is the same alone, after others, and in a larger cohort; another seed gives another one."""
    alone = patients().voxels(5, SPIN_ECHO, each=2)
    people = TissuePatients(n=90, seed=SEED)
    people.voxels(7, SPIN_ECHO, each=2)
    again = people.voxels(5, SPIN_ECHO, each=2)
    np.testing.assert_array_equal(alone.patches, again.patches)
    np.testing.assert_array_equal(alone.tissue, again.tissue)
    assert not np.array_equal(alone.patches, TissuePatients(n=40, seed=(4, 1)).voxels(5, SPIN_ECHO, each=2).patches)


def test_both_protocols_and_every_visit_show_the_same_places() -> None:
    """Places and tissue are the patient's; noise is the scan's."""
    people = patients()
    one, other = people.voxels(2, SPIN_ECHO, each=3), people.voxels(2, PREPARED, each=3)
    rescan = people.voxels(2, SPIN_ECHO, each=3, visit=1)
    for scan in (other, rescan):
        np.testing.assert_array_equal(one.place, scan.place)
        np.testing.assert_array_equal(one.tissue, scan.tissue)
        assert not np.array_equal(one.patches, scan.patches)
    # Another draw asks about other places.
    assert not np.array_equal(one.place, people.voxels(2, SPIN_ECHO, each=3, draw=1).place)


def test_signals_follow_from_tr_and_te() -> None:
    """PD (1 - exp(-TR / T1)) exp(-TE / T2) by hand, white matter = 1."""
    by_hand = [t.proton_density * (1 - np.exp(-450 / t.t1_ms)) * np.exp(-12 / t.t2_ms)
               for t in (FLUID, GREY_MATTER, WHITE_MATTER)]  # fmt: skip
    np.testing.assert_allclose(SPIN_ECHO.signals(), np.array(by_hand) / by_hand[2], rtol=1e-12)
    assert by_hand[0] == pytest.approx(spin_echo(FLUID, tr_ms=450, te_ms=12))


def test_without_noise_a_pure_voxel_has_its_tissues_signal() -> None:
    """After the curve grey matter lies where (g^c - f^c) / (1 - f^c) says, between fluid and white matter; to 0.06.

    Centiles of the plane stand for fluid and white matter, so it is not exact.
    """
    people = patients(knobs=replace(PLAIN, purest=0.9))
    shares = people.shares(0)
    for curve in (1.0, 4.0):
        protocol = replace(CLEAN, curve=curve)
        image = people.image(0, protocol, shares=shares) / STORED_TISSUE
        level = [float(np.median(image[shares[k] > 0.93])) for k in range(3)]
        fluid, grey, white = (s**curve for s in protocol.signals())
        wanted = (grey - fluid) / (white - fluid)
        assert (level[1] - level[0]) / (level[2] - level[0]) == pytest.approx(wanted, abs=0.06)


def test_the_label_is_the_largest_share_and_the_second_observer_may_err() -> None:
    """A noiseless observer names the same tissue; a noisy one differs somewhere."""
    people = patients(knobs=PLAIN)
    scans = [people.voxels(i, SPIN_ECHO, each=4) for i in range(6)]
    for i, scan in enumerate(scans):
        shares = people.shares(i)[:, scan.place[:, 0], scan.place[:, 1]]
        np.testing.assert_array_equal(shares.argmax(axis=0), scan.tissue)
        assert shares.max(axis=0).min() >= PLAIN.purest
        np.testing.assert_array_equal(scan.second, scan.tissue)
        np.testing.assert_array_equal(scan.third, scan.tissue)
    noisy = patients(knobs=replace(PLAIN, reader=0.3))
    said = [noisy.voxels(i, SPIN_ECHO, each=4) for i in range(6)]
    assert any((s.second != s.tissue).any() for s in said)
    assert any((s.second != s.third).any() for s in said)


def test_age_and_sex_do_what_their_knobs_say() -> None:
    """Each decade above 50 gives its share of grey matter to fluid; men's heads are larger by a factor squared."""
    aged, spared = patients(knobs=replace(PLAIN, atrophy=0.1)), patients(knobs=replace(PLAIN, atrophy=0.0))
    who = aged.patient(0)
    lost = 1 - aged.shares(0)[1].sum() / spared.shares(0)[1].sum()
    assert lost == pytest.approx(0.1 * max(0, who.age - 50) / 10, abs=1e-4)
    np.testing.assert_allclose(aged.shares(0)[2], spared.shares(0)[2])
    man = next(i for i in range(40) if aged.patient(i).sex == "male")
    large, small = (patients(knobs=replace(PLAIN, head_of_sex=f)).shares(man).sum() for f in (1.1, 1.0))
    assert large / small == pytest.approx(1.1**2, rel=0.02)


def test_sex_can_be_tied_to_the_protocol() -> None:
    """Without the knob about half of either sex has protocol B; with log odds of 4 most men and few women do."""

    def share(knobs: TissueKnobs, sex: str) -> float:
        people = TissuePatients(n=400, seed=SEED, knobs=knobs)
        named = [people.patient(i) for i in range(400)]
        return float(np.mean([p.protocol == "B" for p in named if p.sex == sex]))

    free, tied = TissueKnobs(), TissueKnobs(b_of_sex=4.0)
    assert all(0.4 < share(free, sex) < 0.6 for sex in ("male", "female"))
    # 1 / (1 + exp(-2)) = 0.88.
    assert share(tied, "male") == pytest.approx(0.88, abs=0.07)
    assert share(tied, "female") == pytest.approx(0.12, abs=0.07)


def test_a_protocol_on_the_way_to_another() -> None:
    """0 is the first, 1 the second, a half lies in the middle of each number."""
    names = ("tr_ms", "te_ms", "curve", "blur_mm", "noise", "bias")
    for share, wanted in ((0.0, SPIN_ECHO), (1.0, PREPARED)):
        made = SPIN_ECHO.towards(PREPARED, share)
        assert all(getattr(made, n) == pytest.approx(getattr(wanted, n)) for n in names)
    assert SPIN_ECHO.towards(PREPARED, 0.5).curve == pytest.approx(2.5)
