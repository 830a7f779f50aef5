"""A few repeats of every simulation with fixed seeds: methods hold within the Monte-Carlo error, controls fail."""

from __future__ import annotations

import math

import numpy as np
import pytest

from validation.statistics._run import block_sums, generator, run
from validation.statistics._study import Accept, held
from validation.statistics.catalogue import studies

SEED = 7
QUICK = [s for s in studies() if s.quick]


def slack(accept: Accept, n: int) -> float:
    """Return three Monte-Carlo standard errors of a share at the edge of what is accepted."""
    edge = accept.low if accept.low is not None else accept.high
    return 3 * math.sqrt(max(edge * (1 - edge), 0.0) / n)


@pytest.mark.parametrize("study", [s for s in QUICK if not s.control], ids=lambda s: s.id)
def test_methods_hold(study):
    """Every acceptance holds within three standard errors, on another seed than the stored results."""
    found = run(study, repeats=study.quick, seed=SEED)
    for name, accept in study.accept.items():
        if not accept.deviation:
            mean, n = found[name]["mean"], found[name]["n"]
            assert accept.kept(mean, slack(accept, n)), f"{name}: {mean} of {n}, accepted {accept}"


@pytest.mark.parametrize("study", [s for s in QUICK if s.control], ids=lambda s: s.id)
def test_controls_fail(study):
    """Methods that are known to be bad fail, without any allowance: the simulation tells good from bad."""
    found = run(study, repeats=study.quick, seed=SEED)
    for name, accept in study.accept.items():
        assert accept.kept(found[name]["mean"]), f"{name}: {found[name]['mean']}, expected {accept}"


@pytest.mark.slow
def test_stopping_early_errs_no_more_often_in_many_cohorts():
    """In 2,000 cohorts of 120 patients at the limit, stopped and judged, either wrong verdict in at most 3.5 %."""
    study = next(s for s in studies() if s.id == "sequential/stopped/limit/small")
    found = run(study, repeats=2000, seed=SEED + 1)
    for name in ("false_pass", "false_fail"):
        assert found[name]["mean"] <= 0.035, name


def test_a_repeat_depends_on_seed_name_and_block_alone():
    """Two runs agree to the last bit, another block or seed does not."""
    study = QUICK[0]
    assert block_sums(study, 0, 20) == block_sums(study, 0, 20)
    assert block_sums(study, 0, 20) != block_sums(study, 1, 20)
    draws = [generator(study, 0, seed).random() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_what_is_counted_of_an_interval():
    """An interval that ends at the truth holds it; one beside it misses on one side; none counts as none."""
    assert held((0.5, 0.9), 0.5)["coverage"]
    assert held((0.6, 0.9), 0.5)["low_miss"]
    assert held((0.1, 0.4), 0.5)["high_miss"]
    assert held((0.1, 0.4), 0.5)["width"] == pytest.approx(0.3, abs=1e-12)
    nothing = held(None, 0.5)
    assert nothing["estimable"] is False
    assert nothing["coverage"] is None


def test_missing_repeats_are_left_out_of_the_mean():
    """A repeat without a value is in no mean and counts in estimable."""
    from validation.statistics._study import Study

    odd = iter(range(100))
    study = Study(
        id="x", job="auc", method="", scenario="", repeats=10,
        draw=lambda rng: held((0.0, 1.0) if next(odd) % 2 else None, 0.5),
    )  # fmt: skip
    found = run(study, repeats=10)
    assert found["coverage"] == {"mean": 1.0, "error": 0.0, "n": 5}
    assert found["estimable"]["mean"] == 0.5
    assert found["estimable"]["error"] == pytest.approx(0.5 / math.sqrt(9), abs=1e-6)


def test_an_acceptance_needs_a_side():
    """An acceptance without a number accepts nothing and is refused."""
    with pytest.raises(ValueError, match="neither"):
        Accept()


def test_the_world_of_the_judge_is_what_large_cohorts_measure():
    """Sensitivity, gaps, AUC, slope and intercept of 20,000 patients agree with the calculated truth."""
    from dataclasses import replace

    from validation.statistics.judge import WORLDS, measured

    world = replace(WORLDS["unequal"], patients=20_000)
    results = {r.probe: r.measurements for r in measured(world.cohort(np.random.default_rng(1)))}

    def worst(probe: str, metric: str, attribute: str = "") -> float:
        return min(m.value for m in results[probe] if m.metric == metric and (not attribute or attribute in m.subgroup))

    for metric in ("auc", "sensitivity", "specificity"):
        assert worst("PERF001", metric) == pytest.approx(world.truth[metric], abs=0.01)
    for metric in ("slope", "intercept"):
        assert worst("CAL001", metric) == pytest.approx(world.truth[metric], abs=0.05)
    for metric in ("sensitivity_gap", "specificity_gap"):
        for attribute in world.shares:
            truth = world.truth[f"{metric} {attribute}"]
            assert worst("FAIR001", metric, attribute) == pytest.approx(truth, abs=0.03)
