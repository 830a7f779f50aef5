"""Scans, masks and manifest of a cohort of perivascular spaces, as a user would bring them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.phantoms import OBSERVERS, PerivascularSpaces, SpacesPatient, SpacesTable, scanned

if TYPE_CHECKING:
    from numpy.typing import NDArray

MASKS = ("spaces", "white_matter_lesions", "lacunes")
_HIGH, _SMALLEST, _BLUR = 3.5, 3, 2.0
SCALED_ON = 100
"""Patients that the rule of bright parts is scaled on."""


@dataclass(frozen=True, kw_only=True)
class BrightParts:
    """A count without learning: bright parts, scaled to the counts of observer 1.

    Attributes:
        slope: Counts a part.
        intercept: Count where there is none.
    """

    slope: float
    intercept: float

    def __call__(self, table: SpacesTable) -> NDArray[np.float64]:
        """Return (n,) counts."""
        return self.intercept + self.slope * parts_of_table(table)


def bright_parts(source: PerivascularSpaces) -> BrightParts:
    """Return the rule, scaled by least squares on patients who are neither trained on nor audited.

    Args:
        source: These patients.
    """
    table = scanned(source)
    slope, intercept = np.polyfit(parts_of_table(table), table.readings[:, 0], 1)
    return BrightParts(slope=float(slope), intercept=float(intercept))


def parts_of_table(table: SpacesTable) -> NDArray[np.float64]:
    """Return (n,) how many connected parts are brighter than their surroundings, in the plane or region that is read.

    Brighter is 3.5 robust standard deviations of |I - blur(I)| in the region; parts have 3 voxels or more.
    """
    from scipy import ndimage

    out = np.zeros(len(table))
    for i in range(len(table)):
        image = table.images[i].astype(np.float64)
        over = image - ndimage.gaussian_filter(image, _BLUR)
        inside = over[table.regions[i]]
        spread = 1.4826 * float(np.median(np.abs(inside - np.median(inside)))) if inside.size else 1.0
        high = (over > np.median(inside) + _HIGH * spread) & table.regions[i]
        labels, _ = ndimage.label(high, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(labels.ravel())
        read = labels if table.planes[i] < 0 else labels[table.planes[i]]
        out[i] = sum(sizes[k] >= _SMALLEST for k in np.unique(read) if k)
    return out


def write_cases(
    folder: Path, stem: str, source: PerivascularSpaces, *, rescans: int, baseline: BrightParts,
    prefix: str = "phantom",
) -> None:  # fmt: skip
    """Write `stem.csv`, and scans and masks in `stem-images.npz` and `stem-masks.npz`.

    Args:
        folder: There already.
        stem: First part of the names.
        source: The cohort.
        rescans: So many of its first patients are there twice.
        baseline: Its count stands in the column `bright_parts`.
        prefix: First part of the ids of patients.
    """
    parts = [scanned(source), *([scanned(source, n=rescans, again=True)] if rescans else [])]
    np.savez(folder / f"{stem}-images.npz", images=np.concatenate([p.images for p in parts]))
    masks = {name: np.concatenate([p.masks[:, k] for p in parts]) for k, name in enumerate(MASKS)}
    masks["region"] = np.concatenate([p.regions for p in parts])
    given: Any = {name: values.astype(np.uint8) for name, values in masks.items()}
    np.savez_compressed(folder / f"{stem}-masks.npz", **given)
    rows = list(_rows(stem, source, parts, rescans, baseline, prefix))
    with (folder / f"{stem}.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _rows(
    stem: str, source: PerivascularSpaces, parts: list[SpacesTable], rescans: int, baseline: BrightParts, prefix: str
) -> Iterator[dict[str, object]]:
    row = 0
    for number, table in enumerate(parts):
        simple = baseline(table)
        for i in range(len(table)):
            yield {
                "case": f"{i:04d}-{number + 1}", "patient": f"{prefix}-{i:04d}",
                "image": f"{stem}-images.npz#images[{row}]",
                **{name: f"{stem}-masks.npz#{name}[{row}]" for name in (*MASKS, "region")},
                "plane": "" if table.planes[i] < 0 else int(table.planes[i]), "spaces_there": int(table.there[i]),
                "count": int(table.readings[i, 0]),
                **{name: int(table.readings[i, k]) for k, name in enumerate(OBSERVERS)},
                "bright_parts": f"{simple[i]:.3f}", "examined_twice": f"{i:04d}" if i < rescans else "",
                **_who(source.patient(i)),
            }  # fmt: skip
            row += 1


def _who(patient: SpacesPatient) -> Mapping[str, object]:
    return {
        "sex": "male" if patient.male else "female", "age": patient.age, "scanner": patient.scanner,
        **patient.numbers, **{name: "yes" if there else "no" for name, there in patient.present.items()},
    }  # fmt: skip


def filled(template: Path, given: Mapping[str, object]) -> str:
    """Return a template's text with every @key@ filled in.

    Raises:
        ValueError: A key of the template was not given.
    """
    text = template.read_text(encoding="utf-8")
    for key, value in given.items():
        text = text.replace(f"@{key}@", str(value))
    if "@" in text:
        raise ValueError(f"{template.name}: expected every @key@ to be given, got one that is not")
    return text
