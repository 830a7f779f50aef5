"""The explanation family."""

from audit.core import Probe
from audit.probes.explanation.xai001_unfaithful_attribution import UnfaithfulAttribution
from audit.probes.explanation.xai002_randomisation_insensitive import RandomisationInsensitive
from audit.probes.explanation.xai003_mislocalised import Mislocalised
from audit.probes.explanation.xai004_unstable import Unstable
from audit.probes.explanation.xai005_infidelity import Infidelity
from audit.probes.explanation.xai006_subgroup_disparity import SubgroupDisparity

PROBES: tuple[type[Probe], ...] = (
    UnfaithfulAttribution, RandomisationInsensitive, Mislocalised, Unstable, Infidelity, SubgroupDisparity,
)  # fmt: skip
__all__ = [
    "PROBES", "Infidelity", "Mislocalised", "RandomisationInsensitive", "SubgroupDisparity", "UnfaithfulAttribution",
    "Unstable",
]  # fmt: skip
