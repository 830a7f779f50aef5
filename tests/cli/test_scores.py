"""`audit scores`: any table of saved predictions to a report, and what a hostile one gives."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from audit.errors import InputError
from tests.cli.conftest import Said

Audit = Callable[..., Said]
ASK = ("--target", "dx", "--score", "ai")


def table(path: Path, n: int = 400, *, words: Sequence[str] = ("0", "1"), **more: Callable[[int], object]) -> Path:
    """Write a table whose scores follow the target; `more` gives further columns, or other cells for one of these."""
    rng = np.random.default_rng(3)
    y = (np.arange(n) % 3 == 0).astype(int)
    p = 1 / (1 + np.exp(-(2.6 * y - 1.3 + rng.normal(size=n))))
    age = rng.integers(20, 90, n)
    columns: dict[str, Callable[[int], object]] = {
        "pid": lambda i: f"pat{i // 2}", "dx": lambda i: words[y[i]], "ai": lambda i: f"{p[i]:.4f}",
        "sex": lambda i: "FM"[(i // 3) % 2], "age": lambda i: age[i], **more,
    }  # fmt: skip
    rows = [",".join(columns), *(",".join(str(c(i)) for c in columns.values()) for i in range(n))]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def here(folder: Path) -> Path:
    """The current folder, with a table in the file s.csv and no configuration."""
    for name in ("scores.csv", "audit.toml", "policy.toml"):
        (folder / name).unlink()
    table(folder / "s.csv")
    return folder


def evidence(folder: Path) -> dict:
    return json.loads((folder / "evidence.json").read_text())


def test_a_table_becomes_a_report_and_a_proposed_policy(audit: Audit, here: Path) -> None:
    """Without a policy everything is measured, nothing is judged: exit 3, a report, and a policy beside the run."""
    code, out, _ = audit("scores", "s.csv", *ASK, "--patient", "pid", "--attributes", "sex,age", "--out", "r")
    assert code == 3
    made = evidence(here / "r")
    assert made["verdict"]["outcome"] == "INCONCLUSIVE"
    assert (made["findings"], made["policy"]["rules"]) == ([], [])
    assert (made["cohort"]["n"], made["cohort"]["n_patients"]) == (400, 200)
    assert "<html" in (here / "r/report.html").read_text()
    proposed = tomllib.loads((here / "r-policy.toml").read_text())
    assert {r["probe"] for r in proposed["rule"]} >= {"PERF001", "FAIR001", "DATA003"}
    assert not any(r["blocking"] for r in proposed["rule"])
    assert "what this cohort can show, not what" in out
    assert "measured  sensitivity: " in out
    assert "threshold of 0.5 is assumed" in out
    assert "ages are cut at 40 and 60" in out
    (following,) = [x for x in out.splitlines() if x.startswith("  next ")]
    assert following.endswith(
        "audit scores s.csv --target dx --score ai --patient pid --attributes sex,age "
        "--operating-point 0.5 --policy r-policy.toml"
    )


def test_the_next_command_that_is_said_runs_and_can_pass(audit: Audit, here: Path) -> None:
    """The proposal, once its rules block and are wide enough, gives the verdict PASS with exit code 0."""
    audit("scores", "s.csv", *ASK, "--patient", "pid", "--attributes", "sex", "--out", "r")
    text = (here / "r-policy.toml").read_text().replace("blocking = false", "blocking = true")
    (here / "mine.toml").write_text(text.replace("min = 0.8", "min = 0.4").replace("min = 0.7", "min = 0.4"))
    words = ("--patient", "pid", "--attributes", "sex", "--operating-point", "0.5", "--policy", "mine.toml")
    code, out, _ = audit("scores", "s.csv", *ASK, *words, "--out", "r2")
    assert code == 0, out
    assert not (here / "r2-policy.toml").exists()
    assert audit("gate", "r2")[0] == 0


def test_a_proposal_that_blocks_draws_no_warning(audit: Audit, here: Path) -> None:
    """Its margins are such as equal levels pass in 8 of 10 cohorts, and each level has a floor beside its gap."""
    words = (*ASK, "--patient", "pid", "--attributes", "sex,age")
    table(here / "s.csv", 900)
    audit("scores", "s.csv", *words, "--out", "r")
    proposed = here / "r-policy.toml"
    proposed.write_text(proposed.read_text().replace("blocking = false", "blocking = true"))
    audit("scores", "s.csv", *words, "--operating-point", "0.5", "--policy", "r-policy.toml", "--out", "r2")
    made = evidence(here / "r2")
    assert (made["run"]["warnings"], made["run"]["unattainable"]) == ([], [])
    assert {r["id"] for r in made["policy"]["rules"]} >= {"sensitivity-of-each-sex", "specificity-gap-by-age"}


def test_no_threshold_is_assumed_under_a_policy(audit: Audit, here: Path) -> None:
    """A rule on the sensitivity stays open where nobody named a threshold, and the note says the option."""
    (here / "p.toml").write_text(
        '[[rule]]\nid = "s"\nprobe = "PERF001"\nmetric = "sensitivity"\nlimit = { min = 0.1 }\nrationale = "x"\n'
    )
    code, out, _ = audit("scores", "s.csv", *ASK, "--policy", "p.toml", "--out", "r")
    assert code == 3
    assert "add --operating-point" in out
    assert audit("scores", "s.csv", *ASK, "--policy", "p.toml", "--operating-point", "0.5", "--out", "r2")[0] == 0


def test_a_policy_that_is_there_is_never_overwritten(audit: Audit, here: Path) -> None:
    """An edited proposal stays as it is when the run is made again; an unchanged one is not doubled."""
    audit("scores", "s.csv", *ASK, "--out", "r")
    audit("scores", "s.csv", *ASK, "--out", "r", "--overwrite")
    assert not (here / "r-policy-2.toml").exists()
    (here / "r-policy.toml").write_text("# mine\n")
    audit("scores", "s.csv", *ASK, "--out", "r", "--overwrite")
    assert (here / "r-policy.toml").read_text() == "# mine\n"
    assert (here / "r-policy-2.toml").exists()


def test_columns_that_could_be_subgroups_or_patients_are_hinted(audit: Audit, here: Path) -> None:
    """Without --attributes none is audited, and the last lines say which columns could be."""
    _, out, _ = audit("scores", "s.csv", *ASK, "--out", "r")
    assert evidence(here / "r")["cohort"]["attributes"] == []
    assert "no subgroup was looked at: --attributes sex,age" in out
    assert "'pid' looks like patients: --patient pid" in out


@pytest.mark.parametrize("form", ["words", "flags", "parquet", "two columns", "logits", "value"])
def test_labels_and_scores_in_every_form_give_the_same_auc(audit: Audit, here: Path, form: str) -> None:
    """Words with --positive, true and false, Parquet, two columns, logits and raw values rank the cases alike."""
    plain, ask, file = table(here / "s.csv"), list(ASK), "s.csv"
    cells = [line.split(",") for line in plain.read_text().splitlines()[1:]]
    p = np.array([float(c[2]) for c in cells])
    if form == "words":
        table(plain, words=("benign", "mel"))
        ask += ["--positive", "mel"]
    elif form == "flags":
        table(plain, words=("False", "True"))
    elif form == "parquet":
        import pandas as pd

        pd.read_csv(plain).to_parquet(here / "s.parquet")
        file = "s.parquet"
    elif form == "two columns":
        table(plain, ai0=lambda i: 1 - p[i])
        ask[-1] = "ai0,ai"
    else:
        table(plain, ai=lambda i: repr(float(np.log(p[i] / (1 - p[i])))))
        ask += ["--output", "logits" if form == "logits" else "value"]
    code, out, err = audit("scores", file, *ask, "--out", "r")
    assert code == 3, err
    results = {r["probe"]: r for r in evidence(here / "r")["results"]}
    auc = next(m for m in results["PERF001"]["measurements"] if m["metric"] == "auc")
    y = np.arange(400) % 3 == 0
    above = (p[y][:, None] > p[~y]).mean() + (p[y][:, None] == p[~y]).mean() / 2
    assert auc["value"] == pytest.approx(above, abs=1e-9)
    assert ("No threshold is declared" in out) == (form == "value")


def test_several_scores_are_several_classes(audit: Audit, here: Path) -> None:
    """Three columns are a multiclass task; classes follow from the ends of the columns' names."""
    names = ("glioma", "none", "other")
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 300)
    for i in range(300):
        p[i, i % 3] += 1
    p /= p.sum(axis=1, keepdims=True)
    more = {f"p_{n}": (lambda i, k=k: p[i, k]) for k, n in enumerate(names)}
    table(here / "m.csv", 300, dx=lambda i: names[i % 3], **more)
    code, _, err = audit("scores", "m.csv", "--target", "dx", "--score", "p_glioma,p_none,p_other", "--out", "r")
    assert code == 3, err
    assert evidence(here / "r")["model"]["classes"] == list(names)
    proposed = {r["id"]: r for r in tomllib.loads((here / "r-policy.toml").read_text())["rule"]}
    assert set(proposed) == {"cases-lost", "auc-of-glioma", "auc-of-none", "auc-of-other"}
    assert proposed["auc-of-none"]["where"] == {"class": "none"}
    words = ("--target", "dx", "--score", "p_glioma,p_none,p_other", "--policy", "r-policy.toml")
    assert audit("scores", "m.csv", *words, "--out", "r2")[0] == 3
    assert {f["status"] for f in evidence(here / "r2")["findings"]} == {"PASS"}
    code, _, err = audit("scores", "m.csv", "--target", "dx", "--score", "p_glioma,p_none,age", "--out", "r3")
    assert code == 2
    assert "--classes" in err


