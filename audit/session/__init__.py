"""An audit from end to end, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import (
    Cohort,
    Envelope,
    ExplainSpec,
    ImagingModel,
    IntendedUse,
    Policy,
    Profile,
    Surrogate,
    ThreatModel,
    Training,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.config import AuditConfig
    from audit.execution import Executor, Progress
    from audit.session._run import Run

from audit.session._compare import Gated, compare, gate
from audit.session._folder import CACHE, check_folder, default_folder
from audit.session._open import known_attacks, known_metrics, load_cohort, load_golden, load_model, with_own_map
from audit.session._place import audit_at, check_place
from audit.session._plan import plan_config
from audit.session._reference import run_reference
from audit.session._training import make_training, open_training
from audit.session._verify import verify
from audit.session._workers import ExecutorName, Workers
from audit.session.saved import Asked, score_table, scores
from audit.storage import Location, held_run, locate

__all__ = [
    "Asked", "ExecutorName", "Gated", "check_folder", "compare", "default_folder", "gate", "load_cohort", "load_model",
    "make_training", "plan_config", "render_report", "run", "run_config", "run_demo", "run_reference", "score_table",
    "scores", "verify",
]  # fmt: skip


def run(
    model: ImagingModel,
    cohort: Cohort,
    *,
    policy: Policy | Path | str | None = None,
    probes: str | Sequence[str] | None = None,
    profile: Profile = "standard",
    seed: int = 1,
    out: Location | str | None = None,
    workers: int | None = None,
    executor: ExecutorName | Executor = "local",
    address: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    cache: Path | str | None = None,
    intended_use: IntendedUse | None = None,
    golden: Mapping[str, NDArray[Any]] | Path | str | None = None,
    golden_tolerance: float = 1e-4,
    layer: str | None = None,
    monitor: Callable[[Any], Any] | None = None,
    fairlearn_metrics: Sequence[str] = (),
    attacks: Sequence[str] = (),
    surrogates: Sequence[Surrogate] = (),
    threat_model: ThreatModel | None = None,
    envelope: Envelope | None = None,
    explain: ExplainSpec | None = None,
    training: Training | None = None,
    profile_time: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Audit a model on a cohort.

    Args:
        model: A model as `load_model` gives it.
        cohort: A cohort as `load_cohort` gives it.
        policy: A policy or the path of policy.toml; without one everything is measured and the verdict is INCONCLUSIVE.
        probes: Codes, families or globs; None for all.
        profile: smoke, standard or full.
        seed: Seed of the run.
        out: Folder of the run, or a URL of shared storage; audit-runs/<UTC time> by default.
        workers: Processes that share the work, one by default; actors of a cluster, by default one a processor.
        executor: "local", or "ray" for a Ray cluster.
        address: Of that cluster; by default that of RAY_ADDRESS, else one is started for this run.
        overwrite: Whether an earlier run in that folder is replaced.
        resume: Whether a run in that folder that was stopped is taken up again, with what `cache` holds.
        cache: Folder that keeps what was worked out; None: nothing is kept.
        intended_use: Declared use and prevalence, as in `[intended_use]` of audit.toml.
        golden: Arrays `images` and `outputs` that a right set-up reproduces, or the .npz that holds them.
        golden_tolerance: Largest absolute difference allowed on them.
        layer: Name of the layer for layer attributions.
        monitor: From images (n, channels, *spatial) to (n,) numbers, the higher the more unlike what the model is meant
            for; SHIFT006 asks it.
        fairlearn_metrics: Names of metrics of fairlearn or scikit-learn, of which FAIR001 gives the gaps.
        attacks: Attacks of torchattacks that ADV001 and ADV002 run beside their own, for example "torchattacks:EADEN".
        surrogates: Models that an attacker may have in place of the audited one, for ADV004.
        threat_model: Against whom the model must stand; without it the report calls an attack a stress measurement.
        explain: How decisions are explained, as in `[audit.explain]`; `own` is the function of the model's own maps.
        envelope: Acquisitions in clinical use and the loss that is tolerated, as in `[envelope]`, for SHIFT002.
        training: What probes may train, as `make_training` gives it.
        profile_time: Whether the evidence says where the time went.
        progress: Somebody who watches.

    Returns:
        The evidence, with `folder` and, in a notebook, a picture of the verdict.

    Raises:
        InputError: Model, cohort, policy or folder cannot be used.
    """
    from audit.config import load_policy
    from audit.session._run import Options, audit_model

    rules = load_policy(Path(policy)) if isinstance(policy, (str, Path)) else policy or Policy(name="none")
    chosen = ",".join(probes) if probes is not None and not isinstance(probes, str) else probes
    options = Options(
        profile=profile, seed=seed, probes=chosen, overwrite=overwrite, resume=resume,
        cache=None if cache is None else Path(cache),
        intended_use=intended_use or IntendedUse(), golden_tolerance=golden_tolerance, layer=layer,
        monitor=monitor,
        golden=load_golden(Path(golden)) if isinstance(golden, (str, Path)) else golden,
        fairlearn_metrics=known_metrics(fairlearn_metrics),
        attacks=known_attacks(attacks), surrogates=tuple(surrogates), threat_model=threat_model,
        envelope=envelope or Envelope(), explain=explain or ExplainSpec(),
        training=training, profile_time=profile_time,
    )  # fmt: skip
    place = check_place(out, overwrite=overwrite, resume=resume)
    who = Workers(executor=executor, address=address, count=workers)
    return audit_at(place, options, who, lambda o: audit_model(model, cohort, rules, o, progress), progress)


