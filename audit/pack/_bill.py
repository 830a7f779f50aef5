"""The software bill of materials: CycloneDX with the model as a component, and anomalies that the user lists."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from audit.pack._blocks import Block, Cell, Document, Listing, Table, Text, ToFill, row
from audit.pack._source import Source
from audit.report.phrases import mapping_of, plural

_SPEC = "1.6"
_NAMESPACE = uuid.UUID("6d3f3c0e-9d8b-5c58-9f43-0c0d6f1f8a11")
_TASKS = {
    "binary": "image classification", "multiclass": "image classification", "multilabel": "image classification",
    "ordinal": "image grading", "regression": "image regression", "segmentation": "image segmentation",
    "detection": "object detection", "survival": "risk prediction",
}  # fmt: skip


def bill_of_materials(source: Source) -> bytes:
    """Return a CycloneDX 1.6 bill (JSON) of the audited model and of the software that audited it.

    The versions are those that the run recorded, not those of the machine that makes the pack.

    Args:
        source: What the pack is made from.
    """
    e = source.evidence
    packages = mapping_of(mapping_of(e.run.get("machine")).get("packages"))
    named = (("imaging-audit", str(e.run.get("version"))), *sorted(packages.items()))
    components = [_model(source), *(_package(n, str(v), source.inputs.licences.get(n, "")) for n, v in named)]
    python = mapping_of(e.run.get("machine")).get("python")
    if python:
        components.append({
            "type": "platform", "bom-ref": f"platform:python@{python}", "name": "Python", "version": str(python),
        })  # fmt: skip
    subject = {
        "type": "application", "bom-ref": "audit", "name": f"audit of {e.model.get('name') or 'a model'}",
        "version": str(e.run.get("evidence_digest")),
    }  # fmt: skip
    bill: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{_SPEC}.schema.json",
        "bomFormat": "CycloneDX", "specVersion": _SPEC, "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, str(e.run.get('evidence_digest')))}",
        "metadata": {"timestamp": str(e.run.get("finished")), "component": subject},
        "components": components,
        "dependencies": [{"ref": "audit", "dependsOn": [str(c["bom-ref"]) for c in components]}],
    }  # fmt: skip
    if source.inputs.anomalies:
        bill["vulnerabilities"] = [_anomaly(i, a) for i, a in enumerate(source.inputs.anomalies, 1)]
    return (json.dumps(bill, indent=1, ensure_ascii=False) + "\n").encode()


def _ref(source: Source) -> str:
    return f"model:{source.evidence.model.get('digest')}"


def _model(source: Source) -> dict[str, Any]:
    m = source.evidence.model
    card: dict[str, Any] = {
        "modelParameters": {
            "task": _TASKS.get(str(m.get("task")), str(m.get("task"))),
            "inputs": [{"format": "image"}], "outputs": [{"format": str(m.get("output"))}],
        },
    }  # fmt: skip
    digest = str(m.get("digest") or "")
    hashed = {"hashes": [{"alg": "SHA-256", "content": digest}]} if _sha256(digest) else {}
    return {
        "type": "machine-learning-model", "bom-ref": _ref(source), "name": str(m.get("name") or "model"),
        "version": str(m.get("version") or "not stated"), **hashed,
        "properties": [
            {"name": "imaging-audit:digest", "value": digest},
            {"name": "imaging-audit:digest-covers", "value": "weights and declared preprocessing"},
            {"name": "imaging-audit:outcome", "value": source.judged.verdict.outcome},
        ],
        "modelCard": card,
    }  # fmt: skip


def _sha256(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def _package(name: str, version: str, licence: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    found: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence:
        found["licenses"] = [{"license": {"name": licence}}]
    return found


def _anomaly(number: int, a: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": a.reference or f"anomaly-{number}", "description": a.anomaly,
        "affects": [{"ref": f"pkg:pypi/{a.package.lower()}" + (f"@{a.version}" if a.version else "")}],
    }  # fmt: skip
    if a.assessment:
        found["analysis"] = {"detail": a.assessment}
    return found


def materials(source: Source) -> Document:
    """Return the bill as a table, and the anomalies."""
    bill = json.loads(bill_of_materials(source))
    rows: list[tuple[Cell, ...]] = [_row(c) for c in bill["components"]]
    blocks: list[Block] = [
        Table(caption="Components", head=("component", "kind", "version", "licence, as the package states it"),
              rows=tuple(rows)),
        Text(tone="note", text=(
            "Components are the audited model and the software that audited it. The software that runs the model in "
            "the device is not known to this tool."
        )),
    ]  # fmt: skip
    blocks += _anomalies(source)
    blocks.append(ToFill(labels=("Software of the device itself (SOUP), with requirements and versions",), lines=2))
    return Document(
        id="bill-of-materials", title="Software bill of materials",
        purpose="Lists the model and the software behind these results, and known anomalies of software of others.",
        blocks=tuple(blocks), source=("sbom.cdx.json", "run/evidence.json"),
    )  # fmt: skip


def _row(component: Mapping[str, Any]) -> tuple[Cell, ...]:
    licences = ", ".join(str(x["license"]["name"]) for x in component.get("licenses", ()))
    kind = str(component["type"]).replace("-", " ")
    return row(str(component["name"]), kind, str(component["version"]), licences or "not known")


def _anomalies(source: Source) -> list[Block]:
    if source.inputs.anomalies is None:
        return [Text(tone="warn", text=(
            "No list of anomalies was given. Known faults of software of unknown provenance are for the manufacturer "
            "to list and to assess: give the list with --anomalies."
        ))]  # fmt: skip
    known = {str(c["name"]).lower() for c in json.loads(bill_of_materials(source))["components"]} | {"imaging-audit"}
    rows = tuple(
        row(a.package, a.version or "any", a.anomaly, a.assessment or "to be added", a.reference or "none")
        for a in source.inputs.anomalies
    )
    strangers = sorted({a.package for a in source.inputs.anomalies if a.package.lower() not in known})
    blocks: list[Block] = [
        Table(caption=f"{plural(len(rows), 'anomaly', 'anomalies')} as the manufacturer lists them",
              head=("package", "version", "anomaly", "assessment", "listed at"), rows=rows)
    ]  # fmt: skip
    if strangers:
        blocks.append(Listing(items=(f"Not among the components above: {', '.join(strangers)}",)))
    return blocks
