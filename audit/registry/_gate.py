"""One version of a registered model: fetched, audited, its verdict bound to its files and written to the registry."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import canonical_json
from audit.errors import EXIT_INCONCLUSIVE, EvidenceError, InputError, ModelError
from audit.models import Flavour, Registered, fetch, flavour_of, refusal, registry_errors, resolve
from audit.registry._isolate import IsolatedError, Limits, run_isolated
from audit.registry._job import Job, load_order, perform
from audit.registry._orders import Order
from audit.registry._tags import (
    EVIDENCE_TAG,
    FILES_TAG,
    MODEL_TAG,
    REASON_TAG,
    RUN_TAG,
    VERDICT_TAG,
    clear_tags,
    read_tags,
    write_tags,
)

if TYPE_CHECKING:
    from audit.config import AuditConfig
    from audit.core import Evidence

EXPERIMENT = "imaging-audit"
# What a registry shows to its users; stored predictions and the log stay in the run's folder.
_SHOWN = ("report.html", "evidence.json", "summary.md", "junit.xml", "audit.sarif")
_JOB_TAG = "audit.job"


class Refusal(InputError):
    """A version that could not be audited; it is tagged INCONCLUSIVE with the reason.

    Args:
        error: Why.
        open_: Whether another try could end differently, as after a crash.
    """

    def __init__(self, error: InputError, *, open_: bool = False) -> None:
        super().__init__(error.problem, expected=error.expected, got=error.got, fix=error.fix)
        self.exit_code = EXIT_INCONCLUSIVE if open_ else InputError.exit_code
        self.open = open_


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a version.

    Args:
        version: The version.
        evidence: Of its audit.
        folder: Of the run.
        run_id: Of the registry's run that holds report and evidence.
        alias: The alias that was moved to it; empty: none was.
        notes: What else to know.
    """

    version: Registered
    evidence: Evidence
    folder: Path
    run_id: str
    alias: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Checks versions of one registry.

    Args:
        registry: A client of MLflow.
        isolate: Whether every model is loaded in a process of its own; a trusted one that runs code always is.
        limits: Of that process.
        forward: Whether an alias is only ever moved to a later version than it names.
        most_bytes: Largest size of a version's files.
        recall: Gives the folder of a sealed run that rests on the same weights and rules, None where there is none.
        remember: Told what a new run rests on, the digest of the files, and its folder.
    """

    registry: Any
    isolate: bool = True
    limits: Limits = field(default_factory=Limits)
    forward: bool = True
    most_bytes: int = 8 * 2**30
    recall: Callable[[str], Path | None] = lambda rests_on: None
    remember: Callable[[str, str, Path], None] = lambda rests_on, files, folder: None

    def check(self, version: Registered, order: Order, work: Path, out: Path, *, overwrite: bool = False) -> Outcome:
        """Audit a version and write its verdict to the registry.

        Args:
            version: As `audit.models.resolve` gave it.
            order: By what it is judged.
            work: Folder of this check alone; the version's files are fetched into it and removed at the end.
            out: Folder of the run; a finished run of the same files and rules that is there is taken as it is.
            overwrite: Whether another run in it is replaced.

        Raises:
            Refusal: The version could not be audited; it is tagged so.
            InputError: Configuration, policy or registry are at fault; no verdict was written.
        """
        config = load_order(order.config, order.policy, order.name)
        files = work / "model"
        shutil.rmtree(files, ignore_errors=True)
        try:
            return self._checked(version, order, config, work, out, overwrite=overwrite)
        except (ModelError, IsolatedError) as error:
            raise self._refused(version, error) from error
        finally:
            shutil.rmtree(files, ignore_errors=True)

    def _checked(
        self, version: Registered, order: Order, config: AuditConfig, work: Path, out: Path, *, overwrite: bool
    ) -> Outcome:
        fetch(version, work / "model", most_bytes=self.most_bytes)
        flavour = flavour_of(work / "model")
        if read_tags(self.registry, version).get(FILES_TAG) != flavour.digest:
            # Whatever is written there was said of other files.
            clear_tags(self.registry, version)
        if flavour.runs_code and not order.trusted:
            raise refusal(flavour)
        key = judged_by(order, config, flavour, version)
        kept = self._recalled(key, config)
        if kept is None:
            self._perform(version, order, config, flavour, key, work, out, overwrite=overwrite)
            kept = _judged(out, config), out
            self.remember(key, flavour.digest, out)
        evidence, out = kept
        self._still_the_same(version, flavour, work)
        return self.record(version, order, evidence, flavour.digest, key, out)

    def _recalled(self, key: str, config: AuditConfig) -> tuple[Evidence, Path] | None:
        """Return the run of equal weights under equal rules, None where it is not there or was changed."""
        folder = self.recall(key)
        if folder is None:
            return None
        try:
            return _judged(folder, config), folder
        except EvidenceError:
            return None

    def _perform(
        self, version: Registered, order: Order, config: AuditConfig, flavour: Flavour, key: str, work: Path,
        out: Path, *, overwrite: bool,
    ) -> None:  # fmt: skip
        done = work / "done"
        if done.is_file() and done.read_text(encoding="utf-8") == key:
            # The audit had ended before the gate was stopped; its seal is checked when it is read.
            return
        if config.policy is None:
            raise InputError("a gate needs a policy", expected="a policy", got="none", fix="name one")
        job = Job(
            name=version.name, version=version.version, config=str(order.config), policy=str(order.policy or ""),
            policy_digest=config.policy.digest, files=str(work / "model"), out=str(out), trusted=order.trusted,
            overwrite=overwrite,
        )  # fmt: skip
        if self.isolate or flavour.runs_code:
            run_isolated(job, work, self.limits)
        else:
            perform(job)
        done.write_text(key, encoding="utf-8")

    def _still_the_same(self, version: Registered, flavour: Flavour, work: Path) -> None:
        again = work / "again"
        shutil.rmtree(again, ignore_errors=True)
        try:
            now = resolve(version.uri, self.registry)
            same = now == version and flavour_of(fetch(now, again, most_bytes=self.most_bytes)).digest == flavour.digest
        finally:
            shutil.rmtree(again, ignore_errors=True)
        if not same:
            clear_tags(self.registry, version)
            raise ModelError(
                "the version was changed while it was audited; the verdict is not of what is there now",
                expected="the files that were audited", got="others", fix="check it again",
            )  # fmt: skip

    def record(
        self, version: Registered, order: Order, evidence: Evidence, files_digest: str, key: str, folder: Path
    ) -> Outcome:
        """Write a verdict to the registry: a run with report and evidence, the tags, and the alias on PASS.

        Args:
            version: The version.
            order: By what it was judged.
            evidence: Of the audit of exactly these files.
            files_digest: Digest of the files.
            key: What the verdict rests on; a run that was logged for it is not logged again.
            folder: Of the run.
        """
        run_id = self._logged(version, evidence, key, folder)
        verdict = evidence.verdict
        said = [verdict.label + (" (phantom)" if evidence.model.get("phantom") else ""), *verdict.reasons[:3]]
        write_tags(self.registry, version, {
            VERDICT_TAG: verdict.outcome, EVIDENCE_TAG: str(evidence.run.get("evidence_digest") or ""),
            MODEL_TAG: str(evidence.model["digest"]), RUN_TAG: run_id, FILES_TAG: files_digest,
            REASON_TAG: "; ".join(said),
        })  # fmt: skip
        alias, notes = "", list(order.notes)
        if verdict.outcome == "PASS" and order.alias:
            alias, note = self._moved(version, order.alias)
            notes += [note] if note else []
        return Outcome(
            version=version, evidence=evidence, folder=folder, run_id=run_id, alias=alias, notes=tuple(notes)
        )

    def _moved(self, version: Registered, alias: str) -> tuple[str, str]:
        with registry_errors(f"the alias {alias}"):
            present = dict(self.registry.get_registered_model(version.name).aliases).get(alias)
            if present is not None and self.forward and int(present) > int(version.version):
                return "", f"the alias {alias} stays at the later version {present}"
            if str(present) != version.version:
                self.registry.set_registered_model_alias(version.name, alias, version.version)
        return alias, ""

    def _logged(self, version: Registered, evidence: Evidence, key: str, folder: Path) -> str:
        registry = self.registry
        with registry_errors(f"the experiment {EXPERIMENT}"):
            experiment = registry.get_experiment_by_name(EXPERIMENT)
            place = registry.create_experiment(EXPERIMENT) if experiment is None else experiment.experiment_id
            held = registry.search_runs([place], filter_string=f"tags.`{_JOB_TAG}` = '{key}'", max_results=5)
            digest = str(evidence.run.get("evidence_digest") or "")
            for run in held:
                if run.info.status == "FINISHED" and run.data.tags.get(EVIDENCE_TAG) == digest:
                    return str(run.info.run_id)
            tags = {
                _JOB_TAG: key, EVIDENCE_TAG: digest, VERDICT_TAG: evidence.verdict.outcome,
                MODEL_TAG: str(evidence.model["digest"]),
            }  # fmt: skip
            name = f"{version.name} {version.version}: {evidence.verdict.outcome}"
            run_id = str(registry.create_run(place, tags=tags, run_name=name).info.run_id)
            for shown in _SHOWN:
                if (folder / shown).is_file():
                    registry.log_artifact(run_id, str(folder / shown))
            registry.set_terminated(run_id)
        return run_id

    def _refused(self, version: Registered, error: InputError) -> Refusal:
        write_tags(self.registry, version, {
            VERDICT_TAG: "INCONCLUSIVE", REASON_TAG: f"it could not be audited: {' '.join(str(error).split())}",
        })  # fmt: skip
        return Refusal(error, open_=isinstance(error, IsolatedError))


def _judged(folder: Path, config: AuditConfig) -> Evidence:
    """Return the evidence of a sealed run, judged again here: an isolated process judges nothing."""
    from audit import session

    return session.gate(folder, config.policy)


def judged_by(order: Order, config: AuditConfig, flavour: Flavour, version: Registered) -> str:
    """Return a digest of all that a verdict rests on: weights, configuration, policy, manifest and this program."""
    from audit import __version__

    manifest = (config.root / config.cohort.manifest).read_bytes()
    rests: Mapping[str, Any] = {
        "name": version.name, "files": flavour.digest, "config": config.digest, "trusted": order.trusted,
        "policy": None if config.policy is None else config.policy.digest, "program": __version__,
        "manifest": hashlib.sha256(manifest).hexdigest(),
    }  # fmt: skip
    return hashlib.sha256(canonical_json(rests).encode()).hexdigest()
