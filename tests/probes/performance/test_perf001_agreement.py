"""PERF001 of a real value: exact limits of agreement, the ICC of two fixed raters, and their figure."""

import numpy as np
import pytest
from scipy.stats import nct

from audit.probes.performance import HeadlinePerformance
from audit.testing import saved_context, small_cohort


def regression(predicted, target, patients=None):
    """Return the context and the measurements of a real value by metric."""
    cohort = small_cohort(np.asarray(target, dtype=float), classes=(), patients=patients)
    ctx = saved_context(predicted, cohort, task="regression", output="value", operating_point=None)
    return ctx, {m.metric: m for m in HeadlinePerformance().run(ctx)}


def ages(n=80, seed=0, *, shift=1.0):
    """Return ages and predictions off by a shift and a normal error of 4."""
    rng = np.random.default_rng(seed)
    target = rng.normal(60, 12, n)
    return target + shift + rng.normal(0, 4, n), target


def test_limits_have_the_interval_of_the_non_central_t():
    """With one case a patient both bounds of the upper limit equal scipy's to 1e-9."""
    predicted, target = ages()
    _, found = regression(predicted, target)
    error = predicted - target
    ends = error.mean() + error.std(ddof=1) / np.sqrt(80) * nct.ppf([0.025, 0.975], 79, 1.959963984540054 * np.sqrt(80))
    assert (found["loa_high"].low, found["loa_high"].high) == pytest.approx(tuple(ends), abs=1e-9)
    assert "non-central t" in found["loa_high"].method


def test_a_shift_lowers_the_icc_and_its_form_is_named():
    """ICC(A,1) falls wholly below that of the model without the shift, and says that these raters are fixed."""
    _, right = regression(*ages(shift=0.0))
    _, shifted = regression(*ages(shift=15.0))
    assert shifted["icc"].high < right["icc"].low
    assert "ICC(A,1), model and reference as fixed raters" in right["icc"].method


def test_copies_of_a_patient_widen_nothing_and_narrow_nothing():
    """Every case four times gives the limits of agreement of the cases, to 1e-9."""
    predicted, target = ages()
    _, once = regression(predicted, target)
    _, copies = regression(np.repeat(predicted, 4), np.repeat(target, 4), patients=np.repeat(np.arange(80), 4))
    for metric in ("loa_low", "loa_high"):
        assert (copies[metric].value, copies[metric].low, copies[metric].high) == pytest.approx(
            (once[metric].value, once[metric].low, once[metric].high), abs=1e-9
        )
        assert copies[metric].n_patients == 80


def test_the_figure_holds_every_case_and_the_lines():
    """Differences over means, with mean and limits and their intervals; a large cohort is thinned to 2,000 points."""
    predicted, target = ages()
    ctx, found = regression(predicted, target)
    shown = next(a for a in ctx.sink.artifacts if a.name == "bland_altman")
    assert sorted(shown.arrays["difference"]) == pytest.approx(sorted(predicted - target))
    assert (shown.meta["low"], shown.meta["mean"], shown.meta["high"]) == (
        found["loa_low"].value, found["mean_error"].value, found["loa_high"].value,
    )  # fmt: skip
    assert (shown.meta["low_from"], shown.meta["low_to"]) == (found["loa_low"].low, found["loa_low"].high)
    ctx, _ = regression(*ages(5000))
    many = next(a for a in ctx.sink.artifacts if a.name == "bland_altman")
    assert len(many.arrays["mean"]) == 2000
    assert many.meta["cases"] == 5000


def test_four_patients_have_no_figure():
    """Four patients carry neither limits nor a figure, and say why."""
    ctx, found = regression(*ages(4))
    assert "4 patients" in found["loa_low"].missing
    assert "4 patients" in found["icc"].missing
    assert not ctx.sink.artifacts
