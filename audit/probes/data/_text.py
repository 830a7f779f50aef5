"""Text that was burned into an image, found without reading it.

Letters of an overlay are thin strokes of one grey level with sharp borders, about as high as each other and on one
line. Anatomy, hair, rulers and noise lack one or more of these. That letters of one line share height, width of stroke
and grey level is how text is told from clutter in photographs, too (Epshtein, Ofek and Wexler 2010, Detecting text in
natural scenes with stroke width transform, CVPR).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_HEIGHT, MOST_HEIGHT, MOST_OF_SIDE = 5, 80, 0.2
LARGEST_SIDE = 1024
CONTRASTS = ((0.5, 3), (0.2, 4))
"""Least contrast of a stroke with its surroundings, as a share of the plane's range, and the letters that it takes."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A connected stroke that may be a letter; pixels, and shares of the plane's range."""

    top: int
    left: int
    bottom: int
    right: int
    stroke: float
    grey: float
    fill: float

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def turned(self) -> Letter:
        """Return the letter with rows and columns exchanged."""
        return replace(self, top=self.left, left=self.top, bottom=self.right, right=self.bottom)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of text in pixels of the plane.

    Args:
        top: First row.
        left: First column.
        bottom: Row after the last.
        right: Column after the last.
        letters: Letters found in it.
    """

    top: int
    left: int
    bottom: int
    right: int
    letters: int


