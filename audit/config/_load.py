"""Reading the two files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from audit.config import _beside, _check, _crosscheck, _population
from audit.config._envelope import envelope_faults
from audit.config._faults import from_validation, one_line, shown
from audit.config._types import AuditConfig
from audit.core import ExplainSpec, ModelSpec, Policy, ProbeInfo, digest
from audit.errors import AuditError, ConfigError, FaultsError
from audit.storage import was_url

if TYPE_CHECKING:
    from pydantic import BaseModel

    from audit.config._audit_file import AuditFile

    Shape = TypeVar("Shape", bound=BaseModel)

AUDIT_SECTIONS = ("intended_use", "model", "model.input", "cohort", "cohort.attributes", "training", "audit")
PolicySource = Literal["file", "proposed", "embedded"]
_LARGEST = 10_000_000


def load_audit(path: Path | str, *, infos: Mapping[str, ProbeInfo] | None = None, columns: bool = True) -> AuditConfig:
    """Read audit.toml and the policy that it names.

    Args:
        path: The file.
        infos: The catalogue by code; where given, the policy's probes and metrics are checked against it.
        columns: Whether the columns named are looked for in the manifest.

    Returns:
        The typed content.

    Raises:
        FaultsError: Anything is wrong in either file; all faults of both at once.
    """
    path = Path(path)
    raw = _read_toml(path)
    faults: list[AuditError] = []
    shape = _validated(_audit_file(), raw, faults)
    faults += _crosscheck.audit_faults(raw)
    faults += _beside.beside_faults(raw)
    faults += envelope_faults(raw)
    faults += _check.file_faults(raw, path.parent, columns=columns)
    population = _population.population_of(raw, path.parent, faults)
    policy, policy_faults = _policy_of(raw, path)
    if policy is not None and infos is not None:
        declared = "prevalence" in _crosscheck.table(raw, "intended_use")
        design = str(_crosscheck.table(_crosscheck.table(raw, "cohort"), "sampling").get("design", ""))
        policy_faults += _check.policy_faults(policy, infos, prevalence=declared, design=design)
    if faults or policy_faults or shape is None:
        named = _crosscheck.table(raw, "audit").get("policy")
        if faults and policy_faults:
            raise FaultsError(f"{one_line(path.name)} and {one_line(named)}", faults + policy_faults)
        raise FaultsError(one_line(path.name if faults else named), faults or policy_faults)
    return _config(shape, policy, population, path.parent)


def _config(
    shape: AuditFile, policy: Policy | None, population: Mapping[str, Mapping[str, float]], root: Path
) -> AuditConfig:
    from audit.config import _convert, _envelope_table

    model, cohort = _convert.model_spec(shape.model), _convert.cohort_spec(shape.cohort)
    use, run = _convert.intended_use(shape.intended_use, population), shape.audit
    settings: dict[str, Any] = {"profile": run.profile, "seed": run.seed, "probes": run.probes}
    if run.fairlearn_metrics:
        # Only where it is asked for: a file that does not know the key keeps its digest.
        settings["fairlearn_metrics"] = run.fairlearn_metrics
    surrogates = _convert.surrogate_specs(run, model)
    if run.attacks:
        settings["attacks"] = run.attacks
    if surrogates:
        settings["surrogates"] = [{"relation": s.relation, "model": _declared(s.model)} for s in surrogates]
    explained = _convert.explain(run.explain)
    if explained != ExplainSpec():
        settings["explain"] = {
            "methods": explained.methods, "own_map": explained.own_map, "window_mm": explained.window_mm,
            "window_share": explained.window_share,
        }  # fmt: skip
    threat = _convert.threat_model(run.threat_model)
    if threat is not None:
        settings["threat_model"] = threat
    within = _envelope_table.envelope(shape.envelope)
    recipe = _convert.training(shape.training)
    content = {"model": _declared(model), "cohort": cohort, "intended_use": use, "audit": settings}
    if recipe is not None:
        content["training"] = recipe
    if within:
        content["envelope"] = within
    return AuditConfig(
        model=model,
        cohort=cohort,
        intended_use=use,
        policy=policy,
        policy_path=run.policy,
        profile=run.profile,
        seed=run.seed,
        probes=tuple(run.probes),
        root=root.resolve(),
        digest=digest(content),
        show_ids=run.show_ids,
        show_pixels=run.show_pixels,
        fairlearn_metrics=tuple(run.fairlearn_metrics),
        attacks=tuple(dict.fromkeys(run.attacks)),
        surrogates=surrogates,
        threat_model=threat,
        explain=explained,
        envelope=within,
        training=recipe,
        min_cell=run.min_cell,
    )


def _declared(model: ModelSpec) -> dict[str, Any]:
    """Return `[model]` as the digest covers it: how long a server may take is asked of few files."""
    values = {f.name: getattr(model, f.name) for f in fields(model)}
    if model.timeout is None:
        del values["timeout"]
    return values


def load_policy(path: Path | str) -> Policy:
    """Read policy.toml.

    Raises:
        FaultsError: Anything is wrong in it; all faults at once.
    """
    path = Path(path)
    return policy_from(_read_toml(path), source=one_line(path.name))


def policy_from(mapping: Mapping[str, Any], *, source: str = "policy", origin: PolicySource = "file") -> Policy:
    """Return the policy that a mapping with the keys of policy.toml holds.

    Args:
        mapping: The content, as TOML gives it.
        source: What messages call it.
        origin: Where it comes from, kept in `Policy.source`.

    Raises:
        FaultsError: Anything is wrong in it; all faults at once.
    """
    from audit.config import _convert
    from audit.config._policy_file import PolicyFile

    faults: list[AuditError] = []
    shape = _validated(PolicyFile, mapping, faults)
    faults += _crosscheck.policy_faults(mapping)
    if shape is None or faults:
        raise FaultsError(source, faults)
    return _convert.policy(shape, origin)


def schema(kind: Literal["audit", "policy"]) -> dict[str, Any]:
    """Return the JSON Schema of audit.toml or policy.toml."""
    from audit.config._policy_file import PolicyFile

    shape: type[BaseModel] = _audit_file() if kind == "audit" else PolicyFile
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **shape.model_json_schema(by_alias=True)}


def _audit_file() -> type[AuditFile]:
    from audit.config._audit_file import AuditFile

    return AuditFile


def _validated(shape: type[Shape], raw: Mapping[str, Any], faults: list[AuditError]) -> Shape | None:
    from pydantic import ValidationError

    try:
        return shape.model_validate(dict(raw))
    except ValidationError as error:
        faults += from_validation(error, shape, raw)
        return None


def _policy_of(raw: Mapping[str, Any], path: Path) -> tuple[Policy | None, list[AuditError]]:
    named = _crosscheck.table(raw, "audit").get("policy")
    if not isinstance(named, str):
        return None, []
    try:
        return load_policy(path.parent / named), []
    except FaultsError as error:
        return None, list(error.faults)


def _read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file."""
    return _parsed(_read_text(path), path)


