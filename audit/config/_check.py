"""What the files say, held against the world: files, columns, and the catalogue of probes."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.config._beside import development_columns, other_tables
from audit.config._crosscheck import URIS, saved_faults, table
from audit.config._faults import did_you_mean, listed, one_line, shown, unknown
from audit.config._stopping import sequential_faults
from audit.core import Policy, ProbeInfo, Rule
from audit.errors import AuditError, ConfigError, FaultsError, InputError, ManifestError, PolicyError
from audit.storage import is_url, locate

if TYPE_CHECKING:
    from audit.config._types import AuditConfig

# Decodability alone is no fault of a model: what it encodes it need not use.
_NEVER_BLOCKS = {("CONF003", "decodability_auc")}
# Leaning goes either way: of several levels one may score far below all others, which one limit above does not see.
_EITHER_WAY = {("CONF002", name) for name in (
    "score_shift_auc", "score_shift_auc_adjusted", "score_correlation", "residual_gap",
)}  # fmt: skip
# In a cohort that was sampled as patients come these give the number of its own mix.
_BY_DESIGN = ("CAL003",)
_SINGLE = (
    "image", "case", "patient", "mask", "split", "time", "event", "ungradable", "region_mask", "annotated_plane",
)  # fmt: skip


def check_policy(policy: Policy, infos: Mapping[str, ProbeInfo], *, prevalence: bool = True, design: str = "") -> None:
    """Check that every rule names a probe and a metric of the catalogue.

    Args:
        policy: The policy.
        infos: The catalogue by code.
        prevalence: Whether the prevalence in the intended population is declared.
        design: Sampling design of the cohort, "" where undeclared.

    Raises:
        FaultsError: A rule names what does not exist, may not block, or needs the prevalence where none is declared;
            or an absence is allowed of a probe that does not exist.
    """
    faults = policy_faults(policy, infos, prevalence=prevalence, design=design)
    if faults:
        raise FaultsError(one_line(policy.name) or "policy", faults)


def policy_faults(
    policy: Policy, infos: Mapping[str, ProbeInfo], *, prevalence: bool = True, design: str = ""
) -> list[AuditError]:
    """Return what is wrong between a policy, the catalogue, and whether a prevalence is declared."""
    faults: list[AuditError] = []
    for rule in policy.rules:
        known = prevalence or (rule.probe in _BY_DESIGN and design in ("consecutive", "random"))
        faults += _rule_faults(rule, infos, known)
    faults += sequential_faults(policy, infos)
    for pattern in policy.allow_not_applicable:
        if not any(fnmatch.fnmatchcase(code, pattern) for code in infos):
            faults.append(_as_policy(unknown("[not_applicable] allow", pattern, sorted(infos), noun="probe")))
    return faults


def _rule_faults(rule: Rule, infos: Mapping[str, ProbeInfo], prevalence: bool) -> Iterator[AuditError]:
    where = f"rule '{one_line(rule.id)}'"
    info = infos.get(rule.probe)
    if info is None:
        yield _as_policy(unknown(where, rule.probe, sorted(infos), noun="probe"))
        return
    if rule.metric not in info.metrics:
        yield _as_policy(unknown(where, rule.metric, info.metrics, noun=f"metric of {info.code}"))
    elif rule.metric in info.at_prevalence and not prevalence:
        yield PolicyError(
            f"{where}: {rule.metric} of {info.code} depends on how many patients are ill",
            expected="a declared prevalence of the intended population", got="none",
            fix="declare prevalence = { value = 0.04 } under [intended_use], with the share where it will be used",
        )  # fmt: skip
    if rule.blocking and (rule.probe, rule.metric) in _NEVER_BLOCKS:
        yield PolicyError(
            f"{where}: {rule.metric} may not block",
            expected="blocking = false",
            got="blocking = true",
            fix="write blocking = false, or judge confounder_cost of CONF001",
        )
    elif rule.blocking and (rule.probe, rule.metric) in _EITHER_WAY and None in (rule.limit.min, rule.limit.max):
        yield PolicyError(
            f"{where}: {rule.metric} has a limit on one side, and a level on the other side would pass",
            expected="limit = { min = ..., max = ... }",
            got="max alone" if rule.limit.min is None else "min alone",
            fix="give both; a score that follows a confounder may be too low in a level as well as too high",
        )
    elif rule.blocking and rule.metric in info.descriptive:
        yield PolicyError(
            f"{where}: {rule.metric} of {info.code} describes, and may not decide a release",
            expected="blocking = false",
            got="blocking = true",
            fix="write blocking = false, or judge another metric of the probe",
        )


def _as_policy(fault: AuditError) -> PolicyError:
    return PolicyError(fault.problem, expected=fault.expected, got=fault.got, fix=fault.fix)


def columns_of(config: AuditConfig) -> dict[str, str]:
    """Return the manifest's columns that a configuration names, by the key that names them."""
    cohort = config.cohort
    raw: dict[str, Any] = {
        **{key: getattr(cohort, key) for key in _SINGLE}, "target": list(cohort.target),
        "reference": {"verified": cohort.verified}, "attributes": {a.name: {} for a in cohort.attributes},
        "comparators": {c.name: {"column": c.column} for c in cohort.comparators},
        "distractors": dict(cohort.distractors),
    }  # fmt: skip
    return _named_columns(raw)


