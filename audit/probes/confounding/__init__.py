"""The confounding family: whether the model leans on something beside the disease."""

from audit.core import Probe
from audit.probes.confounding.conf001_balanced_resampling import BalancedResampling

PROBES: tuple[type[Probe], ...] = (BalancedResampling,)
__all__ = ["PROBES", "BalancedResampling"]
