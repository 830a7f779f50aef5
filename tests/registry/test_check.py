"""`audit registry check` against a real server."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from audit.cli import main
from audit.errors import ModelError
from audit.registry import Gate, Limits, Order, Refusal
from audit.registry import _gate as gating
from tests.registry._toys import write_model, write_rules


@pytest.fixture(scope="module")
def versions(register, tmp_path_factory):
    """Versions 1 to 4 of the model toy: healthy, wrong, a skops file, a pickle."""
    folder = tmp_path_factory.mktemp("versions")
    made = [
        write_model(folder / "healthy"), write_model(folder / "wrong", right=False),
        write_model(folder / "skops", "sklearn"), write_model(folder / "pickle", "pickle", bomb=folder / "BOOM"),
    ]  # fmt: skip
    assert [register("toy", m) for m in made] == ["1", "2", "3", "4"]
    return folder


def tags(registry, version):
    return registry.get_model_version("toy", version).tags


def aliases(registry):
    return dict(registry.get_registered_model("toy").aliases)


def check(version, *words):
    return main(["registry", "check", f"models:/toy/{version}", "--out", f"run{version}", *words])


def test_a_healthy_version_is_tagged_and_aliased(registry, versions, rules):
    """Verdict and digests stand on exactly that version; report and evidence are artifacts of the run that it names."""
    assert check("1", "--config", "audit.toml", "--alias", "champion") == 0
    evidence = json.loads((rules / "run1" / "evidence.json").read_text())
    held = tags(registry, "1")
    assert held["audit.verdict"] == "PASS"
    assert held["audit.evidence_digest"] == evidence["run"]["evidence_digest"]
    assert held["audit.model_digest"] == evidence["model"]["digest"]
    assert (evidence["model"]["name"], evidence["model"]["version"]) == ("toy", "1")
    logged = {a.path for a in registry.list_artifacts(held["audit.run"])}
    assert {"report.html", "evidence.json"} <= logged
    assert not {"predictions.parquet", "log.jsonl"} & logged
    assert registry.get_run(held["audit.run"]).info.status == "FINISHED"
    assert aliases(registry) == {"champion": "1"}
    assert "audit.verdict" not in tags(registry, "2")


def test_a_wrong_version_is_refused_and_the_alias_stays(registry, versions, rules):
    """Exit code 1; the alias names the version that passed; `@alias` is resolved to its number."""
    registry.set_registered_model_alias("toy", "champion", "1")
    registry.set_registered_model_alias("toy", "candidate", "2")
    words = ["--config", "audit.toml", "--alias", "champion", "--out", "run2"]
    assert main(["registry", "check", "models:/toy@candidate", *words]) == 1
    assert tags(registry, "2")["audit.verdict"] == "FAIL"
    assert aliases(registry)["champion"] == "1"


def test_the_models_tags_name_the_files_below_the_root(registry, versions, rules, tmp_path, capsys):
    """Options override them; a tag that leaves the folder is refused before anything is fetched."""
    registry.set_registered_model_tag("toy", "audit.config", "rules/audit.toml")
    registry.set_registered_model_tag("toy", "audit.policy", "rules/lenient.toml")
    try:
        # The lenient rule passes; that scores run against the label is a fault of the set-up.
        assert check("2", "--root", str(tmp_path)) == 3
        assert check("2", "--root", str(tmp_path), "--policy", "rules/policy.toml", "--overwrite") == 1
        capsys.readouterr()
        assert check("2", "--root", str(rules), "--overwrite") == 2
        registry.set_registered_model_tag("toy", "audit.policy", "../key")
        assert check("2", "--root", str(rules), "--config", "audit.toml", "--overwrite") == 2
        assert "outside of the folder" in capsys.readouterr().err
    finally:
        registry.delete_registered_model_tag("toy", "audit.config")
        registry.delete_registered_model_tag("toy", "audit.policy")


def test_a_pickle_is_refused_and_tagged_so(registry, versions, rules, capsys):
    """Without trust by name; trust in another model is none."""
    assert check("4", "--config", "audit.toml", "--alias", "champion", "--trust", "another") == 2
    assert "would run code" in capsys.readouterr().err
    held = tags(registry, "4")
    assert held["audit.verdict"] == "INCONCLUSIVE"
    assert "would run code" in held["audit.reason"]
    assert "audit.evidence_digest" not in held
    assert not (versions / "BOOM").exists()


def test_the_configuration_is_that_of_the_model(registry, versions, rules, capsys):
    """One that describes another registered model, or has no policy, judges nothing."""
    write_rules(rules / "other", name="other")
    assert check("1", "--config", "other/audit.toml") == 2
    assert "does not describe" in capsys.readouterr().err
    text = (rules / "audit.toml").read_text().replace('policy = "policy.toml"\n', "")
    (rules / "open.toml").write_text(text)
    assert check("1", "--config", "open.toml") == 2
    assert "needs a policy" in capsys.readouterr().err


def test_other_files_under_the_same_number_have_no_verdict(registry, versions, rules, tmp_path, monkeypatch):
    """A verdict that is there was said of other weights: it goes before the new audit begins."""
    assert check("1", "--config", "audit.toml") == 0
    real = gating.fetch

    def other(version, folder, **more):
        real(version, folder, **more)
        with (folder / "data" / "model.pt2").open("ab") as f:
            f.write(b"\0")
        return folder

    def stop(*args, **more):
        assert "audit.verdict" not in tags(registry, "1")
        raise ModelError("stopped here")

    monkeypatch.setattr(gating, "fetch", other)
    monkeypatch.setattr(gating, "perform", stop)
    assert check("1", "--config", "audit.toml", "--overwrite") == 2
    assert tags(registry, "1")["audit.verdict"] == "INCONCLUSIVE"


def test_a_version_that_changes_during_its_audit_has_no_verdict(registry, versions, rules, tmp_path, monkeypatch):
    """What was audited is held against what is there at the end; the alias is not moved."""
    real, calls = gating.fetch, []

    def changing(version, folder, **more):
        real(version, folder, **more)
        calls.append(folder.name)
        if len(calls) == 2:
            (folder / "data" / "model.pt2").write_bytes(b"other")
        return folder

    monkeypatch.setattr(gating, "fetch", changing)
    registry.set_registered_model_alias("toy", "champion", "2")
    assert check("1", "--config", "audit.toml", "--alias", "champion") == 2
    assert calls == ["model", "again"]
    assert tags(registry, "1")["audit.verdict"] == "INCONCLUSIVE"
    assert aliases(registry)["champion"] == "2"


def order(rules, **more):
    return Order(name="toy", config=rules / "audit.toml", policy=rules / "policy.toml", alias="champion", **more)


def test_a_watching_gate_moves_no_alias_back(registry, versions, rules, tmp_path):
    """An event that comes late must not bring an older version back."""
    from audit.models import resolve

    registry.set_registered_model_alias("toy", "champion", "3")
    gate = Gate(registry=registry, isolate=False)
    found = gate.check(resolve("models:/toy/1"), order(rules), tmp_path / "w", tmp_path / "out")
    assert (found.evidence.verdict.outcome, found.alias) == ("PASS", "")
    assert "stays at the later version 3" in found.notes[0]
    assert aliases(registry)["champion"] == "3"


@pytest.mark.slow
def test_the_isolated_audit_says_the_same(registry, versions, rules):
    """One judge, in this process or in another."""
    assert check("1", "--config", "audit.toml", "--isolate") == 0
    assert check("2", "--config", "audit.toml", "--isolate") == 1


@pytest.mark.slow
def test_a_trusted_pickle_runs_only_in_a_process_of_its_own(registry, versions, rules):
    """It is loaded there, may ask for nothing here, and fails as a model that does not answer."""
    assert check("4", "--config", "audit.toml", "--trust", "toy") in (2, 3)
    assert tags(registry, "4")["audit.verdict"] == "INCONCLUSIVE"
    # The process had the right to run it, and did.
    assert (versions / "BOOM").exists()


PYFUNC = """
import mlflow
import numpy as np


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return 40 * (np.asarray(model_input).mean(axis=(2, 3)) - 0.392)


