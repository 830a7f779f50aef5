"""The confounding family: whether the model leans on something beside the disease."""

from audit.core import Probe
from audit.probes.confounding.conf001_balanced_resampling import BalancedResampling
from audit.probes.confounding.conf002_score_follows_confounder import ScoreFollowsConfounder
from audit.probes.confounding.conf006_pooled_versus_within import PooledVersusWithin
from audit.probes.confounding.conf007_metadata_comparator import MetadataComparator

PROBES: tuple[type[Probe], ...] = (
    BalancedResampling,
    ScoreFollowsConfounder,
    PooledVersusWithin,
    MetadataComparator,
)
__all__ = ["PROBES", "BalancedResampling", "MetadataComparator", "PooledVersusWithin", "ScoreFollowsConfounder"]
