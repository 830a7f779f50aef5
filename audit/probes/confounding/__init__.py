"""The confounding family: whether the model leans on something beside the disease."""

from audit.core import Probe
from audit.probes.confounding.conf001_balanced_resampling import BalancedResampling
from audit.probes.confounding.conf002_score_follows_confounder import ScoreFollowsConfounder
from audit.probes.confounding.conf003_attribute_encoded_or_used import AttributeEncodedOrUsed
from audit.probes.confounding.conf004_evidence_removed import EvidenceRemoved
from audit.probes.confounding.conf005_marker_inserted import MarkerInserted
from audit.probes.confounding.conf006_pooled_versus_within import PooledVersusWithin
from audit.probes.confounding.conf007_metadata_comparator import MetadataComparator
from audit.probes.confounding.conf008_lesion_dose_response import LesionDoseResponse
from audit.probes.confounding.conf009_lesion_type_specificity import LesionTypeSpecificity

PROBES: tuple[type[Probe], ...] = (
    BalancedResampling,
    ScoreFollowsConfounder,
    AttributeEncodedOrUsed,
    EvidenceRemoved,
    MarkerInserted,
    PooledVersusWithin,
    MetadataComparator,
    LesionDoseResponse,
    LesionTypeSpecificity,
)
__all__ = [
    "PROBES",
    "AttributeEncodedOrUsed",
    "BalancedResampling",
    "EvidenceRemoved",
    "LesionDoseResponse",
    "LesionTypeSpecificity",
    "MarkerInserted",
    "MetadataComparator",
    "PooledVersusWithin",
    "ScoreFollowsConfounder",
]