def run_config(
    config: AuditConfig,
    *,
    out: Location | str | None = None,
    profile: Profile | None = None,
    probes: str | None = None,
    seed: int | None = None,
    workers: int | None = None,
    executor: ExecutorName = "local",
    address: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    min_cell: int | None = None,
    profile_time: bool = False,
    progress: Progress | None = None,
    command: str = "",
    model: ImagingModel | None = None,
) -> Run:
    """Run the audit that an audit.toml describes.

    Args:
        config: The typed file.
        out: Folder of the run, or a URL of shared storage; audit-runs/<UTC time> by default.
        profile: Instead of the file's.
        probes: Instead of the file's.
        seed: Instead of the file's.
        workers: Processes that share the work, one by default; actors of a cluster, by default one a processor.
        executor: "local", or "ray" for a Ray cluster.
        address: Of that cluster; by default that of RAY_ADDRESS, else one is started for this run.
        overwrite: Whether an earlier run in that folder is replaced.
        resume: Whether a run in that folder that was stopped is taken up again, with what lies in .audit-cache beside
            audit.toml.
        min_cell: Instead of the file's: cells with fewer patients are left out of what is shared.
        profile_time: Whether the evidence says where the time went.
        progress: Somebody who watches.
        command: The command line that makes this run again.
        model: Loaded already, in place of the one that `[model]` names.

    Returns:
        The evidence with its folder.

    Raises:
        InputError: Model, cohort, policy or folder cannot be used.
    """
    from audit import cohorts, models
    from audit.session._run import Options, audit_model

    place = check_place(out, overwrite=overwrite, resume=resume)
    spec = config.model
    cohort = cohorts.load_cohort(config.cohort, config.root, task=spec.task, classes=spec.classes, input=spec.input)
    model = model or models.load_model(spec, config.root)
    options = Options(
        profile=profile or config.profile, seed=config.seed if seed is None else seed,
        probes=probes or ",".join(config.probes) or None, overwrite=overwrite, command=command,
        resume=resume, cache=config.root / CACHE, root=config.root,
        show_pixels=config.show_pixels, show_ids=config.show_ids,
        config_digest=config.digest, intended_use=config.intended_use,
        golden=None if spec.golden is None else load_golden(config.root / spec.golden),
        golden_tolerance=spec.golden_tolerance, layer=spec.layer, fairlearn_metrics=config.fairlearn_metrics,
        monitor=models.load_monitor(spec, config.root),
        attacks=config.attacks,
        surrogates=tuple(
            Surrogate(relation=s.relation, model=models.load_model(s.model, config.root)) for s in config.surrogates
        ),
        threat_model=config.threat_model,
        envelope=config.envelope, explain=with_own_map(config.explain, config.root),
        training=open_training(config, model, cohort),
        min_cell=config.min_cell if min_cell is None else min_cell, profile_time=profile_time,
    )  # fmt: skip
    rules = config.policy or Policy(name="none")
    who = Workers(
        executor=executor, address=address, count=workers, reload=partial(models.load_model, spec, config.root)
    )
    return audit_at(place, options, who, lambda o: audit_model(model, cohort, rules, o, progress), progress)


def run_demo(
    twin: str = "biased",
    *,
    out: Path | None = None,
    profile: Profile = "standard",
    seed: int = 1,
    workers: int = 1,
    overwrite: bool = False,
    profile_time: bool = False,
    progress: Progress | None = None,
    command: str = "",
) -> Run:
    """Audit one of the embedded twins on the embedded cohort.

    Args:
        twin: Name of the twin, "biased" by default.
        out: Folder of the run; audit-runs/<UTC time> by default.
        profile: smoke, standard or full.
        seed: Seed of the run.
        workers: Processes that share the work.
        overwrite: Whether an earlier run in that folder is replaced.
        profile_time: Whether the evidence says where the time went.
        progress: Somebody who watches.
        command: The command line that makes this run again.

    Returns:
        The evidence with its folder.

    Raises:
        InputError: No such twin, or the folder cannot be used.
    """
    from audit.reference import load_demo
    from audit.session._run import Options, audit_model

    if out is not None:
        check_folder(out, overwrite=overwrite)
    demo = load_demo(twin, profile)
    options = Options(
        profile=profile, seed=seed, workers=workers, out=out, overwrite=overwrite, command=command,
        intended_use=demo.intended_use, threat_model=demo.threat_model, envelope=demo.envelope,
        profile_time=profile_time,
    )  # fmt: skip
    return audit_model(demo.model, demo.cohort, demo.policy, options, progress)


def render_report(folder: Location | str, *, static: bool = False, min_cell: int = 0) -> str:
    """Return the HTML report of a finished run, from its evidence alone.

    Args:
        folder: The run's folder, or its URL on shared storage.
        static: Pictures only, no script.
        min_cell: Cells with fewer patients are left out, and so are those with fewer than the run itself asked for.

    Raises:
        EvidenceError: The run is unfinished, changed, or from a newer version.
    """
    from audit.evidence import loader, read_run, suppress
    from audit.report import render

    with held_run(locate(folder)) as held:
        evidence = read_run(held)
        shared = suppress(evidence, max(min_cell, int(evidence.run.get("min_cell", 0))))
        return render(shared, loader(held), static=static)
