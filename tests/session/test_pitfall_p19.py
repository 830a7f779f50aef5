"""P19: the denominators of every table add up to the cohort."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from audit import session
from audit.config import load_audit
from tests.session._make import evidence_of, write

ODD = [
    "CASE-E1,PAT-E1,1,0.9,,B",
    "CASE-E2,PAT-E2,0,0.2,,",
    "CASE-E3,PAT-E3,1,0.1,other,A",
    "CASE-E4,PAT-E4,,0.1,male,A",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on a cohort with empty cells, a level of one case and a row without target."""
    made = tmp_path_factory.mktemp("audit")
    return session.run_config(load_audit(write(made, n=300, rows=ODD)), out=made / "run").folder


def totals(values: dict[str, Any]) -> dict[tuple[str, str, str], int]:
    """Return the cases of all levels together, by probe, metric and attribute."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    for result in (r for r in values["results"] if r["probe"] in ("FAIR001", "SHIFT001")):
        for m in result["measurements"]:
            for name in m["subgroup"]:
                found[result["probe"], m["metric"], name] += m["n"]
    return found


def test_levels_add_up_in_every_table_of_subgroups(folder: Path) -> None:
    """Empty cells and a level of one case are in the sums; each metric's levels make up its own denominator."""
    values = evidence_of(folder)
    counts = {t["class"]: t["n"] for t in values["cohort"]["targets"]}
    whole = {"sensitivity": counts["positive"], "specificity": counts["negative"]}
    found = totals(values)
    assert {(p, a) for p, _, a in found} == {("FAIR001", "sex"), ("SHIFT001", "site")}
    checked = {k: n for k, n in found.items() if k[1].removesuffix("_gap") in whole}
    assert len(checked) >= 4
    for (probe, metric, name), n in checked.items():
        assert n == whole[metric.removesuffix("_gap")], (probe, metric, name)


def test_cohort_tables_and_stored_predictions_hold_every_case_used(folder: Path) -> None:
    """Read is used plus set aside; targets, levels and clean predictions each sum to the cases used."""
    values = evidence_of(folder)
    cohort, ledger = values["cohort"], values["cohort"]["ledger"]
    assert (ledger["read"], ledger["used"], sum(ledger["set_aside"].values())) == (304, 303, 1)
    assert cohort["n"] == sum(t["n"] for t in cohort["targets"]) == 303
    for attribute in cohort["attributes"]:
        assert sum(level["n"] for level in attribute["levels"]) == 303, attribute["name"]
    stored = pq.read_table(folder / "predictions.parquet").to_pydict()
    assert stored["condition"].count("clean") == 303
    assert {m["value"] for r in values["results"] for m in r["measurements"] if m["metric"] == "unreconciled"} == {0}
