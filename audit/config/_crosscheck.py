"""Checks that need more than one key of a file; they look at what is there and leave wrong types to the shapes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from audit.config._faults import did_you_mean, listed, one_line, shown, unknown
from audit.core import COMPARED, MIXED, OUTPUT_KINDS, OUTPUTS_OF
from audit.errors import ConfigError

SHARES_OFF = 0.005
_NEEDS_PATH = ("torch", "torch-export", "torchscript", "onnx", "sklearn", "predictions", "mlflow", "http")
_NEEDS_IMAGES = ("torch", "torch-export", "torchscript", "onnx", "sklearn", "callable", "mlflow", "http")
# Kinds whose path is a URI and the form that it has.
URIS = {"mlflow": ("models:/", "runs:/"), "http": ("http://", "https://")}


def table(raw: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a table of the file, empty where it is absent or no table."""
    here: Any = raw
    for key in keys:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def audit_faults(raw: Mapping[str, Any]) -> list[ConfigError]:
    """Return what is wrong between keys of audit.toml."""
    model, cohort = table(raw, "model"), table(raw, "cohort")
    return [
        *_sources(model),
        *_classes(model),
        *_operating_point(model),
        *_input(table(model, "input")),
        *_cohort(model, cohort),
        *_attributes(table(cohort, "attributes")),
        *_prevalence(table(raw, "intended_use", "prevalence")),
        *_fairlearn(table(raw, "audit").get("fairlearn_metrics"), model.get("task")),
        *_attacks(table(raw, "audit").get("attacks")),
        *_explain(table(raw, "audit", "explain")),
    ]


def _sources(model: Mapping[str, Any]) -> Iterator[ConfigError]:
    kind, task, output = model.get("kind"), model.get("task"), model.get("output")
    if kind in _NEEDS_PATH and "path" not in model:
        yield ConfigError(
            "model.path: missing", expected=f"the file of a '{kind}' model", got="none", fix="add path = …"
        )
    path = model.get("path")
    if isinstance(kind, str) and kind in URIS and isinstance(path, str) and not path.startswith(URIS[kind]):
        yield ConfigError(
            f"model.path: no URI of kind '{kind}'", expected=f"{' or '.join(URIS[kind])}…", got=shown(path),
            fix="write the whole URI, or correct kind",
        )  # fmt: skip
    if "timeout" in model and kind != "http":
        yield ConfigError("model.timeout: of no use here", expected='kind = "http"', got=shown(kind), fix="take it out")
    if kind in ("torch", "callable") and "factory" not in model:
        what = "the function that builds the architecture" if kind == "torch" else "the function that answers"
        yield ConfigError("model.factory: missing", expected=what, got="none", fix='add factory = "module:object"')
    factory = model.get("factory")
    if isinstance(factory, str) and factory.count(":") != 1:
        yield ConfigError("model.factory: wrong form", expected="module:object", got=shown(factory), fix='"nets:build"')
    if kind == "predictions" and not ({"score", "scores"} & model.keys()):
        yield ConfigError(
            "model.score: missing", expected="the column of scores", got="none", fix='add score = "score"'
        )
    if {"score", "scores"} <= model.keys():
        yield ConfigError(
            "model.scores: one too many", expected="score or scores", got="both", fix="take one of them out"
        )
    allowed = OUTPUTS_OF.get(task) if isinstance(task, str) else None
    if allowed and output in OUTPUT_KINDS and output not in allowed:
        wanted = f"{' or '.join(allowed)} for task '{task}'"
        yield ConfigError(
            "model.output: does not go with the task", expected=wanted, got=shown(output), fix="correct one"
        )


def _classes(model: Mapping[str, Any]) -> Iterator[ConfigError]:
    classes, task = model.get("classes"), model.get("task")
    if not isinstance(classes, list):
        if task in ("multiclass", "multilabel", "ordinal"):
            wanted = "the names in the order of the outputs"
            yield ConfigError("model.classes: missing", expected=wanted, got="none", fix="add classes = [ … ]")
        return
    if task == "binary" and len(classes) != 2:
        wanted = "two names, the negative one first"
        yield ConfigError(
            "model.classes: wrong number", expected=wanted, got=f"{len(classes)}", fix="name both classes"
        )
    if task in ("multiclass", "ordinal") and len(classes) < 2:
        yield ConfigError(
            "model.classes: wrong number", expected="two or more", got=f"{len(classes)}", fix="name all classes"
        )
    if len({str(c) for c in classes}) != len(classes):
        yield ConfigError(
            "model.classes: a name twice", expected="each name once", got=shown(classes), fix="rename one"
        )


