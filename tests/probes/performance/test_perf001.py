"""PERF001 gives the rates with their own denominators, and a reason where there is no number."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from audit.core import Prevalence
from audit.metrics import icc
from audit.probes._prevalence import IN_SAMPLE
from audit.probes.performance import HeadlinePerformance
from audit.testing import context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by metric, with class and parameter where they have one."""
    found = {}
    for m in HeadlinePerformance().run(ctx):
        key = (m.metric, *(m.condition[k] for k in ("class", "parameter", "stratum") if k in m.condition))
        assert key not in found
        found[key] = m
    return found


def table(tp, fn, tn, fp):
    """Return a cohort with these counts at an operating point of 0.5, one case a patient."""
    label = np.repeat([1, 1, 0, 0], [tp, fn, tn, fp])
    score = np.repeat([0.9, 0.1, 0.1, 0.9], [tp, fn, tn, fp])
    return score, small_cohort(label)


def test_rates_have_their_own_denominator():
    """53 of 114 melanomas: k, n and the exact binomial interval are those of the positives."""
    found = run(saved_context(*table(53, 61, 1300, 82)))
    m = found["sensitivity",]
    assert (m.k, m.n, m.n_patients) == (53, 114, 114)
    # n_eff is N (P-1)/P or N, whichever is smaller, hence the tolerance.
    assert (m.low, m.high) == pytest.approx(proportion_confint(53, 114, 0.05, "beta"), abs=2e-3)
    assert found["specificity",].n == 1382


