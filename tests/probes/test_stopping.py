"""Patients in drawn order and the looks between their blocks."""

from __future__ import annotations

import numpy as np
import pytest

from audit.probes._stopping import drawn_order, looks


def test_whole_patients_stand_together_in_an_order_that_the_seed_draws():
    """Every case once, the cases of a patient together and rising, another seed another order, equal seeds equal."""
    patients = np.array([7, 3, 7, 3, 11, 7, 2, 2])
    orders = [drawn_order(patients, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert sorted(orders[0].tolist()) == list(range(8))
    assert (orders[0] == orders[1]).all()
    assert (orders[0] != orders[2]).any()
    placed = patients[orders[0]]
    assert int((placed[1:] != placed[:-1]).sum()) == 3
    assert all((np.diff(orders[0][placed == p]) > 0).all() for p in (2, 3, 7, 11))


def test_each_patient_is_first_equally_often():
    """Of 2,000 orders of four patients each begins a quarter, whatever their cases: within 4 standard errors."""
    patients = np.repeat([5, 6, 7, 8], [1, 9, 2, 3])
    first = [patients[drawn_order(patients, np.random.default_rng(s))[0]] for s in range(2000)]
    counts = np.bincount(first, minlength=9)[5:]
    assert np.abs(counts - 500).max() < 4 * np.sqrt(2000 * 0.25 * 0.75)


def test_looks_are_between_blocks_of_patients():
    """Five patients with 1, 3, 1, 2 and 2 cases: after two and four of them, and at the end."""
    patients = np.repeat([4, 9, 1, 0, 7], [1, 3, 1, 2, 2])
    assert looks(patients, 2) == (4, 7, 9)
    assert looks(patients, 5) == looks(patients, 99) == (9,)
    assert looks(patients[:7], 2) == (4, 7)
    assert looks(patients[:0]) == ()


def test_cases_of_a_patient_that_stand_apart_are_refused():
    """A patient who comes back later would be two patients."""
    with pytest.raises(ValueError, match="one after the other"):
        looks(np.array([1, 2, 1]))
