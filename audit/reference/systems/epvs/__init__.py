"""Counts of perivascular spaces in four regions of the brain, by regression in three dimensions."""

from audit.reference._system import System

SYSTEMS = (
    System(
        name="epvs",
        title="number of perivascular spaces in four regions of brain MRI, learned from counts",
        task="regression",
        slides="61-74",
        package="epvs",
        curves="agreement with observers by region over 50 to 1,600 training patients, 5 seeds",
    ),
)