def test_auc_is_that_of_scikit_learn():
    """AUC equals roc_auc_score to 1e-12, ties included."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 300)
    score = rng.integers(0, 20, 300) / 20
    assert run(saved_context(score, small_cohort(label)))["auc",].value == pytest.approx(
        roc_auc_score(label, score), abs=1e-12
    )


def test_predictive_values_follow_bayes_at_the_declared_prevalence():
    """Sensitivity 0.9 and specificity 0.8 at 4 %: PPV 0.036 / 0.228, NPV 0.768 / 0.772, accuracy 0.804."""
    ctx = saved_context(*table(180, 20, 160, 40), prevalence=Prevalence(value=0.04, low=0.02, high=0.08))
    found = run(ctx)
    assert found["ppv", "prevalence 0.04"].value == pytest.approx(0.036 / (0.036 + 0.192))
    assert found["npv", "prevalence 0.04"].value == pytest.approx(0.768 / (0.768 + 0.004))
    assert found["accuracy", "prevalence 0.04"].value == pytest.approx(0.04 * 0.9 + 0.96 * 0.8)
    assert {k[1] for k in found if k[0] == "ppv"} == {"prevalence 0.04", "prevalence 0.02", "prevalence 0.08"}
    assert not [k for k in found if IN_SAMPLE in k]


def test_without_a_prevalence_the_numbers_are_of_this_sample():
    """PPV is then missing with the reason, and that of this sample is 180 of 220 in a stratum of its own."""
    found = run(saved_context(*table(180, 20, 160, 40)))
    assert found["ppv",].value is None
    assert "prevalence" in found["ppv",].missing
    assert (found["ppv", IN_SAMPLE].k, found["ppv", IN_SAMPLE].n) == (180, 220)
    assert (found["npv", IN_SAMPLE].k, found["npv", IN_SAMPLE].n) == (160, 180)
    assert found["accuracy", IN_SAMPLE].value == pytest.approx(0.85)


@pytest.mark.parametrize("counts", [(50, 0, 50, 0), (0, 50, 40, 10), (50, 0, 40, 10), (40, 10, 50, 0)])
def test_predictive_values_at_the_edge_keep_an_interval(counts):
    """With rates of exactly 0 or 1 the interval is still one, holds the value and has some width."""
    found = run(saved_context(*table(*counts), prevalence=Prevalence(value=0.1)))
    for metric in ("ppv", "npv"):
        m = found[metric, "prevalence 0.1"]
        assert 0 <= m.low <= m.value <= m.high <= 1
        assert m.high > m.low


def test_no_positive_call_has_no_predictive_value():
    """A model that never calls positive has no PPV, and not one of 0."""
    found = run(saved_context(*table(0, 50, 50, 0), prevalence=Prevalence(value=0.1)))
    assert found["ppv", "prevalence 0.1"].value is None
    assert "no case is decided this way" in found["ppv", "prevalence 0.1"].missing


def test_patients_with_both_labels_widen_the_predictive_values():
    """Where rates share patients their dependence is unknown, and the interval is the wider one."""
    score, cohort = table(80, 20, 70, 30)
    # Each patient has one case of either class.
    label = cohort.targets
    paired = small_cohort(label, patients=np.concatenate([np.arange(100), np.arange(100)]))
    alone = run(saved_context(score, cohort, prevalence=Prevalence(value=0.1)))["ppv", "prevalence 0.1"]
    shared = run(saved_context(score, paired, prevalence=Prevalence(value=0.1)))["ppv", "prevalence 0.1"]
    assert shared.value == alone.value
    assert shared.low < alone.low
    assert shared.high > alone.high


def test_no_operating_point_is_a_reason():
    """Sensitivity without a threshold is missing and says how many positives there were."""
    found = run(saved_context(*table(80, 20, 70, 30), operating_point=None))
    assert found["sensitivity",].value is None
    assert "operating point" in found["sensitivity",].missing
    assert found["sensitivity",].n == 100
    assert found["auc",].value is not None
    assert found["ppv", IN_SAMPLE].value is None


def test_one_class_is_missing_and_named():
    """A cohort without positives has no sensitivity and no AUC; its specificity is still a number."""
    found = run(saved_context(*table(0, 0, 40, 10)))
    assert found["sensitivity",].missing == "no positive cases"
    assert found["auc",].missing == "no positive cases"
    assert found["specificity",].value == 0.8


def test_four_patients_are_too_few():
    """Four positives carry no interval, so they give no number."""
    found = run(saved_context(*table(4, 0, 40, 10)))
    assert found["sensitivity",].value is None
    assert "4 patients" in found["sensitivity",].missing


def test_images_of_one_patient_do_not_count_as_patients():
    """Ten images of each of twenty patients give the interval of about twenty cases."""
    label = np.repeat([1, 0], 200)
    score = np.where(np.repeat(np.arange(40) % 4 == 0, 10), 0.1, 0.9)
    clustered = run(saved_context(score, small_cohort(label, patients=np.arange(400) // 10)))["sensitivity",]
    assert clustered.n_patients == 20
    assert clustered.high - clustered.low > 0.35


def test_planted_fault_is_caught_and_the_healthy_model_is_not():
    """The reversed model has an AUC wholly under 0.5, the healthy one wholly above 0.75."""
    cohort = tiny_cohort(np.random.default_rng(1), n=1200)
    assert run(context(planted("reversed"), cohort))["auc",].high < 0.5
    assert run(context(planted(), cohort))["auc",].low > 0.75


def test_every_class_has_its_rates():
    """For three classes each is judged against the others, and accuracy is that of the named class."""
    target = np.repeat([0, 1, 2], 40)
    named = np.where(np.arange(120) % 4 == 0, (target + 1) % 3, target)
    cohort = small_cohort(target, classes=("none", "glioma", "metastasis"))
    found = run(saved_context(3.0 * np.eye(3)[named], cohort, task="multiclass", output="logits"))
    assert found["sensitivity", "glioma"].value == 0.75
    assert found["specificity", "glioma"].value == pytest.approx(70 / 80)
    assert found["accuracy", IN_SAMPLE].value == 0.75
    assert found["ppv", "none", IN_SAMPLE].value == pytest.approx(30 / 40)


def test_mean_over_classes_stands_beside_its_parts():
    """The macro AUC is the mean of the three AUCs to 1e-12, with an interval; two classes of one question have none."""
    rng = np.random.default_rng(8)
    target = np.arange(240) % 3
    cohort = small_cohort(target, classes=("none", "glioma", "metastasis"))
    raw = rng.normal(size=(240, 3)) + 1.5 * np.eye(3)[target]
    found = run(saved_context(raw, cohort, task="multiclass", output="logits"))
    parts = [found["auc", name].value for name in cohort.classes]
    macro = found["auc_macro",]
    assert macro.value == pytest.approx(np.mean(parts), abs=1e-12)
    assert macro.low < macro.value < macro.high
    assert ("auc_macro",) not in run(saved_context(*table(80, 20, 70, 30)))


def test_declared_prevalence_belongs_to_two_classes():
    """With three classes one prevalence does not say of which, so nothing is given at it."""
    target = np.repeat([0, 1, 2], 20)
    cohort = small_cohort(target, classes=("a", "b", "c"))
    ctx = saved_context(
        3.0 * np.eye(3)[target], cohort, task="multiclass", output="logits", prevalence=Prevalence(value=0.1)
    )
    assert "binary" in run(ctx)["ppv",].missing


def test_weighted_kappa_is_that_of_scikit_learn():
    """Grades are categories: quadratic kappa equals cohen_kappa_score to 1e-12."""
    rng = np.random.default_rng(2)
    target = rng.integers(0, 4, 200)
    named = np.clip(target + rng.integers(-1, 2, 200), 0, 3)
    cohort = small_cohort(target, classes=("0", "1", "2", "3"))
    found = run(saved_context(4.0 * np.eye(4)[named], cohort, task="ordinal", output="logits"))
    m = found["weighted_kappa",]
    assert m.value == pytest.approx(cohen_kappa_score(target, named, weights="quadratic"), abs=1e-12)
    assert m.low < m.value < m.high


def regression(predicted, target, **more):
    """Return the measurements of a real value."""
    cohort = small_cohort(np.asarray(target, dtype=float), classes=(), **more)
    return run(
        saved_context(
            np.asarray(predicted, dtype=float), cohort, task="regression", output="value", operating_point=None
        )
    )


def anova_icc(a, b):
    """Return ICC(A,1) from the two-way table of mean squares, written out."""
    both = np.stack([a, b], axis=1)
    n, k = both.shape
    grand = both.mean()
    rows = k * ((both.mean(1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((both.mean(0) - grand) ** 2).sum() / (k - 1)
    rest = both - both.mean(1, keepdims=True) - both.mean(0, keepdims=True) + grand
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    return (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)


def test_a_real_value_has_bias_limits_slope_and_icc():
    """Each equals its textbook form on the same cases, to 1e-9."""
    rng = np.random.default_rng(3)
    target = rng.normal(70, 12, 150)
    predicted = 5 + 0.9 * target + rng.normal(0, 4, 150)
    found, error = regression(predicted, target), predicted - target
    assert found["mean_error",].value == pytest.approx(error.mean(), abs=1e-9)
    assert found["mae",].value == pytest.approx(np.abs(error).mean(), abs=1e-9)
    half = norm.ppf(0.975) * error.std(ddof=1)
    assert found["loa_low",].value == pytest.approx(error.mean() - half, abs=1e-9)
    assert found["loa_high",].value == pytest.approx(error.mean() + half, abs=1e-9)
    assert found["slope",].value == pytest.approx(np.polyfit(target, predicted, 1)[0], abs=1e-9)
    assert found["icc",].value == pytest.approx(anova_icc(predicted, target), abs=1e-9)
    assert "ICC(A,1)" in found["icc",].method


def test_a_shrunken_slope_is_caught():
    """Predictions that regress to the mean have a slope wholly under 1; right ones have 1 inside."""
    rng = np.random.default_rng(4)
    target = rng.normal(70, 12, 200)
    noise = rng.normal(0, 3, 200)
    assert regression(42 + 0.4 * target + noise, target)["slope",].high < 0.6
    healthy = regression(target + noise, target)
    assert healthy["slope",].low < 1 < healthy["slope",].high
    assert healthy["mean_error",].low < 0 < healthy["mean_error",].high


def segmentation(rows, columns):
    """Return the measurements of a segmentation from columns a case."""
    cohort = small_cohort(np.zeros(len(rows)), classes=("background", "lesion"))
    return run(
        saved_context(
            np.asarray(rows, dtype=float), cohort, task="segmentation", output="mask_probabilities",
            operating_point=None, columns=columns,
        )
    )  # fmt: skip


def test_segmentation_gives_overlap_and_signed_volume_error():
    """Volumes of 9 for 10 are an error of -0.1; a case with an empty reference has none and is counted."""
    rows = [[0.8 + 0.01 * i, 9.0 + 0.1 * i, 10.0] for i in range(10)] + [[1.0, 0.0, 0.0]]
    found = segmentation(rows, ("dice", "volume_predicted", "volume_reference"))
    assert found["dice",].value == pytest.approx((8.45 + 1) / 11)
    error = found["relative_volume_error",]
    assert error.value == pytest.approx(-0.055)
    assert error.n == 10
    assert "1 left out where the reference mask is empty" in error.method
    assert found["hd95",].value is None
    assert found["hd95",].missing


def test_volumes_agree_by_the_analysis_of_variance():
    """ICC(A,1) of two columns of volumes, to 1e-9; a model that marks a third of each volume does not agree."""
    rng = np.random.default_rng(2)
    reference = rng.lognormal(3, 1, 80)
    predicted = np.maximum(0, 1.1 * reference + rng.normal(0, 5, 80))
    columns = ("volume_predicted", "volume_reference")
    found = segmentation(np.stack([predicted, reference], axis=1), columns)["icc",]
    assert found.value == pytest.approx(icc(np.stack([predicted, reference], axis=1), form="2,1"), abs=1e-9)
    assert found.low < found.value < found.high
    assert segmentation(np.stack([reference / 3, reference], axis=1), columns)["icc",].high < 0.8


LESIONS = ("lesions_reference", "lesions_found", "lesions_predicted", "lesions_false")


def test_lesions_are_counted_one_by_one():
    """Sixty lesions in twenty patients, forty-five found; thirty false ones: 45/60 and 1.5 a case."""
    rows = [[3, 2 + (i % 4 == 0), 4, 2 - (i % 2)] for i in range(20)]
    found = segmentation(rows, LESIONS)
    share, false = found["lesion_sensitivity",], found["false_lesions_per_case",]
    assert (share.k, share.n, share.n_patients) == (45, 60, 20)
    assert (false.value, false.n) == (1.5, 20)
    assert false.low < 1.5 < false.high


def test_cases_without_a_lesion_have_no_part_in_the_share_found():
    """Empty reference masks add nothing to the denominator, yet their false lesions count."""
    found = segmentation([[0, 0, 1, 1]] * 10 + [[1, 1, 1, 0]] * 10, LESIONS)
    assert found["lesion_sensitivity",].n == 10
    assert found["false_lesions_per_case",].value == 0.5
    empty = segmentation([[0, 0, i % 2, i % 2] for i in range(10)], LESIONS)["lesion_sensitivity",]
    assert empty.missing == "no reference mask holds a lesion"


def test_dice_bound_allows_for_a_failure_not_seen():
    """Twenty cases at 0.95 or so do not prove that none fails: the lower bound is far under the mean."""
    found = segmentation([[0.95 + 0.001 * i] for i in range(20)], ("dice",))
    assert found["dice",].low < 0.85


def test_figures_have_their_arrays():
    """The ROC curve runs from (0, 0) to (1, 1), and the histograms hold every case."""
    ctx = saved_context(*table(80, 20, 70, 30))
    run(ctx)
    arrays = {a.name: a.arrays for a in ctx.sink.artifacts}
    assert (arrays["roc_curve"]["fpr"][0], arrays["roc_curve"]["tpr"][-1]) == (0, 1)
    assert arrays["score_distribution"]["positives"].sum() == 100
    assert arrays["score_distribution"]["negatives"].sum() == 100


def test_worst_missed_positives_are_pictures():
    """The four lowest scores among missed positives, with score and groups, marked as image content."""
    cohort = tiny_cohort(np.random.default_rng(1), n=200)
    ctx = context(planted(), cohort)
    run(ctx)
    shown = next(a for a in ctx.sink.artifacts if a.name == "missed_cases")
    assert shown.pixels
    assert shown.arrays["images"].shape == (4, 1, 8, 8)
    assert shown.arrays["images"].dtype == np.uint8
    assert shown.arrays["score"].tolist() == sorted(ctx.clean.scores[cohort.targets == 1])[:4]
    assert set(shown.arrays["sex"]) <= {"female", "male"}
    assert not any("case" in str(v) or "patient" in str(v) for v in shown.arrays.values())


def test_nothing_missed_is_no_picture():
    """Without a missed positive, or without images, there is no gallery."""
    for ctx in (saved_context(*table(50, 5, 50, 5)), context(planted(operating_point=0.0), small_images())):
        run(ctx)
        assert "missed_cases" not in [a.name for a in ctx.sink.artifacts]


def small_images():
    """Return a few cases with images."""
    return tiny_cohort(np.random.default_rng(1), n=60)


@pytest.mark.slow
def test_predictive_value_covers_at_its_rate():
    """The 95 % interval of PPV at 5 % holds the true one in at least 93 % of 1,000 samples of 80 and 160 patients."""
    rng = np.random.default_rng(6)
    truth, covered = 0.05 * 0.85 / (0.05 * 0.85 + 0.95 * 0.1), 0
    for _ in range(1000):
        tp, tn = rng.binomial(80, 0.85), rng.binomial(160, 0.9)
        ctx = saved_context(*table(tp, 80 - tp, tn, 160 - tn), prevalence=Prevalence(value=0.05))
        m = run(ctx)["ppv", "prevalence 0.05"]
        covered += m.low <= truth <= m.high
    assert covered / 1000 >= 0.93
