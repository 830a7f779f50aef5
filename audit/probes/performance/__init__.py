"""The performance family: how well the model does what it is for."""

from audit.core import Probe
from audit.probes.performance.perf001_headline_performance import HeadlinePerformance

PROBES: tuple[type[Probe], ...] = (HeadlinePerformance,)
__all__ = ["PROBES", "HeadlinePerformance"]
