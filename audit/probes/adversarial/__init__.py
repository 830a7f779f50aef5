"""The adversarial family."""

from audit.core import Probe
from audit.probes.adversarial.adv001_linf_evasion import LinfEvasion

PROBES: tuple[type[Probe], ...] = (LinfEvasion,)
__all__ = ["PROBES", "LinfEvasion"]
