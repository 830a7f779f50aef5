"""The adversarial family."""

from audit.core import Probe
from audit.probes.adversarial.adv001_linf_evasion import LinfEvasion
from audit.probes.adversarial.adv002_l2_evasion import L2Evasion
from audit.probes.adversarial.adv003_query_attack import QueryAttack
from audit.probes.adversarial.adv006_shuffled_noise_control import ShuffledNoiseControl

PROBES: tuple[type[Probe], ...] = (LinfEvasion, L2Evasion, QueryAttack, ShuffledNoiseControl)
__all__ = ["PROBES", "L2Evasion", "LinfEvasion", "QueryAttack", "ShuffledNoiseControl"]
