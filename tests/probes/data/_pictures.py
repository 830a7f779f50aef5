"""Pictures whose truth is known, and what becomes of one on its way through another export."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]


def brains(count: int, *, seed: int = 1) -> Picture:
    """Return (count, 1, 64, 64) planes of brain phantoms, each another patient: 12-bit grey levels."""
    from audit.reference.phantoms import BrainSlices, Composition

    cases = Composition().cases(-(-count // 2), np.random.default_rng(seed))
    planes = BrainSlices(cases, seed=(seed, 2))
    return np.stack([planes.image(i) for i in range(count)])


def scenes(count: int, *, seed: int = 1, side: int = 96) -> Picture:
    """Return (count, 1, side, side) smooth random scenes, 0 to 1000."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    out = sum(
        weight * gaussian_filter(rng.normal(size=(count, side, side)), width, axes=(1, 2), mode="wrap") * width
        for width, weight in ((1.5, 0.5), (4, 1.0), (12, 1.5))
    )
    return (500 + 180 * out / out.std())[:, None].clip(0, 1000)


def _eight_bit(image: Picture) -> Any:
    from PIL import Image

    low, high = image.min(), image.max()
    return Image.fromarray(np.rint(255 * (image[0] - low) / (high - low)).astype(np.uint8))


def jpeg(image: Picture) -> Picture:
    """Return the picture after JPEG at quality 60, 8 bits deep."""
    from PIL import Image

    stream = io.BytesIO()
    _eight_bit(image).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))[None]


def enlarged(image: Picture) -> Picture:
    """Return the picture at one and a half times its size."""
    from PIL import Image

    side = image.shape[1] * 3 // 2
    return np.asarray(_eight_bit(image).resize((side, side), Image.Resampling.BICUBIC))[None]


def cropped(image: Picture) -> Picture:
    """Return the picture without one pixel on one side and two on another."""
    return image[:, 1:, :-2]


def noisy(image: Picture) -> Picture:
    """Return the picture with noise of 2 % of its range."""
    return image + np.random.default_rng(5).normal(0, 0.02 * np.ptp(image), image.shape)


EXPORTS: dict[str, Callable[[Picture], Picture]] = {
    "another gain and offset": lambda image: image * 0.37 + 41,
    "8 bits": lambda image: np.asarray(_eight_bit(image))[None],
    "JPEG": jpeg,
    "enlarged": enlarged,
    "cropped": cropped,
    "noisy": noisy,
    "gamma": lambda image: (image / image.max()) ** 0.8,
}
TURNED: dict[str, Callable[[Picture], Picture]] = {
    "mirrored": lambda image: image[:, :, ::-1],
    "upside down": lambda image: image[:, ::-1],
    "turned by 180 degrees": lambda image: image[:, ::-1, ::-1],
    "inverted": lambda image: 5000 - image,
}
