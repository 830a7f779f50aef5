"""A context of images that say all that images can: two modalities, spacing, lesions and what looks like them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, InputSpec, ModelCard, ProbeContext
from audit.testing._cohorts import ArrayImages, attribute, small_cohort
from audit.testing._contexts import context
from audit.testing._models import FunctionModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE, LEVEL, CONTRAST, CASES = 24, 100.0, 60.0, 40
CLASSES = ("few", "many")


def lesions_and_distractors() -> ProbeContext:
    """Return MR images of two modalities, the ill with more lesions, and a model that counts these."""
    rng = np.random.default_rng(11)
    label = np.arange(CASES) % 2
    images = rng.normal(LEVEL, 4, (CASES, 2, SIZE, SIZE))
    masks = np.zeros((2, CASES, 1, SIZE, SIZE), dtype=np.uint8)
    for i in range(CASES):
        _draw(images[i], masks[:, i, 0], (int(rng.integers(0, 2)) + 2 * int(label[i]), 1), rng)
    spec = InputSpec(
        modality="mr", range=(0.0, 255.0), size=(SIZE, SIZE), channels=2, modalities=("T1", "FLAIR"), absent=0.0,
        spacing_mm=(1.0, 1.0),
    )  # fmt: skip
    card = ModelCard(
        name="counts lesions", kind="callable", task="binary", output="logits", access=Access.QUERY, digest="counts",
        classes=CLASSES, operating_point=0.5, phantom=True, input=spec,
    )  # fmt: skip
    scanner = attribute("scanner", np.array(["A", "B"])[rng.integers(0, 2, CASES)], "protocol")
    cohort = small_cohort(
        label, attributes=[scanner], images=ArrayImages(array=np.rint(np.clip(images, 0, 255)).astype(np.float32)),
        masks=ArrayImages(array=masks[0]), classes=CLASSES, spacing_mm=(1.0, 1.0),
    )  # fmt: skip
    cohort = replace(cohort, distractors={"lacune": ArrayImages(array=masks[1])})
    return context(FunctionModel(card=card, answer=_count), cohort)


def _draw(image: NDArray[np.float64], masks: NDArray[np.uint8], counts: tuple[int, int], rng: Any) -> None:
    """Put bright lesions, then dark distractors, of three by three pixels where there is room."""
    for kind, count in enumerate(counts):
        for _ in range(count):
            for _ in range(50):
                y, x = (int(v) for v in rng.integers(4, SIZE - 4, 2))
                if not masks[:, y - 3 : y + 4, x - 3 : x + 4].any():
                    image[:, y - 1 : y + 2, x - 1 : x + 2] += CONTRAST if kind == 0 else -CONTRAST
                    masks[kind, y - 1 : y + 2, x - 1 : x + 2] = 1
                    break


def _count(images: NDArray[Any]) -> NDArray[np.float64]:
    """Return the log odds of many lesions, by what stands out on FLAIR."""
    x = np.asarray(images, dtype=np.float64)
    level = np.median(x, axis=(2, 3), keepdims=True)
    bright = np.clip(x - level - 20, 0, None).sum(axis=(2, 3)) / (9 * (CONTRAST - 20))
    # A little noise of the image's own, so that images without a lesion are not all ties.
    logit: NDArray[np.float64] = 2.0 * (bright[:, 1:] - 1.5) + 0.02 * (x[:, 0, 0, :1] - LEVEL)
    return logit
