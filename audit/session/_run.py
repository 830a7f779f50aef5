"""One audit: model, cohort and policy to a sealed folder."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audit
from audit.core import (
    BUDGETS,
    Budget,
    Cohort,
    Envelope,
    Evidence,
    ExplainSpec,
    ImagingModel,
    IntendedUse,
    Levels,
    Policy,
    ProbeResult,
    Profile,
    Surrogate,
    ThreatModel,
    Training,
    plain,
)
from audit.core.clock import part
from audit.errors import InputError
from audit.evidence import (
    Plain,
    evidence_digest,
    junit,
    load_pseudonyms,
    loader,
    sarif,
    seal,
    store_artifact,
    summary,
    suppress,
    to_plain,
    write_atomically,
    write_evidence,
    write_predictions,
)
from audit.execution import (
    Basis,
    Clean,
    Executor,
    Progress,
    RunLog,
    Setting,
    Silent,
    answers_basis,
    clean_predictions,
    known_by_digest,
    mark_or_once,
)
from audit.judge import count_family, decide, family_values, judge, stops
from audit.models import fitting_threads
from audit.probes import Catalogue, catalogue
from audit.session._before import Before, look_ahead, tell
from audit.session._check import check_fit, check_use
from audit.session._describe import describe_cohort, describe_machine, describe_model, describe_training, not_tested
from audit.session._execute import Execution, executor_of, opened_store
from audit.session._folder import (
    LOG,
    as_before,
    check_folder,
    check_held,
    clear_earlier,
    default_folder,
    emptied,
    finished,
    made_new,
    settle,
)
from audit.session._folder_lock import locked
from audit.session._history import History
from audit.session._identity import identity_of
from audit.session._selected import all_results, check_rules, probes_of
from audit.session._times import REPORT, SET_UP, with_times
from audit.session._unchanged import check_unchanged, files_beside
from audit.storage import Location

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Run(Evidence):
    """Evidence with the folder that holds it; a notebook shows its verdict.

    Args:
        folder: The run's folder, or where it lies on shared storage.
    """

    folder: Location

    def _repr_html_(self) -> str:
        from audit.report import fragment

        return fragment(self)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is made, beside what is audited.

    Args:
        profile: smoke, standard or full.
        seed: Seed of the run, 0 or more.
        workers: Processes that share the work.
        probes: Codes, families or globs with commas; None for all.
        out: The run's folder; None for audit-runs/<UTC time>.
        overwrite: Whether an earlier run in that folder is replaced.
        command: The command line that makes this run again.
        show_pixels: Whether images of cases may be stored.
        show_ids: Whether predictions.parquet has ids instead of pseudonyms.
        config_digest: Digest of audit.toml, empty for a run from Python.
        intended_use: Declared use and prevalence.
        golden: Arrays `images` and `outputs` that a right set-up reproduces.
        golden_tolerance: Largest absolute difference allowed on them.
        layer: Declared layer for layer attributions.
        monitor: The model's declared monitor.
        fairlearn_metrics: Metrics of fairlearn or scikit-learn by name, of which FAIR001 gives the gaps.
        attacks: Attacks by name that ADV001 and ADV002 run beside their own.
        surrogates: Models that an attacker may have in place of the audited one, for ADV004.
        threat_model: Against whom the model must stand, where that is declared.
        envelope: Acquisitions in clinical use, for SHIFT002.
        explain: How decisions are explained.
        training: What probes may train, where a recipe is declared.
        min_cell: Cells with fewer patients are left out of report, summary, JUnit and SARIF; 0: none is.
        resume: Whether a run in the folder that was stopped is taken up again, with what its cache holds.
        cache: Folder of that cache, here or on shared storage; None: nothing is kept.
        root: The folder of audit.toml, None for a run from Python.
        executor: Who works, in place of processes of this machine.
        profile_time: Whether the evidence says where the time went.
        begin: Called when the first probe is about to run: no earlier run comes back after that.
    """

    profile: Profile = "standard"
    seed: int = 1
    workers: int = 1
    probes: str | None = None
    out: Path | None = None
    overwrite: bool = False
    command: str = ""
    show_pixels: bool = False
    show_ids: bool = False
    config_digest: str = ""
    intended_use: IntendedUse = field(default_factory=IntendedUse)
    golden: Mapping[str, NDArray[Any]] | None = None
    golden_tolerance: float = 1e-4
    layer: str | None = None
    monitor: Callable[[Any], Any] | None = None
    fairlearn_metrics: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    surrogates: tuple[Surrogate, ...] = ()
    threat_model: ThreatModel | None = None
    envelope: Envelope = field(default_factory=Envelope)
    explain: ExplainSpec = field(default_factory=ExplainSpec)
    training: Training | None = None
    min_cell: int = 0
    resume: bool = False
    cache: Location | None = None
    root: Path | None = None
    executor: Executor | None = None
    profile_time: bool = False
    begin: Callable[[], None] = lambda: None


