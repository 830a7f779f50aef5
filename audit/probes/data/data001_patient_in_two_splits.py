"""DATA001 patient-in-two-splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import (
    TASKS,
    Estimate,
    ImageSource,
    Measurement,
    NotApplicable,
    OtherSplit,
    Probe,
    ProbeContext,
    ProbeInfo,
)
from audit.probes._shared import count_patients
from audit.probes.data._counts import counted
from audit.probes.data._identity import are_row_numbers, digest_arrays, digests_of, plain_id
from audit.probes.data._stream import drawn, drawn_of, in_shards

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_OTHER = "no other split of the data is declared, so there is nothing that a patient could be in as well"
NO_PATIENTS = "the cohort has no patient column, so its patients cannot be looked for elsewhere"
NO_IDS = "this split has no patient ids"
Known = tuple[str, str, Estimate]


@dataclass(frozen=True, kw_only=True, eq=False)
class Digests:
    """Digests of the cohort's own images.

    Args:
        by_case: Digest by case, for every image that could be read and is not flat.
        cases: (m,) cases looked at.
        unseen: Cases whose image was not read.
    """

    by_case: dict[int, bytes]
    cases: NDArray[np.int64]
    unseen: int


class PatientInTwoSplits(Probe):
    """Whether patients of the audit are also in the data that the model was built on.

    What it measures:
        `pairs` is a count for each other split (condition `stratum`): the training data, a validation split, any
        table that is declared beside the cohort. By condition `parameter`: "patient", the patients of the audit whose
        id is in that split; "patient, spelled differently", further patients whose id is there but for capitals,
        leading zeros, spaces and punctuation; "case", the cases whose case id is there; "image", the cases whose
        image is there with every stored value the same. The same is counted for a cohort that is called external:
        any split that shares a patient with it is not independent of it.

    Why it matters clinically:
        A model that has seen a patient recognises the patient. Its accuracy in the audit is then that of memory, and
        will not be met again in anyone who is new, which is everyone for whom it will be used.

    Known problems:
        A patient who has another id in every export is not found by an id; DATA002 looks for the same picture. Ids
        that are spelled differently may by chance be those of two patients, as numbers given by two hospitals are.
        Row numbers are no case ids and are not compared. Images are compared within the budget; where some were not
        looked at, the count is a lower bound and its upper bound takes all of these for shared.

    Example:
        Of 412 audit patients 9 are in the training table too: `pairs` is 9 for `stratum = "training"` and
        `parameter = "patient"`. A rule `limit = { max = 0 }` says FAIL.

    References:
        - Kaufman, Rosset, Perlich and Stitelman 2012, Leakage in data mining: formulation, detection, and avoidance,
          ACM Transactions on Knowledge Discovery from Data 6.
        - Kapoor and Narayanan 2023, Leakage and the reproducibility crisis in machine-learning-based science,
          Patterns 4.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA001",
        name="patient-in-two-splits",
        family="DATA",
        tasks=TASKS,
        metrics=("pairs",),
        title="Patients in two splits",
        question="Has the model seen these patients before?",
        method="Ids of patients and cases, and digests of stored images, looked up in every other split.",
        limits="A patient under another id and with other images is not found.",
        references=(
            "Kaufman and others 2012, ACM Transactions on Knowledge Discovery from Data 6",
            "Kapoor and Narayanan 2023, Patterns 4",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Look in every other split; see `Probe.run`."""
        others = [other for other in ctx.cohort.others if len(other)]
        if not others:
            raise NotApplicable(NO_OTHER)
        own = _own_digests(ctx, others)
        found = [entry for other in others for entry in _split(ctx, other, own)]
        ctx.sink.artifact(
            "splits_overlap",
            "What the audit shares with other splits",
            {
                "split": np.array([name for name, _, _ in found], dtype=np.str_),
                "kind": np.array([kind for _, kind, _ in found], dtype=np.str_),
                "shared": np.array([np.nan if e.value is None else e.value for _, _, e in found]),
                "looked_at": np.array([e.n for _, _, e in found], dtype=np.int64),
            },
        )
        for name, kind, estimate in found:
            yield Measurement.of(
                estimate, metric="pairs", level=ctx.levels.confidence, direction="lower",
                unit="patients" if kind.startswith("patient") else "cases",
                condition={"stratum": name, "parameter": kind},
            )  # fmt: skip


def _split(ctx: ProbeContext, other: OtherSplit, own: Digests | None) -> Iterator[Known]:
    yield from _patients(ctx, other)
    # Row numbers say nothing of identity, and those of two tables always agree.
    if other.case_declared and not are_row_numbers(ctx.cohort.case_ids):
        shared = np.isin(ctx.cohort.case_ids, other.case_ids)
        yield other.name, "case", _fact(ctx, int(shared.sum()))
    if own is not None and other.images is not None:
        yield other.name, "image", _images(ctx, other.images, own)


def _patients(ctx: ProbeContext, other: OtherSplit) -> Iterator[Known]:
    theirs = {str(i) for i in other.patient_ids if i} if other.patient_declared else set()
    if not ctx.cohort.patient_declared or not theirs:
        why = NO_IDS if ctx.cohort.patient_declared else NO_PATIENTS
        yield (
            other.name,
            "patient",
            Estimate.absent(why, method="count", n=len(ctx.cohort), n_patients=_patients_of(ctx)),
        )
        return
    mine = {str(i) for i in ctx.cohort.patient_ids[np.unique(ctx.cohort.patients)]}
    same = mine & theirs
    nameless = int((other.patient_ids == "").sum())
    yield other.name, "patient", _fact(ctx, len(same), unseen=min(nameless, len(mine - same)))
    plain = {plain_id(i) for i in theirs}
    yield other.name, "patient, spelled differently", _fact(ctx, sum(plain_id(i) in plain for i in mine - same))


def _patients_of(ctx: ProbeContext) -> int:
    return ctx.cohort.n_patients


def _fact(ctx: ProbeContext, found: int, *, unseen: int = 0) -> Estimate:
    return counted(found, unseen=unseen, levels=ctx.levels, n=len(ctx.cohort), n_patients=_patients_of(ctx))


def _own_digests(ctx: ProbeContext, others: list[OtherSplit]) -> Digests | None:
    if ctx.cohort.images is None or all(other.images is None for other in others):
        return None
    cases = drawn(ctx)
    found, unread = digests_of(in_shards(ctx, "images of the audit", ctx.cohort.images, cases, digest_arrays))
    return Digests(by_case=found, cases=cases, unseen=len(ctx.cohort) - len(cases) + unread)


def _images(ctx: ProbeContext, images: ImageSource, own: Digests) -> Estimate:
    rows = drawn_of(ctx, len(images))
    theirs, unread = digests_of(in_shards(ctx, "images of another split", images, rows, digest_arrays))
    there = set(theirs.values())
    found = sum(digest in there for digest in own.by_case.values())
    # An image of theirs that nobody read may be that of any case of ours.
    unseen = len(ctx.cohort) - found if len(images) > len(rows) or unread else own.unseen
    patients = count_patients(ctx.cohort.patients, np.isin(np.arange(len(ctx.cohort)), own.cases))
    return counted(found, unseen=unseen, levels=ctx.levels, n=len(own.cases), n_patients=patients)
