"""The shift family: what a change of scanner or protocol does to the model."""

from audit.core import Probe
from audit.probes.shift.shift001_protocol_matrix import ProtocolMatrix
from audit.probes.shift.shift002_acquisition_severity import AcquisitionSeverity
from audit.probes.shift.shift003_drift import Drift
from audit.probes.shift.shift004_leave_one_protocol_out import LeaveOneProtocolOut
from audit.probes.shift.shift005_missing_modality import MissingModality
from audit.probes.shift.shift006_out_of_distribution import OutOfDistribution

PROBES: tuple[type[Probe], ...] = (
    ProtocolMatrix,
    AcquisitionSeverity,
    Drift,
    LeaveOneProtocolOut,
    MissingModality,
    OutOfDistribution,
)
__all__ = [
    "PROBES", "AcquisitionSeverity", "Drift", "LeaveOneProtocolOut", "MissingModality", "OutOfDistribution",
    "ProtocolMatrix",
]  # fmt: skip