def test_a_number_is_a_regression(audit: Audit, here: Path) -> None:
    """A numeric target with --output value is a regression, whose errors are measured."""
    table(here / "n.csv", dx=lambda i: 20 + i % 50, ai=lambda i: 20 + i % 50 + np.sin(i))
    code, out, err = audit("scores", "n.csv", *ASK, "--output", "value", "--attributes", "sex", "--out", "r")
    assert code == 3, err
    assert evidence(here / "r")["model"]["task"] == "regression"
    assert "measured  mean absolute error" in out


BAD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "missing column": (("--target", "dxx", "--score", "ai"), ("'dxx' (--target)", "pid, dx, ai", "--target dx")),
    "two missing": (("--target", "dy", "--score", "aj"), ("'dy' (--target) and 'aj' (--score)", "pid, dx, ai")),
    "twice": (("--target", "dx", "--score", "dx"), ("named for two things", "--target and --score")),
    "words": (ASK, ("--positive", "'benign' and 'mel'")),
    "strange positive": ((*ASK, "--positive", "Mel"), ("no row of 'dx' has the value 'Mel'", "benign, mel")),
    "logits": (ASK, ("no probabilities", "--output logits", "(rows 1, 2, 3, 4, 5, …)")),
    "percent": (ASK, ("divide percentages by 100",)),
    "no number": (("--target", "dx", "--score", "sex"), ("column 'sex' holds no number",)),
    "one class": (ASK, ("has one value", "'0' in all 400 rows")),
    "three values": (ASK, ("3 different values", "--positive")),
    "truncated": (ASK, ("another number of cells", "2 in line 400")),
    "duplicate ids": ((*ASK, "--case", "pid"), ("200 rows repeat an id of 'pid'", "200 different ids in 400 rows")),
    "empty ids": ((*ASK, "--case", "id"), ("is empty in 40 of 400 rows", "rows 1, 11, 21")),
    "semicolons": (ASK, ("separated by semicolons",)),
    "wrong path": (ASK, ("no such file 't.csv'", "nothing at /", "'s.csv'")),
    "threshold": ((*ASK, "--operating-point", "3"), ("--operating-point is no probability",)),
    "classes": ((*ASK, "--classes", "a,b,c"), ("--classes names 3 classes",)),
    "no threshold": ((*ASK, "--output", "value", "--operating-point", "inf"), ("--operating-point is no number",)),
    "same classes": ((*ASK, "--classes", "a,a"), ("--classes has a name twice",)),
    "many levels": ((*ASK, "--attributes", "pid"), ("pid", "what looks like an id")),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(BAD))
