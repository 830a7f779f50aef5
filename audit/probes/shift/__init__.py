"""The shift family: what a change of scanner or protocol does to the model."""

from audit.core import Probe
from audit.probes.shift.shift001_protocol_matrix import ProtocolMatrix
from audit.probes.shift.shift003_drift import Drift

PROBES: tuple[type[Probe], ...] = (ProtocolMatrix, Drift)
__all__ = ["PROBES", "Drift", "ProtocolMatrix"]
