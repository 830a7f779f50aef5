"""What an image cell of the manifest may say, and which file it means."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from audit.errors import InputError, ReadError
from audit.storage import Location, Remote, is_url, join, locate

_ARRAY = re.compile(r"^(?P<file>.+\.np[yz])(?:#(?P<key>[^\[\]#]*)(?:\[(?P<row>\d{1,12})\])?)?$", re.IGNORECASE)
RASTER = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
DICOM = (".dcm", ".dicom", ".ima")
NIFTI = (".nii", ".nii.gz")
OUTSIDE = "image outside the cohort's folder"
NOT_FOUND = "image file not found"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One image.

    Args:
        path: The file, or the folder of one DICOM series.
        kind: raster, array, dicom or nifti.
        key: Name of the array inside an .npz.
        row: Row of the array.
    """

    path: Location
    kind: str
    key: str | None = None
    row: int | None = None


def resolve(cell: str, *, folder: Location, root: Path) -> Reference:
    """Return what an image cell means.

    A relative path starts at the manifest's folder and may not climb out of it, nor out of the folder of audit.toml:
    such a path is a mistake or a trap. An absolute path says openly where it points and is taken as it is. Only the
    text is judged, so that a link inside the folder may lead to the disk where the images really lie.

    A URL says where it points as an absolute path does. Below a manifest that lies on shared storage a relative path
    may not climb at all, and what is absolute must name the same bucket: a table that somebody put there chooses no
    file of this machine.

    Args:
        cell: The cell's text.
        folder: The manifest's folder.
        root: The folder of audit.toml.

    Raises:
        ReadError: The cell is empty, climbs out, or names no format that can be read.
    """
    if not cell:
        raise ReadError("no image is named")
    if "\x00" in cell:
        raise ReadError("image reference that is no path")
    match = _ARRAY.match(cell)
    name = match["file"] if match else cell
    path = _inside(name, folder, root)
    if match:
        row = match["row"]
        return Reference(path=path, kind="array", key=match["key"] or None, row=None if row is None else int(row))
    return Reference(path=path, kind=_kind(path))


def _inside(name: str, folder: Location, root: Path) -> Location:
    if is_url(name) or isinstance(folder, Remote):
        return _on_storage(name, folder)
    if Path(name).is_absolute():
        return Path(name)
    path = Path(os.path.normpath(folder / name))
    homes = [Path(os.path.normpath(p)) for p in (folder, root)]
    if not any(path.is_relative_to(home) for home in homes):
        raise ReadError(OUTSIDE)
    return path


def _on_storage(name: str, folder: Location) -> Location:
    try:
        if not isinstance(folder, Remote):
            return locate(name)
        place = locate(name) if is_url(name) else join(folder, name)
    except InputError as error:
        raise ReadError(OUTSIDE) from error
    if not isinstance(place, Remote) or place.bucket != folder.bucket:
        raise ReadError(OUTSIDE)
    return place


def _kind(path: Location) -> str:
    name = path.name.lower()
    if name.endswith(RASTER):
        return "raster"
    if name.endswith(NIFTI):
        return "nifti"
    # A DICOM file often has no suffix, or a number of its UID behind the last point.
    if name.endswith(DICOM) or path.suffix == "" or path.suffix[1:].isdigit():
        return "dicom"
    if ".npy#" in name or ".npz#" in name:
        raise ReadError("image reference into an array that cannot be understood (expected file#key[row])")
    raise ReadError(f"image format {_shown(path.suffix)} is not supported")


def _shown(suffix: str) -> str:
    return suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else "of this file"