mlflow.models.set_model(Model())
"""


@pytest.mark.slow
def test_a_trusted_python_function_can_be_asked(registry, versions, rules, register, tmp_path):
    """Refused without trust; with it the isolated process asks it, and the card says how far that goes."""
    (tmp_path / "code.py").write_text(PYFUNC)
    save = "import sys, mlflow; mlflow.pyfunc.save_model(sys.argv[2], python_model=sys.argv[1], pip_requirements=[])"
    words = [sys.executable, "-W", "ignore", "-c", save, str(tmp_path / "code.py"), str(tmp_path / "m")]
    subprocess.run(words, check=True, capture_output=True)
    version = register("toy", tmp_path / "m")
    assert check(version, "--config", "audit.toml") == 2
    assert check(version, "--config", "audit.toml", "--trust", "toy") == 0
    evidence = json.loads((rules / f"run{version}" / "evidence.json").read_text())
    assert evidence["model"]["access"] == "QUERY"
    assert tags(registry, version)["audit.verdict"] == "PASS"


@pytest.mark.slow
@pytest.mark.parametrize("limits", [Limits(seconds=0.5), Limits(memory=300 * 2**20)])
def test_an_audit_that_runs_into_a_limit_is_inconclusive(registry, versions, rules, tmp_path, limits):
    """Time or memory: exit code 3, tagged so, nothing else changes."""
    from audit.models import resolve

    (tmp_path / "w").mkdir()
    with pytest.raises(Refusal) as caught:
        Gate(registry=registry, limits=limits).check(
            resolve("models:/toy/1"), order(rules), tmp_path / "w", tmp_path / "out"
        )
    assert (caught.value.exit_code, caught.value.open) == (3, True)
    assert tags(registry, "1")["audit.verdict"] == "INCONCLUSIVE"


@pytest.mark.parametrize(("right", "code", "verdict"), [(True, 0, "PASS"), (False, 1, "FAIL")])
def test_a_version_of_onnx_is_audited(registry, register, rules, tmp_path, right, code, verdict):
    """Downloaded, judged, tagged, and aliased on PASS alone, in the isolated process as well."""
    pytest.importorskip("onnxruntime")
    name = f"onnx-{verdict.lower()}"
    write_rules(rules, name=name)
    version = register(name, write_model(tmp_path / "m", "onnx", right=right))
    words = ["--config", "audit.toml", "--alias", "champion", "--out", "run"]
    assert main(["registry", "check", f"models:/{name}/{version}", *words, *(["--isolate"] if right else [])]) == code
    held = registry.get_model_version(name, version).tags
    evidence = json.loads((rules / "run" / "evidence.json").read_text())
    assert (held["audit.verdict"], evidence["model"]["kind"]) == (verdict, "onnx")
    assert held["audit.model_digest"] == evidence["model"]["digest"]
    assert dict(registry.get_registered_model(name).aliases) == ({"champion": version} if right else {})
