"""From the checked shapes to the value types of the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from audit.core import (
    AttributeSpec,
    CohortSpec,
    Comparator,
    ComparisonRule,
    ExplainSpec,
    InputSpec,
    IntendedUse,
    Limit,
    ModelSpec,
    OtherSpec,
    Policy,
    Prevalence,
    Rule,
    SurrogateSpec,
    ThreatModel,
    TrainingSpec,
    Waiver,
)

if TYPE_CHECKING:
    from audit.config._audit_file import (
        CohortTable,
        ExplainTable,
        InputTable,
        IntendedUseTable,
        ModelTable,
        RecipeTable,
        RunTable,
        ThreatModelTable,
        TrainingTable,
    )
    from audit.config._policy_file import ComparisonTable, PolicyFile, RuleTable


def input_spec(t: InputTable) -> InputSpec:
    """Return `[model.input]`; one number for all channels is repeated."""
    mean, std = ((), ()) if t.normalise is None else (t.normalise.mean, t.normalise.std)
    return InputSpec(
        modality=t.modality or "",
        unit=t.unit,
        range=(t.range[0], t.range[1]),
        size=tuple(t.size or ()),
        channels=t.channels,
        mean=_each(mean, t.channels),
        std=_each(std, t.channels),
        scale=t.scale,
        window=None if t.window is None else (t.window[0], t.window[1]),
        resize=t.resize,
        spacing_mm=None if t.spacing_mm is None else tuple(t.spacing_mm),
        orientation=t.orientation,
        tile=None if t.tile is None else tuple(t.tile),
        modalities=tuple(t.modalities),
        absent=t.absent,
    )


def _each(numbers: list[float] | tuple[float, ...], channels: int) -> tuple[float, ...]:
    return tuple(numbers) * channels if len(numbers) == 1 else tuple(numbers)


def model_spec(t: ModelTable) -> ModelSpec:
    """Return `[model]`."""
    return ModelSpec(
        kind=t.kind,
        task=t.task,
        output=t.output,
        path=t.path,
        factory=t.factory,
        name=t.name,
        version=t.version,
        classes=tuple(t.classes),
        operating_point=t.operating_point,
        operating_point_source=t.operating_point_source,
        input=input_spec(t.input),
        case=t.case,
        scores=(t.score,) if t.score is not None else tuple(t.scores),
        golden=t.golden,
        golden_tolerance=t.golden_tolerance,
        layer=t.layer,
        monitor=t.monitor,
        clinical_tolerance=t.clinical_tolerance,
        horizon=t.horizon,
        training_rater=t.training_rater,
        operating_point_chosen_on=t.operating_point_chosen_on or "",
        timeout=t.timeout,
    )


def surrogate_specs(t: RunTable, audited: ModelSpec) -> tuple[SurrogateSpec, ...]:
    """Return `[[audit.surrogate]]`, each with the declaration of the audited model and its own file."""
    return tuple(
        SurrogateSpec(
            relation=s.relation,
            model=replace(audited, kind=s.kind, path=s.path, factory=s.factory, name=s.name, version="", golden=None),
        )
        for s in t.surrogate
    )


def cohort_spec(t: CohortTable) -> CohortSpec:
    """Return `[cohort]`."""
    attributes = tuple(
        AttributeSpec(
            name=name,
            role=a.role,
            also=tuple(a.also),
            reason=a.reason,
            bins=tuple(a.bins or ()),
            unit=a.unit,
            recorded_by=a.recorded_by,
            shares=dict(a.shares),
            trained_on=tuple(a.trained_on),
        )
        for name, a in t.attributes.items()
    )
    return CohortSpec(
        manifest=t.manifest,
        target=tuple(t.target),
        image=t.image,
        case=t.case,
        patient=t.patient,
        positive=tuple(t.positive),
        mask=t.mask,
        name=t.name,
        design=t.sampling.design or "",
        reference_method=t.reference.method,
        attributes=attributes,
        provenance=t.provenance,
        split=t.split,
        split_value=t.split_value,
        comparators=tuple(
            Comparator(name=name, column=c.column, output=c.output, operating_point=c.operating_point)
            for name, c in t.comparators.items()
        ),
        ungradable=t.ungradable,
        ungradable_values=tuple(t.ungradable_values),
        verified=t.reference.verified,
        time=t.time,
        event=t.event,
        others=tuple(_other(o) for o in ([] if t.training is None else [t.training]) + list(t.other)),
        region_mask=t.region_mask,
        distractors=tuple(t.distractors.items()),
        annotated_plane=t.annotated_plane,
        phantom=t.phantom,
        read_timeout=t.read_timeout,
    )


def _other(t: TrainingTable) -> OtherSpec:
    return OtherSpec(
        name=t.name, manifest=t.manifest, patient=t.patient, image=t.image, case=t.case, date=t.date,
        foreign=getattr(t, "foreign", False),
    )  # fmt: skip


def training(t: RecipeTable | None) -> TrainingSpec | None:
    """Return `[training]`."""
    if t is None:
        return None
    return TrainingSpec(recipe=t.recipe, manifest=t.manifest, name=t.name, target=t.target, seconds=t.seconds)


def explain(t: ExplainTable) -> ExplainSpec:
    """Return `[audit.explain]`; a method that is named twice counts once."""
    return ExplainSpec(
        methods=tuple(dict.fromkeys(t.methods)), own_map=t.own_map, window_mm=t.window_mm, window_share=t.window_share
    )


def threat_model(t: ThreatModelTable | None) -> ThreatModel | None:
    """Return `[audit.threat_model]`."""
    return None if t is None else ThreatModel(who=t.who, pixels=t.pixels, where=t.where)


def intended_use(t: IntendedUseTable, population: Mapping[str, Mapping[str, float]]) -> IntendedUse:
    """Return `[intended_use]` with the population that it names or holds."""
    p = t.prevalence
    declared = None if p is None else Prevalence(value=p.value, low=p.low, high=p.high, source=p.source)
    return IntendedUse(
        statement=t.statement, role=t.role, prevalence=declared, population=population, cases_per_year=t.cases_per_year
    )


def policy(t: PolicyFile, source: str) -> Policy:
    """Return the policy with the digest of its content."""
    rules = tuple(_rule(r) for r in t.rule)
    waivers = tuple(Waiver(rule=w.rule, owner=w.owner, reason=w.reason, expires=w.expires) for w in t.waiver)
    return Policy(
        name=t.name,
        confidence=t.confidence,
        rules=rules,
        waivers=waivers,
        allow_not_applicable=tuple(t.not_applicable.allow),
        comparisons=tuple(_comparison(c) for c in t.comparison),
        source=source,
    )


def _comparison(c: ComparisonTable) -> ComparisonRule:
    return ComparisonRule(
        id=c.id, metric=c.metric, margin=c.margin, where=c.where.model_dump(by_alias=True, exclude_none=True),
        min_patients=c.min_patients, blocking=c.blocking, rationale=c.rationale, margin_source=c.margin_source,
    )  # fmt: skip


def _rule(r: RuleTable) -> Rule:
    return Rule(
        id=r.id,
        probe=r.probe,
        metric=r.metric,
        limit=Limit(min=r.limit.min, max=r.limit.max),
        where=r.where.model_dump(by_alias=True, exclude_none=True),
        min_patients=r.min_patients,
        blocking=r.blocking,
        rationale=r.rationale,
        margin_source=r.margin_source,
        sequential=r.sequential,
    )
