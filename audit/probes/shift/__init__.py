"""The shift family: what a change of scanner or protocol does to the model."""

from audit.core import Probe
from audit.probes.shift.shift001_protocol_matrix import ProtocolMatrix

PROBES: tuple[type[Probe], ...] = (ProtocolMatrix,)
__all__ = ["PROBES", "ProtocolMatrix"]
