"""P99: no id and no single patient's number in what a run leaves behind."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from audit import session
from audit.config import load_audit
from tests.session._make import evidence_of, write


def test_repeats_and_numbers_are_not_listed_one_by_one(tmp_path: Path) -> None:
    """The id of a repeat is a pseudonym in the predictions and nowhere else; a number's values are not listed."""
    path = write(tmp_path, n=120)
    head, *rows = (tmp_path / "scores.csv").read_text().splitlines()
    rows = [f"{row},VISIT-{i // 2:03d},{1000.5 + i}" for i, row in enumerate(rows)]
    (tmp_path / "scores.csv").write_text("\n".join([f"{head},visit,dose", *rows]) + "\n")
    more = 'visit = { role = "repeat" }\ndose = { role = "covariate", unit = "mGy" }\n[audit]'
    path.write_text(path.read_text().replace("[audit]", more))
    folder = session.run_config(load_audit(path), out=tmp_path / "run").folder
    listed = {a["name"]: a["levels"] for a in evidence_of(folder)["cohort"]["attributes"]}
    assert (listed["visit"], listed["dose"], len(listed["sex"])) == ([], [], 2)
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".parquet":
            assert b"VISIT-" not in file.read_bytes(), file.name
            assert b"1000.5" not in file.read_bytes(), file.name
    stored = pq.read_table(folder / "predictions.parquet").to_pydict()
    names = stored["attribute.visit"]
    assert not any("VISIT" in name for name in names)
    assert len(set(names)) == 60
    assert names[0] == names[1]
