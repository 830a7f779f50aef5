"""DATA003 cases-lost."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Ledger, Measurement, ProbeContext
from audit.probes.data import CasesLost
from audit.testing import attribute, check_probe, saved_context, small_cohort, with_aside


def healthy(ledger: Ledger | None = None) -> ProbeContext:
    """Ten cases of six patients, of which two have no sex."""
    sex = attribute("sex", ["F"] * 5 + ["M"] * 3 + ["(missing)"] * 2, "protected")
    patients = np.array([0, 0, 0, 1, 1, 1, 2, 3, 4, 5])
    cohort = small_cohort(np.arange(10) % 2, attributes=(sex,), patients=patients)
    return saved_context(np.linspace(0.1, 0.9, 10), replace(cohort, ledger=ledger or Ledger(read=10, used=10)))


def measured(ctx: ProbeContext, metric: str) -> dict[object, Measurement]:
    """Measurements of one metric by their parameter."""
    return {m.condition.get("parameter"): m for m in CasesLost().run(ctx) if m.metric == metric}


def test_lost_cases_are_counted_by_reason() -> None:
    """Five of fifteen rows are a third, 4/15 and 1/15 of it by reason, a fact without sampling error."""
    lost = Ledger(read=15, used=10, set_aside={"image file not found": 4, "no target": 1})
    shares = measured(healthy(lost), "share_set_aside")
    assert {p: (m.k, m.n) for p, m in shares.items()} == {
        None: (5, 15),
        "image file not found": (4, 15),
        "no target": (1, 15),
    }
    assert shares[None].value == pytest.approx(1 / 3)
    assert shares[None].method == "count"
    assert shares[None].low == shares[None].high == shares[None].value
    assert shares[None].n_patients == 6


def test_the_ledger_is_kept_for_the_figure() -> None:
    """The table by reason, most frequent first, is an artifact."""
    ctx = healthy(Ledger(read=15, used=10, set_aside={"a": 1, "b": 4}))
    list(CasesLost().run(ctx))
    (table,) = ctx.sink.artifacts
    assert table.arrays["reason"].tolist() == ["b", "a"]
    assert table.arrays["rows"].tolist() == [4, 1]
    assert dict(table.meta) == {"read": 15, "used": 10}


def test_a_healthy_cohort_is_silent() -> None:
    """Nothing lost: a share of 0 and tables that all add up, the missing level among them."""
    ctx = healthy()
    assert [m.value for m in measured(ctx, "share_set_aside").values()] == [0]
    tables = measured(ctx, "unreconciled")
    assert set(tables) == {"ledger", "patients", "predictions", "classes", "levels of sex"}
    assert all(m.value == 0 for m in tables.values())


def test_tables_that_do_not_add_up_are_caught() -> None:
    """A ledger that counts other cases than the cohort, a prediction that is no number, a level short: all named."""
    ctx = healthy(Ledger(read=12, used=12))
    cohort = ctx.cohort
    raw = ctx.clean.raw.copy()
    raw[3] = np.nan
    short = replace(cohort.attributes["sex"], levels=cohort.attributes["sex"].levels[:-3])
    planted = replace(
        ctx, cohort=replace(cohort, attributes={"sex": short}, targets=np.where(np.arange(10) == 9, 7, cohort.targets)),
        clean=replace(ctx.clean, raw=raw),
    )  # fmt: skip
    tables = {p: m.value for p, m in measured(planted, "unreconciled").items()}
    assert tables == {"ledger": 2, "patients": 0, "predictions": 1, "classes": 1, "levels of sex": 3}


def test_a_cohort_of_nothing_has_no_share() -> None:
    """Where no row was read there is no share, and the reason says so."""
    ctx = healthy()
    empty = replace(ctx, cohort=ctx.cohort.subset(np.array([], dtype=int)))
    share = measured(empty, "share_set_aside")[None]
    assert share.value is None
    assert share.missing == "no row was read"


def by_group(ctx: ProbeContext, metric: str) -> dict[object, tuple[float | None, int]]:
    """(numerator, denominator) of one metric by class, by level, and None for all."""
    found = {}
    for m in CasesLost().run(ctx):
        if m.metric == metric:
            key = m.condition.get("class") or next(iter(m.subgroup.values()), None)
            found[key] = (m.k, m.n)
    return found


def test_cases_without_an_answer_are_counted_by_class_and_level() -> None:
    """Of 5 ill and 5 well, one ill is declined; 3 ill men, 1 well woman and 1 of unknown target are set aside."""
    ctx = healthy()
    sex = {"sex": ["M", "M", "M", "F", "F"]}
    cohort = with_aside(
        ctx.cohort, reasons=["unreadable"] * 4 + ["no target"], targets=np.array([1, 1, 1, 0, -1]),
        known=np.array([True] * 4 + [False]), attributes=sex, ungradable=np.array([True] + [False] * 4),
    )  # fmt: skip
    lost = replace(ctx, cohort=replace(cohort, ungradable=np.arange(10) == 1))
    negative, positive = ctx.cohort.classes
    assert by_group(lost, "share_set_aside_or_declined") == {
        None: (6, 15), negative: (1, 6), positive: (4, 8), "F": (3, 7), "M": (3, 6), "(missing)": (0, 2),
    }  # fmt: skip
    assert by_group(lost, "share_declined") == {
        None: (2, 15), negative: (0, 6), positive: (2, 8), "F": (1, 7), "M": (1, 6), "(missing)": (0, 2),
    }  # fmt: skip
    assert set(measured(lost, "share_set_aside")) == {None, "unreadable", "no target"}


def test_the_ill_of_one_scanner_are_counted_by_themselves() -> None:
    """Of 40 ill and 400 well, 2 ill of scanner B have no answer: 0.5 % in all, 4.8 % of the ill, 40 % of B's ill."""
    label = np.repeat([1, 0], [40, 400])
    scanner = attribute("scanner", np.where(np.arange(440) % 40 < 3, "B", "A"), "protocol")
    cohort = with_aside(
        small_cohort(label, attributes=[scanner]), reasons=["unreadable"] * 2, targets=np.array([1, 1]),
        attributes={"scanner": ["B", "B"]},
    )  # fmt: skip
    rows = CasesLost().run(saved_context(np.where(label == 1, 0.9, 0.1), cohort))
    (row,) = (
        m for m in rows
        if m.metric == "share_set_aside_or_declined" and m.condition.get("class") == "positive"
        and m.subgroup.get("scanner") == "B"
    )  # fmt: skip
    assert (row.k, row.n, row.value) == (2, 5, 0.4)


def test_what_was_not_declared_is_not_zero() -> None:
    """Without a column of declined cases their share is missing, as any share of cases that nobody can place."""
    assert by_group(healthy(), "share_declined") == {None: (None, 10)}
    lost = healthy(Ledger(read=15, used=10, set_aside={"unreadable": 5}))
    assert {k for k, _ in by_group(lost, "share_set_aside_or_declined").values()} == {None}


def test_it_keeps_the_protocol() -> None:
    """It completes in every context, the poorest among them."""
    assert len(check_probe(CasesLost)) >= 8
