"""The fairness family: whom the model fails."""

from audit.core import Probe
from audit.probes.fairness.fair001_operating_point_gap import OperatingPointGap
from audit.probes.fairness.fair002_ranking_gap import RankingGap
from audit.probes.fairness.fair003_intersectional_gap import IntersectionalGap
from audit.probes.fairness.fair004_underdiagnosis import Underdiagnosis
from audit.probes.fairness.fair005_weak_subgroup_discovery import WeakSubgroupDiscovery
from audit.probes.fairness.fair006_gap_decomposition import GapDecomposition

PROBES: tuple[type[Probe], ...] = (
    OperatingPointGap, RankingGap, IntersectionalGap, Underdiagnosis, WeakSubgroupDiscovery,
    GapDecomposition,
)  # fmt: skip
__all__ = [
    "PROBES", "GapDecomposition", "IntersectionalGap", "OperatingPointGap", "RankingGap", "Underdiagnosis",
    "WeakSubgroupDiscovery",
]  # fmt: skip
