"""DATA002 near-duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import TASKS, Estimate, Measurement, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._shared import count_patients
from audit.probes.data._alike import IDENTICAL, LIKE, MIRRORED, NEAR, SMALLEST_SIDE, Alike, find_alike
from audit.probes.data._counts import counted
from audit.probes.data._fingerprint import Prints, print_arrays, prints_of
from audit.probes.data._stream import drawn, drawn_of, images_of, in_shards

if TYPE_CHECKING:
    from numpy.typing import NDArray

WITHIN = "within the cohort"
NOTHING = "no image holds anything that could be compared"
TOO_SMALL = f"images of less than {SMALLEST_SIDE} pixels a side hold too little detail to be compared"
OTHER_KIND = "its images have another number of dimensions"
SHOWN = 12
Found = tuple[str, str, Estimate]


class NearDuplicates(Probe):
    """Whether one picture is in the data twice, under two patients or in two splits.

    What it measures:
        `pairs` counts pairs of images that show the same picture: in the audit under two different patients
        (condition `stratum = "within the cohort"`), and of an image of the audit with one of another split (`stratum`
        is its name). By `parameter`: "identical", every stored value is the same; "near-duplicate", the same picture
        after another scaling of its intensities, compression, noise, resampling or a crop of some 2 %; "mirrored or
        inverted". Images are compared as they are stored, in two or three dimensions: a perceptual hash of 64 bits
        proposes pairs, and the correlation of their detail at the best alignment confirms them. `not_compared` counts
        images of the audit that could not be read, or that have one value throughout.

    Why it matters clinically:
        A study that was exported twice, once for training and once for the audit, looks like two patients in every
        table. The model knows it by heart. Within the audit, one patient counted twice makes intervals too narrow.

    Known problems:
        Crops of more than some 2 %, rotations, strong windows that cut off part of the grey scale, and two views of one
        patient are not found. Pictures of less than 48 pixels a side hold little detail: only close copies of them
        are found, and under 24 pixels only identical ones. The more images there are, the nearer their hashes must be
        for a pair to be looked at. No pair was found among 2,992 skin lesions and 2,500 brain phantoms, of different
        patients all. Neighbouring planes of one volume under two patient names may count as one picture.
        Images beyond the budget are not looked at: the count is then a lower bound, and its upper bound takes all that
        was not compared for duplicates, so that no rule can PASS on a sample.

    Example:
        A hospital sent 40 studies twice, once as DICOM and once as JPEG under other names: `pairs` is 40 for
        `stratum = "training"` and `parameter = "near-duplicate"`; a rule `limit = { max = 0 }` says FAIL.

    References:
        - Zauner 2010, Implementation and benchmarking of perceptual image hash functions, Upper Austria University of
          Applied Sciences, Hagenberg.
        - Barz and Denzler 2020, Do we train on test data? Purging CIFAR of near-duplicates, Journal of Imaging 6.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA002",
        name="near-duplicates",
        family="DATA",
        tasks=TASKS,
        needs=("images",),
        metrics=("pairs", "not_compared"),
        title="Near-duplicate images",
        question="Is the same picture in the data twice?",
        method=(
            "Perceptual hashes within 10 to 24 of 64 bits propose pairs; a correlation of the band-passed, aligned "
            "copies of at least 0.92 (0.95 mirrored or inverted; more for pictures under 48 pixels) confirms them."
        ),
        limits="Strong crops, rotations and cut-off grey scales hide a copy; small pictures hold little detail.",
        references=(
            "Zauner 2010, Upper Austria University of Applied Sciences",
            "Barz and Denzler 2020, Journal of Imaging 6",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Compare all images within the budget; see `Probe.run`."""
        cases = drawn(ctx)
        prints = prints_of(in_shards(ctx, WITHIN, images_of(ctx), cases, print_arrays))
        owners = ctx.cohort.patients[prints.cases]
        found = list(_within(ctx, prints, owners))
        for other in ctx.cohort.others:
            if other.images is not None and len(other):
                rows = drawn_of(ctx, len(other.images))
                theirs = prints_of(in_shards(ctx, other.name, other.images, rows, print_arrays))
                found += _between(ctx, other.name, prints, owners, theirs, len(other))
        _keep_counts(ctx, found)
        for name, kind, estimate in found:
            yield _measurement(ctx, "pairs", estimate, {"stratum": name, "parameter": kind}, "pairs")
        yield from _not_compared(ctx, prints, cases)


def _measurement(
    ctx: ProbeContext, metric: str, estimate: Estimate, condition: dict[str, Scalar], unit: str
) -> Measurement:
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, unit=unit, direction="lower", condition=condition
    )


def _within(ctx: ProbeContext, prints: Prints, owners: NDArray[np.int64]) -> Iterator[Found]:
    if not len(prints):
        yield from _absent(WITHIN, NOTHING)
        return
    alike = find_alike(prints, None, owners, parts=ctx.parts)
    every = _strangers(np.delete(ctx.cohort.patients, prints.flat))
    large = _large(prints)
    unseen = every - _strangers(owners), every - _strangers(owners[large])
    yield from _counts(ctx, WITHIN, alike, unseen, owners, large)
    _keep_examples(ctx, WITHIN, alike, prints, prints)


def _between(
    ctx: ProbeContext, name: str, prints: Prints, owners: NDArray[np.int64], theirs: Prints, size: int
) -> Iterator[Found]:
    if not len(prints) or not len(theirs):
        yield from _absent(name, NOTHING)
    elif prints.thumbs.ndim != theirs.thumbs.ndim:
        yield from _absent(name, OTHER_KIND)
    else:
        alike = find_alike(prints, theirs, owners, parts=ctx.parts)
        every = (len(ctx.cohort) - len(prints.flat)) * (size - len(theirs.flat))
        large, counterpart = _large(prints), _large(theirs)
        unseen = every - len(prints) * len(theirs), every - int(large.sum()) * int(counterpart.sum())
        yield from _counts(ctx, name, alike, unseen, owners, large & counterpart.any())
        _keep_examples(ctx, name, alike, prints, theirs)


def _strangers(patients: NDArray[np.int64]) -> int:
    """Return the number of pairs of cases of different patients."""
    sizes = np.unique(patients, return_counts=True)[1]
    return (len(patients) ** 2 - int((sizes**2).sum())) // 2


def _absent(name: str, why: str) -> Iterator[Found]:
    for kind in (IDENTICAL, NEAR, MIRRORED):
        yield name, kind, Estimate.absent(why, method="count")


def _large(prints: Prints) -> NDArray[np.bool_]:
    return prints.sides >= SMALLEST_SIDE


def _counts(
    ctx: ProbeContext, name: str, alike: Alike, unseen: tuple[int, int], owners: NDArray[np.int64],
    large: NDArray[np.bool_],
) -> Iterator[Found]:  # fmt: skip
    """Give the counts by kind; `unseen` are the pairs of which nothing is known, by content and by likeness."""
    for kind in (IDENTICAL, NEAR, MIRRORED):
        rows = owners if kind == IDENTICAL else owners[large]
        if not len(rows):
            yield name, kind, Estimate.absent(TOO_SMALL, method="count")
            continue
        left = unseen[0] if kind == IDENTICAL else unseen[1] + alike.unaligned
        count, n_patients = int((alike.kind == kind).sum()), int(np.unique(rows).size)
        yield name, kind, counted(count, unseen=left, levels=ctx.levels, n=len(rows), n_patients=n_patients)


def _not_compared(ctx: ProbeContext, prints: Prints, cases: NDArray[np.int64]) -> Iterator[Measurement]:
    looked = np.isin(np.arange(len(ctx.cohort)), cases)
    n, patients = len(cases), count_patients(ctx.cohort.patients, looked)
    unseen = len(ctx.cohort) - n
    for kind, count in (("cannot be read", prints.unread), ("one value throughout", len(prints.flat))):
        estimate = counted(count, unseen=unseen, levels=ctx.levels, n=n, n_patients=patients)
        yield _measurement(ctx, "not_compared", estimate, {"parameter": kind}, "cases")


def _keep_counts(ctx: ProbeContext, found: list[Found]) -> None:
    ctx.sink.artifact(
        "near_duplicates",
        "Pairs of images that show the same picture",
        {
            "split": np.array([name for name, _, _ in found], dtype=np.str_),
            "kind": np.array([kind for _, kind, _ in found], dtype=np.str_),
            "pairs": np.array([np.nan if e.value is None else e.value for _, _, e in found]),
        },
        limit=LIKE, images_at_most=ctx.budget.image_cases,
    )  # fmt: skip


def _keep_examples(ctx: ProbeContext, name: str, alike: Alike, one: Prints, two: Prints) -> None:
    if not len(alike.first):
        return
    # The least alike are the ones that a reader wants to judge.
    order = np.argsort(alike.likeness, kind="stable")[:SHOWN]
    middle = one.thumbs.shape[1] // 2

    def pictures(prints: Prints, at: NDArray[np.int64]) -> NDArray[np.uint8]:
        chosen = prints.thumbs[at]
        return chosen if chosen.ndim == 3 else chosen[:, middle]

    ctx.sink.artifact(
        "near_duplicate_pairs",
        f"Pairs that show the same picture, {name}, the least alike first",
        {
            "first": pictures(one, alike.first[order]), "second": pictures(two, alike.second[order]),
            "likeness": alike.likeness[order], "kind": alike.kind[order],
        },
        pixels=True, split=name, pairs=len(alike.first),
    )  # fmt: skip
