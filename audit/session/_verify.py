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
    from audit.evidence import EVIDENCE
    from audit.pack import RUN, Remade, read_pack, remade_faults, shared_arrays, stated_faults
    from audit.probes import PROBES
    from audit.verification import HELD, PREDICTIONS, Checked, verify_content

    pack = read_pack(path)
    faults = _faults(pack.faults)
    wrong, note = _envelope(pack) if public is None else _signature(pack, public)
    faults += wrong
    notes = (note,) if note else ()
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
    arrays = shared_arrays(held, pack.manifest)
    found = verify_content(texts, held.get(PREDICTIONS), PROBES, len(pack.files), watch, arrays=arrays)
    remade = Remade(faults=()) if found.faults else remade_faults(pack, _policy)
    other = _baseline(pack)
    inside = [
        *(replace(fault, file=RUN + fault.file) for fault in found.faults),
        *other.faults,
        *_faults(remade.faults),
    ]
    return replace(
        found, faults=tuple(inside), notes=(*notes, *remade.notes, *found.notes, *other.notes),
        not_made=(*remade.not_made, *found.not_made, *other.not_made),
        untold=(*found.untold, *other.untold, *remade.printed), signed=public is not None and not wrong,
    )  # fmt: skip


def _policy(data: bytes) -> Policy:
    from audit.config import policy_from

    try:
        return policy_from(tomllib.loads(data.decode("utf-8")), source="the policy file of the pack")
    except ValueError as error:
        raise EvidenceError("the policy file of the pack cannot be read", got=str(error)[:80]) from error


def _baseline(pack: Pack) -> Checked:
    """Return what was found of the baseline, which is checked as the run is; nothing where there is none."""
    from audit.evidence import EVIDENCE
    from audit.pack import BASELINE
    from audit.probes import PROBES
    from audit.verification import PREDICTIONS, Checked, verify_content

    held = {n.removeprefix(BASELINE): data for n, data in pack.files.items() if n.startswith(BASELINE)}
    if not held:
        return Checked()
    texts = {EVIDENCE: held.get(EVIDENCE, b"")}
    found = verify_content(texts, held.get(PREDICTIONS), PROBES, len(held), None)
    notes = (*found.notes, *([found.not_again] if isinstance(found.not_again, str) and found.not_again else []))
    return Checked(
        faults=tuple(replace(fault, file=BASELINE + fault.file) for fault in found.faults),
        notes=tuple(f"Of the baseline: {note[:1].lower()}{note[1:]}" for note in notes),
        not_made=tuple(f"{what} of the baseline" for what in found.not_made),
        untold=tuple(f"{what} of the baseline" for what in found.untold),
    )


def _faults(texts: Iterable[str]) -> list[Fault]:
    from audit.verification import Fault

    return [Fault(file=name, what=what) for name, _, what in (text.partition(": ") for text in texts)]


def _signature(pack: Pack, public: bytes) -> tuple[list[Fault], str]:
    """Return what is wrong with the signature by this key, and a sentence where nothing is."""
    from audit.pack import ENVELOPE, verify_envelope
    from audit.verification import Fault

    if pack.envelope is None:
        return [Fault(file=ENVELOPE, what="absent: the pack is not signed")], ""
    try:
        wrong = _faults(verify_envelope(pack.envelope, public).faults(pack.files, ENVELOPE))
    except EvidenceError as error:
        return [Fault(file=ENVELOPE, what=error.problem)], ""
    return wrong, "" if wrong else "The signature holds: it was made with the key that was given."


def _envelope(pack: Pack) -> tuple[list[Fault], str]:
    """Return what can be told of an envelope without a key: whether it is one, and of these files."""
    from audit.pack import ENVELOPE, read_envelope
    from audit.verification import Fault

    if pack.envelope is None:
        return [], f"The pack is not signed. {_AS_STATED}"
    try:
        said = read_envelope(pack.envelope)
        wrong = _faults(said.faults(pack.files, ENVELOPE))
    except EvidenceError as error:
        return [Fault(file=ENVELOPE, what=f"{error.problem}: {error.got}")], ""
    who = " and ".join(name[:16] for name in said.key_id.split(" and "))
    return wrong, f"The pack holds an envelope by key id {who}, not checked: give --key. {_AS_STATED}"
