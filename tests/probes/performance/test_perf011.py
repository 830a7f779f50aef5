"""PERF011 measures risks at a horizon, with censored follow-up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import audit
from audit import session
from audit.config import load_audit
from audit.core import Levels, NotApplicable
from audit.evidence import read_run
from audit.probes import PROBES
from audit.probes._prevalence import IN_SAMPLE
from audit.probes.performance import PerformanceAtHorizon
from audit.stats import Followed, observed_risk
from audit.testing import check_probe, conforming_contexts, saved_context, small_cohort

HORIZON = 365.0
OF_THE_MIX = {
    "observed_minus_expected", "observed_expected_ratio", "brier_at_horizon", "net_benefit", "net_benefit_over_all",
    "observed_risk",
}  # fmt: skip


def weibull(seed=1, n=800):
    """Return true risks by the horizon, times and events; every third case is censored before it."""
    rng = np.random.default_rng(seed)
    linear = 0.9 * rng.normal(size=n)
    failure, censored = 900 * np.exp(-linear) * rng.weibull(1.4, n), rng.uniform(100, 1000, n)
    risk = 1 - np.exp(-((HORIZON / (900 * np.exp(-linear))) ** 1.4))
    return risk, np.minimum(failure, censored), failure <= censored


def made(risk, time, event, *, design="consecutive", output="probabilities", point=0.3, horizon=HORIZON, **more):
    """Return the context of a survival model."""
    cohort = replace(small_cohort(time, event=event, classes=(), **more), design=design)
    return saved_context(
        risk, cohort, task="survival", output=output, operating_point=point, card={"horizon": horizon}
    )  # fmt: skip


def run(ctx):
    """Return the measurements by metric, with the stratum where there is one."""
    found = {}
    for m in PerformanceAtHorizon().run(ctx):
        key = (m.metric, IN_SAMPLE) if "stratum" in m.condition else m.metric
        assert key not in found
        found[key] = m
    return found


def test_keeps_the_protocol():
    """It completes for survival models."""
    assert check_probe(PerformanceAtHorizon) == ("survival",)


def test_silent_on_a_healthy_model():
    """True risks: the slope's interval holds 1, observed minus expected 0, the AUC's that of 200,000 cases."""
    found = run(made(*weibull()))
    assert found["slope_at_horizon"].low < 1 < found["slope_at_horizon"].high
    assert found["observed_minus_expected"].low < 0 < found["observed_minus_expected"].high
    assert found["observed_expected_ratio"].low < 1 < found["observed_expected_ratio"].high
    risk, _, _ = weibull(seed=2, n=200_000)
    # The AUC of true risks by all pairs of them, without any outcome: cases weigh their risk, controls its complement.
    order = np.argsort(risk)
    ill, well = risk[order], 1 - risk[order]
    truth = float(ill @ (np.cumsum(well) - well / 2)) / (ill.sum() * well.sum())
    assert found["auc_at_horizon"].low < truth < found["auc_at_horizon"].high
    assert found["net_benefit"].low > 0
    assert found["net_benefit_over_all"].low > 0
    assert found["share_known"].k == found["share_known"].value * 800


def test_reversed_risks_are_caught():
    """A model that gives the high risks to those who stay well ranks worse than chance, bounds and all."""
    risk, time, event = weibull()
    found = run(made(1 - risk, time, event))
    for metric in ("c_index", "auc_at_horizon", "c_index_harrell"):
        assert found[metric].high < 0.5
    assert found["slope_at_horizon"].high < 0
    assert found["net_benefit"].value < run(made(risk, time, event))["net_benefit"].value


def test_doubled_risks_are_caught():
    """A model that says twice the risk ranks as before and does not hold: observed over expected is near a half."""
    risk, time, event = weibull()
    once, twice = (run(made(np.clip(factor * risk, 0, 1), time, event)) for factor in (1, 2))
    assert twice["observed_expected_ratio"].high < 0.75
    assert twice["observed_minus_expected"].high < -0.1
    assert twice["brier_at_horizon"].value > once["brier_at_horizon"].value
    assert twice["c_index"].low > 0.6


def test_leaving_out_the_censored_would_look_worse():
    """The observed risk is the true one, and counting the censored as well or dropping them is off by more."""
    risk, time, event = weibull(n=4000)
    cases = Followed(risk=risk, time=time, event=event, patients=np.arange(4000), horizon=HORIZON)
    whole = observed_risk(cases, Levels(), np.random.default_rng(0), resamples=400)
    low, high = whole.bounds(0.025)
    by_then = event & (time <= HORIZON)
    known = by_then | (time >= HORIZON)
    assert low < risk.mean() < high
    assert by_then.mean() < low
    assert by_then[known].mean() > high


@pytest.mark.parametrize("design", ["", "case-control", "enriched"])
def test_numbers_of_the_mix_need_a_cohort_that_was_not_sampled_by_outcome(design):
    """Without such a design they are of this sample and missing for a rule; ranking and slope are not."""
    found = run(made(*weibull(n=300), design=design))
    plain = run(made(*weibull(n=300)))
    for metric in OF_THE_MIX:
        assert found[metric].value is None
        assert "design" in found[metric].missing or design in found[metric].missing
        assert found[metric, IN_SAMPLE].value == plain[metric].value
    for metric in ("c_index", "auc_at_horizon", "slope_at_horizon"):
        assert found[metric].value == plain[metric].value


def test_a_value_ranks_and_is_no_risk():
    """Any score of risk has a C-index and an AUC; calibration and benefit are missing, and why."""
    risk, time, event = weibull(n=300)
    ctx = made(np.log(risk), time, event, output="value", point=None)
    found, same = run(ctx), run(made(risk, time, event))
    assert found["c_index"].value == pytest.approx(same["c_index"].value, abs=1e-12)
    assert "not a probability" in found["slope_at_horizon"].missing
    assert "not a probability" in found["net_benefit"].missing
    assert found["observed_risk"].value == same["observed_risk"].value
    assert ctx.sink.artifacts == []


@pytest.mark.parametrize(
    "point, reason", [(None, "no operating point"), (0.0, "no probability"), (1.0, "no probability")]
)
def test_no_threshold_no_benefit(point, reason):
    """Without an operating point inside (0, 1) nothing weighs harms."""
    risk, time, event = weibull(n=300)
    found = run(made(risk, time, event, point=point))
    assert reason in found["net_benefit"].missing
    assert found["c_index"].value is not None


@pytest.mark.parametrize(
    "horizon, reason", [(4000.0, "follow-up ends before the horizon"), (0.01, "no event was seen by the horizon")]
)
def test_a_horizon_that_nobody_reached_is_missing(horizon, reason):
    """Beyond the follow-up, and before the first event, every number is a reason and nothing is drawn."""
    ctx = made(*weibull(n=300), horizon=horizon)
    found = run(ctx)
    for metric in ("c_index", "auc_at_horizon", "slope_at_horizon", "net_benefit", "brier_at_horizon"):
        assert found[metric].value is None
        assert reason in found[metric].missing
    assert ctx.sink.artifacts == []


def test_all_censored_is_missing():
    """Without a single event there is nothing to rank."""
    risk, time, event = weibull(n=300)
    found = run(made(risk, time, np.zeros_like(event)))
    assert "every case is censored" in found["c_index"].missing
    assert found["observed_risk"].value == 0


def test_several_outputs_are_no_risk_at_one_horizon():
    """A model that gives a risk for each of several times is not read as if the first were meant."""
    risk, time, event = weibull(n=300)
    found = run(made(np.stack([risk, risk], axis=1), time, event))
    assert all(m.value is None and "2 numbers a case" in m.missing for m in found.values())


def test_without_follow_up_it_has_no_question():
    """Neither a cohort without times nor a model without a horizon is answered."""
    ctx = made(*weibull(n=60))
    with pytest.raises(NotApplicable, match="no horizon"):
        run(made(*weibull(n=60), horizon=None))
    with pytest.raises(NotApplicable, match="no time and event"):
        run(replace(ctx, cohort=replace(ctx.cohort, time=None, event=None)))


def test_figures_hold_what_was_measured():
    """Groups hold all cases and events; the curve has the measured point and acting on all."""
    ctx = made(*weibull())
    found = run(ctx)
    drawn = {a.name: a for a in ctx.sink.artifacts}
    groups = drawn["calibration_at_horizon"].arrays
    assert groups["n"].sum() == 800
    assert len(groups["n"]) == 10
    _, time, event = weibull()
    assert groups["events"].sum() == (event & (time <= HORIZON)).sum()
    assert (groups["low"] <= groups["observed"]).all()
    assert (groups["observed"] <= groups["high"]).all()
    assert np.mean((groups["low"] <= groups["predicted"]) & (groups["predicted"] <= groups["high"])) >= 0.8
    assert drawn["calibration_at_horizon"].meta["horizon"] == HORIZON
    curve, m = drawn["net_benefit_curve"].arrays, found["net_benefit"]
    at = int(np.flatnonzero(curve["threshold"] == 0.3)[0])
    assert [curve[k][at] for k in ("model", "low", "high")] == pytest.approx([m.value, m.low, m.high], abs=1e-12)
    gain = found["net_benefit_over_all"].value
    assert curve["model"][at] - curve["treat_all"][at] == pytest.approx(gain, abs=1e-12)


def test_other_families_have_no_question_about_survival():
    """Of the probes of fairness, calibration and confounding none takes a survival model for something else."""
    for probe in PROBES:
        if probe.info.family in ("FAIR", "CAL", "CONF"):
            assert "survival" not in probe.info.tasks, probe.info.code
    assert conforming_contexts()["survival"]().clean.views == ()


RULED = ("c_index", "observed_minus_expected", "slope_at_horizon", "net_benefit")
AUDIT = """
[model]
kind = "predictions"
path = "cases.csv"
case = "case"
score = "risk"
task = "survival"
output = "probabilities"
operating_point = 0.3
horizon = 365
[cohort]
manifest = "cases.csv"
case = "case"
patient = "patient"
time = "days"
event = "died"
[cohort.sampling]
design = "consecutive"
[cohort.attributes]
sex = { role = "protected" }
[audit]
policy = "policy.toml"
profile = "smoke"
seed = 1
"""
RULE = """
[[rule]]
id = "{metric}"
probe = "PERF011"
metric = "{metric}"
limit = {{ {limit} }}
"""


def written(folder: Path, factor: float) -> Path:
    """Write a cohort of 600 patients, a model that says `factor` times the true risk, and a policy."""
    risk, time, event = weibull(n=600)
    said = np.clip(factor * risk, 0, 1)
    rows = [
        f"c{i},p{i},{np.ceil(time[i]):.0f},{int(event[i])},{said[i]:.6f},{'fm'[i % 2]}" for i in range(len(risk))
    ]  # fmt: skip
    (folder / "cases.csv").write_text("case,patient,days,died,risk,sex\n" + "\n".join(rows) + "\n")
    limits = (
        ("c_index", "min = 0.6"), ("observed_minus_expected", "min = -0.08, max = 0.08"),
        ("slope_at_horizon", "min = 0.6, max = 1.6"), ("net_benefit", "min = 0.0"),
    )  # fmt: skip
    rules = "".join(RULE.format(metric=metric, limit=limit) for metric, limit in limits)
    (folder / "policy.toml").write_text('name = "five rules"\n' + rules)
    (folder / "audit.toml").write_text(AUDIT)
    return folder / "audit.toml"


def test_a_table_is_audited_from_end_to_end(tmp_path: Path) -> None:
    """Days in whole numbers, 600 patients: a true model passes, one that says twice the risk fails on that alone."""
    true, twice = tmp_path / "true", tmp_path / "twice"
    true.mkdir()
    twice.mkdir()
    run = session.run_config(load_audit(written(true, 1.0)), out=tmp_path / "run")
    assert {f.rule: f.status for f in run.findings if f.rule in RULED} == dict.fromkeys(RULED, "PASS")
    states = {r.probe: r for r in read_run(run.folder).results}
    assert states["PERF011"].state == "completed"
    for code in ("FAIR001", "CAL001", "CONF001"):
        assert states[code].state == "not_applicable"
        assert "survival" in states[code].reason
    assert "observed minus expected" in (run.folder / "report.html").read_text()
    other = session.run_config(load_audit(written(twice, 2.0)), out=tmp_path / "run2")
    found = {f.rule: f.status for f in other.findings}
    assert found["observed_minus_expected"] == "FAIL"
    assert found["c_index"] == "PASS"


def test_a_model_of_images_is_audited(tmp_path: Path) -> None:
    """A model with one output that reads the risk from the pixels has the numbers of the risk itself."""
    risk, time, event = weibull(n=200)
    images = np.tile(risk[:, None, None, None], (1, 1, 4, 4))
    model = audit.load_model(
        lambda batch: batch.mean(axis=(1, 2, 3)), task="survival", output="probabilities", horizon=HORIZON,
        operating_point=0.3, input={"size": (4, 4)},
    )  # fmt: skip
    cohort = audit.load_cohort(images, task="survival", time=time, event=event)
    done = audit.run(model, cohort, probes="PERF011,ADV001,XAI001", profile="smoke", out=tmp_path / "run")
    found = {r.probe: r for r in done.results}
    direct = run(made(risk, time, event, design=""))
    values = {m.metric: m.value for m in found["PERF011"].measurements if "stratum" not in m.condition}
    # Images are float32.
    assert values["c_index"] == pytest.approx(direct["c_index"].value, abs=1e-6)
    assert values["slope_at_horizon"] == pytest.approx(direct["slope_at_horizon"].value, abs=1e-3)
    assert {a.name for a in found["PERF011"].artifacts} == {"calibration_at_horizon", "net_benefit_curve"}
    assert all(found[code].state == "not_applicable" and found[code].reason for code in ("ADV001", "XAI001"))
