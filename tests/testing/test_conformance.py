"""The conformance kit passes what keeps the protocol and names what breaks it."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import BUDGETS, Access, Estimate, InputSpec, Measurement, ModelSpec, NotApplicable, Probe, ProbeInfo
from audit.models import from_module
from audit.probes import PROBES
from audit.testing import ConformanceError, check_probe, conforming_contexts, context, tiny_cohort

LEAST = {
    Access.SAVED: {"binary with images", "binary, three cases a patient", "binary, twelve cases"},
    Access.QUERY: {"binary, golden batch"},
    Access.GRADIENT: {"binary with gradients"},
    Access.TRAINABLE: {"binary, a training recipe"},
}
# Probes that need more of a cohort than any cohort has.
BESIDE = {"binary, with all that can stand beside"}
IMAGES = {"binary with images", "binary, three cases a patient", "binary, declared prevalence"}
LESIONS = {"binary, MR with lesions and distractors"}
LEAST_OF = {
    "FAIR003": {"binary, saved", "binary, twelve cases", "multiclass", "regression"},
    "DATA001": BESIDE,
    "DATA002": {"binary with images, other splits and cases set aside"},
    "DATA004": {"binary, empty cells", *BESIDE},
    "DATA005": BESIDE,
    "DATA007": IMAGES,
    "DATA008": IMAGES,
    "DATA009": BESIDE,
    "DATA010": BESIDE,
    "PERF003": {*BESIDE, "ordinal, raters", "regression, raters and a comparator"},
    "PERF004": {*BESIDE, "regression, raters and a comparator"},
    "PERF005": {*BESIDE, "regression, raters and a comparator"},
    "PERF011": {"survival"},
    "CONF008": LESIONS,
    "CONF009": LESIONS,
    "SHIFT002": LESIONS,
    "SHIFT005": LESIONS,
}


def network():
    """Return a context with gradients: a linear network that reads the lesion of the tiny cohort."""
    import torch

    class Reader(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(1, 1, 8)
            with torch.no_grad():
                self.layer.weight.zero_()
                self.layer.weight[0, 0, 3:6, 3:6] = 1.3 / 9
                self.layer.bias.fill_(-0.85)

        def forward(self, x):
            return self.layer(x).flatten(1)

    spec = ModelSpec(
        kind="torch", task="binary", output="logits", classes=("negative", "positive"), operating_point=0.5,
        input=InputSpec(range=(-8.0, 8.0), size=(8, 8), scale=False),
    )  # fmt: skip
    model = from_module(Reader(), spec, phantom=True)
    # As little as a costly probe can do: the kit runs everything twice.
    little = replace(BUDGETS["smoke"], attack_cases=16, attack_steps=4, explain_cases=8, explain_steps=4)
    return context(model, tiny_cohort(np.random.default_rng(1), n=48), budget=little)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.info.code)
def test_probe_keeps_the_protocol(probe):
    """Deterministic by seed, inputs untouched, declared metrics only, not applicable where its needs are missing."""
    contexts = conforming_contexts()
    completed = set(check_probe(probe, {**contexts, "binary with gradients": network}))
    assert completed >= LEAST_OF.get(probe.info.code, LEAST[probe.info.access])
    if set(probe.info.needs) & {"protected", "protocol", "confounder", "attributes"}:
        assert "binary, no attributes" not in completed


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


class Speechless(Fine):
    __doc__ = Fine.__doc__

    def run(self, ctx):
        """Never apply, and not say why."""
        raise NotApplicable("")


class Numbers(Fine):
    __doc__ = Fine.__doc__

    def run(self, ctx):
        """Give a bare number."""
        return [0.5]


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
        (Speechless, "without a reason"),
        (Numbers, "expected measurements"),
        (Elsewhere, "none of the contexts"),
        (Wordless, "docstring"),
        (Deep, "none of the contexts"),
    ],
)
def test_a_breach_is_named(probe, breach):
    """Each way of breaking the protocol has a message of its own."""
    with pytest.raises(ConformanceError, match=breach):
        check_probe(probe)
