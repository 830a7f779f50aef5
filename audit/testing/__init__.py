"""Planted faults, tiny cohorts and the conformance kit, for the tests of probes; numpy alone, no torch.

A probe of a third party is checked like ours:

    from audit.testing import check_probe, conforming_contexts

    def test_conforms():
        check_probe(MyProbe, conforming_contexts())
"""

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
from audit.testing._models import FAULTS, FunctionModel, SavedModel, planted

__all__ = [
    "FAULTS",
    "ArrayImages",
    "ConformanceError",
    "FunctionModel",
    "SavedModel",
    "attribute",
    "check_probe",
    "comparator",
    "conforming_contexts",
    "context",
    "other_split",
    "planted",
    "saved_context",
    "small_cohort",
    "tiny_cohort",
    "with_aside",
    "with_unverified",
]
