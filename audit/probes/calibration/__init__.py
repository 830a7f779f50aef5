"""The calibration family: whether a score means what it says."""

from audit.core import Probe
from audit.probes.calibration.cal001_miscalibration import Miscalibration
from audit.probes.calibration.cal002_miscalibration_by_subgroup import MiscalibrationBySubgroup
from audit.probes.calibration.cal003_abstention import Abstention

PROBES: tuple[type[Probe], ...] = (Miscalibration, MiscalibrationBySubgroup, Abstention)
__all__ = ["PROBES", "Abstention", "Miscalibration", "MiscalibrationBySubgroup"]
