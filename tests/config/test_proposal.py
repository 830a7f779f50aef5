"""A first configuration from a look at a manifest and a model."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.config import load_audit, load_policy
from audit.config.proposal import propose
from audit.errors import AuditError, InputError, ManifestError, UnsafeModelError

GUESS = "guess: confirm"
OTHERS = ("ct", "mr", "xray", "us", "microscopy")


def write_table(path: Path, header: str, cells: list[list[object]]) -> Path:
    """Write a CSV."""
    path.write_text(header + "\n" + "".join(",".join(map(str, r)) + "\n" for r in cells))
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Saved predictions of 400 cases of 200 patients, with columns of any name."""
    rng = np.random.default_rng(0)
    cells = [
        [f"c{i}", f"p{i // 2}", f"{rng.uniform():.4f}", "melanoma" if i % 4 == 0 else "benign", "MF"[i % 2],
         rng.integers(18, 90), "ABC"[i % 3], "yes" if i % 5 else "no", f"note {i}"]
        for i in range(400)
    ]  # fmt: skip
    header = "Case ID,PatientID,prob,Diagnosis,Sex,Age (years),scanner site,ruler,remark"
    return write_table(tmp_path / "preds.csv", header, cells)


def read(proposal: Any, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write both files, load them as a run does, and return their plain content."""
    (folder / "audit.toml").write_text(proposal.audit)
    (folder / "policy.toml").write_text(proposal.policy)
    load_audit(folder / "audit.toml")
    return tomllib.loads(proposal.audit), tomllib.loads(proposal.policy)


def test_columns_of_any_name(scores: Path) -> None:
    """Roles, ids, target and scores are found by what columns are called and hold."""
    audit, _ = read(propose(scores, scores, scores.parent), scores.parent)
    assert audit["model"]["kind"] == "predictions"
    assert audit["model"]["score"] == "prob"
    assert audit["model"]["classes"] == ["benign", "melanoma"]
    assert audit["model"]["output"] == "probabilities"
    cohort = audit["cohort"]
    assert (cohort["case"], cohort["patient"], cohort["target"]) == ("Case ID", "PatientID", "Diagnosis")
    assert cohort["positive"] == ["melanoma"]
    roles = {k: v["role"] for k, v in cohort["attributes"].items()}
    assert roles == {
        "Sex": "protected", "Age (years)": "protected", "scanner site": "protocol", "ruler": "confounder",
    }  # fmt: skip
    assert cohort["attributes"]["Age (years)"]["bins"] == [0, 40, 60, 120]
    assert cohort["attributes"]["ruler"]["reason"]


def test_every_guess_is_marked(scores: Path) -> None:
    """Each line with a value that was guessed carries the mark; what was read does not."""
    text = propose(scores, scores, scores.parent).audit
    for line in text.splitlines():
        key = line.split(" = ")[0]
        if key in ("score", "task", "classes", "output", "operating_point", "target", "positive", "patient", "Sex"):
            assert GUESS in line, line
        if key in ("kind", "path", "manifest"):
            assert GUESS not in line, line


def test_margins_are_what_the_cohort_can_show(scores: Path) -> None:
    """Each limit says that it is what this cohort can show, and no rule blocks before somebody has confirmed it."""
    _, policy = read(propose(scores, scores, scores.parent), scores.parent)
    assert {r["probe"] for r in policy["rule"]} == {"DATA003", "PERF001", "FAIR001", "SHIFT001", "CONF001", "CONF002"}
    for rule in policy["rule"]:
        assert rule["blocking"] is False
        assert "what this cohort can show, not what is acceptable" in rule["margin_source"]
    sensitivity = next(r for r in policy["rule"] if r["metric"] == "sensitivity")
    # 100 positives of 100 patients, 90 of them right: Clopper-Pearson is 0.8238, rounded down to a step of 0.05.
    assert sensitivity["limit"] == {"min": 0.8}


def test_margins_widen_with_fewer_patients(scores: Path) -> None:
    """A quarter of the cohort shows lower limits and wider margins."""

    def limits(path: Path) -> dict[str, float]:
        (path.parent / "p.toml").write_text(propose(path, path, path.parent).policy)
        rules = load_policy(path.parent / "p.toml").rules
        return {r.id: r.limit.min if r.limit.min is not None else -(r.limit.max or 0) for r in rules}

    everything = limits(scores)
    lines = scores.read_text().splitlines()
    few = write_table(scores.parent / "few.csv", lines[0], [row.split(",") for row in lines[1:101]])
    for rule, limit in limits(few).items():
        assert limit <= everything[rule]
    assert limits(few)["sensitivity"] < everything["sensitivity"]


def test_a_declared_confounder_gets_a_rule_on_the_score_of_controls(scores: Path) -> None:
    """Both sides of 0.5, with the smallest level's patients; five controls of a level are too few for any margin."""
    rule = next(r for r in read(propose(scores, scores, scores.parent), scores.parent)[1]["rule"]
                if r["probe"] == "CONF002")  # fmt: skip
    assert rule["where"] == {"attribute": "ruler", "stratum": "controls"}
    low, high = rule["limit"]["min"], rule["limit"]["max"]
    assert low == pytest.approx(1 - high)
    assert 0 < low < 0.5
    # 60 of 300 controls are "no", each of another patient.
    assert "With 60 controls" in rule["rationale"]
    lines = [row.split(",") for row in scores.read_text().splitlines()]
    few = [[*row[:7], "no" if i < 30 and i % 4 else "yes", row[8]] for i, row in enumerate(lines[1:])]
    path = write_table(scores.parent / "few.csv", ",".join(lines[0]), [r for i, r in enumerate(few) if i > 22])
    assert "# no rule on score_shift_auc by ruler: too few" in propose(path, path, path.parent).policy


def test_no_rule_that_cannot_hold(tmp_path: Path) -> None:
    """Where a level has too few patients, the others get rules of their own, and a comment names the one without."""
    sites = ["A", "B", "C"]
    cells = [[i % 2, i / 300, sites[(i // 2) % 2] if i > 3 else "C", "MF"[(i // 2) % 2]] for i in range(300)]
    path = write_table(tmp_path / "s.csv", "label,score,site,sex", cells)
    proposal = propose(path, path, tmp_path)
    assert "# no rule on sensitivity_gap by site for C: too few patients for any margin" in proposal.policy
    rules = {r["id"]: r for r in read(proposal, tmp_path)[1]["rule"]}
    assert rules["sensitivity-gap-by-sex"]["where"] == {"attribute": "sex"}
    assert rules["sensitivity-gap-by-site-a"]["where"] == {"attribute": "site", "subgroup": "A"}
    assert "sensitivity-gap-by-site" not in rules


def test_nothing_of_the_rows_is_written(scores: Path) -> None:
    """No id and no free text of a row stands in what is written."""
    proposal = propose(scores, scores, scores.parent)
    text = proposal.audit + proposal.policy + " ".join(proposal.notes)
    for secret in ("c17", "p17", "note 3"):
        assert secret not in text


def test_several_classes(tmp_path: Path) -> None:
    """A column of scores a class makes a multiclass task with the classes in the order of the columns."""
    cells = [[i, ["glioma", "none", "other"][i % 3], 0.2 + i / 1000, 0.3 + i / 1000, 0.5 - i / 500] for i in range(60)]
    path = write_table(tmp_path / "s.csv", "case,label,p_glioma,p_none,p_other", cells)
    audit, policy = read(propose(path, path, tmp_path), tmp_path)
    assert audit["model"]["task"] == "multiclass"
    assert audit["model"]["classes"] == ["glioma", "none", "other"]
    assert audit["model"]["scores"] == ["p_glioma", "p_none", "p_other"]
    assert [r["id"] for r in policy["rule"]] == ["cases-lost"]


def test_zero_and_one(tmp_path: Path) -> None:
    """A target of 0 and 1 has 1 as its positive value; scores beyond [0, 1] are logits."""
    path = write_table(tmp_path / "s.csv", "y,logit", [[i % 2, (i - 30) / 7] for i in range(60)])
    audit, _ = read(propose(path, path, tmp_path), tmp_path)
    assert audit["cohort"]["positive"] == ["1"]
    assert audit["model"]["output"] == "logits"
    assert "patient" not in audit["cohort"]


def test_regression(tmp_path: Path) -> None:
    """A target of many numbers is a regression."""
    path = write_table(tmp_path / "s.csv", "target,prediction", [[i / 7, i / 7 + 0.3] for i in range(60)])
    audit, _ = read(propose(path, path, tmp_path), tmp_path)
    assert (audit["model"]["task"], audit["model"]["output"]) == ("regression", "value")
    assert "operating_point" not in audit["model"]


def test_names_that_fold_to_one_get_rules_of_their_own(tmp_path: Path) -> None:
    """Columns that differ in case alone, and hostile names, give a policy that loads."""
    cells = [[i % 2, i / 100, "MF"[i % 2], "MF"[(i // 2) % 2], "ab"[(i // 3) % 2]] for i in range(100)]
    path = write_table(tmp_path / "s.csv", 'label,score,Sex,SEX,"site ""<script>"""', cells)
    _, policy = read(propose(path, path, tmp_path), tmp_path)
    ids = [r["id"] for r in policy["rule"]]
    assert len(set(ids)) == len(ids)


def images(folder: Path, *, size: int = 16, dtype: str = "uint8") -> Path:
    """Write 24 images and their manifest, one of them missing."""
    from PIL import Image

    rng = np.random.default_rng(0)
    cells = []
    for i in range(24):
        if dtype == "uint8":
            name = f"{i}.png"
            Image.fromarray(rng.integers(0, 200, (size, size, 3)).astype(np.uint8)).save(folder / name)
        else:
            name = f"{i}.npy"
            np.save(folder / name, rng.integers(0, 3000, (size, size)).astype(dtype))
        cells.append(
            [name if i else "gone.png", ["nv", "mel"][i % 2], f"p{i}", "MF"[i % 2], "test" if i % 3 else "train"]
        )
    return write_table(folder / "cases.csv", "file,dx,patient_id,sex,split", cells)


def onnx_model(path: Path, *, size: int = 16, outputs: int = 1, last: str = "Gemm") -> Path:
    """Write a linear ONNX model of three channels."""
    onnx = pytest.importorskip("onnx")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(np.zeros((outputs, 3 * size * size), np.float32), "w")
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["g"], transB=1)]
    nodes += [helper.make_node(last, ["g"], ["y"])] if last != "Gemm" else []
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", real, ["n", 3, size, size])],
        [helper.make_tensor_value_info("y" if last != "Gemm" else "g", real, ["n", outputs])], [weights],
    )  # fmt: skip
    onnx.save(helper.make_model(graph), path)
    return path


def test_onnx_and_png(tmp_path: Path) -> None:
    """Size and channels come from the graph, the range from the images; a split's test rows are proposed."""
    found = propose(images(tmp_path), onnx_model(tmp_path / "m.onnx"), tmp_path)
    audit, policy = read(found, tmp_path)
    assert audit["model"]["kind"] == "onnx"
    assert audit["model"]["input"] == {"range": [0, 255], "size": [16, 16], "channels": 3}
    assert audit["model"]["output"] == "logits"
    assert audit["cohort"]["image"] == "file"
    assert (audit["cohort"]["split"], audit["cohort"]["split_value"]) == ("split", "test")
    assert "accuracy-under-attack" in [r["id"] for r in policy["rule"]]


def test_a_rule_on_an_attack_waits_for_a_threat_model(tmp_path: Path) -> None:
    """The rule does not block, says what it waits for, and the table to fill in loads once the marks are taken away."""
    found = propose(images(tmp_path), onnx_model(tmp_path / "m.onnx"), tmp_path)
    audit, policy = read(found, tmp_path)
    rule = next(r for r in policy["rule"] if r["probe"] == "ADV001")
    assert rule["blocking"] is False
    assert "[audit.threat_model]" in found.policy.split('probe = "ADV001"')[1].split("[[rule]]")[0]
    assert "threat_model" not in audit["audit"]
    marked = [
        line for line in found.audit.splitlines() if line.startswith(("# [audit.threat", "# who", "# pix", "# where"))
    ]
    assert len(marked) == 4
    filled = found.audit
    for line in marked:
        filled = filled.replace(line, line.removeprefix("# "))
    (tmp_path / "audit.toml").write_text(filled)
    threat = load_audit(tmp_path / "audit.toml").threat_model
    assert threat is not None
    assert threat.who == "…"


def test_onnx_that_ends_in_sigmoid(tmp_path: Path) -> None:
    """A graph that ends in a sigmoid gives probabilities; images of another size are to be resized."""
    found = propose(images(tmp_path, size=20), onnx_model(tmp_path / "m.onnx", last="Sigmoid"), tmp_path)
    audit, _ = read(found, tmp_path)
    assert audit["model"]["output"] == "probabilities"
    assert audit["model"]["input"]["resize"] == "bilinear"
    assert audit["model"]["input"]["size"] == [16, 16]


def test_torch_weights_need_a_factory(tmp_path: Path) -> None:
    """Weights without their architecture ask for --factory; with it the configuration is complete."""
    manifest, weights = images(tmp_path, dtype="uint16"), tmp_path / "w.safetensors"
    weights.write_bytes(b"")
    with pytest.raises(InputError, match="--factory"):
        propose(manifest, weights, tmp_path)
    audit, _ = read(propose(manifest, weights, tmp_path, factory="nets:build"), tmp_path)
    assert audit["model"]["factory"] == "nets:build"
    assert audit["model"]["input"] == {"range": [0, 4095], "size": [16, 16], "channels": 1}


def test_torchscript_is_told_from_a_state_dict(tmp_path: Path) -> None:
    """An archive with code in it is TorchScript; it is looked at, never loaded."""
    manifest = images(tmp_path)
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/code/__torch__.py", "raise SystemExit")
    audit, _ = read(propose(manifest, tmp_path / "m.pt", tmp_path), tmp_path)
    assert audit["model"]["kind"] == "torchscript"


@pytest.mark.parametrize(
    ("name", "error", "part"),
    [
        ("m.pkl", UnsafeModelError, "pickle"),
        ("m.joblib", UnsafeModelError, "pickle"),
        ("m.h5", InputError, "kind of model"),
        ("m.onnx", InputError, "not an ONNX model"),
        ("gone.onnx", InputError, "no such file"),
    ],
)
def test_models_that_cannot_be_used(tmp_path: Path, name: str, error: type[AuditError], part: str) -> None:
    """A pickle is refused without being opened; unknown, damaged and absent files say what was expected."""
    manifest = images(tmp_path)
    if not name.startswith("gone"):
        (tmp_path / name).write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(error, match=part) as caught:
        propose(manifest, tmp_path / name, tmp_path)
    assert len(str(caught.value).splitlines()) <= 3


def test_manifests_that_cannot_be_used(tmp_path: Path) -> None:
    """No target, one class, too many classes, no image, no score: each says what to do."""
    model = onnx_model(tmp_path / "m.onnx")
    nothing = write_table(tmp_path / "a.csv", "file,size", [["a.png", 1], ["b.png", 2]])
    with pytest.raises(ManifestError, match="--target"):
        propose(nothing, model, tmp_path)
    with pytest.raises(ManifestError, match="did you mean 'size'"):
        propose(nothing, model, tmp_path, target="Size")
    with pytest.raises(InputError, match="one value only"):
        propose(write_table(tmp_path / "b.csv", "file,x", [["a.png", 1]]), model, tmp_path, target="x")
    names = write_table(tmp_path / "c.csv", "file,label", [["a.png", f"name{i}"] for i in range(30)])
    with pytest.raises(InputError, match="30 different values") as caught:
        propose(names, model, tmp_path)
    assert "name3" not in str(caught.value)
    plain = write_table(tmp_path / "d.csv", "label,hard", [[i % 2, i % 2] for i in range(30)])
    with pytest.raises(InputError, match="no column looks like images"):
        propose(plain, model, tmp_path)
    with pytest.raises(InputError, match="no column looks like a score"):
        propose(plain, plain, tmp_path)


def test_an_envelope_is_shown_and_none_is_declared(tmp_path: Path) -> None:
    """Nobody can see the scanners in use in the files: the lines are comments, and load once the '#' is gone."""
    found = propose(images(tmp_path), onnx_model(tmp_path / "m.onnx"), tmp_path)
    audit, _ = read(found, tmp_path)
    assert "envelope" not in audit
    lines = found.audit.splitlines()
    start = lines.index("# [envelope]")
    shown = [line[2:] for line in lines[start:] if not line.startswith(tuple(f"# {k}_" for k in OTHERS))]
    text = "\n".join([*lines[:start], *shown]).replace('# modality = "…" ', 'modality = "photo"  #')
    (tmp_path / "audit.toml").write_text(text)
    envelope = load_audit(tmp_path / "audit.toml").envelope
    assert envelope.tolerated_drop == 0.05
    assert set(envelope.knobs) == {"photo_exposure"}
    assert sum(line.startswith(tuple(f"# {k}_" for k in OTHERS)) for line in lines[start:]) == len(OTHERS)
