"""Facts of a cohort as counts, and what a count of a sample still says of the whole."""

from __future__ import annotations

from audit.core import Estimate, Levels

SAMPLED = "count of a sample; whatever was not looked at may count as well"


def counted(found: int, *, unseen: int, levels: Levels, n: int, n_patients: int) -> Estimate:
    """Return a number of faults, of which some may lie where nobody looked.

    A count of everything is a fact. A count of a sample is a lower bound, and what was left out may all be faulty: so
    a limit that it exceeds is exceeded, and one that it keeps is not proven to be kept.

    Args:
        found: Faults found.
        unseen: Most faults that what was not looked at can hold.
        levels: Levels of the bounds.
        n: Cases looked at.
        n_patients: Their patients.
    """
    if not unseen:
        return Estimate.counted(found, n=n, n_patients=n_patients)
    curve = tuple((rung, float(found), float(found + unseen)) for rung in levels.rungs)
    return Estimate(value=float(found), curve=curve, method=SAMPLED, n=n, n_patients=n_patients)
