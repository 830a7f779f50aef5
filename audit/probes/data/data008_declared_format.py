"""DATA008 declared-format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import TASKS, Estimate, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import count_patients
from audit.probes.data._counts import counted
from audit.probes.data._format import Facts, fact_arrays, facts_in, faults_of, suspected_of
from audit.probes.data._stream import drawn, images_of, in_shards

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Kinds = dict[str, NDArray[np.bool_] | str]


class DeclaredFormat(Probe):
    """Whether the images are stored as `[model.input]` says, and all in the same way.

    What it measures:
        `faults` counts images by kind (condition `parameter`). Against the declaration: values "outside the declared
        range" (or "nothing inside the declared window"); "little of the declared range", less than a sixteenth, as of
        8 bits where 12 were declared; "few grey levels", at most 256 in a range of 1,023 or more. Against each other:
        "another size than most" and "another spacing than most", as stored, before anything is resized. By
        themselves: "one value throughout", "cannot be read". `suspected` counts images that, held against the mean of
        all others, seem "inverted" (as MONOCHROME1 that was not turned round), "mirrored", "upside down" or "turned"
        by 90, 180 or 270 degrees.

    Why it matters clinically:
        A model takes an inverted, a mirrored or a badly scaled image without a word and answers something. Where one
        site exports with 8 bits, or without the rescale slope, its patients get worse answers, and a model can tell
        the site by it.

    Known problems:
        What is suspected is a comparison with the other images: it needs at least twenty that share a layout, such as
        chest X-rays, and is missing, with the reason, where they share none, such as photographs of skin, or are too
        symmetric. In 2,698 chest X-rays of 28 pixels nothing was suspected; of 100 of them 99 were found once
        inverted, 89 upside down and 73 turned by 270 degrees, and mirrored ones could not be told. If most images are
        mirrored, the others are suspected. A patient whose organs lie the other way round is suspected rightly and is
        no error of format. The orientation of a volume in its header is checked by the reader, not here. Images beyond
        the budget are not looked at; then the counts are lower bounds.

    Example:
        Thirty of 1,000 chest X-rays were exported with white air: `suspected` is 30 for `parameter = "inverted"`.

    References:
        - NEMA, DICOM PS3.3, Information Object Definitions, C.7.6.3.1.2 Photometric Interpretation.
        - Oakden-Rayner 2020, Exploring large-scale public medical image datasets, Academic Radiology 27.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA008",
        name="declared-format",
        family="DATA",
        tasks=TASKS,
        needs=("images",),
        metrics=("faults", "suspected"),
        title="Format of the images",
        question="Are the images stored as the model expects them?",
        method=(
            "Counts of stored values against the declared range and of sizes and spacings against the most frequent; "
            "correlation of each image, as it is and turned, with the mean of all others."
        ),
        limits="A fault that all images share is not seen by comparing them.",
        references=("NEMA, DICOM PS3.3", "Oakden-Rayner 2020, Academic Radiology 27"),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Look at the images within the budget; see `Probe.run`."""
        cases = drawn(ctx)
        facts = facts_in(in_shards(ctx, "images looked at", images_of(ctx), cases, fact_arrays))
        faults, suspected = faults_of(facts, ctx.card.input), suspected_of(facts)
        _keep(ctx, facts, {**faults, **suspected})
        yield _unread(ctx, facts, cases)
        yield from _rows(ctx, "faults", facts, faults)
        yield from _rows(ctx, "suspected", facts, suspected)


def _rows(ctx: ProbeContext, metric: str, facts: Facts, kinds: Kinds) -> Iterator[Measurement]:
    n, n_patients = len(facts), _patients(ctx, facts.cases)
    for kind, found in kinds.items():
        if isinstance(found, str) or not n:
            why = found if isinstance(found, str) else "no image could be read"
            estimate = Estimate.absent(why, method="count", n=n, n_patients=n_patients)
        else:
            unseen = len(ctx.cohort) - n
            estimate = counted(int(found.sum()), unseen=unseen, levels=ctx.levels, n=n, n_patients=n_patients)
        yield _row(ctx, metric, estimate, kind)


def _unread(ctx: ProbeContext, facts: Facts, cases: NDArray[np.int64]) -> Measurement:
    estimate = counted(
        facts.unread, unseen=len(ctx.cohort) - len(cases), levels=ctx.levels, n=len(cases),
        n_patients=_patients(ctx, cases),
    )  # fmt: skip
    return _row(ctx, "faults", estimate, "cannot be read")


def _row(ctx: ProbeContext, metric: str, estimate: Estimate, kind: str) -> Measurement:
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, unit="images", direction="lower",
        condition={"parameter": kind},
    )  # fmt: skip


def _patients(ctx: ProbeContext, cases: NDArray[np.int64]) -> int:
    return count_patients(ctx.cohort.patients, np.isin(np.arange(len(ctx.cohort)), cases))


def _keep(ctx: ProbeContext, facts: Facts, kinds: Kinds) -> None:
    known = {kind: found for kind, found in kinds.items() if not isinstance(found, str)}
    low, high = ctx.card.input.range
    ctx.sink.artifact(
        "stored_range", "Smallest and largest stored value of each image",
        {"low": np.sort(facts.low), "high": np.sort(facts.high)},
        declared_low=low, declared_high=high, unit=ctx.card.input.unit,
    )  # fmt: skip
    ctx.sink.artifact(
        "format_faults", "Images that differ from the declared format or from the others",
        {
            "kind": np.array(list(known), dtype=np.str_),
            "images": np.array([int(found.sum()) for found in known.values()], dtype=np.int64),
        },
        looked_at=len(facts), images_at_most=ctx.budget.image_cases,
    )  # fmt: skip