def _named_columns(cohort: Mapping[str, Any]) -> dict[str, str]:
    named = {f"cohort.{k}": cohort[k] for k in _SINGLE if k in cohort}
    target = cohort.get("target")
    for i, column in enumerate(target if isinstance(target, list) else [target]):
        named["cohort.target" + (f" {i + 1}" if i else "")] = column
    named |= {f"cohort.attributes.{one_line(a)}": a for a in table(cohort, "attributes")}
    named["cohort.reference.verified"] = table(cohort, "reference").get("verified")
    comparators = table(cohort, "comparators")
    named |= {f"cohort.comparators.{one_line(c)}.column": table(comparators, c).get("column") for c in comparators}
    named |= {f"cohort.distractors.{one_line(k)}": v for k, v in table(cohort, "distractors").items()}
    return {k: v for k, v in named.items() if isinstance(v, str)}


def check_columns(config: AuditConfig, columns: Sequence[str]) -> None:
    """Check that every column which the configuration names is in the manifest.

    Args:
        config: The configuration.
        columns: The manifest's columns.

    Raises:
        FaultsError: A column is not there; the message lists those that are.
    """
    faults = list(_absent_columns(columns_of(config), columns, config.cohort.manifest))
    if faults:
        raise FaultsError(one_line(config.cohort.manifest), faults)


def _absent_columns(named: Mapping[str, str], columns: Sequence[str], source: str) -> Iterator[ConfigError]:
    for key, column in named.items():
        if column not in columns:
            yield ConfigError(
                f"{key}: no column '{one_line(column)}' in {one_line(source)}",
                expected=f"one of {listed(columns)}",
                got=shown(column),
                fix=did_you_mean(column, columns, "correct the name"),
            )