def test_bad_input_is_named_in_three_lines(audit: Audit, here: Path, kind: str) -> None:
    """Exit 2, at most three lines that name the column, what was there and what to do; no traceback and no run."""
    words, expected = BAD[kind]
    file, text = here / "s.csv", (here / "s.csv").read_text()
    if kind in ("words", "strange positive"):
        table(file, words=("benign", "mel"))
    elif kind in ("logits", "percent"):
        table(file, ai=lambda i: 7.5 if i % 3 == 0 else (-3 if kind == "logits" else 0.5))
    elif kind == "one class":
        table(file, words=("0", "0"))
    elif kind == "three values":
        table(file, dx=lambda i: "abc"[i % 3])
    elif kind == "truncated":
        file.write_text("\n".join([*text.splitlines()[:399], "pat7,0"]))
    elif kind == "empty ids":
        table(file, id=lambda i: i if i % 10 else "")
    elif kind == "semicolons":
        file.write_text(text.replace(",", ";"))
    named = "t.csv" if kind == "wrong path" else "s.csv"
    code, out, err = audit("scores", named, *words, "--out", "r")
    assert code == 2, out
    assert len(err.splitlines()) <= 3
    assert "Traceback" not in err
    for part in expected:
        assert part in err
    assert not (here / "r").exists()