def _read_text(path: Path) -> str:
    if os.path.isdir(path):  # noqa: PTH112 - False, not an error, for a text that can be no path
        fix = (
            f"name the file in it, {path.name or '.'}/audit.toml" if (path / "audit.toml").is_file() else "name a file"
        )
        raise _one(path, ConfigError("not a file", expected="a TOML file", got="a folder", fix=fix))
    if not _check.is_file(path) and was_url(path):
        raise _one(path, ConfigError(
            "lies on shared storage", expected="a TOML file of this machine", got="a URL",
            fix="copy its folder here; the manifest, images and --out may be URLs, code and models are read from here",
        ))  # fmt: skip
    if not _check.is_file(path):
        raise _one(path, _check.absent_file("no such file", path, "a TOML file"))
    try:
        if path.stat().st_size > _LARGEST:
            raise _one(
                path, ConfigError("too large", expected="a TOML file under 10 MB", got="more", fix="name another")
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        got = f"byte {error.start} that is not"
        raise _one(path, ConfigError("not a text file", expected="UTF-8", got=got, fix="save it as UTF-8")) from None
    except OSError as error:
        got = one_line(error.strerror)
        raise _one(
            path, ConfigError("cannot be read", expected="a file to read", got=got, fix="check its rights")
        ) from None


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = _line_of(str(error))
        shown_line = text.splitlines()[line - 1].strip() if line and line <= len(text.splitlines()) else ""
        problem = f"not valid TOML: {one_line(error)}"
        toml = path.suffix.lower() == ".toml"
        fix = "correct that line" if toml else "name the configuration, which 'audit init' writes"
        raise _one(
            path,
            ConfigError(problem, expected="TOML", got=shown(shown_line), fix=fix),
        ) from None


def _line_of(message: str) -> int | None:
    head, mark, tail = message.partition("at line ")
    digits = tail.split(",")[0]
    return int(digits) if mark and head and digits.isdigit() else None


def _one(path: Path, fault: AuditError) -> FaultsError:
    return FaultsError(one_line(path.name or path), [fault])
