"""SHIFT003 drift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from audit.core import Attribute, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import Level, comparable, levels_of
from audit.probes.shift._distance import (
    IMAGES,
    Source,
    effect,
    label_strata,
    made,
    sources,
    told_of_each,
    within_others,
)
from audit.probes.shift._drop import distance_and_drop


class Drift(Probe):
    """How far images, features and answers of one protocol are from those of the others, and whether that matters.

    What it measures:
        For each level of each attribute with the role `protocol`, and for images, features and outputs in turn
        (condition `parameter`), `drift_effect`: the AUC with which a small classifier tells the level from the rest
        among cases of equal label (of equal fifth of the reference value for a regression). The classifier, a logistic
        regression (of leading components for features), never saw the patients that it is asked about; 0.5 means that
        nothing tells them apart, 1 that everything does. Images are seven numbers a channel, which say how an image was
        made and not what it shows: mean, spread, 1st and 99th percentile, noise, sharpness and fine detail. Features
        are the model's own, before its last layer, where it gives them. Outputs are its scores, how they go with the
        label, and how far they lie from the mean of their label: a protocol that draws ill and well together, or
        scatters both, is told although the mean stays.

        Where the cohort has several protocol attributes, `drift_effect_within` compares cases that agree in all the
        others (condition `stratum`): a drift over the years that vanishes there was a change of scanner.

        `distance_predicts_drop` is the rank correlation, over the levels of an attribute, of the distance of the
        images with how much lower the AUC of the level is than that of the rest. It needs five levels.

        The figure shows, for each descriptor, how well it alone tells each level from the rest.

    Why it matters clinically:
        A monitor that watches only the images rings when nothing is wrong, and one that watches only the answers is
        silent until patients are harmed. What is worth watching is the distance that goes with a drop.

    Known problems:
        With many cases any two scanners differ significantly; with few none do. Only the size of the effect and its
        interval say which of the two it is, so there is no p value here. The classifier is small: a difference that
        only a deep network would see is not found. Features of a model that was trained to ignore the protocol may
        still hold it. A distance says nothing about which protocol is right. A value below 0.5 is chance as well: what
        is learned of some patients by accident points the wrong way for the others. The interval holds
        the variance of the fitted classifiers by a correction that is right where nothing is to be told and too large
        where much is (decision 0055).

    Example:
        Scanner B adds noise of 20 HU. `drift_effect` of the images is 0.98 for B, that of the outputs 0.52: the scanner
        is told at a glance and the model does not care.

    References:
        - Rabanser, Günnemann and Lipton 2019, Failing loudly: an empirical study of methods for detecting dataset
          shift, NeurIPS.
        - Lopez-Paz and Oquab 2017, Revisiting classifier two-sample tests, ICLR.
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SHIFT003",
        name="drift",
        family="SHIFT",
        version=2,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression"),
        needs=("protocol",),
        metrics=("drift_effect", "drift_effect_within", "distance_predicts_drop"),
        descriptive=("distance_predicts_drop",),
        title="Distance between protocols",
        question="How far is each protocol from the others, and does that matter?",
        method=(
            "AUC of a classifier that tells the protocol out of fold by patient, within labels, Obuchowski's interval; "
            "once for descriptors of the images, once for the model's features, once for its scores."
        ),
        limits="A distance is not harm; what only a deep network would tell apart is not found.",
        references=(
            "Rabanser and others 2019, NeurIPS", "Lopez-Paz and Oquab 2017, ICLR", "Obuchowski 1997, Biometrics 53",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Compare every level of every protocol attribute with the rest; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("protocol"), "protocol")
        found = sources(ctx)
        if not found:
            raise NotApplicable("the model gives one and the same answer to every case, and there are no images")
        for attribute in attributes:
            others = tuple(a for a in attributes if a.name != attribute.name)
            yield from _attribute(ctx, attribute, others, found)


def _attribute(
    ctx: ProbeContext, attribute: Attribute, others: tuple[Attribute, ...], found: tuple[Source, ...]
) -> Iterator[Measurement]:
    strata = label_strata(ctx)
    levels = levels_of(attribute)
    # The first source is the images where there are any: what a monitor would see. What is said of each case is held
    # for it alone, since levels times cases are many.
    seen = list(told_of_each(ctx, found[0], levels))
    effects = [[made(ctx, "drift_effect", effect(ctx, answer, strata), answer, levels) for answer in seen]]
    effects += [
        [made(ctx, "drift_effect", effect(ctx, a, strata), a, levels) for a in told_of_each(ctx, source, levels)]
        for source in found[1:]
    ]
    for source, measured in zip(found, effects, strict=True):
        yield from measured
        yield from within_others(ctx, source, levels, others)
    yield distance_and_drop(ctx, attribute, seen)
    _keep(ctx, attribute, levels, found[0])


def _keep(ctx: ProbeContext, attribute: Attribute, levels: tuple[Level, ...], source: Source) -> None:
    """Keep how well each column alone tells each level from the rest."""
    from audit.stats import stratified_auc

    if source.name != IMAGES:
        return
    strata, patients = label_strata(ctx)[source.rows], ctx.cohort.patients[source.rows]
    rows = []
    for at, level in enumerate(levels):
        for column, values in enumerate(source.columns.T):
            e = stratified_auc(values, level.members[source.rows], strata, patients, ctx.levels)
            bounds = e.bounds((1 - ctx.levels.confidence) / 2)
            if e.value is not None and bounds is not None:
                rows.append((at, column, e.value, *bounds, e.n_patients))
    if not rows:
        return
    columns = np.array(rows).T
    ctx.sink.artifact(
        "drift_by_descriptor",
        f"What tells each {attribute.name} from the others: AUC of each descriptor among cases of equal label",
        {
            "level": np.array([levels[int(i)].name for i in columns[0]]),
            "descriptor": np.array([source.names[int(i)] for i in columns[1]]),
            "auc": columns[2], "low": columns[3], "high": columns[4], "n_patients": columns[5].astype(np.int64),
        },
        attribute=attribute.name,
    )  # fmt: skip
