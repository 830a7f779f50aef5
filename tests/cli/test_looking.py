"""`audit probes`, `schema`, `doctor` and `reference list`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from audit._cli import doctor
from audit.probes import catalogue
from tests.cli.conftest import Said

Audit = Callable[..., Said]


def test_probes_lists_every_code(audit: Audit) -> None:
    """Every probe of the catalogue has a row that starts with its code."""
    code, out, _ = audit("probes")
    assert code == 0
    rows = {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert set(catalogue().infos) <= rows


def test_probes_explains_one(audit: Audit) -> None:
    """One probe is explained with its question, method, metrics and limits; case does not matter."""
    info = catalogue().infos["PERF001"]
    code, out, _ = audit("probes", "perf001")
    assert code == 0
    flat = " ".join(out.split())
    for text in (info.question, info.method, info.limits, info.doc_url, ", ".join(info.metrics)):
        assert text in flat


def test_probes_explains_for_a_radiologist_and_a_statistician(audit: Audit) -> None:
    """CONF001 is explained in both languages, with why it matters, what it cannot do and an example."""
    _, out, _ = audit("probes", "CONF001")
    flat = " ".join(out.split())
    for text in ("For a radiologist:", "For a statistician:", "patient bootstrap", "Why it matters", "Known problems"):
        assert text in flat
    assert max(len(line) for line in out.splitlines()) <= 110


def test_a_plugin_without_a_page_is_explained_by_its_entry(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A docstring that is no page leaves the entry of the catalogue, and no error."""
    monkeypatch.setattr(catalogue().probes["CONF001"], "__doc__", "Nothing.")
    code, out, _ = audit("probes", "CONF001")
    assert code == 0
    assert "Known problems" not in out


def test_unknown_probe(audit: Audit) -> None:
    """An unknown code is exit 2 with the nearest one."""
    code, _, err = audit("probes", "SETUP01")
    assert code == 2
    assert "did you mean 'SETUP001'?" in err
    assert len(err.splitlines()) <= 3


@pytest.mark.parametrize("kind", ["evidence", "audit", "policy"])
def test_schema_is_json_schema(audit: Audit, kind: str) -> None:
    """Each schema is valid JSON Schema, and nothing else is on stdout."""
    import jsonschema

    code, out, err = audit("schema", kind)
    assert (code, err) == (0, "")
    jsonschema.Draft202012Validator.check_schema(json.loads(out))


def test_doctor_names_what_is_missing(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is named with the exact line that installs it, and the exit code is 0 all the same."""
    there = doctor.installed
    monkeypatch.setattr(
        doctor, "installed", lambda p: None if p in ("onnxruntime", "torchattacks", "rich") else there(p)
    )
    code, out, _ = audit("doctor")
    assert code == 0
    assert "missing onnxruntime" in out
    assert '  pip install "imaging-audit[onnx]"' in out
    assert "  pip install --no-deps torchattacks==3.5.1" in out
    assert "  pip install rich" in out


def test_doctor_when_all_is_there(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything installed it says so and names no line."""
    monkeypatch.setattr(doctor, "installed", lambda p: "1.0")
    assert "nothing is missing" in audit("doctor")[1]
