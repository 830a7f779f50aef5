"""P14: a confounder that is missing where the model errs must not acquit it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Cohort, Measurement
from audit.probes.confounding import BalancedResampling
from audit.testing import context, planted, tiny_cohort

CLEARED = 0.03


def cost(cohort: Cohort) -> Measurement:
    """Return what the model that leans on sex loses without it."""
    found = BalancedResampling().run(context(planted("leans-on-sex"), cohort))
    return next(m for m in found if m.metric == "confounder_cost" and m.condition["attribute"] == "sex")


@pytest.mark.parametrize("share, found", [(0.0, True), (0.1, True), (1.0, False)])
def test_sex_that_is_missing_where_the_model_errs_leaves_no_number(share: float, found: bool) -> None:
    """With sex missing in all wrong answers the rest would cost nothing; so many are missing that there is no number.

    The control: with few missing the leaning is found.
    """
    rng = np.random.default_rng(0)
    cohort = tiny_cohort(rng, n=1000, p_male=(0.35, 0.85))
    assert cohort.images is not None
    logit = planted("leans-on-sex").predict(np.stack([cohort.images.load(i) for i in range(1000)]))[:, 0]
    wrong = (logit > 0) != (cohort.targets == 1)
    sex = cohort.attributes["sex"]
    levels = np.where(wrong & (rng.random(1000) < share), "(missing)", sex.levels)
    m = cost(replace(cohort, attributes={**cohort.attributes, "sex": replace(sex, levels=levels)}))
    if found:
        assert m.low is not None
        assert m.low > CLEARED
    else:
        assert m.value is None
        assert "have no level, more than 5 %" in str(m.missing)
