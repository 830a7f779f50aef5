"""The explanation family."""

from audit.core import Probe
from audit.probes.explanation.xai001_unfaithful_attribution import UnfaithfulAttribution
from audit.probes.explanation.xai005_infidelity import Infidelity

PROBES: tuple[type[Probe], ...] = (UnfaithfulAttribution, Infidelity)
__all__ = ["PROBES", "Infidelity", "UnfaithfulAttribution"]
