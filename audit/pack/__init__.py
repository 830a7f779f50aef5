"""The documentation pack: one zip that a person can read, sign and check."""

from audit.pack._against import BASELINE
from audit.pack._lists import Anomaly, Hazard, read_anomalies, read_hazards
from audit.pack._make import PackOptions, check_out, make_pack
from audit.pack._prior import Given
from audit.pack._read import ENVELOPE, MANIFEST, RUN, Pack, read_pack
from audit.pack._remake import Remade, remade_faults
from audit.pack._repository import commit_objects
from audit.pack._share import shared_arrays
from audit.pack._sign import Signed, read_envelope, verify_envelope
from audit.pack._stated import stated_faults

__all__ = [
    "BASELINE",
    "ENVELOPE",
    "MANIFEST",
    "RUN",
    "Anomaly",
    "Given",
    "Hazard",
    "Pack",
    "PackOptions",
    "Remade",
    "Signed",
    "check_out",
    "commit_objects",
    "make_pack",
    "read_anomalies",
    "read_envelope",
    "read_hazards",
    "read_pack",
    "remade_faults",
    "shared_arrays",
    "stated_faults",
    "verify_envelope",
]
