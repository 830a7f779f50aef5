"""The fairness family: whom the model fails."""

from audit.core import Probe
from audit.probes.fairness.fair001_operating_point_gap import OperatingPointGap
from audit.probes.fairness.fair005_weak_subgroup_discovery import WeakSubgroupDiscovery

PROBES: tuple[type[Probe], ...] = (OperatingPointGap, WeakSubgroupDiscovery)
__all__ = ["PROBES", "OperatingPointGap", "WeakSubgroupDiscovery"]
