"""`audit demo`, `run`, `gate` and `report`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from audit._cli.folders import relative
from audit._cli.outcome import print_outcome
from audit._cli.progress import shown_progress
from audit._cli.shell import say
from audit._cli.spent import print_times
from audit.errors import EXIT_PASS, InputError
from audit.storage import Location

if TYPE_CHECKING:
    from audit.core import Profile
    from audit.session import ExecutorName


def run_config(
    path: Path,
    out: Location | None,
    profile: Profile | None,
    probes: str | None,
    *,
    seed: int | None,
    workers: int | None,
    overwrite: bool,
    executor: ExecutorName = "local",
    address: str | None = None,
    resume: bool = False,
    min_cell: int | None = None,
    profile_time: bool = False,
    github: bool = False,
) -> int:
    """Audit what a configuration describes and return the verdict's exit code."""
    from audit import session

    folder = out or session.default_folder()
    if isinstance(folder, Path):
        session.check_folder(folder, overwrite=overwrite, resume=resume)
    from audit.config import load_audit
    from audit.probes import catalogue

    known = catalogue()
    # A rule on a plugin's probe cannot be checked where that plugin failed to load; the run then says so itself.
    config = load_audit(path, infos=None if known.failed else known.infos)
    known.select(probes if probes is not None else (",".join(config.probes) or None))
    with shown_progress() as progress:
        evidence = session.run_config(
            config, out=folder, profile=profile, probes=probes, seed=seed, workers=workers, overwrite=overwrite,
            executor=executor, address=address, resume=resume, progress=progress, min_cell=min_cell,
            profile_time=profile_time,
            command=again("run", path.name, profile=profile or config.profile, probes=probes,
                          seed=config.seed if seed is None else seed, **({"min-cell": min_cell} if min_cell else {})),
        )  # fmt: skip
    print_times(evidence)
    return print_outcome(evidence, folder, github=github)


def plan_config(path: Path, profile: Profile | None, probes: str | None, *, workers: int | None) -> int:
    """Print what the audit of a configuration would do; nothing is run and nothing written."""
    from audit import session
    from audit._cli.planning import print_plan
    from audit.config import load_audit
    from audit.probes import catalogue

    known = catalogue()
    config = load_audit(path, infos=None if known.failed else known.infos)
    print_plan(session.plan_config(config, profile=profile, probes=probes, workers=workers))
    return EXIT_PASS


def run_demo(
    twin: str,
    out: Path | None,
    *,
    profile: Profile,
    seed: int,
    workers: int,
    overwrite: bool,
    profile_time: bool = False,
) -> int:
    """Audit an embedded reference model and return the verdict's exit code."""
    from audit import session
    from audit._cli.reference import check_name

    check_name(twin, twin=True)
    folder = out or session.default_folder()
    with shown_progress() as progress:
        evidence = session.run_demo(
            twin, out=folder, profile=profile, seed=seed, workers=workers, overwrite=overwrite, progress=progress,
            command=again("demo", twin=twin, profile=profile, seed=seed), profile_time=profile_time,
        )  # fmt: skip
    print_times(evidence)
    return print_outcome(evidence, folder)


def again(*words: str, **options: object) -> str:
    """Return the command line that makes a run again; the name of a file stands in it, never its folder."""
    given = [f"--{name} {shlex.quote(str(value))}" for name, value in options.items() if value is not None]
    return " ".join(["audit", *(shlex.quote(w) for w in words), *given])


def gate_run(run: Location, policy_path: Path | None, baseline: Location | None = None, *, github: bool = False) -> int:
    """Judge a finished run again and return the verdict's exit code; writes nothing."""
    from audit import session
    from audit.config import load_policy

    policy = None if policy_path is None else load_policy(policy_path)
    evidence = session.gate(run, policy, baseline=baseline)
    code = print_outcome(evidence, None, github=github)
    if isinstance(evidence, session.Gated):
        from audit._cli.comparing import print_against

        print_against(evidence.comparison)
    return code


def write_report(run: Location, out: Path | None, *, static: bool, min_cell: int = 0) -> int:
    """Write the report of a finished run to a file outside of it."""
    target = writable(out if out is not None else Path(f"{name_of(run)}-report.html"), run)
    from audit import session

    html = session.render_report(run, static=static, min_cell=min_cell)
    target.write_text(html, encoding="utf-8")
    say(relative(target))
    return EXIT_PASS


def name_of(run: Location) -> str:
    """Return what a run is called."""
    return run.resolve().name if isinstance(run, Path) else run.name


def writable(target: Path, *runs: Location) -> Path:
    """Return a file that may be written: none inside of a finished run, and none where a folder is.

    Raises:
        InputError: It may not be written.
    """
    for run in runs:
        if isinstance(run, Path) and target.resolve().is_relative_to(run.resolve()):
            raise InputError(
                "a finished run is never changed", expected="a file outside of the run's folder", got=str(target),
                fix=f"--out {run.resolve().name}-{target.name}",
            )  # fmt: skip
    if target.is_dir() or not target.resolve().parent.is_dir():
        got = "a folder" if target.is_dir() else f"no folder {target.resolve().parent}"
        raise InputError(
            f"{target}: cannot be written",
            expected="a file in a folder that is there",
            got=got,
            fix="name another file",
        )
    return target