def audit_model(
    model: ImagingModel, cohort: Cohort, policy: Policy, options: Options, progress: Progress | None = None
) -> Run:
    """Audit a model on a cohort under a policy and write the run's folder.

    Args:
        model: The model.
        cohort: The cases.
        policy: The rules.
        options: Seed, budget, folder.
        progress: Somebody who watches.

    Returns:
        The evidence, as it stands in the folder.

    Raises:
        InputError: Model, cohort, policy or folder cannot be used.
    """
    watcher = progress or Silent()
    known = catalogue()
    check_fit(model.card, cohort)
    check_use(options.intended_use, cohort)
    check_rules(policy, known, options.intended_use, cohort.design)
    selected = known.select(options.probes)
    if options.profile not in BUDGETS:
        raise InputError("no such profile", expected=", ".join(BUDGETS), got=options.profile, fix="choose one of them")
    folder = options.out or default_folder()
    check_folder(folder, overwrite=options.overwrite, resume=options.resume)
    created = made_new(folder)
    with locked(folder) as shut, as_before(folder, created=created):
        settle(folder)
        # Another run may have come and gone since the first look.
        check_held(folder, overwrite=options.overwrite, resume=options.resume)
        state = model.state_digest()
        basis = answers_basis(model, mark_or_once(cohort), options.root)
        identity = identity_of(basis, model, state, cohort, policy, options, selected)
        ended = finished(folder, identity) if options.resume else None
        if ended is not None:
            watcher.note(f"the run in {folder.name} is finished already; nothing is run again")
            return Run(**{f.name: getattr(ended, f.name) for f in fields(ended)}, folder=folder)
        with (
            emptied(folder, keep_log=options.resume),
            fitting_threads(model),
            _execution(model, cohort, options, folder, shut, watcher, basis, state) as execution,
        ):
            # Before the first line of the log, which whoever checks the run holds it against.
            began = dt.datetime.now(dt.UTC)
            execution.log.event(
                "start", version=audit.__version__, profile=options.profile, seed=options.seed,
                cases=len(cohort), identity=identity, resume=options.resume,
            )  # fmt: skip
            return _audit(model, cohort, policy, options, watcher, known, selected, execution, state, began)


@contextmanager
def _execution(
    model: ImagingModel, cohort: Cohort, options: Options, folder: Path, shut: Sequence[int], progress: Progress,
    basis: Basis, before: str,
) -> Iterator[Execution]:  # fmt: skip
    executor = executor_of(options.executor, options.workers, shut)
    with opened_store(options.cache, resume=options.resume, sends=executor.sends) as store:
        yield Execution(
            executor=executor, store=store, model=model, cohort=cohort, basis=basis,
            before=before if known_by_digest(model) else "",
            batch=BUDGETS[options.profile].batch_size, folder=folder, progress=progress,
            log=RunLog(folder / LOG, on=options.resume), timed=options.profile_time,
        )  # fmt: skip


