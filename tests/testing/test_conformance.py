"""The conformance kit passes what keeps the protocol and names what breaks it."""

import numpy as np
import pytest

from audit.core import Access, Estimate, Measurement, NotApplicable, Probe, ProbeInfo
from audit.probes import calibration, confounding, fairness, performance, shift
from audit.testing import ConformanceError, check_probe, conforming_contexts

OWN = [*performance.PROBES, *calibration.PROBES, *fairness.PROBES, *confounding.PROBES, *shift.PROBES]


@pytest.mark.parametrize("probe", OWN, ids=lambda probe: probe.info.code)
def test_probe_keeps_the_protocol(probe):
    """Deterministic by seed, inputs untouched, declared metrics only, not applicable where its needs are missing."""
    completed = check_probe(probe)
    if probe.info.needs:
        assert "binary, no attributes" not in completed
    assert {"binary with images", "binary, three cases a patient", "binary, twelve cases"} <= set(completed)


class Fine(Probe):
    """A probe that counts cases.

    What it measures:
        Cases.

    Why it matters clinically:
        It does not.

    Known problems:
        None.

    Example:
        Three cases are 3.

    References:
        - None.
    """

    info = ProbeInfo(
        code="DATA901", name="counts", family="DATA", tasks=("binary",), metrics=("cases",), title="Cases",
        question="How many?", method="Counting.", limits="None.",
    )  # fmt: skip

    def run(self, ctx):
        """Count."""
        n = len(ctx.cohort)
        return [Measurement.of(Estimate.counted(n, n=n, n_patients=ctx.cohort.n_patients), metric="cases", level=0.95)]


class Undeclared(Fine):
    __doc__ = Fine.__doc__

    def run(self, ctx):
        """Give a metric of another name."""
        estimate = Estimate.counted(1, n=1, n_patients=1)
        return [Measurement.of(estimate, metric="patients", level=0.95)]


class Restless(Fine):
    __doc__ = Fine.__doc__
    draws = np.random.default_rng()

    def run(self, ctx):
        """Draw from a generator of its own."""
        estimate = Estimate.counted(float(self.draws.random()), n=1, n_patients=1)
        return [Measurement.of(estimate, metric="cases", level=0.95)]


class Meddling(Fine):
    __doc__ = Fine.__doc__

    def run(self, ctx):
        """Change the targets."""
        ctx.cohort.targets[0] = 1 - ctx.cohort.targets[0]
        return super().run(ctx)


class Silent(Fine):
    __doc__ = Fine.__doc__

    def run(self, ctx):
        """Give nothing."""
        return []


class Elsewhere(Fine):
    __doc__ = Fine.__doc__

    def run(self, ctx):
        """Never apply."""
        raise NotApplicable("never")


class Wordless(Fine):
    """A page without headings."""


class Deep(Fine):
    __doc__ = Fine.__doc__
    info = ProbeInfo(
        code="DATA902", name="deep", family="DATA", tasks=("binary",), metrics=("cases",), title="Cases",
        question="How many?", method="Counting.", limits="None.", access=Access.GRADIENT,
    )  # fmt: skip


def test_a_probe_of_a_third_party_passes():
    """A probe that keeps the protocol completes in every context of its task."""
    binary = [name for name in conforming_contexts() if name.startswith("binary")]
    assert list(check_probe(Fine)) == binary


@pytest.mark.parametrize(
    "probe, breach",
    [
        (Undeclared, "undeclared metric"),
        (Restless, "two runs with one seed differ"),
        (Meddling, "changed its inputs"),
        (Silent, "gave nothing"),
        (Elsewhere, "none of the contexts"),
        (Wordless, "docstring"),
        (Deep, "none of the contexts"),
    ],
)
def test_a_breach_is_named(probe, breach):
    """Each way of breaking the protocol has a message of its own."""
    with pytest.raises(ConformanceError, match=breach):
        check_probe(probe)
