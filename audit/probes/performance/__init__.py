"""The performance family: how well the model does what it is for."""

from audit.core import Probe
from audit.probes.performance.perf001_headline_performance import HeadlinePerformance
from audit.probes.performance.perf002_operating_point import OperatingPoint
from audit.probes.performance.perf003_observer_agreement import ObserverAgreement
from audit.probes.performance.perf004_repeatability import Repeatability
from audit.probes.performance.perf005_no_better_than_comparator import NoBetterThanComparator
from audit.probes.performance.perf006_association_parity import AssociationParity
from audit.probes.performance.perf007_training_size import TrainingSize
from audit.probes.performance.perf008_metrics_disagree import MetricsDisagree
from audit.probes.performance.perf009_implausible_output import ImplausibleOutput
from audit.probes.performance.perf010_operational_load import OperationalLoad
from audit.probes.performance.perf011_performance_at_horizon import PerformanceAtHorizon

PROBES: tuple[type[Probe], ...] = (
    HeadlinePerformance,
    OperatingPoint,
    ObserverAgreement,
    Repeatability,
    NoBetterThanComparator,
    AssociationParity,
    TrainingSize,
    MetricsDisagree,
    ImplausibleOutput,
    OperationalLoad,
    PerformanceAtHorizon,
)
__all__ = [
    "PROBES", "AssociationParity", "HeadlinePerformance", "ImplausibleOutput", "MetricsDisagree",
    "NoBetterThanComparator", "ObserverAgreement", "OperatingPoint", "OperationalLoad",
    "PerformanceAtHorizon", "Repeatability", "TrainingSize",
]  # fmt: skip
