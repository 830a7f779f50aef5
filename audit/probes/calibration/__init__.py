"""The calibration family: whether a score means what it says."""

from audit.core import Probe
from audit.probes.calibration.cal001_miscalibration import Miscalibration

PROBES: tuple[type[Probe], ...] = (Miscalibration,)
__all__ = ["PROBES", "Miscalibration"]
