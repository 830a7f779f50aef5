"""Checks of what is declared beside cases and model: readers, comparators, follow-up, other splits, thresholds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from audit.config._crosscheck import table
from audit.config._faults import did_you_mean, listed, one_line, shown
from audit.core import COMPARATOR_OUTPUTS, TASKS, Comparator
from audit.errors import AuditError, ConfigError

_UNVERIFIABLE = ("segmentation", "detection")


def beside_faults(raw: Mapping[str, Any]) -> list[ConfigError]:
    """Return what is wrong in audit.toml with what stands beside the cases."""
    model, cohort = table(raw, "model"), table(raw, "cohort")
    task = model.get("task")
    return [
        *_chosen_on(model),
        *_survival(model, cohort),
        *_training_rater(model, table(cohort, "attributes")),
        *_comparators(task, table(cohort, "comparators")),
        *_others(cohort),
        *_verified(task, table(cohort, "reference")),
        *_recipe(table(raw, "training"), cohort),
    ]


def _chosen_on(model: Mapping[str, Any]) -> Iterator[ConfigError]:
    if model.get("operating_point_chosen_on") == "audit":
        yield ConfigError(
            "model.operating_point_chosen_on: a threshold chosen on the audited cases makes the audit look better",
            expected="validation, training or external", got="'audit'",
            fix="choose the threshold on other patients, or audit other patients",
        )  # fmt: skip


def _survival(model: Mapping[str, Any], cohort: Mapping[str, Any]) -> Iterator[ConfigError]:
    task = model.get("task")
    if task != "survival":
        if isinstance(task, str) and cohort and "target" not in cohort:
            yield ConfigError(
                "cohort.target: missing", expected="the column with the reference standard", got="none",
                fix="add target = …",
            )  # fmt: skip
        named = [("model.horizon", "horizon" in model), *((f"cohort.{k}", k in cohort) for k in ("time", "event"))]
        for key, there in named:
            if there and isinstance(task, str):
                yield ConfigError(
                    f"{key}: not used", expected='no such key but for task "survival"', got=f"task '{one_line(task)}'",
                    fix="take it out",
                )  # fmt: skip
        return
    if "horizon" not in model:
        yield ConfigError(
            "model.horizon: missing", expected="the time that a risk is said for, in the unit of cohort.time",
            got="none", fix="add horizon = 365, for example",
        )  # fmt: skip
    for key, what in (("time", "the column of follow-up times"), ("event", "the column that says whether it happened")):
        if cohort and key not in cohort:
            yield ConfigError(f"cohort.{key}: missing", expected=what, got="none", fix=f'add {key} = "{key}"')
    if "target" in cohort:
        yield ConfigError(
            "cohort.target: not used", expected="time and event for task 'survival'", got=shown(cohort["target"]),
            fix="take it out",
        )  # fmt: skip


def _training_rater(model: Mapping[str, Any], attributes: Mapping[str, Any]) -> Iterator[ConfigError]:
    name = model.get("training_rater")
    if not isinstance(name, str) or not name:
        return
    raters = [a for a in attributes if "rater" in _roles(table(attributes, a))]
    if name not in raters:
        yield ConfigError(
            f"model.training_rater: '{one_line(name)}' is no rater of the cohort", got=shown(name),
            expected=f"one of {listed(raters)}" if raters else "an attribute of role rater (there is none)",
            fix=did_you_mean(name, raters, 'declare it under [cohort.attributes] with role = "rater"'),
        )  # fmt: skip


def _roles(spec: Mapping[str, Any]) -> list[Any]:
    also = spec.get("also")
    return [spec.get("role"), *(also if isinstance(also, list) else [])]


def _comparators(task: Any, comparators: Mapping[str, Any]) -> Iterator[ConfigError]:
    if not comparators or task not in TASKS:
        return
    from audit.cohorts import check_comparator

    for name in comparators:
        spec = table(comparators, name)
        output, point = spec.get("output"), spec.get("operating_point")
        if output not in COMPARATOR_OUTPUTS:
            continue
        number = float(point) if isinstance(point, (int, float)) and not isinstance(point, bool) else None
        declared = Comparator(name=one_line(name), column="", output=output, operating_point=number)
        try:
            check_comparator(declared, task)
        except AuditError as error:
            yield ConfigError(error.problem, expected=error.expected, got=error.got, fix=error.fix)


def other_tables(cohort: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the tables of other splits, each with what stands before its keys in a message."""
    listed_ones = cohort.get("other")
    rows = [r for r in listed_ones if isinstance(r, Mapping)] if isinstance(listed_ones, list) else []
    found = [(f"cohort.other {i + 1}: ", row) for i, row in enumerate(rows)]
    training = table(cohort, "training")
    return [("cohort.training.", training), *found] if training else found


def _others(cohort: Mapping[str, Any]) -> Iterator[ConfigError]:
    names: list[str] = []
    for key, spec in other_tables(cohort):
        name, manifest = spec.get("name", "training"), spec.get("manifest")
        if isinstance(name, str) and name in names:
            yield ConfigError(
                f"{key}name: stands twice", expected="another name for each split", got=shown(name), fix="rename one"
            )
        names.append(str(name))
        if isinstance(manifest, str) and os.path.normpath(manifest) == os.path.normpath(str(cohort.get("manifest"))):
            yield ConfigError(
                f"{key}manifest: the manifest of the audited cases", expected="a table of other cases",
                got=shown(manifest), fix="tell the splits of one manifest apart with split and split_value",
            )  # fmt: skip


def _recipe(training: Mapping[str, Any], cohort: Mapping[str, Any]) -> Iterator[ConfigError]:
    if not training:
        return
    recipe, manifest = training.get("recipe"), training.get("manifest")
    if isinstance(recipe, str) and recipe.count(":") != 1:
        yield ConfigError(
            "training.recipe: wrong form", expected="module:function", got=shown(recipe), fix='"recipes:fit"'
        )
    if isinstance(manifest, str) and os.path.normpath(manifest) == os.path.normpath(str(cohort.get("manifest"))):
        yield ConfigError(
            "training.manifest: the manifest of the audited cases", expected="a table of other patients",
            got=shown(manifest), fix="name the table of the cases that the model was developed on",
        )  # fmt: skip
    for key, what in (("image", "images to train on"), ("patient", "patients, so that none stands in both cohorts")):
        if cohort and key not in cohort:
            yield ConfigError(
                f"cohort.{key}: missing", expected=f"the column of {what}, in both manifests", got="none",
                fix=f'add {key} = "…", or take [training] out',
            )  # fmt: skip


def development_columns(cohort: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what of `[cohort]` the development cohort has, too: all but what others said of the audited cases."""
    attributes = table(cohort, "attributes")
    # What stands in an unchecked file may be anything, so roles are compared one by one and not as a set.
    learnt = {
        k: v for k, v in attributes.items() if not any(r in ("rater", "repeat") for r in _roles(table(attributes, k)))
    }
    rest = {k: v for k, v in cohort.items() if k not in ("split", "split_value", "comparators", "ungradable")}
    return {**rest, "attributes": learnt}


def _verified(task: Any, reference: Mapping[str, Any]) -> Iterator[ConfigError]:
    if task in _UNVERIFIABLE and "verified" in reference:
        yield ConfigError(
            "cohort.reference.verified: not used", expected="no such key for this task", got=f"task '{task}'",
            fix="take it out; a case without a reference segmentation is set aside",
        )  # fmt: skip
