"""Whatever a probe measures, the page stands."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.core import COUNT, Limit, Measurement, Policy, Rule
from audit.judge import decide, judge
from audit.report import fragment, render
from audit.report._metrics import METRICS
from tests.report import _sample
from tests.report._sample import measured

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda word: not re.search("nan|inf", word, re.I)
)
SCALARS = st.one_of(WORDS, st.integers(-5, 5), st.floats(-1e6, 1e6), st.booleans(), st.none())
KEYS = st.sampled_from(
    ["epsilon", "epsilon_unit", "attack", "attribution", "class", "stratum", "parameter", "control", "attribute"]
)


@st.composite
def measurements(draw: Any) -> Measurement:
    """Return any measurement that the types allow."""
    metric = draw(st.sampled_from([*METRICS, "acme_metric"]))
    n = draw(st.integers(1, 10**6))
    more = {
        "subgroup": draw(st.dictionaries(WORDS, WORDS, max_size=2)),
        "condition": draw(st.dictionaries(KEYS, SCALARS, max_size=3)), "unit": draw(st.sampled_from(["", "ml"])),
    }  # fmt: skip
    kind = draw(st.sampled_from(["missing", "count", "rate", "value"]))
    if kind == "missing":
        return measured(metric, None, n=n, missing=draw(WORDS), **more)
    if kind == "count":
        return measured(metric, float(draw(st.integers(0, 10**6))), n=n, method=COUNT, **more)
    if kind == "rate":
        k = draw(st.integers(0, n))
        return measured(metric, k / n, draw(st.floats(1e-6, 0.5)), n=n, k=k, **more)
    value = draw(st.floats(-1e6, 1e6))
    return measured(metric, value, draw(st.floats(1e-6, 1e6)), n=n, bounds=(-1e9, 1e9), **more)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(measurements(), min_size=1, max_size=30),
    st.one_of(st.floats(-1e3, 1e3), st.none()),
    st.one_of(st.floats(1e3, 1e6), st.none()),
    st.booleans(),
)
def test_any_measurement_has_its_place(
    found: list[Measurement], low: float | None, high: float | None, blocking: bool
) -> None:
    """No value, unit, condition, word or limit breaks the page, and no NaN or markup gets through."""
    made = _sample.evidence()
    limit = Limit(min=0.0) if low is None and high is None else Limit(min=low, max=high)
    results = tuple(
        replace(r, measurements=tuple(found), info=replace(r.info, metrics=tuple({m.metric for m in found})))
        for r in made.results
        if r.probe in ("PERF001", "CONF001")
    )
    rules = tuple(
        Rule(id=f"{code} {m}", probe=code, metric=m, limit=limit, blocking=blocking)
        for code in ("PERF001", "CONF001")
        for m in results[0].info.metrics
    )
    policy = Policy(rules=rules)
    findings = judge(results, policy, today=_sample.TODAY, input_range=(0, 1))
    evidence = replace(
        made, policy=policy, results=results, findings=findings, verdict=decide(findings, results, policy)
    )
    text = render(evidence, _sample.arrays, static=True)
    assert text.count('<li class="strip ') == len(rules)
    assert not re.search(
        r"(?<![\w&;])(nan|inf)(?![\w;])", re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.S)
    )
    assert len(fragment(evidence)) > 500
