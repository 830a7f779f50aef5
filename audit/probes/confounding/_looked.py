"""What every task of CONF004 needs: masks and tissue, the check for traces, measurements and examples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes.confounding._asked import NO_NUMBER, Reading, Setting, finite_rows
from audit.probes.confounding._evidence import DILATION, Filled
from audit.probes.confounding._traces import MOST, refused, trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

MOST_UNREACHED = 0.2
"""Share of the images that may have no room for the control fill; what it costs is taken from the others."""


class Looked:
    """The masks and the tissue of the sampled cases.

    Args:
        setting: Where it happens.
        cases: The sampled cases.
    """

    def __init__(self, setting: Setting, cases: NDArray[np.int64]) -> None:
        self.setting, self.ctx, self.cases = setting, setting.ctx, cases
        found = {int(c): setting.mask(int(c)) for c in cases}
        nothing = np.zeros(setting.size, dtype=bool)
        self.masks: dict[int, Mask] = {c: nothing if m is None else m for c, m in found.items()}

    @property
    def some(self) -> bool:
        """Whether any mask holds anything."""
        return any(m.any() for m in self.masks.values())


def length(setting: Setting, dilation: float) -> str:
    return f"{dilation:g} {setting.grid.unit}"


def traced_by(looked: Looked, found: Filled, among: Iterable[int]) -> Estimate:
    """Return how well fills of plain tissue are told from the same places untouched, in some of the images."""
    wanted = set(among)
    keep = [i for i, c in enumerate(found.traced) if c in wanted]
    patients = looked.ctx.cohort.patients[np.array([found.traced[i] for i in keep], dtype=np.int64)]
    return trace(looked.ctx, [found.filled[i] for i in keep], [found.untouched[i] for i in keep], patients)


def refusal(traced: Estimate, found: Filled) -> str | None:
    """Return why nothing is said of filled images, or None."""
    why = refused(traced) or unreached(found)
    if why is None and not finite_rows(r for part in found.raws.values() for r in part):
        return NO_NUMBER
    return why


def unreached(found: Filled) -> str | None:
    """Return that too many images had no room for a fill off the lesion, which shows what the fill itself costs."""
    left = len(found.reached) - sum(found.reached)
    if left > MOST_UNREACHED * len(found.reached):
        return (
            f"in {left} of {len(found.reached)} images nothing could be filled off the lesion, more than "
            f"{MOST_UNREACHED:.0%}, so that what the fill itself costs is not known"
        )
    return None


def measured(
    ctx: ProbeContext, said: Estimate, metric: str, reading: Reading, direction: Direction,
    extra: dict[str, Scalar] | None = None,
) -> Measurement:  # fmt: skip
    return Measurement.of(
        said, metric=metric, level=ctx.levels.confidence, direction=direction,
        condition={**reading.condition, **(extra or {})},
    )  # fmt: skip


def show(looked: Looked, found: Filled, reading: Reading) -> None:
    """Offer some images before and after, whose pixels the runner stores for phantoms or on request."""
    low, high = looked.setting.span
    about: dict[str, Any] = dict(reading.condition)

    def grey(stack: list[NDArray[np.float32]]) -> NDArray[np.uint8]:
        return np.clip(np.round(255 * (np.stack(stack) - low) / (high - low)), 0, 255).astype(np.uint8)

    looked.ctx.sink.artifact(
        "evidence_examples",
        "Images, the same without their evidence, and with as much filled elsewhere",
        {
            "images": grey(found.examples["images"]),
            "without_evidence": grey(found.examples[f"{DILATION:g}"]),
            "filled_elsewhere": grey(found.examples["elsewhere"]),
        },
        pixels=True, dilation=length(looked.setting, DILATION), most_trace=MOST, **about,
    )  # fmt: skip
