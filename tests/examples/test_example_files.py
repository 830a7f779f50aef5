"""The examples' configuration, which must stay valid also where their images are not at hand."""

import csv
from pathlib import Path

import pytest

from audit.config import check_policy, load_audit
from audit.probes import catalogue

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COLUMNS = {
    "skin_lesions": ["image_id", "lesion_id", "file", "dx", "dx_type", "sex", "age", "region"],
    "chest_xrays": ["case_id", "file", "label"],
    "phantom_volumes": ["scan_id", "patient", "volume", "nodule", "label", "sex", "scanner"],
}


def written(name: str, folder: Path) -> Path:
    """Write what train.py would, with an empty file of weights and a manifest of one row."""
    text = (EXAMPLES / name / "audit.template.toml").read_text(encoding="utf-8")
    assert text.count("@operating_point@") == 1
    (folder / "audit.toml").write_text(text.replace("@operating_point@", "0.25"), encoding="utf-8")
    for file in ("policy.toml", "nets.py"):
        (folder / file).write_text((EXAMPLES / name / file).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / f"{name}.safetensors").write_bytes(b"")
    with (folder / "cases.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS[name], ["1"] * len(COLUMNS[name])])
    return folder / "audit.toml"


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_configuration_is_valid(tmp_path: Path, name: str) -> None:
    """Every key, column, probe and metric that an example names exists, and every rule says why its limit is so."""
    config = load_audit(written(name, tmp_path))
    assert config.model.operating_point == 0.25
    assert config.policy is not None
    check_policy(config.policy, {code: probe.info for code, probe in catalogue().probes.items()})
    assert any(rule.blocking for rule in config.policy.rules)
    assert all(rule.rationale and rule.margin_source for rule in config.policy.rules)


def test_phantom_volumes_block_against_a_declared_threat_model(tmp_path: Path) -> None:
    """A rule on an attack blocks there, so the audit says against whom the model must stand."""
    config = load_audit(written("phantom_volumes", tmp_path))
    assert config.policy is not None
    assert config.threat_model is not None
    assert any(rule.probe == "ADV001" and rule.blocking for rule in config.policy.rules)


def test_chest_xrays_declare_no_attribute() -> None:
    """The example stands for cohorts that record nothing but the label."""
    text = (EXAMPLES / "chest_xrays" / "audit.template.toml").read_text(encoding="utf-8")
    assert "[cohort.attributes]" not in text
    assert "\npatient =" not in text


def test_the_files_of_the_registry_fit_together(tmp_path: Path) -> None:
    """The operator's map names files that are there, the policies are valid, and the lenient one is more so."""
    import tomllib

    from audit.config import load_policy

    folder = EXAMPLES / "registry_gate"
    text = (folder / "audit.template.toml").read_text(encoding="utf-8")
    text = text.replace("@operating_point@", "0.25").replace("@brightest@", "255")
    (tmp_path / "audit.toml").write_text(text, encoding="utf-8")
    for name in ("policy.toml", "lenient.toml"):
        (tmp_path / name).write_text((folder / name).read_text(encoding="utf-8"), encoding="utf-8")
    with (tmp_path / "cases.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["case", "file", "label", "sex", "protocol"], ["1"] * 5])
    config = load_audit(tmp_path / "audit.toml")
    assert config.model.kind == "mlflow"
    infos = {code: probe.info for code, probe in catalogue().probes.items()}
    strict, lenient = (load_policy(tmp_path / n) for n in ("policy.toml", "lenient.toml"))
    for policy in (strict, lenient):
        check_policy(policy, infos)
    assert strict.rules[0].limit.min > lenient.rules[0].limit.min
    told = tomllib.loads((folder / "gate.toml").read_text(encoding="utf-8"))["models"]["lesion-burden"]
    assert (told["config"], told["policy"]) == ("audit.toml", "policy.toml")
