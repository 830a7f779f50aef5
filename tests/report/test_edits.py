"""Figures of edited images are drawn from what the probes store."""

import pytest

from audit.core import StoredArtifact
from audit.probes.confounding import EvidenceRemoved, LesionDoseResponse, LesionTypeSpecificity, MarkerInserted
from audit.report._arrays import figure
from audit.report._chart import Curve, Forest
from audit.report._plotly import specify
from audit.report._svg import draw
from tests.probes.confounding import pictures as p


@pytest.fixture(scope="module")
def stored():
    """What the four probes store of one small cohort, by name."""
    found = {}
    for probe in (EvidenceRemoved, MarkerInserted, LesionDoseResponse, LesionTypeSpecificity):
        ctx = p.made(p.healthy(), p.cohort_of(n=44, counts=((0, 1), (1, 3)), distractors=2))
        list(probe().run(ctx))
        found |= {(a.name, a.meta.get("parameter")): a for a in ctx.sink.artifacts}
    return found


@pytest.mark.parametrize(
    "name, parameter, kind",
    [
        ("evidence_removed", None, Forest), ("marker_flips", None, Forest), ("dose_response", "insert", Curve),
        ("dose_response", "erase", Curve), ("specificity_slopes", None, Forest),
    ],
)  # fmt: skip
def test_every_artifact_of_edits_has_its_figure(stored, name, parameter, kind):
    """Each is drawn as a picture and for Plotly, with words that say what the sham is."""
    artifact = stored[name, parameter]
    record = StoredArtifact(
        name=name, title=artifact.title, file="a.npz", sha256="0", columns=tuple(artifact.arrays), meta=artifact.meta
    )
    drawn = figure(record, artifact.arrays)
    assert isinstance(drawn.chart, kind)
    assert "svg" in draw(drawn.chart, "name")
    assert specify(drawn.chart)["data"]


def test_a_dose_rises_from_the_first_step_on(stored):
    """Steps are 1, 2, 3 whether lesions are put in or taken out, and the change has the sign of the edit."""
    for parameter, sign in (("insert", 1), ("erase", -1)):
        arrays = stored["dose_response", parameter].arrays
        assert arrays["dose"].tolist() == list(range(1, len(arrays["dose"]) + 1))
        assert (sign * arrays["lesion"] > 0).all()
