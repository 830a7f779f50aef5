"""A run's folder or a pack, checked; nothing is written."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import EvidenceError, InputError
from audit.storage import Location, held_run, locate

if TYPE_CHECKING:
    from audit.core import Policy
    from audit.pack import Pack
    from audit.verification import Checked, Fault


def verify(
    path: Location | str, *, key: Path | str | None = None, watch: Callable[[str], None] | None = None
) -> Checked:
    """Check that a run or a pack is what it was when it was made.

    Every byte of every file is held against SHA256SUMS, the digest in the evidence against its content, the verdict
    against the numbers, and the numbers against those that the stored predictions give, without a model.

    Args:
        path: The run's folder, its URL on shared storage, or the zip of a pack.
        key: File of the Ed25519 public key that signed the pack.
        watch: Told of each probe before its numbers are made again.

    Returns:
        What was found; `intact` whatever the verdict.

    Raises:
        InputError: There is no such run or pack, it cannot be read, or the key cannot be used.
    """
    from audit.probes import PROBES
    from audit.verification import verify_folder

    place = locate(path)
    if isinstance(place, Path) and place.is_file():
        return _pack(place, None if key is None else _key(Path(key)), watch)
    if key is not None:
        raise InputError(
            "a run's folder has no signature", expected="the zip of a pack beside --key", got=place.name,
            fix="leave --key out, or name a pack that 'audit pack --sign' wrote",
        )  # fmt: skip
    with held_run(place) as folder:
        return verify_folder(folder, PROBES, watch)


def _key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "the public key cannot be read", expected="a file with an Ed25519 public key", got=error.strerror or "",
            fix="name the file that belongs to the signature",
        ) from error  # fmt: skip


_AS_STATED = (
    "Who made it is not known, and what people gave (tester, hazards, anomalies, lines of the ledger, validation) is "
    "as the pack states it."
)


def _pack(path: Path, public: bytes | None, watch: Callable[[str], None] | None) -> Checked:
    from audit.evidence import EVIDENCE, held_loader
    from audit.pack import RUN, read_pack, remade_faults, stated_faults
    from audit.probes import PROBES
    from audit.verification import HELD, PREDICTIONS, Checked, verify_content

    pack = read_pack(path)
    faults = _faults(pack.faults)
    notes: tuple[str, ...] = ()
    if public is not None:
        signed = _signature(pack, public)
        faults += signed
        notes = () if signed else ("The signature holds: it was made with the key that was given.",)
    elif pack.envelope is not None:
        notes = (f"The pack holds an envelope of signatures, which was not checked: give --key. {_AS_STATED}",)
    else:
        notes = (f"The pack is not signed. {_AS_STATED}",)
    if not faults:
        faults = _faults(stated_faults(pack))
    if faults:
        why = "files were changed, so nothing in them was read"
        return Checked(faults=tuple(sorted(set(faults))), files=len(pack.files), not_again=why, notes=notes)
    held = pack.run_files()
    if EVIDENCE not in held:
        raise EvidenceError(
            f"{path.name} has no evidence", expected=f"run/{EVIDENCE}", got=f"{len(pack.files)} other files",
            fix="name a file that 'audit pack' wrote",
        )  # fmt: skip
    texts = {name: data for name, data in held.items() if name in HELD}
    arrays = held_loader(held)
    found = verify_content(texts, held.get(PREDICTIONS), PROBES, len(pack.files), watch, arrays=arrays)
    remade, said = ((), ()) if found.faults else remade_faults(pack, _policy)
    against, told = _baseline(pack)
    inside = [*(replace(fault, file=RUN + fault.file) for fault in found.faults), *against, *_faults(remade)]
    return replace(found, faults=tuple(inside), notes=(*notes, *said, *found.notes, *told))


def _policy(data: bytes) -> Policy:
    from audit.config import policy_from

    try:
        return policy_from(tomllib.loads(data.decode("utf-8")), source="the policy file of the pack")
    except ValueError as error:
        raise EvidenceError("the policy file of the pack cannot be read", got=str(error)[:80]) from error


def _baseline(pack: Pack) -> tuple[list[Fault], tuple[str, ...]]:
    """Return what is wrong with the baseline, and what is to be said of it: it is checked as the run is."""
    from audit.evidence import EVIDENCE
    from audit.pack import BASELINE
    from audit.probes import PROBES
    from audit.verification import PREDICTIONS, verify_content

    held = {n.removeprefix(BASELINE): data for n, data in pack.files.items() if n.startswith(BASELINE)}
    if not held:
        return [], ()
    texts = {EVIDENCE: held.get(EVIDENCE, b"")}
    found = verify_content(texts, held.get(PREDICTIONS), PROBES, len(held), None)
    notes = (*found.notes, *([found.not_again] if isinstance(found.not_again, str) and found.not_again else []))
    told = tuple(f"Of the baseline: {note[:1].lower()}{note[1:]}" for note in notes)
    return [replace(fault, file=BASELINE + fault.file) for fault in found.faults], told


def _faults(texts: Iterable[str]) -> list[Fault]:
    from audit.verification import Fault

    return [Fault(file=name, what=what) for name, _, what in (text.partition(": ") for text in texts)]


def _signature(pack: Pack, public: bytes) -> list[Fault]:
    from audit.pack import ENVELOPE, verify_envelope
    from audit.verification import Fault

    if pack.envelope is None:
        return [Fault(file=ENVELOPE, what="absent: the pack is not signed")]
    try:
        signed = verify_envelope(pack.envelope, public)
    except EvidenceError as error:
        return [Fault(file=ENVELOPE, what=error.problem)]
    return _faults(signed.faults(pack.files, ENVELOPE))
