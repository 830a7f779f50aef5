"""Audits of the reference models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audit.session._folder import check_folder, default_folder

if TYPE_CHECKING:
    from audit.core import Profile
    from audit.execution import Progress
    from audit.session._run import Run


def run_reference(
    name: str,
    *,
    out: Path | None = None,
    profile: Profile | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    command: str = "",
) -> Run:
    """Write the folder of a reference model's audit beside the run's, and run it.

    Args:
        name: One of `audit.reference.list_models`; a twin of the demo is audited as `audit demo` does.
        out: Folder of the run; audit-runs/<UTC time> by default. The files go into the folder of that name with
            "-files" behind it.
        profile: Size of the cohort and of the run; standard, and what the audit.toml says, by default.
        seed: Of the cohort and of the run; those of the shipped one by default.
        overwrite: Whether an earlier run and its files are replaced.
        progress: Somebody who watches.
        command: The command line that makes this run again.

    Returns:
        The evidence with its folder.

    Raises:
        InputError: No such reference model, or a folder cannot be used.
    """
    from audit import session
    from audit.config import load_audit
    from audit.reference import audit_folder, check_audit_folder, is_twin, write_audit

    folder = out or default_folder()
    check_folder(folder, overwrite=overwrite)
    if is_twin(name):
        return session.run_demo(
            name, out=folder, profile=profile or "standard", seed=1 if seed is None else seed, overwrite=overwrite,
            progress=progress, command=command,
        )  # fmt: skip
    files = audit_folder(folder)
    check_audit_folder(files, overwrite=overwrite)
    config = load_audit(write_audit(name, files, seed=seed, profile=profile or "standard"))
    return session.run_config(
        config, out=folder, profile=profile, seed=seed, overwrite=overwrite, progress=progress, command=command
    )
