"""The confounding family: whether the model leans on something beside the disease."""

from audit.core import Probe
from audit.probes.confounding.conf001_balanced_resampling import BalancedResampling
from audit.probes.confounding.conf002_score_follows_confounder import ScoreFollowsConfounder

PROBES: tuple[type[Probe], ...] = (
    BalancedResampling,
    ScoreFollowsConfounder,
)
__all__ = ["PROBES", "BalancedResampling", "ScoreFollowsConfounder"]
