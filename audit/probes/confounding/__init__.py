"""The confounding family: whether the model leans on something beside the disease."""

from audit.core import Probe
from audit.probes.confounding.conf001_balanced_resampling import BalancedResampling
from audit.probes.confounding.conf002_score_follows_confounder import ScoreFollowsConfounder
from audit.probes.confounding.conf003_attribute_encoded_or_used import AttributeEncodedOrUsed
from audit.probes.confounding.conf006_pooled_versus_within import PooledVersusWithin
from audit.probes.confounding.conf007_metadata_comparator import MetadataComparator

PROBES: tuple[type[Probe], ...] = (
    BalancedResampling,
    ScoreFollowsConfounder,
    AttributeEncodedOrUsed,
    PooledVersusWithin,
    MetadataComparator,
)
__all__ = [
    "PROBES",
    "AttributeEncodedOrUsed",
    "BalancedResampling",
    "MetadataComparator",
    "PooledVersusWithin",
    "ScoreFollowsConfounder",
]
