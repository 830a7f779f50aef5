"""The folder in which a reference model is audited as a user audits his own."""

from __future__ import annotations

import shutil
from pathlib import Path

from audit.errors import InputError
from audit.reference import _systems
from audit.reference._needs import needs

_MARK = ".reference-model"


def audit_folder(run: Path) -> Path:
    """Return where an audit's files lie whose run goes into a folder: beside it, since a run holds nothing else."""
    return run.with_name(f"{run.name}-files")


def check_audit_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that an audit's files may be written into a folder; nothing is changed yet.

    Raises:
        InputError: It is no folder, holds something and `overwrite` is not given, or holds something of another kind.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(
            f"{folder}: not a folder", expected="a folder", got="a file or a link", fix="name another --out"
        )
    held = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    if held and not (overwrite and _MARK in held):
        fix = "add --overwrite" if _MARK in held else "name another --out"
        raise InputError(
            f"{folder} is not empty", expected="an empty or new folder", got=f"one with {held[0]}", fix=fix
        )


def write_audit(name: str, folder: Path, *, seed: int | None = None, profile: str = "standard") -> Path:
    """Write weights, images, manifest, audit.toml and policy.toml of a system's audit.

    Args:
        name: A system of `list_models`; the demo's twins have no such folder.
        folder: Made if absent; one that this function wrote before is emptied first.
        seed: Of the cohort; that of the shipped one by default.
        profile: How large the cohort is: smoke, standard or full.

    Returns:
        The audit.toml.

    Raises:
        InputError: There is no system of this name, its weights are not shipped, or the folder holds something else.
        MissingExtraError: torch or nilearn is not installed.
    """
    system = _systems.all_systems().get(name)
    if system is None or not _systems.weights_of(system).is_file():
        raise InputError(
            f"no reference model '{name}' with a folder of its own", expected=", ".join(_systems.all_systems()),
            got=name, fix="see `audit reference list`; `audit demo` audits the demo's twins",
        )  # fmt: skip
    check_audit_folder(folder, overwrite=True)
    needs("torch", "torch")
    needs("nilearn", "reference")
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).write_text(f"{name}\n", encoding="utf-8")
    chosen = _systems.SHIPPED_SEED if seed is None else seed
    _systems.recipe_of(system).write(
        name, folder, weights=_systems.weights_of(system), seed=chosen, profile=profile
    )  # fmt: skip
    return folder / "audit.toml"
