"""DATA007 burned-in-text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import TASKS, Arrays, Measurement, Probe, ProbeContext, ProbeInfo, joined
from audit.probes._images import sample_cases
from audit.probes._shared import count_patients
from audit.probes.data._counts import counted
from audit.probes.data._stream import Looked, images_of, in_shards, look, planes
from audit.probes.data._text import Line, text_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXELS_A_CASE = 2**15
GRID = 32
SHOWN = 12
PICTURE = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """What was found in the images looked at.

    Args:
        cases: (m,) cases looked at.
        letters: (m,) letters found in each, -1 where the image cannot be read.
        places: (32, 32) images with text, by where in the image it stands.
        examples: Small copies of some images with text.
    """

    cases: NDArray[np.int64]
    letters: NDArray[np.int64]
    places: NDArray[np.int64]
    examples: list[NDArray[np.float32]]


class BurnedInText(Probe):
    """Whether letters were burned into the pixels: names, dates, settings, markers.

    What it measures:
        `faults` is the number of images with at least one line of three letters or digits in their pixels, `share` the
        share of such images with its interval. A line is found by its strokes, without reading it: thin, sharp, of one
        grey level and one height, beside each other, upright or turned by a quarter, bright or dark. Of a volume five
        planes along its first axis are looked at. `unreadable` counts images that could not be read.

    Why it matters clinically:
        A name in the pixels is patient data that no de-identification of headers removes. And a model reads what it
        can: the name of a ward, a portable machine or a laterality marker tells it more of the diagnosis than the
        lungs, until it is used in another hospital.

    Known problems:
        Fewer than three letters are not found, so that a lone L or R of a chest X-ray is not; several such markers in
        a row are. Nor is text of less than five pixels a letter, handwriting, text on a ground of its own grey level,
        or letters that touch each other. Drawn on skin lesions, chest X-rays and phantoms of 128 pixels and more a
        side, visible names of 12 pixels and more were found in 98 of 100 images, of 8 and 10 pixels in 76. None of
        2,992 skin lesions of 64 pixels and of 2,698 chest X-rays of 28 was flagged; grass, coins and fur were. The
        pictures of the images found, shown on request, settle such cases. Images beyond the budget, counted in
        pixels, are not looked at: `faults` is then a lower bound, and `share` is that of a sample of patients.

    Example:
        In 1,200 ultrasound images 340 show the name of the machine: `faults` is 340 and `share` 0.28. A rule on
        `faults` with `limit = { max = 0 }` says FAIL.

    References:
        - Epshtein, Ofek and Wexler 2010, Detecting text in natural scenes with stroke width transform, CVPR.
        - Zech and others 2018, Variable generalization performance of a deep learning model to detect pneumonia in
          chest radiographs, PLOS Medicine 15.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA007",
        name="burned-in-text",
        family="DATA",
        tasks=TASKS,
        needs=("images",),
        metrics=("faults", "share", "unreadable"),
        title="Burned-in text",
        question="Are there letters in the pixels?",
        method=(
            "Thin, sharp strokes of one grey level, beside each other on one line; counts of images, and their share "
            "with Korn-Graubard bounds."
        ),
        limits="Lone markers, handwriting and faint text are not found; rulers and texture may be taken for text.",
        references=(
            "Epshtein, Ofek and Wexler 2010, CVPR",
            "Zech and others 2018, PLOS Medicine 15",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Look at the images within the budget; see `Probe.run`."""
        from audit.stats import proportion

        texts = _looked(ctx)
        known = texts.letters >= 0
        n, n_patients = int(known.sum()), _patients(ctx, texts.cases[known])
        found = int((texts.letters > 0).sum())
        unseen = len(ctx.cohort) - n
        faults = counted(found, unseen=unseen, levels=ctx.levels, n=n, n_patients=n_patients)
        share = proportion(texts.letters[known] > 0, ctx.cohort.patients[texts.cases[known]], ctx.levels)
        unread = counted(
            int((~known).sum()), unseen=len(ctx.cohort) - len(known), levels=ctx.levels, n=len(known),
            n_patients=_patients(ctx, texts.cases),
        )  # fmt: skip
        _keep(ctx, texts, n)
        for metric, estimate, unit in (
            ("faults", faults, "images"),
            ("share", share, ""),
            ("unreadable", unread, "images"),
        ):
            yield Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, direction="lower", unit=unit)


def _patients(ctx: ProbeContext, cases: NDArray[np.int64]) -> int:
    return count_patients(ctx.cohort.patients, np.isin(np.arange(len(ctx.cohort)), cases))


def _affordable(ctx: ProbeContext) -> int | None:
    """Return how many images the budget allows for: fewer where they are large."""
    limit = ctx.budget.image_cases
    if limit is None or not len(ctx.cohort):
        return limit
    first = look(images_of(ctx), 0)
    pixels = PIXELS_A_CASE if first.values is None else int(np.prod(first.values.shape[-2:]))
    return max(1, min(limit, limit * PIXELS_A_CASE // max(1, pixels)))


def _looked(ctx: ProbeContext) -> Texts:
    cases = sample_cases(ctx.cohort.patients, _affordable(ctx), ctx.rng)
    every = joined(in_shards(ctx, "images looked at", images_of(ctx), cases, _read))
    return Texts(
        cases=cases, letters=every["letters"], places=every["places"].sum(axis=0),
        examples=list(every["examples"][:SHOWN]),
    )  # fmt: skip


def _read(images: Iterator[Looked]) -> Arrays:
    """Return the letters of each image, how often there is text at each place, and the first images with text."""
    letters: list[int] = []
    places = np.zeros((GRID, GRID), dtype=np.int64)
    examples: list[NDArray[np.float32]] = []
    for image in images:
        letters.append(-1 if image.values is None else 0)
        if image.values is None:
            continue
        shown = False
        here = np.zeros_like(places, dtype=bool)
        for plane in _planes(image):
            lines = text_lines(plane)
            letters[-1] += sum(line.letters for line in lines)
            for line in lines:
                here[_cells(line, plane.shape)] = True
            if lines and not shown and len(examples) < SHOWN:
                examples.append(_picture(plane))
                shown = True
        places += here
    return {
        "letters": np.array(letters, dtype=np.int64), "places": places[None],
        "examples": np.array(examples, dtype=np.float32).reshape(-1, PICTURE, PICTURE),
    }  # fmt: skip


def _planes(image: Looked) -> Iterator[NDArray[Any]]:
    assert image.values is not None
    grey = planes(image.values)
    if grey.ndim == 2:
        yield grey
        return
    flat = grey.reshape(-1, *grey.shape[-2:])
    yield from flat[np.unique(np.linspace(0, len(flat) - 1, 5).round().astype(int))]


def _cells(line: Line, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows = slice(line.top * GRID // shape[0], -(-line.bottom * GRID // shape[0]))
    columns = slice(line.left * GRID // shape[1], -(-line.right * GRID // shape[1]))
    return rows, columns


def _picture(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return a plane at 128 x 128, 0 to 1, of which no more is kept."""
    rows, columns = (np.linspace(0, side - 1, PICTURE).round().astype(int) for side in plane.shape)
    small = np.asarray(plane, dtype=np.float32)[np.ix_(rows, columns)]
    scaled: NDArray[np.float32] = (small - small.min()) / max(float(np.ptp(small)), 1e-9)
    return scaled


def _keep(ctx: ProbeContext, texts: Texts, n: int) -> None:
    ctx.sink.artifact(
        "text_places", "Where in the images text was found", {"images": texts.places}, images=n,
        images_at_most=ctx.budget.image_cases,
    )  # fmt: skip
    if texts.examples:
        ctx.sink.artifact(
            "text_examples", "Images in which text was found", {"images": np.stack(texts.examples)}, pixels=True
        )
