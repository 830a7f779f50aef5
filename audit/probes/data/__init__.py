"""The data family: whether the cohort can carry an audit at all."""

from audit.core import Probe
from audit.probes.data.data001_patient_in_two_splits import PatientInTwoSplits
from audit.probes.data.data002_near_duplicates import NearDuplicates
from audit.probes.data.data003_cases_lost import CasesLost
from audit.probes.data.data004_missing_not_at_random import MissingNotAtRandom

PROBES: tuple[type[Probe], ...] = (PatientInTwoSplits, NearDuplicates, CasesLost, MissingNotAtRandom)
__all__ = ["PROBES", "CasesLost", "MissingNotAtRandom", "NearDuplicates", "PatientInTwoSplits"]
