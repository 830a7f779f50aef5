"""DATA009 unlike-intended-population."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from audit.core import (
    MISSING_LEVEL,
    TASKS,
    Attribute,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
)
from audit.probes._shared import count_patients

UNDECLARED = "neither the population of the intended use nor its prevalence is declared"
NO_COLUMN = "the cohort has no such attribute"
ABSENT, UNNAMED = "declared and absent", "present and not declared"


class UnlikeIntendedPopulation(Probe):
    """Whether the cohort is like the patients for whom the model is meant.

    What it measures:
        `share_difference`, for each level of each attribute whose shares in the intended population are declared: the
        share of the cohort's cases with that level minus the declared share. Cases without a value are left out of
        the shares. `faults` counts levels, for each attribute (condition `attribute`): by `parameter` those that are
        "declared and absent", so that nothing is known of patients who will be met, and those that are "present and
        not declared". `prevalence_difference` is the share of positive cases minus the declared prevalence of a binary
        task.

    Why it matters clinically:
        A number that was measured in one mix of patients need not hold in another. A device for a screening programme
        that was tested in referred patients, or for all ages that was tested under sixty, has not been tested for its
        use; the law asks that test data represent those for whom the device is meant.

    Known problems:
        Equal shares of single attributes do not make an equal population: their combinations, and all that is not
        declared, may differ. A case-control or enriched cohort differs in prevalence by design, which is why numbers
        that depend on prevalence are re-weighted. The declared shares are taken as known without error.

    Example:
        Intended use is 50 % women; of 900 cases 270 are of women: `share_difference` for `subgroup = "female"` is
        -0.20 (-0.23 to -0.17).

    References:
        - Regulation (EU) 2024/1689 (Artificial Intelligence Act), Article 10.
        - Collins et al. 2024, TRIPOD+AI statement, BMJ 385.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA009",
        name="unlike-intended-population",
        family="DATA",
        tasks=TASKS,
        metrics=("share_difference", "prevalence_difference", "faults"),
        title="Intended population",
        question="Are these the patients that the model is meant for?",
        method="Shares of cases minus declared shares, Korn-Graubard bounds by patient; counts of levels.",
        limits="Equal shares of single attributes do not make an equal population.",
        references=("Regulation (EU) 2024/1689, Article 10", "Collins et al. 2024, BMJ 385"),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Compare every declared share; see `Probe.run`."""
        declared = ctx.intended_use
        prevalence = declared.prevalence if ctx.card.task == "binary" else None
        if not declared.population and prevalence is None:
            raise NotApplicable(UNDECLARED)
        for name, shares in declared.population.items():
            yield from _attribute(ctx, name, shares)
        if prevalence is not None:
            yield _prevalence(ctx, prevalence.value)


def _attribute(ctx: ProbeContext, name: str, shares: Mapping[str, float]) -> Iterator[Measurement]:
    attribute = ctx.cohort.attributes.get(name)
    if attribute is None:
        for level in shares:
            yield _row(ctx, Estimate.absent(NO_COLUMN, method="none"), "share_difference", subgroup={name: level})
        return
    known = attribute.levels != MISSING_LEVEL
    levels = list(dict.fromkeys([*shares, *(v for v in attribute.level_names() if v != MISSING_LEVEL)]))
    found = {level: int((attribute.levels == level).sum()) for level in levels}
    for level in levels:
        difference = _shifted(_share(ctx, attribute, level), shares.get(level, 0.0))
        yield _row(ctx, difference, "share_difference", direction="zero", subgroup={name: level})
    counts = {
        ABSENT: sum(not found[level] for level, share in shares.items() if share > 0),
        UNNAMED: sum(found[level] > 0 for level in levels if not shares.get(level)),
    }
    n, n_patients = int(known.sum()), count_patients(ctx.cohort.patients, known)
    for kind, count in counts.items():
        estimate = Estimate.counted(count, n=n, n_patients=n_patients)
        yield _row(ctx, estimate, "faults", unit="levels", condition={"attribute": name, "parameter": kind})
    _keep(ctx, name, shares, found)


def _share(ctx: ProbeContext, attribute: Attribute, level: str) -> Estimate:
    from audit.stats import proportion

    known = attribute.levels != MISSING_LEVEL
    return proportion((attribute.levels == level)[known], ctx.cohort.patients[known], ctx.levels)


def _prevalence(ctx: ProbeContext, declared: float) -> Measurement:
    from audit.stats import proportion

    own = proportion(ctx.clean.views[0].labels, ctx.cohort.patients, ctx.levels)
    design: dict[str, Scalar] = {"parameter": f"{ctx.cohort.design} cohort"} if ctx.cohort.design else {}
    return _row(ctx, _shifted(own, declared), "prevalence_difference", direction="zero", condition=design)


def _shifted(share: Estimate, declared: float) -> Estimate:
    """Return a share minus a number that is known, under the share's own counts."""
    if share.value is None:
        return share
    curve = tuple((level, low - declared, high - declared) for level, low, high in share.curve)
    return Estimate(
        value=share.value - declared, curve=curve, method=share.method, n=share.n, n_patients=share.n_patients
    )


def _row(
    ctx: ProbeContext, estimate: Estimate, metric: str, *, direction: Direction = "lower", **more: Any
) -> Measurement:
    return Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, direction=direction, **more)


def _keep(ctx: ProbeContext, name: str, shares: Mapping[str, float], found: Mapping[str, int]) -> None:
    total = max(1, sum(found.values()))
    ctx.sink.artifact(
        "population_shares",
        f"Shares of {name} in the cohort and in the intended population",
        {
            "level": np.array(list(found), dtype=np.str_),
            "cohort": np.array([count / total for count in found.values()]),
            "declared": np.array([shares.get(level, 0.0) for level in found]),
            "cases": np.array(list(found.values()), dtype=np.int64),
        },
        attribute=name,
    )
