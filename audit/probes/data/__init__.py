"""The data family: whether the cohort can carry an audit at all."""

from audit.core import Probe
from audit.probes.data.data003_cases_lost import CasesLost

PROBES: tuple[type[Probe], ...] = (CasesLost,)
__all__ = ["PROBES", "CasesLost"]
