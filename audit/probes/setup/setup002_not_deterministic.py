"""SETUP002 not-deterministic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from audit.core import Access, DifferentiableModel, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes.setup._checks import counted, differ, read, some_cases

_ALONE = 4


class NotDeterministic(Probe):
    """Whether the same image always gets the same answer.

    What it measures:
        One count of faults for each check: the same batch twice; the same images in reversed order and some of them
        alone, so that the rest of the batch has no say; no layer in training mode, where that can be looked up; and
        the digest of weights and buffers before and after. Differences up to 1e-4 of the largest answer count
        as rounding: sums in single precision depend on their order.

    Why it matters clinically:
        A model whose dropout is still on gives a patient another score at each look, and one whose batch statistics
        are still on lets a score depend on which other patients were read with it. No number of this audit would
        mean anything.

    Known problems:
        Randomness that is rarer than the number of images asked is not seen. A model that deliberately samples, such as
        Monte Carlo dropout, is a fault here; declare its mean.

    Example:
        A network that calls dropout as a function with `training=True` fails `same-answer-twice`, though each of its
        layers is in evaluation mode.

    References:
        - Ioffe and Szegedy 2015, Batch normalization, ICML.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SETUP002",
        name="not-deterministic",
        family="SETUP",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival"),
        access=Access.QUERY,
        needs=("images",),
        metrics=("faults",),
        title="Same image, same answer",
        question="Does the same image always get the same answer?",
        method="The same images are answered again, in other batches and alone; answers and weights are compared.",
        limits="Randomness that is rarer than the number of images asked is not seen.",
        references=("Ioffe and Szegedy 2015, Batch normalization, ICML",),
        self_check=True,
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Count the failed checks; see `Probe.run`."""
        rows = some_cases(ctx)
        before = ctx.model.state_digest()
        again = mixed = False
        for batch in read(ctx, rows):
            images = np.asarray(batch.images)
            first = ctx.model.predict(images.copy())
            again = again or differ(first, ctx.model.predict(images.copy()))
            mixed = mixed or differ(first, ctx.model.predict(images[::-1].copy())[::-1])
            for i in range(min(_ALONE, len(images))):
                mixed = mixed or differ(first[i : i + 1], ctx.model.predict(images[i : i + 1].copy()))
        found = [
            counted(ctx, "same-answer-twice", again, rows),
            counted(ctx, "independent-of-the-batch", mixed, rows),
            counted(ctx, "weights-untouched", ctx.model.state_digest() != before, rows),
        ]
        if isinstance(ctx.model, DifferentiableModel):
            training = any(layer.training for layer in ctx.model.module.modules())
            found.append(counted(ctx, "evaluation-mode", training, rows))
        return found
