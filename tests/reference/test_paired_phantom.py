"""The paired patches: seeded, with tissue under three sequences as the formulas say, and truth where it was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.reference.phantoms import SEQUENCES, PairedPatches, PatchKnobs
from audit.reference.phantoms._protocol import FLUID, TISSUES
from audit.reference.phantoms._sequences import DAMAGED, LACUNE, LESION, NOTHING, SCANNED, STORED, inversion_ms

PLAIN = PatchKnobs(bias=0.0, gain=0.0, texture_of_men=0.0, others=0.0, damage=(1.0, 1.0), radius_mm=(6.0, 6.0))


def drawn(count: int, knobs: PatchKnobs, seed: int = 1) -> list[object]:
    source = PairedPatches(count, seed=(seed, 0), knobs=knobs)
    return [source.patient(i) for i in range(count)]


def joined(made: list[object], name: str) -> np.ndarray:
    return np.concatenate([getattr(m, name) for m in made])


def test_a_patient_depends_on_seed_and_place_alone() -> None:
    """Patient 3 of a cohort of 4 is patient 3 of a cohort of 9, whatever was read before; another seed has another."""
    first, other = PairedPatches(4, seed=(1, 0)), PairedPatches(9, seed=(1, 0))
    other.patient(8)
    one, two = first.patient(3), other.patient(3)
    for name in ("images", "rescan", "lesions", "lacunes", "white", "middle", "second"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (one.sex, one.age, one.scanner) == (two.sex, two.age, two.scanner)
    assert not np.array_equal(one.images, PairedPatches(4, seed=(2, 0)).patient(3).images)


def test_an_inversion_takes_the_signal_of_fluid_away() -> None:
    """At T1 ln(2 / (1 + exp(-TR / T1))) the recovery 1 - 2 exp(-TI / T1) + exp(-TR / T1) is 0; to 1e-12."""
    time = inversion_ms(FLUID, tr_ms=9000.0)
    assert 1 - 2 * np.exp(-time / FLUID.t1_ms) + np.exp(-9000.0 / FLUID.t1_ms) == pytest.approx(0, abs=1e-12)
    assert time == pytest.approx(4000 * np.log(2 / (1 + np.exp(-2.25))))
    assert all(SCANNED[s]["FLAIR"].signal(FLUID) == pytest.approx(0, abs=1e-9) for s in SCANNED)


def test_contrasts_have_the_order_of_the_clinic() -> None:
    """T1: white above grey above damaged and fluid; T2: fluid above damaged above white; FLAIR: damaged above white."""
    grey, white, fluid = TISSUES
    for scanner in SCANNED.values():
        t1, t2, flair = (scanner[name] for name in SEQUENCES)
        assert t1.signal(white) > t1.signal(grey) > t1.signal(DAMAGED) > t1.signal(fluid)
        assert t2.signal(fluid) > t2.signal(DAMAGED) > t2.signal(grey) > t2.signal(white)
        assert flair.signal(DAMAGED) > flair.signal(grey) > flair.signal(white) > flair.signal(fluid)


def test_the_middle_holds_the_signal_that_was_planted() -> None:
    """Without bias and gain the middle pixels of lesions, lacunes and white matter have the tissue's stored signal.

    Rician means at these signals lie less than 0.002 above the signal, fluid on FLAIR apart; to 0.012 of full scale,
    4 standard errors of noise over some 30 patches of 4 pixels. White matter is 0.75 to 1 white: to 0.05.
    """
    made = [m for m in drawn(60, PLAIN) if m.scanner == "A"]
    middle, images = joined(made, "middle"), joined(made, "images") / STORED
    seen = images[:, :, 11:13, 11:13]
    for kind, tissue, near in ((LESION, DAMAGED, 0.012), (LACUNE, FLUID, 0.012), (NOTHING, TISSUES[1], 0.05)):
        own = seen[middle == kind].mean(axis=(0, 2, 3))
        assert (middle == kind).sum() > 10
        for number, name in enumerate(SEQUENCES):
            wanted = SCANNED["A"][name].signal(tissue)
            if wanted > 0.1:
                assert own[number] == pytest.approx(wanted, abs=near), (kind, name)


def test_masks_hold_what_lies_in_the_middle() -> None:
    """The lesion mask holds the middle of patches of a lesion alone, the other that of patches of a lacune alone."""
    made = drawn(25, PatchKnobs())
    middle = joined(made, "middle")
    for kind, name in ((LESION, "lesions"), (LACUNE, "lacunes")):
        np.testing.assert_array_equal(joined(made, name)[:, 11, 11], middle == kind)
    assert joined(made, "white")[:, 11:13, 11:13].mean() > 0.9


def test_a_rescan_has_other_noise_on_the_same_tissue() -> None:
    """Two acquisitions differ by noise alone: the difference of both has sqrt(2) of the declared noise, to 10 %."""
    made = [m for m in drawn(20, PLAIN) if m.scanner == "A"]
    first, second = joined(made, "images")[:, 0] / STORED, joined(made, "rescan")[:, 0] / STORED
    inside = joined(made, "white")
    assert (first - second)[inside].std() == pytest.approx(np.sqrt(2) * SCANNED["A"]["T1"].noise, rel=0.1)


@pytest.mark.parametrize(("knob", "value"), [("lesion_of_scanner", 3.0), ("lesion_of_age", 2.0), ("disagreement", 0.5)])
def test_a_knob_ties_what_it_names(knob: str, value: float) -> None:
    """Scanner B or age drives the lesion where told so and not otherwise; the second observer disagrees as often."""

    def gap(knobs: PatchKnobs) -> float:
        made = drawn(150, knobs)
        ill = np.array([(m.middle == LESION).mean() for m in made])
        if knob == "disagreement":
            return float(np.mean([(m.second != (m.middle == LESION)).mean() for m in made]))
        high = np.array([m.scanner == "B" if knob == "lesion_of_scanner" else m.age > 65 for m in made])
        return float(ill[high].mean() - ill[~high].mean())

    without = replace(PatchKnobs(), lesion_of_age=0.0, disagreement=0.0)
    assert abs(gap(without)) < 0.12
    assert gap(replace(without, **{knob: value})) > 0.35
