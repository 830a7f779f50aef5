"""Whatever the task, the numbers of a run come out again from its stored predictions, and two runs can be compared."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import audit
from audit import session
from audit.core import Access, ModelCard
from audit.testing import FunctionModel

N = 60
PROBES = "PERF001,PERF009,FAIR001,CONF001,SHIFT001,DATA003"
ATTRIBUTES = {
    "sex": "protected",
    "age": {"role": "confounder", "reason": "older patients were referred with disease", "bins": (0, 50, 70, 120)},
    "site": "protocol",
}


def columns(seed=0):
    rng = np.random.default_rng(seed)
    return rng, {
        "case": [f"c{i}" for i in range(N)], "pat": [f"p{i // 2}" for i in range(N)],
        "sex": rng.choice(["f", "m"], N), "age": rng.integers(30, 90, N), "site": rng.choice(["A", "B", ""], N),
    }  # fmt: skip


def write(path, cells):
    with path.open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(cells)
        out.writerows(zip(*cells.values(), strict=True))
    return path


def classes(rng, labels, k):
    p = rng.dirichlet(np.ones(k), N)
    p[np.arange(N), labels] += 0.8
    return p / p.sum(axis=1, keepdims=True)


def answers(task, rng, targets, noise):
    """Return the columns of scores of one model."""
    if task in ("multiclass", "ordinal"):
        p = classes(rng, targets, 3)
        p = p + noise * rng.random(p.shape)
        p /= p.sum(axis=1, keepdims=True)
        return {f"s_{k}": np.round(p[:, k], 6) for k in range(3)}
    if task == "multilabel":
        p = np.clip(0.4 * targets + 0.3 + (0.2 + noise) * rng.normal(size=targets.shape), 0, 1)
        return {f"s_{k}": p[:, k] for k in range(2)}
    return {"s_0": targets + (3 + noise) * rng.normal(size=N)}


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        ("multiclass", {"auc", "auc_macro", "sensitivity", "specificity", "accuracy", "brier"}),
        ("ordinal", {"auc", "auc_macro", "weighted_kappa", "sensitivity", "specificity", "accuracy", "brier"}),
        ("multilabel", {"auc", "auc_macro", "sensitivity", "specificity", "brier"}),
        ("regression", {"mae", "rmse"}),
    ],
)
def test_every_task_of_a_table_comes_out_again(tmp_path, task, metrics):
    """Two models on one cohort: both runs are intact, and the metrics of the task are compared."""
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
    manifest = write(tmp_path / "cases.csv", cells)
    folders = []
    for i, noise in enumerate((0.0, 0.6)):
        scores = answers(task, np.random.default_rng(i), targets, noise)
        table = write(tmp_path / f"scores{i}.csv", {"case": cells["case"], **scores})
        model = audit.load_model(table, kind="predictions", task=task, case="case", scores=list(scores), **kind)
        cohort = audit.load_cohort(
            manifest,
            task=task,
            classes=kind.get("classes", ()),
            case="case",
            patient="pat",
            attributes=ATTRIBUTES,
            **named,
        )
        folders.append(audit.run(model, cohort, profile="smoke", probes=PROBES, out=tmp_path / f"run{i}").folder)
    for folder in folders:
        checked = audit.verify(folder)
        assert [str(f) for f in checked.faults] == []
        assert "PERF001" in checked.again.probes
    found = session.compare(*folders)
    assert found.reasons == ()
    assert {d.metric for d in found.differences} == metrics
    whole = [d for d in found.differences if not d.measurement.subgroup]
    assert all(
        d.measurement.value is None or d.measurement.value == pytest.approx(d.candidate - d.baseline) for d in whole
    )


def test_masks_come_out_again_and_are_compared(tmp_path):
    """Overlap, distance and lesions are stored case by case; no case is dropped because one mask is empty."""
    rng = np.random.default_rng(0)
    masks = np.zeros((40, 1, 12, 12), dtype=bool)
    for i, mask in enumerate(masks[:, 0]):
        if i % 10:
            r, c = rng.integers(1, 6, 2)
            mask[r : r + 5, c : c + 5] = True
    images = masks * 1.0 + 0.2 * rng.normal(size=masks.shape)
    cohort = audit.load_cohort(
        images.astype(np.float32), task="segmentation", masks=masks, patients=[f"p{i // 2}" for i in range(40)],
        targets=np.zeros(40, dtype=np.int64), attributes={"sex": (rng.choice(["f", "m"], 40), "protected")},
    )  # fmt: skip
    folders = []
    for name, limit in (("a", 0.5), ("b", 0.8)):
        card = ModelCard(
            name=name, kind="callable", task="segmentation", output="mask_logits", access=Access.QUERY, digest=name * 64
        )
        model = FunctionModel(card=card, answer=lambda x, limit=limit: (x - limit) * 20)
        folders.append(audit.run(model, cohort, profile="smoke", probes="PERF001,DATA003", out=tmp_path / name).folder)
    assert all(audit.verify(folder).intact for folder in folders)
    found = {d.metric: d for d in session.compare(*folders).differences if not d.measurement.subgroup}
    assert found["dice"].measurement.value < 0
    # Where the reference is empty there is no overlap to speak of; those cases are in the false lesions.
    assert found["dice"].measurement.n == 36
    assert found["false_lesions_per_case"].measurement.n == 40
    assert "lesion_sensitivity" in found
