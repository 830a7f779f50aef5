"""The adversarial family."""

from audit.core import Probe
from audit.probes.adversarial.adv001_linf_evasion import LinfEvasion
from audit.probes.adversarial.adv002_l2_evasion import L2Evasion

PROBES: tuple[type[Probe], ...] = (LinfEvasion, L2Evasion)
__all__ = ["PROBES", "L2Evasion", "LinfEvasion"]
