"""Images one at a time, as they are stored, within the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Arrays, ImageSource, NotApplicable, ProbeContext, SourceView
from audit.errors import ReadError
from audit.probes._images import sample_cases

if TYPE_CHECKING:
    from numpy.typing import NDArray

_A_SHARD = 256
"""Images that are read for one shard."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """One image of a source.

    Args:
        case: Its index in the source.
        values: (channels, *spatial) intensities as they are stored; None where the image cannot be read.
        spacing: mm along the spatial axes; () where the format could say it and the file does not, None where the
            format knows none.
        suffix: Of its file, in small letters; "" where it lies in none.
        size: Bytes of its file, None where it lies in none.
    """

    case: int
    values: NDArray[Any] | None
    spacing: tuple[float, ...] | None = None
    suffix: str = ""
    size: int | None = None


def look(source: ImageSource, index: int) -> Looked:
    """Return an image before any resizing, where the source can give that."""
    inner: Any = source
    row = index
    while isinstance(inner, SourceView):
        row, inner = int(inner.rows[row]), inner.source
    stored = getattr(inner, "stored", None)
    try:
        if stored is None:
            return Looked(case=index, values=np.asarray(inner.load(row)))
        image = stored(row)
        on_disk = getattr(inner, "on_disk", None)
        suffix, size = ("", None) if on_disk is None else on_disk(row)
    except ReadError:
        return Looked(case=index, values=None)
    return Looked(case=index, values=np.asarray(image.values), spacing=image.spacing, suffix=suffix, size=size)


def images_of(ctx: ProbeContext) -> ImageSource:
    """Return the cohort's images.

    Raises:
        NotApplicable: It has none.
    """
    if ctx.cohort.images is None:
        raise NotApplicable("the cohort has no images")
    return ctx.cohort.images


def drawn(ctx: ProbeContext) -> NDArray[np.int64]:
    """Return the cases whose images are looked at: all, or those of a random sample of patients within the budget."""
    return sample_cases(ctx.cohort.patients, ctx.budget.image_cases, ctx.rng)


def drawn_of(ctx: ProbeContext, count: int) -> NDArray[np.int64]:
    """Return which images of another split are looked at: all, or a random sample within the budget, rising."""
    limit = ctx.budget.image_cases
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(ctx.rng.choice(count, size=limit, replace=False))


def stream(
    ctx: ProbeContext, source: ImageSource, cases: NDArray[np.int64], *, before: int = 0, total: int | None = None
) -> Iterator[Looked]:
    """Give the images of some cases one by one; progress is told, and no image is kept.

    Args:
        ctx: The probe's context.
        source: Where they are read.
        cases: (m,) which of them.
        before: Images of the work that come before these.
        total: Images of the work in all, by default these.
    """
    for done, case in enumerate(cases, start=before + 1):
        yield look(source, int(case))
        ctx.sink.progress(done, len(cases) if total is None else total)


def in_shards(
    ctx: ProbeContext, name: str, source: ImageSource, cases: NDArray[np.int64],
    of: Callable[[Iterator[Looked]], Arrays],
) -> list[Arrays]:  # fmt: skip
    """Return what is kept of images that are read shard by shard; one shard of none where there are no cases.

    Args:
        ctx: The probe's context.
        name: What is done.
        source: Where images are read.
        cases: (m,) which of them.
        of: From images that come one by one to named arrays.
    """

    def work(positions: NDArray[np.int64]) -> Arrays:
        return of(stream(ctx, source, cases[positions], before=int(positions[0]), total=len(cases)))

    return ctx.parts.map(name, work, len(cases), size=_A_SHARD) or [of(iter(()))]


def planes(values: NDArray[Any]) -> NDArray[Any]:
    """Return one grey image or volume of an image: the mean over its channels, (*spatial) float32."""
    grey: NDArray[Any] = np.asarray(values, dtype=np.float32).mean(axis=0)
    return grey
