"""Whatever the task, a run makes a pack that says what applies, invents no table, and is intact."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

import audit
from audit.core import Access, ModelCard
from audit.errors import AuditError
from audit.pack import PackOptions, make_pack
from audit.testing import FunctionModel
from tests.pack._make import text_of, unzipped
from tests.verification.test_tasks import ATTRIBUTES, PROBES, N, answers, columns, write


def table_run(folder, task, name="run", noise=0.0):
    """Audit saved predictions of a task of a table and return the run's folder."""
    rng, cells = columns()
    if task == "regression":
        targets, named, kind = rng.normal(50, 10, N), {"target": "y"}, {"output": "value"}
        cells["y"] = targets
    elif task == "multilabel":
        targets, named = rng.integers(0, 2, (N, 2)), {"target": ("y0", "y1")}
        kind = {"output": "probabilities", "classes": ("y0", "y1"), "operating_point": {"y0": 0.5, "y1": 0.5}}
        cells |= {"y0": targets[:, 0], "y1": targets[:, 1]}
    else:
        targets, named = rng.integers(0, 3, N), {"target": "y"}
        kind = {"output": "probabilities", "classes": ("a", "b", "c")}
        cells["y"] = np.array(["a", "b", "c"])[targets]
    manifest = write(folder / "cases.csv", cells)
    scores = answers(task, np.random.default_rng(int(noise * 10)), targets, noise)
    table = write(folder / f"{name}.csv", {"case": cells["case"], **scores})
    model = audit.load_model(table, kind="predictions", task=task, case="case", scores=list(scores), **kind)
    cohort = audit.load_cohort(
        manifest, task=task, classes=kind.get("classes", ()), case="case", patient="pat", attributes=ATTRIBUTES, **named
    )
    return audit.run(model, cohort, profile="smoke", probes=PROBES, out=folder / name).folder


def survival_run(folder):
    """Audit saved risks at a horizon."""
    rng = np.random.default_rng(0)
    risk = rng.random(160)
    time, event = rng.exponential(400 * (1.2 - risk)), rng.random(160) < 0.7
    with (folder / "s.csv").open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["case", "pat", "days", "died", "risk", "sex"])
        out.writerows([f"C{i}", f"P{i}", time[i], bool(event[i]), risk[i], "fm"[i % 2]] for i in range(160))
    model = audit.load_model(
        folder / "s.csv", kind="predictions", task="survival", output="probabilities", case="case", score="risk",
        horizon=365.0, operating_point=0.5,
    )  # fmt: skip
    cohort = audit.load_cohort(
        "s.csv", root=folder, task="survival", case="case", patient="pat", time="days", event="died",
        attributes={"sex": "protected"},
    )  # fmt: skip
    return audit.run(model, cohort, profile="smoke", probes="PERF011,FAIR001,DATA003", out=folder / "run").folder


def mask_run(folder, name="run", limit=0.5):
    """Audit a thresholding of noisy images against the masks that they show."""
    rng = np.random.default_rng(0)
    masks = np.zeros((40, 1, 12, 12), dtype=bool)
    for i, mask in enumerate(masks[:, 0]):
        if i % 10:
            r, c = rng.integers(1, 6, 2)
            mask[r : r + 5, c : c + 5] = True
    images = (masks * 1.0 + 0.2 * rng.normal(size=masks.shape)).astype(np.float32)
    cohort = audit.load_cohort(
        images, task="segmentation", masks=masks, patients=[f"p{i // 2}" for i in range(40)],
        targets=np.zeros(40, dtype=np.int64), attributes={"sex": (rng.choice(["f", "m"], 40), "protected")},
    )  # fmt: skip
    card = ModelCard(
        name=name, kind="callable", task="segmentation", output="mask_logits", access=Access.QUERY, digest=name * 16
    )
    model = FunctionModel(card=card, answer=lambda x: (x - limit) * 20)
    return audit.run(model, cohort, profile="smoke", probes="PERF001,FAIR001,DATA003", out=folder / name).folder


def checked(data, folder):
    path = folder / "p.zip"
    path.write_bytes(data)
    return [str(f) for f in audit.verify(path).faults]


def pages(files):
    return {n: text_of(d) for n, d in files.items() if n.endswith(".html") and not n.startswith("run/")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Makes the run of a task, once."""
    made = {}

    def one(task):
        if task not in made:
            make = {"survival": survival_run, "segmentation": mask_run}.get(task, lambda f: table_run(f, task))
            made[task] = make(tmp_path_factory.mktemp(task))
        return made[task]

    return one


@pytest.mark.parametrize("least", [0, 12])
@pytest.mark.parametrize("task", ["multiclass", "ordinal", "multilabel", "regression", "survival", "segmentation"])
def test_a_run_of_any_task_makes_a_pack_that_is_intact(runs, tmp_path, task, least):
    """Every page is words and numbers, and a table of answers stands where decisions were made and nowhere else."""
    data = make_pack(runs(task), PackOptions(min_cell=least))
    assert checked(data, tmp_path) == []
    files = unzipped(data)
    for name, text in pages(files).items():
        assert not re.search(r"\b(?:nan|None|NaN|inf)\b", text), (name, re.findall(r".{40}\b(?:nan|None)\b.{20}", text))
    flow = text_of(files["documents/cohort-flow.html"])
    if task in ("multiclass", "ordinal", "multilabel"):
        assert "true positive" in flow or "no operating point" in flow
    else:
        assert f"has no meaning for the task {task}" in flow
        assert "true positive" not in flow
    bill = json.loads(files["sbom.cdx.json"])
    said = bill["components"][0]["modelCard"]["modelParameters"]["task"]
    assert said == {"regression": "image regression", "survival": "risk prediction", "ordinal": "image grading",
                    "segmentation": "image segmentation"}.get(task, "image classification")  # fmt: skip


@pytest.mark.parametrize("task", ["ordinal", "regression", "segmentation"])
def test_two_runs_of_any_task_are_packed_together(tmp_path, task):
    """The comparison is made again from the pack, and its table has the task's own metrics."""
    if task == "segmentation":
        one, two = mask_run(tmp_path, "a", 0.5), mask_run(tmp_path, "b", 0.8)
    else:
        one, two = table_run(tmp_path, task, "a"), table_run(tmp_path, task, "b", 0.6)
    data = make_pack(two, PackOptions(baseline=one))
    assert checked(data, tmp_path) == []
    metrics = {d["metric"] for d in json.loads(unzipped(data)["comparison.json"])["differences"]}
    assert {"ordinal": "weighted_kappa", "regression": "mae", "segmentation": "dice"}[task] in metrics


def test_detection_has_no_run_to_pack(tmp_path):
    """A cohort of detection cannot be read, and says so; a pack of it is never half a pack."""
    write(tmp_path / "cases.csv", {"case": ["a", "b"], "y": [0, 1]})
    with pytest.raises(AuditError, match="detection"):
        audit.load_cohort(tmp_path / "cases.csv", task="detection", case="case", target="y")