def test_gaps_in_the_scores_are_named_and_set_aside(audit: Audit, here: Path) -> None:
    """An empty score is no answer: the column, the count and the first rows are said, and the ledger counts them."""
    table(here / "s.csv", ai=lambda i: "NaN" if i % 100 == 1 else ("" if i == 4 else 0.2 + 0.5 * (i % 3 == 0)))
    _, out, _ = audit("scores", "s.csv", *ASK, "--out", "r")
    assert "ai: no number in 5 of 400 rows (rows 2, 5, 102, 202, 302); they are set aside." in out
    ledger = evidence(here / "r")["cohort"]["ledger"]
    assert (ledger["read"], ledger["used"], sum(ledger["set_aside"].values())) == (400, 395, 5)
    assert "400 read, 395 used, 5 set aside" in out


def test_a_table_that_stands_twice_is_named(audit: Audit, here: Path) -> None:
    """Rows that equal an earlier one in every cell are counted; grades, which repeat by themselves, are not."""
    lines = (here / "s.csv").read_text().splitlines()
    rng = np.random.default_rng(0)
    rows = [f"{line},{rng.random():.9f}" for line in lines[1:]]
    (here / "d.csv").write_text("\n".join([lines[0] + ",p", *rows, *rows[:300]]) + "\n")
    _, out, _ = audit("scores", "d.csv", "--target", "dx", "--score", "p", "--out", "r")
    assert "300 of 700 rows equal an earlier one in every cell (rows 401, 402, 403, 404, 405, …)" in out
    table(here / "g.csv", ai=lambda i: (i % 5) / 4, pid=lambda i: "x", age=lambda i: 50)
    _, out, _ = audit("scores", "g.csv", *ASK, "--out", "r2")
    assert "equal an earlier one" not in out


def test_a_last_row_without_an_end_is_named(audit: Audit, here: Path) -> None:
    """A file that ends within a line may have been cut there; one that ends with a line break says nothing."""
    assert "line break" not in audit("scores", "s.csv", *ASK, "--out", "r")[1]
    (here / "s.csv").write_text((here / "s.csv").read_text()[:-1])
    assert "s.csv does not end with a line break" in audit("scores", "s.csv", *ASK, "--out", "r2")[1]


def test_declared_probabilities_outside_their_range_are_set_aside(audit: Audit, here: Path) -> None:
    """Where the user says that scores are probabilities, one that is none costs its case and is counted."""
    table(here / "s.csv", ai=lambda i: 1.5 if i == 0 else 0.2 + 0.5 * (i % 3 == 0))
    assert audit("scores", "s.csv", *ASK, "--out", "r")[0] == 2
    assert audit("scores", "s.csv", *ASK, "--output", "probabilities", "--out", "r")[0] == 3
    assert evidence(here / "r")["cohort"]["ledger"]["used"] == 399


def test_a_group_without_a_class_is_named_as_not_assessed(audit: Audit, here: Path) -> None:
    """A level in which no case is positive is named on the first screen, and its measurement says why it is none."""
    table(here / "s.csv", sex=lambda i: "X" if i % 3 == 1 else "FM"[i % 2])
    _, out, _ = audit("scores", "s.csv", *ASK, "--attributes", "sex", "--out", "r")
    assert "sex X: none of its " in out
    results = {r["probe"]: r for r in evidence(here / "r")["results"]}
    gaps = [m for m in results["FAIR001"]["measurements"] if m["subgroup"] == {"sex": "X"}]
    (gap,) = [m for m in gaps if m["metric"] == "sensitivity_gap"]
    assert gap["value"] is None
    assert gap["missing"]


def test_it_needs_no_torch(here: Path) -> None:
    """From the table to the report neither torch nor an image reader is imported."""
    code = (
        "import sys; from audit.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'torchvision', 'captum', 'onnxruntime', 'pydicom', 'nibabel'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    words = [sys.executable, "-c", code, "scores", "s.csv", *ASK, "--attributes", "sex,age", "--out", "r"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=here)
    assert done.returncode == 3, done.stderr


def test_a_table_in_memory_is_audited_from_python(here: Path) -> None:
    """`audit.scores` takes a path, a DataFrame or columns, and gives the same numbers for each."""
    import pandas as pd

    import audit

    frame = pd.read_csv(here / "s.csv")
    columns = {c: frame[c].to_numpy() for c in frame}
    made = [
        audit.scores(source, target="dx", score="ai", patient="pid", attributes=["sex"], out=here / f"r{i}")
        for i, source in enumerate((here / "s.csv", frame, columns))
    ]
    assert {run.verdict.outcome for run in made} == {"INCONCLUSIVE"}
    numbers = [[m.value for r in run.results for m in r.measurements] for run in made]
    assert numbers[0] == numbers[1] == numbers[2]
    with pytest.raises(InputError, match="200 in 'dx'"):
        audit.scores({"ai": columns["ai"], "dx": columns["dx"][:200]}, target="dx", score="ai")
