"""A candidate against a baseline: margins hold, are broken, or stay open; nothing unpaired ever passes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from audit import session
from audit.cli import main
from audit.evidence import read_predictions, read_run
from audit.report import render_comparison
from tests.verification._runs import MARGINS, make


def difference(found, metric, **subgroup):
    return next(d for d in found.differences if d.metric == metric and dict(d.measurement.subgroup) == subgroup)


def test_a_better_candidate_passes_and_a_worse_one_fails(base, better, worse):
    """Both margins, over all cases and by sex."""
    assert session.compare(base, better).verdict.outcome == "PASS"
    found = session.compare(base, worse)
    assert found.verdict.outcome == "FAIL"
    assert {f.rule: f.status for f in found.findings} == {
        "auc no worse": "FAIL", "sensitivity no worse by sex": "FAIL",
    }  # fmt: skip


def test_which_is_the_baseline_matters(base, better, worse):
    """Differences are candidate minus baseline; they turn their sign with the two runs."""
    there, back = session.compare(base, worse), session.compare(worse, base)
    a, b = difference(there, "auc"), difference(back, "auc")
    assert a.measurement.value == pytest.approx(-b.measurement.value, abs=1e-12)
    assert a.measurement.low == pytest.approx(-b.measurement.high, abs=1e-12)
    assert (a.baseline, a.candidate) == pytest.approx((b.candidate, b.baseline), abs=1e-12)
    assert back.verdict.outcome == "PASS"


def test_the_difference_of_auc_is_delong_where_every_patient_has_one_case(tmp_path):
    """Against a double loop over pairs (DeLong 1988) on 80 patients of one case; the wider bound counts."""

    def single(folder):
        path = folder / "scores.csv"
        rows = path.read_text().splitlines()
        cells = [r.split(",") for r in rows[1:]]
        path.write_text("\n".join([rows[0], *(",".join([c[0], f"P{i}", *c[2:]]) for i, c in enumerate(cells))]) + "\n")

    runs = [make(tmp_path / str(s), n=80, noise=x, seed=s, change=single) for s, x in ((0, 1.0), (1, 1.4))]
    found = difference(session.compare(*runs), "auc")
    stored = [read_predictions(r / "predictions.parquet").clean for r in runs]
    labels = stored[0].targets == 1
    placed = []
    for rows in stored:
        s = rows.raw[:, 0]
        wins = (s[labels][:, None] > s[~labels]) + 0.5 * (s[labels][:, None] == s[~labels])
        placed.append((wins.mean(axis=1), wins.mean(axis=0)))
    d = placed[1][0].mean() - placed[0][0].mean()
    variance = sum(np.var(placed[1][k] - placed[0][k], ddof=1) / len(placed[0][k]) for k in (0, 1))
    m = found.measurement
    assert m.value == pytest.approx(d, abs=1e-12)
    assert m.n_patients == 80
    # At least as wide as the normal interval with DeLong's variance.
    assert m.high - m.value >= 1.96 * np.sqrt(variance) - 1e-9
    assert m.high - m.value <= 3 * np.sqrt(variance)


def test_the_difference_of_sensitivities_is_that_of_the_discordant_cases(base, worse):
    """(only the candidate right - only the baseline right) / positives, as in McNemar's table."""
    m = difference(session.compare(base, worse), "sensitivity").measurement
    one, two = (read_predictions(r / "predictions.parquet").clean for r in (worse, base))
    ill = one.targets == 1
    right = (one.raw[:, 0] >= 0.5)[ill], (two.raw[:, 0] >= 0.5)[ill]
    gained, lost = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert m.value == pytest.approx((gained - lost) / ill.sum(), abs=1e-12)
    assert m.n == int(ill.sum())


