"""DATA003 cases-lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from audit.core import TASKS, Estimate, Measurement, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes.data._lost import DECLINED, EITHER, lost_by_group

NOBODY_READ = "no row was read"


class CasesLost(Probe):
    """Which cases were read and did not enter the audit, and whether every table adds up to those that did.

    What it measures:
        `share_set_aside` is the number of rows that were set aside over the number that was read, first in all and
        then by reason (condition `parameter`). `share_declined` is the share of the cases that the model, or its
        quality gate, declined to answer, and `share_set_aside_or_declined` that of the cases without an answer of
        either kind, each in all, by class of the reference standard where it is known, and by level of each protected,
        protocol or confounding attribute, of the latter two also by class within the level. `unreconciled` holds every
        table of the audit against the number of cases used: the ledger, the predictions, the classes and the levels of
        each attribute, cases without a level among them. It is the number of cases too many or too few, and 0 where the
        table adds up.

    Why it matters clinically:
        Images that fail to load are seldom a random sample. They come from one scanner, one hospital, one way of
        exporting; the patients behind them get no say in the numbers, and a model can look fair because those it
        fails were not counted.

    Known problems:
        Rows that never reached the manifest are not seen. The number of patients is that of the cases used, since a
        row that was set aside may be one without a patient. Whether the lost cases differ from the others in outcome
        is the question of DATA004.

    Example:
        A rule asks that at most 2 % of the rows be lost: `probe = "DATA003"`, `metric = "share_set_aside"`,
        `limit = { max = 0.02 }`. With 31 of 900 rows without an image file the share is 0.034: FAIL. Of 4,000 cases
        127 have no score, 3.2 %, and all of them are among the 218 ill: `share_set_aside_or_declined` is 0.58 for
        `class = malignant`, and no audit passes unless a rule says that so many may be.

    References:
        - Sounderajah et al. 2025, The STARD-AI reporting guideline for diagnostic accuracy studies using artificial
          intelligence, Nature Medicine 31 (flow of participants).
        - Collins et al. 2024, TRIPOD+AI statement, BMJ 385 (handling of missing data).
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA003",
        name="cases-lost",
        family="DATA",
        tasks=TASKS,
        version=3,
        metrics=("share_set_aside", DECLINED, EITHER, "unreconciled"),
        self_check=True,
        title="Cases lost",
        question="Which cases were left out, and do the tables add up?",
        method=(
            "Counts of the rows read, used and set aside by reason, of the cases without an answer by class and level, "
            "and of the cases in every table."
        ),
        limits="Rows that never reached the manifest are not seen, nor whether the lost cases differ from the others.",
        references=("Sounderajah et al. 2025, Nature Medicine 31", "Collins et al. 2024, BMJ 385"),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Count; never not applicable, see `Probe.run`."""
        yield from _set_aside(ctx)
        yield from lost_by_group(ctx)
        yield from _unreconciled(ctx)


def _set_aside(ctx: ProbeContext) -> Iterator[Measurement]:
    ledger, patients = ctx.cohort.ledger, ctx.cohort.n_patients
    reasons = sorted(ledger.set_aside.items(), key=lambda item: (-item[1], item[0]))
    ctx.sink.artifact(
        "ledger",
        "Rows set aside, by reason",
        {
            "reason": np.array([reason for reason, _ in reasons], dtype=np.str_),
            "rows": np.array([count for _, count in reasons], dtype=np.int64),
        },
        read=ledger.read,
        used=ledger.used,
    )
    yield _share(ctx, sum(ledger.set_aside.values()), patients, {})
    for reason, count in reasons:
        yield _share(ctx, count, patients, {"parameter": reason})


def _share(ctx: ProbeContext, count: int, patients: int, condition: dict[str, Scalar]) -> Measurement:
    read = ctx.cohort.ledger.read
    if read:
        known = min(patients, read)
        estimate = Estimate.counted(count / read, n=read, n_patients=known, k=count)
    else:
        estimate = Estimate.absent(NOBODY_READ, method="count")
    return Measurement.of(
        estimate, metric="share_set_aside", level=ctx.levels.confidence, direction="lower", condition=condition
    )


def _unreconciled(ctx: ProbeContext) -> Iterator[Measurement]:
    n = len(ctx.cohort)
    for table, count in _tables(ctx):
        estimate = Estimate.counted(abs(count - n), n=n, n_patients=min(ctx.cohort.n_patients, n))
        yield Measurement.of(
            estimate, metric="unreconciled", level=ctx.levels.confidence, unit="cases", direction="lower",
            condition={"parameter": table},
        )  # fmt: skip


def _tables(ctx: ProbeContext) -> Iterator[tuple[str, int]]:
    """Give every table of the audit with the number of cases that it accounts for."""
    cohort = ctx.cohort
    yield "ledger", cohort.ledger.used
    yield "patients", len(cohort.patients)
    # A segmentation's columns may lack a value for a reason of their own, an empty mask for one.
    answered = np.isfinite(ctx.clean.raw).all(axis=1) if not ctx.clean.columns else np.ones(len(ctx.clean.raw), bool)
    yield "predictions", int(answered.sum())
    if ctx.card.task in ("binary", "multiclass", "ordinal"):
        classes = range(max(len(cohort.classes), 2 if ctx.card.task == "binary" else 0))
        yield "classes", sum(int((cohort.targets == index).sum()) for index in classes)
    for attribute in cohort.attributes.values():
        levels = attribute.level_names()
        yield f"levels of {attribute.name}", sum(int((attribute.levels == level).sum()) for level in levels)
