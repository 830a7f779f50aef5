"""The documentation pack: one zip that a person can read, sign and check."""

from audit.pack._read import ENVELOPE, MANIFEST, RUN, Pack, read_pack
from audit.pack._sign import Signed, verify_envelope

__all__ = ["ENVELOPE", "MANIFEST", "RUN", "Pack", "Signed", "read_pack", "verify_envelope"]
