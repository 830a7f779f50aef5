"""The calibration family: whether a score means what it says."""

from audit.core import Probe
from audit.probes.calibration.cal001_miscalibration import Miscalibration
from audit.probes.calibration.cal002_miscalibration_by_subgroup import MiscalibrationBySubgroup

PROBES: tuple[type[Probe], ...] = (Miscalibration, MiscalibrationBySubgroup)
__all__ = ["PROBES", "Miscalibration", "MiscalibrationBySubgroup"]
