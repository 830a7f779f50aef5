"""The explanation family."""

from audit.core import Probe
from audit.probes.explanation.xai001_unfaithful_attribution import UnfaithfulAttribution

PROBES: tuple[type[Probe], ...] = (UnfaithfulAttribution,)
__all__ = ["PROBES", "UnfaithfulAttribution"]
