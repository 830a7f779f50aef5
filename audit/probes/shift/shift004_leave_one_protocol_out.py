"""SHIFT004 leave-one-protocol-out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import MISSING_LEVEL, Access, Attribute, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._retraining import Retraining
from audit.probes._shared import comparable
from audit.probes.shift._left_out import LeftOut
from audit.probes.shift._scale_space import scale_space
from audit.probes.shift._transfer import ARMS, ROUNDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class LeaveOneProtocolOut(Probe):
    """Whether what the recipe learns holds on a protocol that it never saw, and what a few cases of it mend.

    What it measures:
        One level of each protocol attribute is left out in turn. The declared recipe is trained five times on
        development cases of the other protocols (`parameter = "source only"`) and measured on the audited cases of the
        one left out (`performance` under `protocol`). Then up to 40 development cases of that protocol are added:
        "pooled" with equal weights; "weighted", source and target weighing the same in sum; "reweighted", three more
        rounds in which source cases that the model gets wrong lose weight; and "target only", those few alone.
        `transfer_gain` is each minus source only, `gain_over_target_only` each minus target only, paired by seed and
        patient: where it is below 0 the other protocols did harm (negative transfer). Beside the recipe stand support
        vector machines on moments of the Gaussian scale space (`parameter = "SVM, weighted"`), which show what
        transfer of weights can do where the recipe takes none. Performance is the AUC, its mean over classes or cut
        points, or the mean absolute error; a gain is positive where the performance is better.

    Why it matters clinically:
        A model is bought by a hospital whose scanner was not among those that it was trained on. This says how much of
        its performance would have been there on the first day, and whether a few local cases are worth labelling.

    Known problems:
        What is found is said of the recipe and the development cohort, not of the weights under audit, which have seen
        every protocol. Patients of one protocol differ from those of another in more than the protocol. With five
        trainings the interval is wide where trainings differ. Weighted training needs a recipe with the parameter
        `weights`. A level needs 20 patients of each class among the audited cases, and the others as many among the
        development cases. The support vector machines see summaries of the image, not the image, and are fitted for
        two classes only.

    Example:
        Trained on scanners A and B, the recipe reaches 0.71 on C; pooled with 40 cases of C it reaches 0.74, weighted
        0.79: `transfer_gain` is 0.03 and 0.08. The 40 cases alone reach 0.68, so there is no negative transfer.

    References:
        - Van Opbroek and others 2015, Transfer learning improves supervised image segmentation across imaging
          protocols, IEEE Transactions on Medical Imaging 34.
        - Dai and others 2007, Boosting for transfer learning, ICML.
        - Pan and Yang 2010, A survey on transfer learning, IEEE Transactions on Knowledge and Data Engineering 22.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SHIFT004",
        name="leave-one-protocol-out",
        family="SHIFT",
        tasks=("binary", "multiclass", "ordinal", "regression"),
        access=Access.TRAINABLE,
        needs=("images", "protocol"),
        metrics=("transfer_gain", "performance", "gain_over_target_only"),
        title="Leave one protocol out",
        question="Does it hold on a protocol that it was not trained on?",
        method=(
            "The recipe trained without one protocol and measured on it, alone, pooled, weighted and reweighted with "
            "up to 40 of its cases, five seeds and draws each; mean over trainings with a jackknife of patients plus "
            "the variance between trainings."
        ),
        limits=(
            "Said of the recipe and its data, not of the weights under audit; patients of two protocols differ, too."
        ),
        references=(
            "Van Opbroek and others 2015, IEEE Transactions on Medical Imaging 34",
            "Dai and others 2007, ICML",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Leave out every level of every protocol attribute in turn; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("protocol"), "protocol")
        return _all(ctx, attributes)


def _all(ctx: ProbeContext, attributes: Iterable[Attribute]) -> Iterator[Measurement]:
    left = [(a, name) for a in attributes for name in a.level_names() if name != MISSING_LEVEL]
    again = Retraining(ctx, expected=len(left) * 5 * (4 + ROUNDS))
    parts = [LeftOut(ctx=ctx, again=again, attribute=a, level=name) for a, name in left]
    # Every protocol as far as it goes before the costlier ways: where the budget ends, no level is favoured.
    for arm in ARMS:
        for part in parts:
            part.train(arm)
    features: list[Floats] = []
    for part in parts:
        if ctx.card.task == "binary" and part.unfit is None and not features:
            features = _features(ctx, again)
        if features:
            part.support_vectors(*features)
        yield from part.rows()


def _features(ctx: ProbeContext, again: Retraining) -> list[Floats]:
    """Return features of the development and of the audited cases, image by image."""
    source, count = ctx.cohort.images, len(again.training.cohort)
    developed = (again.training.images(np.array([i]))[0] for i in range(count))
    audited = (np.asarray(source.load(i)) for i in range(len(ctx.cohort))) if source is not None else iter(())
    return [scale_space(developed), scale_space(audited)]