def test_a_margin_that_the_interval_reaches_beyond_stays_open(base, worse, tmp_path):
    """Not shown to be no worse is not no worse."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[[comparison]]\nid = "a"\nmetric = "auc"\nmargin = 0.02\n')
    near = make(tmp_path / "near", n=600, noise=1.1, seed=1)
    found = session.compare(base, near, policy)
    assert (found.findings[0].status, found.verdict.outcome) == ("INCONCLUSIVE", "INCONCLUSIVE")
    assert main(["compare", str(base), str(near), "--policy", str(policy)]) == 3


def test_the_gate_judges_rules_and_margins_together(base, better, worse):
    """PASS needs both; without the baseline a policy that compares cannot pass."""
    good = session.gate(better, baseline=base)
    assert good.verdict.outcome == "PASS"
    assert {"auc no worse", "sensitivity no worse by sex"} <= {f.rule for f in good.findings}
    assert session.gate(worse, baseline=base).verdict.outcome == "FAIL"
    alone = session.gate(better)
    assert alone.verdict.outcome == "INCONCLUSIVE"
    assert "none was given" in " ".join(alone.verdict.reasons)
    assert main(["gate", str(better), "--baseline", str(base)]) == 0
    assert main(["gate", str(worse), "--baseline", str(base)]) == 1
    assert main(["gate", str(better)]) == 3


def test_a_baseline_without_a_margin_is_no_pass(base, tmp_path):
    """Somebody asked for a comparison, and the policy has none."""
    plain = make(tmp_path / "plain", n=600, noise=0.8, seed=1)
    assert session.gate(plain).verdict.outcome == "PASS"
    found = session.gate(plain, baseline=base)
    assert found.verdict.outcome == "INCONCLUSIVE"
    assert "no [[comparison]]" in " ".join(found.verdict.reasons)


def cut(folder):
    """Take the last case out of the manifest."""
    path = folder / "scores.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def silent(folder):
    """Leave the answer to one case out; the case stays in the cohort."""
    path = folder / "scores.csv"
    rows = path.read_text().splitlines()
    cells = rows[5].split(",")
    cells[3] = ""
    rows[5] = ",".join(cells)
    path.write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"change": cut}, "different cohorts"),
        ({"run_seed": 5}, "different seeds"),
        ({"change": silent}, "has no answer to 1 case"),
        ({"noise": 1.0, "seed": 0}, "the same model"),
    ],
)
def test_what_is_not_paired_is_open_and_says_why(base, tmp_path, more, reason):
    """Another cohort, another seed, a case without an answer, the very same model."""
    other = make(tmp_path / "other", n=600, margins=MARGINS, **{"noise": 0.8, "seed": 1, **more})
    found = session.compare(base, other)
    assert found.verdict.outcome == "INCONCLUSIVE"
    assert not found.differences
    assert reason in " ".join(found.reasons)
    assert all(f.status == "NOT_RUN" for f in found.findings)
    gated = session.gate(other, baseline=base)
    assert gated.verdict.outcome == "INCONCLUSIVE"
    assert reason in " ".join(gated.verdict.reasons)
    assert "INCONCLUSIVE" in render_comparison(found)


def constant(folder):
    """Let the model say the same of every case."""
    path = folder / "scores.csv"
    rows = [r.split(",") for r in path.read_text().splitlines()]
    path.write_text("\n".join([",".join(rows[0]), *(",".join([*r[:3], "0.7", *r[4:]]) for r in rows[1:])]) + "\n")


def test_a_candidate_that_says_nothing_never_passes(base, tmp_path):
    """One answer for all: its AUC has no interval, its sensitivity is perfect, and the verdict is not PASS."""
    flat = make(tmp_path / "flat", n=600, margins=MARGINS, change=constant)
    found = session.compare(base, flat)
    statuses = {f.rule: f.status for f in found.findings}
    assert statuses["auc no worse"] == "INCONCLUSIVE"
    assert found.verdict.outcome == "INCONCLUSIVE"
    assert session.gate(flat, baseline=base).verdict.outcome != "PASS"


def test_a_level_that_nobody_answered_keeps_its_margin_open(tmp_path):
    """A margin for every site is not met by the sites that are left."""

    def mute(folder):
        path = folder / "scores.csv"
        rows = [r.split(",") for r in path.read_text().splitlines()]
        # The last three patients are those of a third site.
        rows[-6:] = [[*r[:3], "", r[4], "C"] for r in rows[-6:]]
        path.write_text("\n".join(",".join(r) for r in rows) + "\n")

    policy = tmp_path / "policy.toml"
    policy.write_text('[[comparison]]\nid = "a"\nmetric = "auc"\nmargin = 0.5\nwhere = { attribute = "site" }\n')
    runs = [make(tmp_path / str(i), n=240, noise=x, seed=i, change=mute) for i, x in enumerate((1.0, 0.9))]
    found = session.compare(*runs, policy)
    assert found.reasons == ()
    assert (found.findings[0].status, found.verdict.outcome) == ("INCONCLUSIVE", "INCONCLUSIVE")


def test_another_key_is_not_paired(base, tmp_path, monkeypatch):
    """Pseudonyms under two keys cannot be matched."""
    (tmp_path / "key").write_text("z" * 40)
    monkeypatch.setenv("AUDIT_KEY_FILE", str(tmp_path / "key"))
    other = make(tmp_path / "other", n=600, noise=0.8, seed=1, margins=MARGINS)
    found = session.compare(base, other)
    assert found.verdict.outcome == "INCONCLUSIVE"
    assert "different keys" in found.reasons[0]
    # Every case has two names then: that one run answered what the other did not cannot be said.
    assert len(found.reasons) == 1


def test_a_baseline_that_only_lacks_a_baseline_of_its_own_is_no_bad_one(base, better, tmp_path):
    """A policy with margins leaves every run without a comparison open; a rule that does not hold is another thing."""
    assert "none was given" in " ".join(read_run(base).verdict.reasons)
    assert not [n for n in session.compare(base, better).notes if "says little" in n]
    poor = make(tmp_path / "poor", n=600, noise=1.2, seed=2, limit=0.99)
    assert [n for n in session.compare(poor, better).notes if "says little" in n]


def test_another_version_of_a_probe_is_not_paired(base, better):
    """Numbers of two versions of one probe are not the same numbers."""
    from dataclasses import replace

    from audit.evidence import card_of, read_run
    from audit.judge.comparison import Side, why_not_paired

    sides = [
        Side(evidence=read_run(r), card=card_of(read_run(r).model),
             stored=read_predictions(r / "predictions.parquet")) for r in (better, base)
    ]  # fmt: skip
    assert why_not_paired(*sides) == ()
    older = tuple(
        replace(r, info=replace(r.info, version=r.info.version + 1)) if r.probe == "PERF001" else r
        for r in sides[1].evidence.results
    )
    other = replace(sides[1], evidence=replace(sides[1].evidence, results=older))
    assert "PERF001 is of version" in " ".join(why_not_paired(sides[0], other))


def test_unpaired_runs_without_margins_exit_3_and_paired_ones_0(base, tmp_path, capsys):
    """A comparison judges nothing without margins; it still does not call unpaired runs done."""
    one = make(tmp_path / "one", n=600, noise=0.8, seed=1)
    two = make(tmp_path / "two", n=600, noise=0.8, seed=1, run_seed=4)
    assert main(["compare", str(base), str(one)]) == 0
    assert capsys.readouterr().out.lstrip().startswith("COMPARED")
    assert main(["compare", str(base), str(two)]) == 3


def test_the_page_is_one_file_that_asks_nothing_of_the_network(base, worse, tmp_path):
    """Static, escaped, within the reports' limits; a finished run is not written into."""
    page = tmp_path / "page.html"
    assert main(["compare", str(base), str(worse), "--out", str(page)]) == 1
    html = page.read_text()
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "auc no worse" in html
    assert len(html) < 400_000
    assert render_comparison(session.compare(base, worse)) == html
    assert main(["compare", str(base), str(worse), "--out", str(worse / "page.html")]) == 2


def test_nothing_is_written_in_either_run(base, better):
    """Gate and compare leave both folders as they were."""
    before = {p: p.stat().st_mtime_ns for r in (base, better) for p in r.rglob("*")}
    main(["gate", str(better), "--baseline", str(base)])
    main(["compare", str(base), str(better)])
    assert {p: p.stat().st_mtime_ns for r in (base, better) for p in r.rglob("*")} == before


def test_small_cells_take_their_attribute_with_them(base, better):
    """With a limit above the patients of one site nothing is told by site or sex."""
    shared = session.compare(base, better, min_cell=250)
    assert {k for d in shared.differences for k in d.measurement.subgroup} == set()
    assert shared.verdict.outcome == "PASS"
    text = render_comparison(shared)
    assert "female" not in text


@pytest.mark.slow
def test_compare_needs_no_torch(base, better):
    """Nor any other library that runs models."""
    code = (
        "import sys; from audit.cli import main; "
        f"assert main(['compare', {str(base)!r}, {str(better)!r}]) == 0; "
        f"assert main(['gate', {str(better)!r}, '--baseline', {str(base)!r}]) == 0; "
        "heavy = {'torch', 'onnxruntime', 'captum', 'pydicom', 'nibabel', 'mlflow', 'ray'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