def _operating_point(model: Mapping[str, Any]) -> Iterator[ConfigError]:
    point, task, output = model.get("operating_point"), model.get("task"), model.get("output")
    where = "model.operating_point"
    classes = model.get("classes")
    if isinstance(point, Mapping):
        if task != "multilabel" and isinstance(task, str):
            yield ConfigError(
                f"{where}: one number too many", expected="one number", got="a table", fix="write operating_point = 0.5"
            )
        names = [c for c in classes if isinstance(c, str)] if isinstance(classes, list) else []
        for name in point:
            if names and name not in names:
                advice = did_you_mean(str(name), names, "correct the name")
                yield ConfigError(
                    f"{where}: unknown finding", expected=f"one of {listed(names)}", got=shown(name), fix=advice
                )
    values = point.values() if isinstance(point, Mapping) else [point]
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if output != "value" and any(not 0 <= v <= 1 for v in numbers):
        advice = "give the threshold after sigmoid or softmax, not on the logit"
        yield ConfigError(f"{where}: not a probability", expected="a number from 0 to 1", got=shown(point), fix=advice)


def _input(spec: Mapping[str, Any]) -> Iterator[ConfigError]:
    channels, size = spec.get("channels", 1), spec.get("size")
    for key, numbers in table(spec, "normalise").items():
        if isinstance(numbers, list) and isinstance(channels, int) and len(numbers) not in (1, channels):
            yield ConfigError(
                f"model.input.normalise.{key}: wrong length", expected=f"{channels} numbers, one a channel",
                got=f"{len(numbers)}", fix="give one a channel, or correct channels",
            )  # fmt: skip
        if key == "std" and isinstance(numbers, list) and any(isinstance(v, (int, float)) and v <= 0 for v in numbers):
            yield ConfigError(
                "model.input.normalise.std: not above 0",
                expected="numbers above 0",
                got=shown(numbers),
                fix="correct it",
            )
    for key in ("spacing_mm", "tile"):
        other = spec.get(key)
        if isinstance(size, list) and isinstance(other, list) and len(size) != len(other):
            yield ConfigError(
                f"model.input.{key}: wrong length", expected=f"{len(size)} numbers, as in size", got=f"{len(other)}",
                fix="give one number an axis",
            )  # fmt: skip


def _cohort(model: Mapping[str, Any], cohort: Mapping[str, Any]) -> Iterator[ConfigError]:
    kind, task, target = model.get("kind"), model.get("task"), cohort.get("target")
    if kind in _NEEDS_IMAGES and cohort and "image" not in cohort:
        wanted = f"the column with the images that a '{kind}' model reads"
        yield ConfigError("cohort.image: missing", expected=wanted, got="none", fix='add image = "file"')
    if task == "segmentation" and cohort and "mask" not in cohort:
        wanted = "the column with the reference segmentation"
        yield ConfigError("cohort.mask: missing", expected=wanted, got="none", fix='add mask = "mask"')
    if isinstance(task, str) and task != "multilabel" and isinstance(target, list) and len(target) > 1:
        yield ConfigError(
            "cohort.target: too many columns", expected=f"one for task '{task}'", got=f"{len(target)}", fix="keep one"
        )
    if task != "binary" and isinstance(task, str) and "positive" in cohort:
        yield ConfigError(
            "cohort.positive: not used", expected="no such key for this task", got=f"task '{task}'", fix="take it out"
        )
    classes = model.get("classes")
    yield from _turned(task, classes, cohort.get("positive"))
    if task == "multilabel" and isinstance(classes, list) and isinstance(target, (list, str)):
        columns = target if isinstance(target, list) else [target]
        if len(columns) != len(classes):
            wanted = f"{len(classes)} columns, one a class"
            yield ConfigError(
                "cohort.target: wrong number", expected=wanted, got=f"{len(columns)}", fix="name one a class"
            )
    if ("split" in cohort) != ("split_value" in cohort):
        yield ConfigError(
            "cohort.split: incomplete", expected="split and split_value", got="one of them", fix="add the other"
        )


