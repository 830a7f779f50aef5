"""The demo's cohort and policy are what every twin is judged by."""

from collections import Counter

import numpy as np
import pytest

from audit.core import Access
from audit.reference import demo_cohort, demo_policy, load_demo
from audit.reference._demo import PER_LABEL


def _cells(per_label: int) -> Counter[tuple[str, str, int]]:
    cohort = demo_cohort(per_label=per_label)
    sex, protocol = cohort.attributes["sex"].levels, cohort.attributes["protocol"].levels
    return Counter(zip(sex.tolist(), protocol.tolist(), cohort.targets.tolist(), strict=True))


def test_every_cell_of_the_standard_cohort_has_150_patients() -> None:
    """All eight cells of sex x protocol x label hold at least 150 patients, one plane each."""
    cells = _cells(PER_LABEL["standard"])
    assert len(cells) == 8
    assert min(cells.values()) >= 150
    assert sum(cells.values()) == 2 * PER_LABEL["standard"]


def test_every_cell_of_the_smoke_cohort_can_be_measured() -> None:
    """The smallest cell has the 20 patients below which a confounder's cost is missing."""
    assert min(_cells(PER_LABEL["smoke"]).values()) >= 20


def test_the_cohort_holds_no_image() -> None:
    """Images and masks are rendered when asked for, and the same each time."""
    cohort = demo_cohort(per_label=30)
    assert cohort.images is not None
    assert cohort.masks is not None
    first = cohort.images.load(5)
    assert first.shape == (1, 64, 64)
    assert np.array_equal(first, cohort.images.load(5))
    assert cohort.masks.load(5).shape == first.shape
    assert set(np.unique(cohort.masks.load(5)).tolist()) <= {0, 1}


def test_the_cohort_says_that_it_is_a_phantom() -> None:
    """Nobody can take a number of the demo for one of patients."""
    cohort = demo_cohort(per_label=10)
    assert cohort.phantom
    assert cohort.n_patients == len(cohort) == 20
    assert cohort.digest != demo_cohort(per_label=10, seed=2).digest


def test_age_tells_nothing_of_the_label() -> None:
    """Age is a covariate that was drawn without a look at anything else."""
    cohort = demo_cohort(per_label=600)
    age = cohort.attributes["age"].numbers
    assert age is not None
    high, low = age[cohort.targets == 1], age[cohort.targets == 0]
    # Four standard errors of the difference of means.
    assert abs(high.mean() - low.mean()) < 4 * np.hypot(high.std() / 600**0.5, low.std() / 600**0.5)


def test_every_rule_says_why() -> None:
    """Each rule has a rationale and the source of its margin; all block but those that show what a method is worth."""
    policy = demo_policy()
    assert policy.source == "embedded"
    assert len({rule.id for rule in policy.rules}) == len(policy.rules)
    for rule in policy.rules:
        assert len(rule.rationale) > 40, rule.id
        assert rule.margin_source, rule.id
    shown = {
        "explanation-worth-showing", "guided-backpropagation-worth-showing", "explanation-depends-on-the-weights",
        "guided-backpropagation-depends-on-the-weights", "explanation-points-at-lesions",
        "knows-little-without-lesions", "answers-to-every-lesion",
    }  # fmt: skip
    assert {rule.id for rule in policy.rules if not rule.blocking} == shown


def test_the_policy_covers_all_nine_families() -> None:
    """A rule of each family is there."""
    families = {rule.probe[:-3] for rule in demo_policy().rules}
    assert families == {"DATA", "SETUP", "PERF", "CAL", "FAIR", "CONF", "ADV", "XAI", "SHIFT"}


@pytest.mark.parametrize("twin", ["biased", "healthy", "sex-only", "protocol-only", "undefended"])
def test_a_twin_can_be_loaded(twin: str) -> None:
    """A shipped twin answers with one logit a plane, gives gradients and has an operating point."""
    demo = load_demo(twin, "smoke")
    assert demo.cohort.images is not None
    batch = np.stack([demo.cohort.images.load(index) for index in range(3)])
    assert demo.model.predict(batch).shape == (3, 1)
    assert demo.model.card.access >= Access.GRADIENT
    assert isinstance(demo.model.card.operating_point, float)


def test_twins_share_cohort_and_policy() -> None:
    """Only the model differs between the audits of two twins."""
    biased, healthy = load_demo("biased", "smoke"), load_demo("healthy", "smoke")
    assert biased.cohort.digest == healthy.cohort.digest
    assert biased.policy.digest == healthy.policy.digest
    assert biased.model.card.digest != healthy.model.card.digest
