"""Carry out every check and say what came out; a check that breaks is one that did not hold."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import audit
from audit.evidence import LEDGER_VARIABLE
from audit.session._describe import describe_machine
from audit.session.validation._check import Check
from audit.session.validation._faults import fault_checks
from audit.session.validation._gates import gate_checks
from audit.session.validation._intervals import interval_checks

KIND = "imaging-audit validation"


def validate(tell: Callable[[str, bool], None] = lambda name, held: None) -> dict[str, Any]:
    """Return what every check came to on this installation.

    Nothing is left behind: runs, pseudonyms' key and ledger of the checks lie in a folder that goes.

    Args:
        tell: Called with the name of each check and whether it held.

    Returns:
        The content of a validation file: `kind version date environment checks held`.
    """
    done = []
    began = dt.datetime.now(dt.UTC)
    with _apart() as folder:
        for number, check in enumerate((*fault_checks(), *interval_checks(), *gate_checks()), 1):
            done.append(_carried_out(check, folder / str(number)))
            tell(check.check, bool(done[-1]["held"]))
    machine = describe_machine()
    return {
        "kind": KIND, "version": audit.__version__, "date": began.isoformat(timespec="seconds"),
        "environment": {"python": machine["python"], "system": machine["system"], **machine["packages"]},
        "checks": done, "held": all(c["held"] for c in done),
    }  # fmt: skip


def _carried_out(check: Check, folder: Path) -> Mapping[str, Any]:
    clock = time.perf_counter()
    folder.mkdir()
    try:
        held, got = check.run(folder)
    except Exception as error:  # noqa: BLE001  # whatever breaks here is a fault of the installation, and is reported
        held, got = False, f"broke: {type(error).__name__}: {error}"[:300]
    return {
        "requirement": check.requirement, "check": check.check, "expected": check.expected, "got": got, "held": held,
        "seconds": round(time.perf_counter() - clock, 2),
    }  # fmt: skip


@contextmanager
def _apart() -> Iterator[Path]:
    """Keep the runs of the checks out of the user's ledger, key and folders."""
    names = (LEDGER_VARIABLE, "AUDIT_KEY_FILE")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        key.write_text("validation" * 8, encoding="utf-8")
        os.environ.update({LEDGER_VARIABLE: str(Path(folder) / "ledger.jsonl"), "AUDIT_KEY_FILE": str(key)})
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
