"""Pictures of the reference models of emphysema: planes of phantom lungs, what is planted, and what a map says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.reference.phantoms import PATTERNS, ParenchymaScans, alike, matched_pair
from audit.reference.systems.emphysema._data import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from audit.reference.phantoms import LungScan, ParenchymaPatient, ParenchymaVolume

WINDOW = (-1010.0, -760.0)
ZOOM = 7
GAP = 6
LINE = 16
_SEED = (9_030,)
_EXTENT = 0.3


def grader_picture(weights: Path) -> Image:
    """Return three rows: lungs, what is planted in them, and the map of a ProportionNet.

    Args:
        weights: Of a ProportionNet.
    """
    import torch
    from safetensors.torch import load_file

    from audit.reference.systems.emphysema._fit import answers, maps
    from audit.reference.systems.emphysema.nets import proportion_net

    net = proportion_net()
    net.load_state_dict(load_file(weights))
    torch.set_num_threads(1)
    columns = [("no emphysema", *_free("none", 0.0)), *((p, *_free(p, _EXTENT)) for p in PATTERNS)]
    well, ill = _pair("none", "centrilobular")
    columns += [("none, shared histogram", *well), ("centrilobular, shared", *ill)]
    images = np.stack([stored(image)[None] for _, _, image in columns])
    said, mapped = answers(net.eval(), images), maps(net, images)
    rows = [
        [_grey(image) for _, _, image in columns],
        [_coloured(image, volume.emphysema.astype(np.float32)) for _, volume, image in columns],
        [_coloured(image, one) for (_, _, image), one in zip(columns, mapped, strict=True)],
    ]
    foot = [f"{100 * v.extent:.0f} % planted, {100 * s:.0f} % read" for (_, v, _), s in zip(columns, said, strict=True)]
    title = "Phantom. Rows: middle plane, planted emphysema, map of ProportionNet (told only intervals)"
    return _sheet(title, [name for name, _, _ in columns], rows, foot)


def density_picture() -> Image:
    """Return lungs of two patterns and of none that share one histogram, and the histogram."""
    columns = []
    for one, other in (("centrilobular", "paraseptal"), ("centrilobular", "panlobular"), ("none", "centrilobular")):
        columns += [(name, *side) for name, side in zip((one, other), _pair(one, other), strict=True)]
    rows = [[_grey(image) for _, _, image in columns], [_histogram(image[v.lung]) for _, v, image in columns]]
    shares = [100 * float((image[v.lung] < -950).mean()) for _, v, image in columns]
    foot = [f"RA950 {share:.2f} %" for share in shares]
    title = "Phantom. Pairs with exactly the same intensities: middle plane, and the histogram from -1010 to -760 HU"
    return _sheet(title, [name for name, _, _ in columns], rows, foot)


def write_picture(image: Image, path: Path) -> None:
    """Write a picture as a small PNG of 64 colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.quantize(64).save(path, optimize=True)


def _someone(pattern: str, extent: float) -> tuple[ParenchymaPatient, LungScan, ParenchymaScans]:
    cohort = ParenchymaScans(n=1, seed=_SEED, ill=(True,))
    return alike(cohort.patient(0), pattern=pattern, extent=extent, anatomy=12), cohort.scan(0), cohort


def _free(pattern: str, extent: float) -> tuple[ParenchymaVolume, NDArray[np.float32]]:
    from audit.reference.phantoms import render_parenchyma

    person, scan, cohort = _someone(pattern, extent)
    volume = render_parenchyma(person, scan, cohort.knobs)
    return volume, volume.image


def _pair(
    one: str, other: str
) -> tuple[tuple[ParenchymaVolume, NDArray[np.float32]], tuple[ParenchymaVolume, NDArray[np.float32]]]:
    first, scan, cohort = _someone(one, 0.0 if one == "none" else _EXTENT)
    second = alike(first, pattern=other, extent=_EXTENT, anatomy=13)
    return matched_pair(first, second, scan, cohort.knobs, noise=14)


def _grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = WINDOW
    plane = (np.clip(image[len(image) // 2], low, high) - low) / (high - low) * 255
    return _zoomed(np.repeat(plane[:, :, None], 3, axis=2))


def _coloured(image: NDArray[np.float32], shown: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the plane with a share of orange where something is shown."""
    plane, share = _grey(image).astype(np.float32), shown[len(shown) // 2]
    weight = 0.75 * np.kron(share, np.ones((ZOOM, ZOOM)))[:, :, None]
    return np.asarray((1 - weight) * plane + weight * np.array([245.0, 130.0, 20.0]), dtype=np.uint8)


def _histogram(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    side, (low, high) = 24 * ZOOM, WINDOW
    counts, _ = np.histogram(values, bins=side // 4, range=(low, high))
    out = np.full((side, side, 3), 255, np.uint8)
    for i, height in enumerate(np.round(counts / counts.max() * (side - 10)).astype(int)):
        out[side - height :, 4 * i : 4 * i + 3] = 90
    return out


def _zoomed(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.kron(plane, np.ones((ZOOM, ZOOM, 1))).astype(np.uint8)


def _sheet(title: str, heads: list[str], rows: list[list[NDArray[np.uint8]]], foot: list[str]) -> Image:
    from PIL import Image, ImageDraw

    side = len(rows[0][0])
    width, height = len(heads) * (side + GAP) + GAP, 3 * LINE + len(rows) * (side + GAP) + GAP
    out = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(out)
    pen.text((GAP, 2), title, fill="black")
    for i, (head, below) in enumerate(zip(heads, foot, strict=True)):
        left = GAP + i * (side + GAP)
        pen.text((left, LINE + 2), head, fill="black")
        for j, row in enumerate(rows):
            out.paste(Image.fromarray(row[i]), (left, 2 * LINE + j * (side + GAP)))
        pen.text((left, 2 * LINE + len(rows) * (side + GAP)), below, fill="black")
    return out
