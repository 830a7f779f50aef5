"""SETUP004 golden-batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from audit.core import Access, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo


class GoldenBatch(Probe):
    """Whether the model as it was loaded here answers like the model that was trained.

    What it measures:
        Images with the outputs that a right set-up gives were put aside where the model was trained. One count of
        faults for each check: that the outputs have the recorded shape, and that none differs from the recorded one
        by more than the declared tolerance.

    Why it matters clinically:
        Normalisation that is applied twice, channels in another order, another window or another kind of resizing
        leave a model that works, a little worse. Nothing but known answers tells that apart from a weak model.

    Known problems:
        It tells that the set-up differs, not where. Images recorded after preprocessing test nothing of it: record
        stored intensities. The images are known to whoever trained the model, so nothing here speaks of performance.

    Example:
        `golden = "golden.npz"` in `[model]` with `images` (n, channels, rows, columns) in stored intensities and
        `outputs` (n, k), and `golden_tolerance = 1e-4`.

    References:
        - Liu et al. 2022, The medical algorithmic audit, The Lancet Digital Health 4.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SETUP004",
        name="golden-batch",
        family="SETUP",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival"),
        access=Access.QUERY,
        metrics=("faults",),
        title="Known answers",
        question="Does the model answer here as it did where it was trained?",
        method="Recorded images are answered again and compared with the recorded outputs.",
        limits="Holds for the recorded images; it says that the set-up differs, not where.",
        references=("Liu et al. 2022, The medical algorithmic audit, The Lancet Digital Health 4",),
        self_check=True,
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Count the failed checks; see `Probe.run`.

        Raises:
            NotApplicable: No golden batch is declared.
        """
        if ctx.golden is None:
            raise NotApplicable("no golden batch is declared")
        images, wanted = np.asarray(ctx.golden["images"]), np.asarray(ctx.golden["outputs"], dtype=np.float64)
        if not len(images):
            raise NotApplicable("the golden batch holds no image")
        if images.ndim == 3 and ctx.card.input.channels == 1:
            images = images[:, None]
        size = ctx.budget.batch_size
        parts = [ctx.model.predict(images[i : i + size].copy()) for i in range(0, len(images), size)]
        got = np.concatenate(parts)
        if wanted.ndim == 1:
            wanted = wanted[:, None]
        fits = got.shape == wanted.shape
        close = fits and bool((np.abs(got - wanted) <= ctx.golden_tolerance).all())
        return [_counted(ctx, "shape", not fits, len(images)), _counted(ctx, "outputs", not close, len(images))]


def _counted(ctx: ProbeContext, check: str, fault: bool, n: int) -> Measurement:
    # Recorded images are nobody's among the patients of the cohort.
    estimate = Estimate.counted(float(fault), n=n, n_patients=0)
    return Measurement.of(
        estimate, metric="faults", level=ctx.levels.confidence, direction="lower", condition={"parameter": check}
    )  # fmt: skip
