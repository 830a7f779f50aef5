"""The performance family: how well the model does what it is for."""

from audit.core import Probe
from audit.probes.performance.perf001_headline_performance import HeadlinePerformance
from audit.probes.performance.perf002_operating_point import OperatingPoint

PROBES: tuple[type[Probe], ...] = (HeadlinePerformance, OperatingPoint)
__all__ = ["PROBES", "HeadlinePerformance", "OperatingPoint"]
