"""The adversarial family."""

from audit.core import Probe
from audit.probes.adversarial.adv001_linf_evasion import LinfEvasion
from audit.probes.adversarial.adv002_l2_evasion import L2Evasion
from audit.probes.adversarial.adv003_query_attack import QueryAttack
from audit.probes.adversarial.adv004_transfer_attack import TransferAttack
from audit.probes.adversarial.adv005_minimal_perturbation import MinimalPerturbation
from audit.probes.adversarial.adv006_shuffled_noise_control import ShuffledNoiseControl
from audit.probes.adversarial.adv007_targeted_miss import TargetedMiss
from audit.probes.adversarial.adv008_sparse_attack import SparseAttack
from audit.probes.adversarial.adv009_universal_perturbation import UniversalPerturbation

PROBES: tuple[type[Probe], ...] = (
    LinfEvasion, L2Evasion, QueryAttack, TransferAttack, MinimalPerturbation, ShuffledNoiseControl, TargetedMiss,
    SparseAttack, UniversalPerturbation,
)  # fmt: skip
__all__ = [
    "PROBES", "L2Evasion", "LinfEvasion", "MinimalPerturbation", "QueryAttack", "ShuffledNoiseControl", "SparseAttack",
    "TargetedMiss", "TransferAttack", "UniversalPerturbation",
]  # fmt: skip
