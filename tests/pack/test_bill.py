"""The bill of materials is valid CycloneDX."""

from __future__ import annotations

import json

import pytest

from audit.pack import Anomaly, PackOptions, make_pack
from tests.pack._make import small_run, unzipped


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("bill"))


def bill(run, **options):
    return unzipped(make_pack(run, PackOptions(**options)))["sbom.cdx.json"].decode()


@pytest.mark.parametrize(
    "anomalies", [None, (Anomaly(package="numpy", version="2", anomaly="<b>", assessment="none"),)]
)
def test_the_bill_is_valid(run, anomalies):
    """The schema of CycloneDX 1.6, as the project ships it, has no objection."""
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    assert (
        validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(bill(run, anomalies=anomalies)) is None
    )


def test_the_model_is_a_component_with_its_digest(run):
    """Named as a machine-learning model, and everything else with a version."""
    values = json.loads(bill(run))
    evidence = json.loads((run / "evidence.json").read_text())
    (model,) = [c for c in values["components"] if c["type"] == "machine-learning-model"]
    digest = {p["name"]: p["value"] for p in model["properties"]}["imaging-audit:digest"]
    assert digest == evidence["model"]["digest"]
    packages = {c["name"]: c["version"] for c in values["components"] if c["type"] == "library"}
    assert packages == {**evidence["run"]["machine"]["packages"], "imaging-audit": evidence["run"]["version"]}


def test_every_reference_leads_to_a_component(run):
    """What depends on what names components of the bill."""
    values = json.loads(bill(run))
    refs = {c["bom-ref"] for c in values["components"]}
    assert set(values["dependencies"][0]["dependsOn"]) == refs
