"""Planted faults, tiny cohorts and the conformance kit, for the tests of probes.

Importing it needs numpy alone; only building a network (`network`, `head`) loads torch.

A probe of a third party is checked like ours:

    from audit.testing import check_probe, conforming_contexts

    def test_conforms():
        check_probe(MyProbe, conforming_contexts())
"""

from audit.testing._blobs import BLOB_NETWORKS, blob_cohort, blob_network, blobs
from audit.testing._cohorts import (
    ArrayImages,
    attribute,
    comparator,
    other_split,
    small_cohort,
    tiny_cohort,
    with_aside,
    with_unverified,
)
from audit.testing._conformance import ConformanceError, check_probe
from audit.testing._conforming import conforming_contexts
from audit.testing._contexts import context, saved_context
from audit.testing._generated import GeneratedImages, generated_cohort, generated_network
from audit.testing._heads import HEADS, head
from audit.testing._models import FAULTS, FunctionModel, SavedModel, planted
from audit.testing._networks import NETWORKS, PlantedNetwork, linear_stands, network, network_cohort
from audit.testing._planted_maps import PLANTED_MAPS, planted_map
from audit.testing._recipes import PixelModel, RegionModel, pixel_recipe, region_recipe, trained_context
from audit.testing._scenes import Scene, scene

__all__ = [
    "BLOB_NETWORKS",
    "FAULTS",
    "HEADS",
    "NETWORKS",
    "PLANTED_MAPS",
    "ArrayImages",
    "ConformanceError",
    "FunctionModel",
    "GeneratedImages",
    "PixelModel",
    "PlantedNetwork",
    "RegionModel",
    "SavedModel",
    "Scene",
    "attribute",
    "blob_cohort",
    "blob_network",
    "blobs",
    "check_probe",
    "comparator",
    "conforming_contexts",
    "context",
    "generated_cohort",
    "generated_network",
    "head",
    "linear_stands",
    "network",
    "network_cohort",
    "other_split",
    "pixel_recipe",
    "planted",
    "planted_map",
    "region_recipe",
    "saved_context",
    "scene",
    "small_cohort",
    "tiny_cohort",
    "trained_context",
    "with_aside",
    "with_unverified",
]
