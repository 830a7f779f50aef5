"""The probes of the shift family keep the rules that every probe keeps."""

import pytest

from audit.core import Probe
from audit.probes.shift import Drift, MissingModality, OutOfDistribution, ProtocolMatrix
from audit.testing import check_probe, conforming_contexts
from tests.probes.shift import test_shift005 as two_modalities


@pytest.mark.parametrize("probe", [ProtocolMatrix, Drift, OutOfDistribution])
def test_it_conforms(probe: type[Probe]) -> None:
    """Deterministic, inputs untouched, declared metrics only, and at least one context in which it says something."""
    assert check_probe(probe, conforming_contexts())


def test_a_probe_of_modalities_conforms() -> None:
    """The same where there are modalities that can be absent."""
    assert check_probe(MissingModality, {"two": lambda: two_modalities.reads([0, 1])}) == ("two",)
