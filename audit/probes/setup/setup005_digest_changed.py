"""SETUP005 digest-changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from audit.core import Access, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes.setup._checks import counted, differ, read, some_cases, unknown


class DigestChanged(Probe):
    """Whether the model at the end of the audit is the one that it began with.

    What it measures:
        It runs after all other probes. One count of faults for each check: the digest over weights and buffers as
        they are in memory now against the one before anything ran, and the answers to some cases now against the
        clean predictions. The second speaks for models whose weights cannot be hashed.

    Why it matters clinically:
        Evidence belongs to one set of weights. If they change while they are examined, by batch statistics that
        adapt or by an attack that leaves its mark, then what was measured is no longer what would be released.

    Known problems:
        A callable may keep weights elsewhere, or on a server, where only its answers can be compared.

    Example:
        A network whose batch statistics were left to adapt has another running mean after the clean predictions:
        `weights` counts 1.

    References:
        - Ioffe and Szegedy 2015, Batch normalization, ICML.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SETUP005",
        name="digest-changed",
        family="SETUP",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival"),
        access=Access.QUERY,
        metrics=("faults",),
        title="Same model to the end",
        question="Is the model at the end of the audit the one that it began with?",
        method="Digests of weights and buffers, and answers to some cases, before all probes and after them.",
        limits="For a callable only its source and its answers are compared.",
        references=("Ioffe and Szegedy 2015, Batch normalization, ICML",),
        last=True,
        self_check=True,
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Count the failed checks; see `Probe.run`."""
        everything = np.arange(len(ctx.cohort))
        if ctx.digest_before:
            states = {ctx.model.state_digest(), *ctx.states}
            found = [counted(ctx, "weights", states != {ctx.digest_before}, everything)]
        else:
            found = [unknown(ctx, "weights", "no digest was taken before the audit", everything)]
        if ctx.cohort.images is None or ctx.card.task == "segmentation":
            return found
        rows = some_cases(ctx)
        changed = False
        for batch in read(ctx, rows):
            changed = changed or differ(ctx.clean.raw[batch.kept], ctx.model.predict(np.array(batch.images)))
        return [*found, counted(ctx, "answers", changed, rows)]
