"""P19: lesions that were missed as a whole do not vanish from a mean distance."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Measurement
from audit.probes.performance import HeadlinePerformance
from audit.testing import saved_context, small_cohort

COLUMNS = ("dice", "surface_dice", "hd95", "volume_predicted", "volume_reference")


def hd95(missed: int, nothing: int = 0, n: int = 100) -> Measurement:
    """Return the mean distance where some lesions have no predicted mask, and some cases no lesion at all."""
    rng = np.random.default_rng(0)
    raw = np.column_stack([np.full(n, 0.9), np.full(n, 0.9), rng.uniform(1, 2, n), np.full(n, 9.0), np.full(n, 10.0)])
    raw[:missed] = [0.0, 0.0, np.nan, 0.0, 10.0]
    raw[missed : missed + nothing] = [np.nan, np.nan, np.nan, 0.0, 0.0]
    cohort = small_cohort(np.zeros(n), classes=(), patients=np.arange(n))
    ctx = saved_context(raw, cohort, task="segmentation", output="mask_logits", operating_point=None, columns=COLUMNS)
    return next(m for m in HeadlinePerformance().run(ctx) if m.metric == "hd95")


def test_many_lesions_missed_leave_no_distance() -> None:
    """A tenth without any predicted mask: the rest is within 2 mm, and there is no number to pass on."""
    m = hd95(missed=10)
    assert m.value is None
    assert (m.n, m.n_patients) == (100, 100)
    assert str(m.missing).startswith("in 10 of 100 cases one mask alone is empty")


@pytest.mark.parametrize("missed, nothing", [(0, 0), (4, 0), (0, 50), (2, 50)])
def test_few_of_them_and_empty_cases_are_left_out_and_counted(missed: int, nothing: int) -> None:
    """The control: cases in which nothing was to be found are no failures, however many."""
    m = hd95(missed=missed, nothing=nothing)
    assert m.value == pytest.approx(1.5, abs=0.1)
    assert m.n == 100 - missed - nothing
    assert ("left out" in m.method) == (missed + nothing > 0)
