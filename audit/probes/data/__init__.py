"""The data family: whether the cohort can carry an audit at all."""

from audit.core import Probe
from audit.probes.data.data001_patient_in_two_splits import PatientInTwoSplits
from audit.probes.data.data002_near_duplicates import NearDuplicates
from audit.probes.data.data003_cases_lost import CasesLost

PROBES: tuple[type[Probe], ...] = (PatientInTwoSplits, NearDuplicates, CasesLost)
__all__ = ["PROBES", "CasesLost", "NearDuplicates", "PatientInTwoSplits"]
