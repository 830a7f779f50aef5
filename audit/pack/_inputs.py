"""What a pack is made from beside the run: what people gave, and what only the machine that made it knew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata

import audit
from audit.core import Evidence
from audit.errors import EvidenceError
from audit.evidence import Ledger
from audit.pack._lists import Anomaly, Hazard
from audit.pack._read import read_json
from audit.pack._stored import json_bytes
from audit.report.phrases import mapping_of

INPUTS = "inputs.json"
KIND, SCHEMA_VERSION = "imaging-audit pack inputs", 1


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What documents are made from beside the run.

    Args:
        made_with: Version of this program that made the pack.
        tester: Who ran the tests, as the user says; empty: to be filled in.
        hazards: The manufacturer's list, None where none is given.
        anomalies: Of software that others made, None where no list is given.
        ledger: The ledger's lines on this cohort, None where no ledger was found.
        licences: By package, what it says of its licence on the machine that made the pack.
        dropped: By column of the predictions that is not in the pack, why.
    """

    made_with: str = audit.__version__
    tester: str = ""
    hazards: tuple[Hazard, ...] | None = None
    anomalies: tuple[Anomaly, ...] | None = None
    ledger: Ledger | None = None
    licences: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)


def write_inputs(inputs: Inputs) -> bytes:
    """Return the file of a pack that holds its inputs."""
    return json_bytes({"kind": KIND, "schema_version": SCHEMA_VERSION, "inputs": inputs})


def read_inputs(data: bytes) -> Inputs:
    """Return the inputs that a pack was made from.

    Args:
        data: The file.

    Raises:
        EvidenceError: It is none, or of another version.
    """
    try:
        values = read_json(data)
        if (values["kind"], values["schema_version"]) != (KIND, SCHEMA_VERSION):
            raise ValueError(f"{values['kind']} of version {values['schema_version']}")
        v = values["inputs"]
        hazards = (
            None if v["hazards"] is None else tuple(Hazard(**{**h, "rules": tuple(h["rules"])}) for h in v["hazards"])
        )
        ledger = v["ledger"]
        return Inputs(
            made_with=str(v["made_with"]), tester=str(v["tester"]), hazards=hazards,
            anomalies=None if v["anomalies"] is None else tuple(Anomaly(**a) for a in v["anomalies"]),
            ledger=None if ledger is None else Ledger(entries=tuple(ledger["entries"]), fault=str(ledger["fault"])),
            licences=dict(v["licences"]), dropped=dict(v["dropped"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError(
            f"{INPUTS} cannot be read", expected=f"inputs of version {SCHEMA_VERSION}", got=str(error)[:80],
            fix="take the pack from where it was made",
        ) from error  # fmt: skip


def ledger_on(evidence: Evidence, ledger: Ledger | None) -> Ledger | None:
    """Return what a ledger says of the cohort of a run, and whether its chain holds, without its other lines."""
    if ledger is None:
        return None
    return Ledger(entries=ledger.on(str(evidence.cohort.get("digest", ""))), fault=ledger.fault)


def licences_of(evidence: Evidence) -> dict[str, str]:
    """Return what the packages of the run say of their licences, where this machine has them in these versions."""
    named = dict(mapping_of(mapping_of(evidence.run.get("machine")).get("packages")))
    named["imaging-audit"] = evidence.run.get("version")
    return {name: said for name, version in sorted(named.items()) if (said := _licence(name, str(version)))}


def _licence(name: str, version: str) -> str:
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    if about["Version"] != version:
        return ""
    said = str(about["License-Expression"] or "") if "License-Expression" in about else ""
    return said or (str(about["License"]).splitlines() or [""])[0][:80] if "License" in about or said else ""