def _audit(
    model: ImagingModel,
    cohort: Cohort,
    policy: Policy,
    options: Options,
    progress: Progress,
    known: Catalogue,
    selected: tuple[str, ...],
    execution: Execution,
    before: str,
    began: dt.datetime,
) -> Run:
    clock = time.perf_counter()
    # First, since a key that cannot be read must not cost a run.
    pseudonyms = Plain() if options.show_ids else load_pseudonyms()
    folder, log = execution.folder, execution.log
    budget = BUDGETS[options.profile]
    times = execution.tally.clock if options.profile_time else None
    probes = probes_of(known, selected)
    total = len(probes) + 2
    with part(SET_UP, times):
        ahead = look_ahead(
            model, cohort, policy, known, selected, threat_model=options.threat_model,
            trainable=options.training is not None, envelope=options.envelope, budget=budget,
        )  # fmt: skip
        tell(ahead, policy, progress, log, cohort, options.min_cell)
        history = History(model, cohort, policy, options, before, selected, log, progress)
        history.began()
        beside = files_beside(cohort)
    progress.start("predictions", "Clean predictions", 0, total)
    clean = execution.clean(lambda ask: clean_predictions(model, cohort, budget, workers=1, progress=progress, ask=ask))
    progress.finish("predictions", "completed")
    log.event("predictions", used=len(clean.cohort), set_aside=dict(clean.cohort.ledger.set_aside))
    setting = Setting(
        model=model, cohort=clean.cohort, clean=clean.predictions, seed=options.seed, budget=budget,
        levels=Levels(confidence=policy.confidence), intended_use=options.intended_use, golden=options.golden,
        golden_tolerance=options.golden_tolerance, digest_before=before, layer=options.layer,
        store=lambda artifact: store_artifact(folder, artifact), show_pixels=options.show_pixels,
        fairlearn_metrics=options.fairlearn_metrics, attacks=options.attacks, surrogates=options.surrogates,
        envelope=options.envelope, monitor=options.monitor, explain=options.explain,
        unverified=clean.unverified, training=options.training, stops=stops(policy, model.card.input.range),
    )  # fmt: skip
    clear_earlier(folder)
    options.begin()
    execution.probes(probes, setting, total)
    check_unchanged(beside, cohort)
    ran = execution.ran
    progress.start("report", "Report", total - 1, total)
    with part(REPORT, times):
        results = all_results(known, policy, ran, clean.cohort)
        write_predictions(
            folder / "predictions.parquet", clean.cohort, clean.predictions,
            [c for code in known.probes if code in ran for c in ran[code].conditions], pseudonyms,
            unverified=clean.unverified,
        )  # fmt: skip
        evidence = _evidence(model, clean, policy, results, known, options, budget, ahead, execution)
    log.event("hypotheses", used=evidence.family["used"], undeclared=evidence.family["undeclared"])
    run = {
        **evidence.run, "started": began.isoformat(timespec="seconds"), "key_id": pseudonyms.key_id,
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 1),
    }  # fmt: skip
    run["evidence_digest"] = evidence_digest(to_plain(replace(evidence, run=run)))
    finished = replace(evidence, run=run)
    if times is not None:
        finished = with_times(finished, times, began=clock, processes=execution.executor.workers, folder=folder)
    _write(folder, finished)
    progress.finish("report", "completed")
    log.event("verdict", outcome=finished.verdict.outcome, blocking=list(finished.verdict.blocking))
    history.ended(finished)
    seal(folder)
    return finished


def _evidence(
    model: ImagingModel,
    clean: Clean,
    policy: Policy,
    results: tuple[ProbeResult, ...],
    known: Catalogue,
    options: Options,
    budget: Budget,
    ahead: Before,
    execution: Execution,
) -> Run:
    family = count_family(ahead.family, results, policy, model.card.input.range)
    findings = judge(results, policy, today=dt.datetime.now(dt.UTC).date(), input_range=model.card.input.range)
    described = describe_model(model.card, clean.predictions, phantom=clean.cohort.phantom)
    return Run(
        run={
            "version": audit.__version__, "seed": options.seed, "profile": options.profile, "budget": plain(budget),
            **execution.described(clean.batch), "command": options.command,
            "config_digest": options.config_digest, "intended_use": plain(options.intended_use),
            "unattainable": list(ahead.unattainable), "machine": describe_machine(),
            "warnings": [*ahead.warnings, *execution.remarks(clean.batch)],
            **({} if options.threat_model is None else {"threat_model": plain(options.threat_model)}),
            **({"envelope": plain(options.envelope)} if options.envelope else {}),
            **({} if options.training is None else {"training": describe_training(options.training)}),
            **({"fairlearn_metrics": list(options.fairlearn_metrics)} if options.fairlearn_metrics else {}),
            **({"min_cell": options.min_cell} if options.min_cell else {}),
        },
        model=described,
        cohort=describe_cohort(clean.cohort, model.card),
        policy=policy,
        results=results,
        findings=findings,
        verdict=decide(findings, results, policy, described),
        family=family_values(family, policy),
        not_tested=not_tested(results, known.infos, clean.cohort),
        folder=execution.folder,
    )  # fmt: skip


def _write(folder: Path, evidence: Evidence) -> None:
    from audit.report import render

    stored = write_evidence(folder, evidence)
    # What is shared has no cell of few patients; evidence.json has them all.
    shared = suppress(stored, int(stored.run.get("min_cell", 0)))
    html = render(shared, loader(folder))
    for name, text in (
        ("report.html", html), ("junit.xml", junit(shared)), ("audit.sarif", sarif(shared)),
        ("summary.md", summary(shared)),
    ):  # fmt: skip
        write_atomically(folder / name, text.encode())
