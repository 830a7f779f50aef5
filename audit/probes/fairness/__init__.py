"""The fairness family: whom the model fails."""

from audit.core import Probe
from audit.probes.fairness.fair001_operating_point_gap import OperatingPointGap

PROBES: tuple[type[Probe], ...] = (OperatingPointGap,)
__all__ = ["PROBES", "OperatingPointGap"]