def file_faults(raw: Mapping[str, Any], root: Path, *, columns: bool) -> list[AuditError]:
    """Return the files that audit.toml names and that are not there, and the columns that they do not have."""
    model, cohort = table(raw, "model"), table(raw, "cohort")
    wanted = {
        "model.path": None if model.get("kind") in tuple(URIS) else model.get("path"),
        "model.golden": model.get("golden"),
        "cohort.manifest": cohort.get("manifest"),
    }
    others = other_tables(cohort)
    wanted |= {f"{key}manifest": spec.get("manifest") for key, spec in others}
    developed = table(raw, "training").get("manifest")
    wanted["training.manifest"] = developed
    faults: list[AuditError] = []
    for key, named in wanted.items():
        if isinstance(named, str) and named:
            faults += _file_fault(key, named, root)
    # After the files: a path with a typing error looks like a second file.
    faults += saved_faults(model, cohort)
    if columns:
        faults += _column_faults(cohort.get("manifest"), root, _named_columns(cohort))
        faults += _column_faults(developed, root, _named_columns(development_columns(cohort)))
        for key, spec in others:
            named_columns = {f"{key}{k}": spec[k] for k in ("patient", "image", "case", "date") if k in spec}
            texts = {k: v for k, v in named_columns.items() if isinstance(v, str)}
            faults += _column_faults(spec.get("manifest"), root, texts)
        if model.get("kind") == "predictions":
            faults += _column_faults(model.get("path"), root, _score_columns(model))
    # Scores and manifest may be one file, and what is wrong with it is said once.
    return list({str(f): f for f in faults}.values())


def _file_fault(key: str, named: str, root: Path) -> list[AuditError]:
    if not is_url(named):
        absent = not is_file(root / named)
        return [absent_file(f"{key}: no such file '{one_line(named)}'", root / named, "a file")] if absent else []
    # What is read from shared storage is a manifest; whether one is there is seen when its columns are read.
    if not key.endswith("manifest"):
        fix = "copy it to this machine and name its path"
        return [ConfigError(f"{key}: a URL", expected="a path", got=shown(named), fix=fix)]
    try:
        locate(named)
    except InputError as error:
        return [ConfigError(f"{key}: {error.problem}", expected=error.expected, got=error.got, fix=error.fix)]
    return []


def _score_columns(model: Mapping[str, Any]) -> dict[str, str]:
    scores = model.get("scores")
    named = {"model.case": model.get("case"), "model.score": model.get("score")}
    named |= {f"model.scores {i + 1}": s for i, s in enumerate(scores if isinstance(scores, list) else [])}
    return {k: v for k, v in named.items() if isinstance(v, str)}


def _column_faults(source: Any, root: Path, named: Mapping[str, str]) -> list[AuditError]:
    if not isinstance(source, str) or (not is_url(source) and not is_file(root / source)):
        return []
    from audit.cohorts import read_columns

    try:
        columns = read_columns(locate(source, root))
    except AuditError as error:
        return [error]
    separated = other_separator(columns, source)
    if separated is not None:
        return [separated]
    return list(_absent_columns(named, columns, source))


def other_separator(columns: Sequence[str], source: str) -> ManifestError | None:
    """Return the fault of a table whose cells are not separated by commas, None where they seem to be."""
    for mark, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and mark in columns[0]:
            return ManifestError(
                f"{one_line(source)}: cells are separated by {word}", expected="commas", got=shown(columns[0]),
                fix="save it again with commas between cells and points in decimals, or as Parquet",
            )  # fmt: skip
    return None


def is_file(path: Path) -> bool:
    """Tell whether a file is at a path; False also for a text that can be no path."""
    # os.path says False where a method of Path raises: a name with a null byte, or one that is too long.
    return os.path.isfile(path)  # noqa: PTH113


def _names(folder: Path) -> list[str]:
    try:
        return sorted(p.name for p in folder.iterdir())
    except (OSError, ValueError):
        return []


def _place(path: Path) -> str:
    return one_line(os.path.abspath(path), 300)  # noqa: PTH100


def absent_file(problem: str, path: Path, wanted: str) -> ConfigError:
    """Return the fault of a path where nothing is, with the nearest name that is there."""
    folder = path.parent
    there = _names(folder)
    otherwise = "correct the path" if there else f"see what is in {_place(folder)}"
    got = f"{'a folder' if os.path.isdir(path) else 'nothing'} at {_place(path)}"  # noqa: PTH112
    return ConfigError(problem, expected=wanted, got=got, fix=did_you_mean(path.name, there, otherwise))
