"""Writes docs/acquisition: a page a modality, with pictures of phantoms; with --check it says what is out of date."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from html import escape
from pathlib import Path

import numpy as np

from audit.acquisition import STAGES, Knob, apply, describe, frame_of, knobs_of
from audit.core import MODALITIES
from audit.testing import Scene, scene
from validation.acquisition import TOLERANCE, Check, checks

FOLDER = Path(__file__).parent / "acquisition"
PICTURES = "pictures"
SIZE, GREYS = 96, 48
TITLES = {
    "ct": "CT", "mr": "MR", "xray": "Radiograph", "us": "Ultrasound", "photo": "Photograph and fundus image",
    "microscopy": "Microscopy",
}  # fmt: skip
ABOUT = {
    "ct": "Stored numbers are HU. The field is the patient: what lies above −500 HU, with all that it encloses in its plane; the air around stays as it is. Where the spacing is unknown, a pixel counts as a millimetre.",  # noqa: E501
    "mr": "Stored numbers are arbitrary, so severities are shares of the mean signal of the field, and the field is all but padding. Contrast is never called TR or TE: a stored image does not hold the tissue, only phantoms do (`audit.acquisition.spin_echo`, `t1_ms`).",  # noqa: E501
    "xray": "The stored range is taken to be logarithmic in the intensity at the detector, over three e-folds, with what absorbs bright. Dose, scatter and unsharpness act on that intensity, window and level on the grey levels, JPEG on the file.",  # noqa: E501
    "us": "The stored range is taken to show 60 dB of a logarithmically compressed envelope, with depth along the rows. Speckle is never added to speckle.",  # noqa: E501
    "photo": "Light, focus and sensor act on linear light (sRGB, 0 to 1 over the stored range), JPEG on the file.",
    "microscopy": "Stains act on the optical density, with the vectors of Ruifrok and Johnston for haematoxylin and eosin.",  # noqa: E501
}  # fmt: skip


INTRODUCTION = (
    "How the images of this modality are changed by SHIFT002 and by `audit.acquisition`. A severity is a physical "
    "amount; 0 is the image as it is, bit for bit. Changes are made on stored intensities, in the order object, "
    "detector, reconstruction, display, file; the result is rounded and clipped to the stored depth, and what lies "
    "outside the field stays as it was. Parameters are drawn for each image, stored, and can be replayed.",
    "All pictures and numbers are of phantoms that this project simulates; none says anything of patients.",
)


def made(knob: Knob) -> Scene:
    """Return the phantom that a knob is shown on."""
    return scene(knob.modality, size=SIZE, planes=9 if knob.volumes else 0)


def severities(knob: Knob) -> tuple[float, ...]:
    """Return the severities of a picture row, rising, 0 among them."""
    rungs = (
        knob.ladder if len(knob.ladder) < 3 else (knob.ladder[0], knob.ladder[len(knob.ladder) // 2], knob.ladder[-1])
    )
    if not knob.both:
        return (0.0, *rungs)
    rungs = (rungs[0], rungs[-1])
    return (*(max(-s, knob.least) for s in rungs[::-1]), 0.0, *rungs)


def strip(knob: Knob) -> np.ndarray:
    """Return a row of the phantom at each severity, (rows, columns, 3) of 8 bits."""
    shown = made(knob)
    spec, tiles = describe(shown.image, frame_of(shown.input)), []
    for severity in severities(knob):
        image = apply(shown.image, knob.sample(severity, spec, np.random.default_rng(1)))
        plane = image[:, image.shape[1] // 2] if image.ndim == 4 else image
        low, high = shown.shown
        grey = np.clip((plane - low) / (high - low), 0, 1)
        tiles.append(np.moveaxis(np.repeat(grey, 3, axis=0) if len(grey) == 1 else grey, 0, -1))
        tiles.append(np.ones((SIZE, 4, 3)))
    return np.round(np.concatenate(tiles[:-1], axis=1) * 255).astype(np.uint8)


def write_picture(knob: Knob, folder: Path) -> None:
    """Write the row of a knob as a small PNG."""
    from PIL import Image

    picture = Image.fromarray(strip(knob))
    colours = 128 if knob.modality in ("photo", "microscopy") else GREYS
    picture.quantize(colors=colours, dither=Image.Dither.NONE).save(folder / f"{knob.name}.png", optimize=True)


def drawn(found: tuple[Check, ...]) -> str:
    """Return the validation figure: measured over asked for every check, with the 10 % that are allowed."""
    row, left, width = 18, 430, 260
    height = row * len(found) + 44

    def x(ratio: float) -> float:
        return left + (min(1.15, max(0.85, ratio)) - 0.85) / 0.3 * width

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 20} {height}" '
        'font-family="sans-serif" font-size="11">',
        "<title>Measured over asked, each simulator</title>",
        f'<rect x="0" y="0" width="{left + width + 20}" height="{height}" fill="#fff"/>',
        f'<rect x="{x(1 - TOLERANCE):.1f}" y="6" width="{x(1 + TOLERANCE) - x(1 - TOLERANCE):.1f}" '
        f'height="{row * len(found)}" fill="#dfe8f5"/>',
        f'<line x1="{x(1):.1f}" x2="{x(1):.1f}" y1="6" y2="{6 + row * len(found)}" stroke="#55606e"/>',
    ]
    for i, check in enumerate(found):
        y = 6 + row * i + row / 2
        parts.append(f'<text x="0" y="{y + 4:.1f}" fill="#1b2430">{escape(f"{check.knob}: {check.what}")}</text>')
        parts.append(f'<circle cx="{x(check.ratio):.1f}" cy="{y:.1f}" r="4" fill="#28498c"/>')
    foot = 6 + row * len(found) + 16
    parts += [
        f'<text x="{x(ratio):.1f}" y="{foot}" text-anchor="middle" fill="#1b2430">{ratio:.1f}</text>'
        for ratio in (0.9, 1.0, 1.1)
    ]
    parts.append(f'<text x="{x(1):.1f}" y="{foot + 16}" text-anchor="middle" fill="#1b2430">measured over asked</text>')
    return "".join([*parts, "</svg>\n"])


def arguments(knob: Knob) -> list[tuple[str, str]]:
    """Return the parameters of a knob and what each means, from the docstring of their class."""
    text = inspect.getdoc(knob.kind) or ""
    _, _, listed = text.partition("Args:\n")
    flat = re.sub(r"\n {8,}", " ", listed)
    return re.findall(r"^ {4}(\w+): (.+)$", flat, re.MULTILINE)


def section(knob: Knob) -> str:
    """Return what a page says of one knob."""
    ends = f"{knob.least:g} to {knob.most:g}" if knob.both else f"0 to {knob.most:g}"
    shown = ", ".join(f"{s:g}" for s in severities(knob))
    stage = STAGES.index(knob.kind.stage) + 1
    lines = [
        f"## `{knob.name}`: {knob.title}", "",
        f"![{knob.title} at severities {shown} {knob.unit}]({PICTURES}/{knob.name}.png)", "",
        f"Severities {shown} ({knob.unit}).", "",
        f"- Severity: {knob.amount}, in {knob.unit}, {ends}." + (" Needs a volume." if knob.volumes else ""),
        f"- Model: {knob.formula}.",
        f"- Stage: {knob.kind.stage}, {stage} of {len(STAGES)}."
        + (" Tried by SHIFT002 where nothing is declared." if knob.standard else ""),
        f"- Approximates: {knob.approximates}",
    ]  # fmt: skip
    if knob.one_way:
        lines.append(f"- One way: {knob.one_way}.")
    if knob.kind.whole:
        lines.append("- It moves the edge of the field itself, so that no pixel is kept from it.")
    lines.append(f"- Parameters, as they are stored (`{knob.kind.__name__}`):")
    lines += [f"    - `{name}`: {what}" for name, what in arguments(knob)]
    lines += [f"- Reference: {reference}." for reference in knob.references]
    return "\n".join(lines)


def page(modality: str) -> str:
    """Return the page of a modality."""
    knobs, found = knobs_of(modality), checks(modality)
    rows = [f"| `{c.knob}` | {c.what} | {c.asked:.3g} | {c.measured:.3g} | {c.ratio:.2f} |" for c in found]
    return "\n".join([
        f"# Acquisition: {TITLES[modality]}", "",
        *(textwrap.fill(part, 150) for part in INTRODUCTION), "",
        textwrap.fill(ABOUT[modality], 150), "",
        "```python", "from audit.acquisition import KNOBS, apply, describe, frame_of", "",
        "spec = describe(image, frame_of(model.card.input))  # image: (channels, *spatial), stored intensities",
        "# Numbers in physical units, drawn for this image; change.to_json() keeps them.",
        f'change = KNOBS["{knobs[0].name}"].sample({knobs[0].ladder[0]:g}, spec, rng)',
        "other = apply(image, change)", "```", "",
        *(part for knob in knobs for part in (section(knob), "")),
        "## Validation", "",
        f"Measured in phantoms over what the formula asks for; shaded: within {TOLERANCE:.0%}.",
        "Tests hold every row (`tests/acquisition`).", "",
        f"![Measured over asked, each simulator]({PICTURES}/{modality}-validation.svg)", "",
        "| knob | quantity | asked | measured | ratio |", "| --- | --- | --- | --- | --- |", *rows, "",
    ])  # fmt: skip


def stale(folder: Path = FOLDER) -> list[str]:
    """Return the pages that differ from what is written here, and the pictures that are absent or of nothing."""
    found = [
        f"{m}.md" for m in MODALITIES
        if not (folder / f"{m}.md").is_file() or (folder / f"{m}.md").read_text(encoding="utf-8") != page(m)
    ]  # fmt: skip
    wanted = {f"{k.name}.png" for m in MODALITIES for k in knobs_of(m)} | {f"{m}-validation.svg" for m in MODALITIES}
    there = {path.name for path in (folder / PICTURES).glob("*")}
    return found + sorted(wanted ^ there)


def write(folder: Path = FOLDER) -> None:
    """Write every page and picture, and remove those of knobs that are gone."""
    pictures = folder / PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("*"):
        old.unlink()
    for modality in MODALITIES:
        (folder / f"{modality}.md").write_text(page(modality), encoding="utf-8")
        (pictures / f"{modality}-validation.svg").write_text(drawn(checks(modality)), encoding="utf-8")
        for knob in knobs_of(modality):
            write_picture(knob, pictures)


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit("\n".join(f"out of date: {name}" for name in found) if (found := stale()) else 0)
    write()