def text_lines(plane: NDArray[Any]) -> tuple[Line, ...]:
    """Return the lines of text that are burned into a plane, upright or turned by a quarter.

    Args:
        plane: (rows, columns) of any depth and unit.

    Returns:
        Lines of at least three letters, four where they are faint, from the top.
    """
    values = np.asarray(plane, dtype=np.float32)
    step = -(-max(values.shape) // LARGEST_SIDE)
    values = _reduced(values, step)
    low, high = float(values.min()), float(values.max())
    if min(values.shape) < 2 * LEAST_HEIGHT or high <= low:
        return ()
    scaled = (values - low) / (high - low)
    found: list[Line] = []
    for bright in (scaled, 1 - scaled):
        for reach in (7, 21) if min(scaled.shape) >= 128 else (7,):
            raised = _raised(bright, reach)
            for contrast, letters in CONTRASTS:
                for line in _lines_of(_letters(bright, raised, contrast)):
                    if line.letters >= letters and not any(_overlap(line, other) for other in found):
                        found.append(line)
    lines = (_enlarged(line, step) for line in found)
    return tuple(sorted(lines, key=lambda line: (line.top, line.left)))


def _reduced(values: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return means of blocks: text on a large image is large as well."""
    if step == 1:
        return values
    rows, columns = (side // step * step for side in values.shape)
    blocks = values[:rows, :columns].reshape(rows // step, step, columns // step, step)
    out: NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return out


def _enlarged(line: Line, step: int) -> Line:
    return Line(
        top=line.top * step, left=line.left * step, bottom=line.bottom * step, right=line.right * step,
        letters=line.letters,
    )  # fmt: skip


def _raised(bright: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return how far each pixel stands out from what remains when everything narrower than `reach` is taken away."""
    from scipy.ndimage import grey_opening

    out: NDArray[np.float32] = bright - grey_opening(bright, size=(reach, reach), mode="nearest")
    return out


def _letters(bright: NDArray[np.float32], raised: NDArray[np.float32], contrast: float) -> list[Letter]:
    from scipy.ndimage import find_objects, label

    labels, _ = label(raised >= contrast, structure=np.ones((3, 3), dtype=int))
    most = min(MOST_HEIGHT, max(LEAST_HEIGHT + 4, int(MOST_OF_SIDE * min(bright.shape))))
    letters = []
    for index, (rows, columns) in enumerate(find_objects(labels), start=1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        longer, shorter = max(height, width), min(height, width)
        if LEAST_HEIGHT <= longer <= most and longer <= 12 * shorter:
            letter = _letter(bright, raised, labels, index, rows, columns)
            if letter is not None:
                letters.append(letter)
    return letters


def _letter(
    bright: NDArray[np.float32], raised: NDArray[np.float32], labels: NDArray[np.int32], index: int, rows: slice,
    columns: slice,
) -> Letter | None:  # fmt: skip
    """Return the letter that a component may be: thin and sharp, in an empty surrounding."""
    from scipy.ndimage import binary_dilation, distance_transform_edt

    around = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in (rows, columns))
    own = labels[around] == index
    area = int(own.sum())
    height, width = rows.stop - rows.start, columns.stop - columns.start
    thick = float(distance_transform_edt(np.pad(own, 1)).max())
    stroke = 2 * thick - 1
    if area < LEAST_HEIGHT or stroke > max(2.0, 0.35 * max(height, width)):
        return None
    ring = binary_dilation(own, iterations=2) & ~binary_dilation(own) & (labels[around] == 0)
    inside = raised[around][own]
    if not ring.any() or float(np.median(raised[around][ring])) > 0.35 * float(np.median(inside)):
        return None
    return Letter(
        top=rows.start, left=columns.start, bottom=rows.stop, right=columns.stop, stroke=stroke,
        grey=float(np.percentile(bright[around][own], 90)),
        fill=area / (height * width),
    )  # fmt: skip


def _lines_of(letters: Sequence[Letter]) -> Iterator[Line]:
    """Give the lines along rows, then those along columns."""
    for group in _groups(letters):
        yield _line(group)
    for group in _groups([letter.turned() for letter in letters]):
        line = _line(group)
        yield Line(top=line.left, left=line.top, bottom=line.right, right=line.bottom, letters=line.letters)


def _line(group: Sequence[Letter]) -> Line:
    return Line(
        top=min(g.top for g in group), left=min(g.left for g in group), bottom=max(g.bottom for g in group),
        right=max(g.right for g in group), letters=len(group),
    )  # fmt: skip


def _groups(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    """Give chains of letters from left to right, each one next to the one before it."""
    upright = [g for g in letters if g.height >= LEAST_HEIGHT and g.width <= 1.6 * g.height]
    left = sorted(upright, key=lambda g: (g.left, g.top))
    while left:
        chain = [left.pop(0)]
        while True:
            following = next((g for g in left if _beside(chain[-1], g)), None)
            if following is None:
                break
            left.remove(following)
            chain.append(following)
        if len(chain) >= CONTRASTS[0][1] and _is_text(chain):
            yield chain


def _beside(one: Letter, two: Letter) -> bool:
    """Return whether a letter may stand right of another one on the same line."""
    height = max(one.height, two.height)
    shared = min(one.bottom, two.bottom) - max(one.top, two.top)
    return (
        two.left >= one.right - 1
        and two.left - one.right <= 1.2 * height
        and height <= 1.7 * min(one.height, two.height)
        and shared >= 0.6 * min(one.height, two.height)
        and abs(one.grey - two.grey) <= 0.06
        and max(one.stroke, two.stroke) <= 2.2 * min(one.stroke, two.stroke)
    )


def _is_text(chain: Sequence[Letter]) -> bool:
    """Return whether a chain stands on one line, and its letters are no bars as on a ruler."""
    height = float(np.median([g.height for g in chain]))
    bottoms, tops = (np.array([getattr(g, side) for g in chain]) for side in ("bottom", "top"))
    slack = max(1.0, 0.12 * height)
    standing = float(np.mean(np.abs(bottoms - np.median(bottoms)) <= slack))
    hanging = float(np.mean(np.abs(tops - np.median(tops)) <= slack))
    solid = float(np.mean([g.fill >= 0.85 for g in chain]))
    return max(standing, hanging) >= 0.7 and solid <= 0.5


def _overlap(one: Line, two: Line) -> bool:
    return not (one.right <= two.left or two.right <= one.left or one.bottom <= two.top or two.bottom <= one.top)
