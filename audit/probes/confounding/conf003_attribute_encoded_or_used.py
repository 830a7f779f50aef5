"""CONF003 attribute-encoded-or-used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from audit.core import Attribute, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import comparable
from audit.probes.confounding._encoded import encoded, representations
from audit.probes.confounding._resampled import resampled
from audit.probes.confounding._strata import strata_for

ROLES = ("protected", "confounder", "protocol")


class AttributeEncodedOrUsed(Probe):
    """Whether an attribute can be read from the model, and, apart from that, whether its performance needs it.

    What it measures:
        Two questions that are often taken for one. First: can the attribute be read? `decodability_auc` is how well a
        linear probe that was trained on other patients tells a level from the rest, from the model's outputs and from
        the features that its last layer is given (condition `parameter`), over all pairs of patients (`stratum =
        "all"`) and over pairs with the same label (`stratum = "given the label"`). Beside it stand two controls,
        `decodability_control_auc`: levels exchanged between patients (0.5 or a little below is right), and the same
        network with untrained weights, from which much can be read that no training has put there. Second: does
        performance survive where the levels differ in nothing else? Cases are weighted so that prevalence, age, and
        what patients present with (covariates, severity) are the same in every level. `auc_change` is the AUC under
        these weights minus that of the cohort as it is, for the whole cohort and for each level, `auc_gap_resampled`
        the gap of the level to the rest that is left.

    Why it matters clinically:
        Sex can be read from nearly every chest radiograph, by a trained network, by an untrained one and by a student.
        That a model encodes it does not show that a diagnosis rests on it. Whether the gap between two groups goes
        away when both are equally old and equally ill does tell something, and is asked separately.

    Known problems:
        Encoding is never use: decodability describes and no blocking rule may rest on it; use CONF001 and CONF002. A
        linear probe that reads nothing does not show that nothing is there. Where prevalence, age and presentation are
        alike in all levels already, nothing changes whatever the model uses. A change under resampling may be honest:
        if disease was easier to see in older patients, an AUC falls when ages are made equal. Only declared attributes
        are made equal, numbers in quarters; patients without a counterpart in another level are left out and counted,
        and where they are more than half of a level there is no number. Where prevalence alone can be made equal the
        AUC within a level cannot change, and levels have no `auc_change`.

    Example:
        Sex is read from the features with an AUC of 0.93 (0.91 to 0.95), from the untrained network with 0.88, and
        from the output given the label with 0.52. With prevalence and age made equal `auc_change` is -0.002 (-0.009 to
        0.004): encoded, and not what the performance rests on.

    References:
        - Glocker, Jones, Bernhardt and Winzeck 2023, Algorithmic encoding of protected characteristics in chest X-ray
          disease detection models, eBioMedicine 89.
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF003",
        name="attribute-encoded-or-used",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression"),
        metrics=("auc_change", "auc_gap_resampled", "decodability_auc", "decodability_control_auc"),
        descriptive=("decodability_auc", "decodability_control_auc"),
        title="Encoded or used",
        question="Can an attribute be read from the model, and does its performance need it?",
        method=(
            "Linear probe out of fold by patient, with exchanged levels and an untrained network as controls; AUC "
            "under weights that make prevalence, age and presentation equal, patient bootstrap of weights and AUC."
        ),
        limits="What can be read is not what is used; only declared attributes are made equal.",
        references=(
            "Glocker, Jones, Bernhardt and Winzeck 2023, eBioMedicine 89", "Obuchowski 1997, Biometrics 53",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Read every compared attribute, and measure without what goes with it; see `Probe.run`."""
        given = ctx.cohort.by_role("protected", "confounder", "protocol")
        if not given:
            raise NotApplicable(f"the cohort has no attribute with a role of {', '.join(ROLES)}")
        attributes = [a for a in comparable(given, " or ".join(ROLES)) if len(a.level_names()) > 1]
        return _all(ctx, attributes)


def _all(ctx: ProbeContext, attributes: list[Attribute]) -> Iterator[Measurement]:
    seen = representations(ctx)
    for done, attribute in enumerate(attributes):
        strata = strata_for(attribute, ctx.clean.views, ctx.cohort.patients)
        for view in ctx.clean.views:
            yield from resampled(ctx, strata, view)
        yield from encoded(ctx, strata, seen)
        ctx.sink.progress(done + 1, len(attributes))