def _turned(task: Any, classes: Any, positive: Any) -> Iterator[ConfigError]:
    """The last output is the positive class; a target that counts the first as positive says the opposite."""
    named = positive if isinstance(positive, list) else [positive]
    if task != "binary" or not isinstance(classes, list) or len(classes) != 2:
        return
    if classes[0] in named and classes[1] not in named:
        yield ConfigError(
            "cohort.positive: the negative class of model.classes", got=shown(positive),
            expected=f"values that mean '{one_line(classes[1])}', since classes has the negative one first",
            fix="turn classes round, or correct positive",
        )  # fmt: skip


def saved_faults(model: Mapping[str, Any], cohort: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Return the columns of case ids that saved predictions lack.

    Rows of two files are matched by case: by their number a file in another order would give a verdict as well.
    """
    path, manifest = model.get("path"), cohort.get("manifest")
    if model.get("kind") != "predictions" or not isinstance(path, str) or not isinstance(manifest, str):
        return
    if os.path.normpath(path) == os.path.normpath(manifest):
        # Named on one side only, no case would find its row.
        for here, other, there, lacks in (("cohort", "model", model, cohort), ("model", "cohort", cohort, model)):
            if "case" in there and "case" not in lacks:
                yield ConfigError(
                    f"{here}.case: missing", expected=f"the column that {other}.case names, or neither", got="none",
                    fix=f'add case = "{one_line(there["case"])}" under [{here}]',
                )  # fmt: skip
        return
    for key, there in (("model.case", model), ("cohort.case", cohort)):
        if "case" not in there:
            yield ConfigError(
                f"{key}: missing", expected="the column of case ids, since scores and manifest are two files",
                got="none", fix='add case = "case_id", the same ids in both files',
            )  # fmt: skip


def _attributes(attributes: Mapping[str, Any]) -> Iterator[ConfigError]:
    for name in attributes:
        spec = table(attributes, name)
        also = spec.get("also")
        roles = [spec.get("role"), *(also if isinstance(also, list) else [])]
        reason = spec.get("reason", "")
        if "confounder" in roles and not (isinstance(reason, str) and reason.strip()):
            yield ConfigError(
                f"cohort.attributes.{one_line(name)}: a confounder without its reason",
                expected="why it may lead the model astray", got="no reason",
                fix='add reason = "…", for example "one scanner served the oncology ward"',
            )  # fmt: skip
        yield from _shares(f"cohort.attributes.{one_line(name)}.shares", spec.get("shares"), "confounder" in roles)


def _shares(where: str, shares: Any, confounder: bool) -> Iterator[ConfigError]:
    if not isinstance(shares, dict) or not shares:
        return
    if not confounder:
        yield ConfigError(
            f"{where}: only a confounder is balanced", expected="the role 'confounder'", got="another role",
            fix="take shares out, or declare the confounder with its reason",
        )  # fmt: skip
    numbers = [v for v in shares.values() if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(shares) and (min(numbers) <= 0 or abs(sum(numbers) - 1) > SHARES_OFF):
        yield ConfigError(
            f"{where}: no shares of a whole", expected="a share above 0 for each level, 1 in all",
            got=", ".join(f"{v:g}" for v in numbers), fix="give every level's share; they add up to 1",
        )  # fmt: skip


def _fairlearn(names: Any, task: Any) -> Iterator[ConfigError]:
    from audit.metrics import FAIRLEARN, VALUED, base_of

    for name in [names] if isinstance(names, str) else names if isinstance(names, list) else []:
        if not isinstance(name, str):
            continue
        if name not in FAIRLEARN:
            yield unknown("audit.fairlearn_metrics", name, FAIRLEARN, noun="metric")
        elif (task == "regression") != (base_of(name)[0][0] in VALUED):
            yield ConfigError(
                f"audit.fairlearn_metrics: {name} does not go with the task", expected=f"a metric of task '{task}'",
                got=shown(name), fix="take it out",
            )  # fmt: skip


def _attacks(names: Any) -> Iterator[ConfigError]:
    from audit.attacks import CATALOGUE

    for name in [names] if isinstance(names, str) else names if isinstance(names, list) else []:
        if isinstance(name, str) and name not in CATALOGUE:
            yield unknown("audit.attacks", name, CATALOGUE, noun="attack")


def _explain(spec: Mapping[str, Any]) -> Iterator[ConfigError]:
    from audit.explain import METHODS

    names = spec.get("methods")
    for name in [names] if isinstance(names, str) else names if isinstance(names, list) else []:
        if isinstance(name, str) and name not in METHODS:
            yield unknown("audit.explain.methods", name, METHODS, noun="method")
    own = spec.get("own_map")
    if isinstance(own, str) and own.count(":") != 1:
        yield ConfigError(
            "audit.explain.own_map: wrong form", expected="module:function", got=shown(own), fix='"maps:attention"'
        )


def _prevalence(spec: Mapping[str, Any]) -> Iterator[ConfigError]:
    numbers = [spec.get(k) for k in ("low", "value", "high")]
    known = [v for v in numbers if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if known != sorted(known):
        yield ConfigError(
            "intended_use.prevalence: out of order", expected="low <= value <= high", got=shown(known), fix="correct it"
        )


def policy_faults(raw: Mapping[str, Any]) -> list[ConfigError]:
    """Return what is wrong between keys of policy.toml."""
    rules, waivers = raw.get("rule"), raw.get("waiver")
    ids = _texts(rules, "id")
    compared = _texts(raw.get("comparison"), "id")
    faults = [
        ConfigError(
            f"rule '{one_line(i)}': the id stands twice",
            expected="unique ids",
            got=f"{ids.count(i)} times",
            fix="rename",
        )
        for i in sorted(set(ids))
        if ids.count(i) > 1
    ]
    faults += [
        ConfigError(
            f"comparison '{one_line(i)}': the id stands twice",
            expected="an id that no rule and no other comparison has",
            got=f"{(ids + compared).count(i)} times",
            fix="rename",
        )
        for i in sorted(set(compared))
        if (ids + compared).count(i) > 1
    ]
    faults += _comparison_faults(raw.get("comparison"))
    waived = _texts(waivers, "rule")
    for name in sorted(set(waived)):
        if name not in ids:
            advice = did_you_mean(name, ids, "name an existing rule or take the waiver out")
            wanted = f"one of {listed(ids)}" if ids else "the id of a rule (there is none)"
            faults.append(
                ConfigError(f"waiver: no rule '{one_line(name)}'", expected=wanted, got=shown(name), fix=advice)
            )
        if waived.count(name) > 1:
            faults.append(
                ConfigError(
                    f"waiver: rule '{one_line(name)}' waived twice",
                    expected="one waiver a rule",
                    got=f"{waived.count(name)}",
                    fix="keep one",
                )
            )
    return faults


def _comparison_faults(rows: Any) -> list[ConfigError]:
    """Return the comparisons by what two runs cannot be compared by, or may not block by."""
    faults = []
    for row in rows if isinstance(rows, list) else []:
        named = row.get("metric") if isinstance(row, Mapping) else None
        if not isinstance(named, str):
            continue
        where = f"comparison '{one_line(str(row.get('id', '')))}'"
        if named not in COMPARED:
            faults.append(unknown(where, named, COMPARED, noun="metric of comparisons"))
        elif named in MIXED and row.get("blocking", True) is True:
            faults.append(
                ConfigError(
                    f"{where}: {named} depends on how many cases of the cohort are ill",
                    expected="blocking = false",
                    got="blocking = true",
                    fix="write blocking = false, or compare by auc, sensitivity or specificity",
                )
            )
    return faults


def _texts(rows: Any, key: str) -> list[str]:
    if not isinstance(rows, list):
        return []
    return [r[key] for r in rows if isinstance(r, Mapping) and isinstance(r.get(key), str)]
