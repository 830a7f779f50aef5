"""DICOM: one file as an image, a folder of one series as a volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audit.cohorts._limits import MAX_VALUES, TOO_LARGE
from audit.cohorts._stored import Stored, axis_codes, oriented
from audit.errors import ReadError

_DAMAGED = "DICOM file is damaged or cut short"
_EVEN = 0.05
_POINTS_TO = {"L": "L", "R": "L", "P": "P", "A": "P", "S": "S", "I": "S"}
_NO_VALUE = (None, "")


def read_dicom(path: Path, orientation: str | None = None) -> Stored:
    """Return what a DICOM file, or a folder that holds one series, shows.

    The modality's rescaling (slope and intercept, or its table) is applied, so that CT is in HU; MONOCHROME1 is
    inverted, so that bright means more; no window is applied, which is the model's own work.

    Args:
        path: A file, or a folder of one series.
        orientation: Direction of each axis of a volume, for example "RAS". Undeclared: slices, rows and columns keep
            their order and are flipped to point to the patient's left, posterior and superior.

    Returns:
        (1, h, w) or (3, h, w); a folder or a multi-frame file gives (1, slices, h, w).

    Raises:
        ReadError: Damaged, cut short, compressed in a way that nothing here decodes, several series, slices that are
            missing, repeated or without position.
    """
    from pydicom.errors import InvalidDicomError

    try:
        if path.is_dir():
            return _series(path, orientation)
        return _single(_dataset(path))
    except (ReadError, FileNotFoundError, PermissionError):
        raise
    except InvalidDicomError:
        raise ReadError("file is not DICOM") from None
    except Exception as error:  # a decoder may raise anything on bytes that are not what they claim to be
        raise ReadError(_DAMAGED) from error


def _dataset(path: Path, *, pixels: bool = True) -> Any:
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=not pixels)


def _single(dataset: Any) -> Stored:
    values = _values(dataset)
    spacing = dataset.get("PixelSpacing")
    known = tuple(float(s) for s in spacing) if spacing not in _NO_VALUE and len(spacing) == 2 else ()
    # Frames of a plain multi-frame file carry no distance of their own.
    return Stored(values, known if values.ndim == 3 else ())


def _values(dataset: Any) -> Any:
    """Return (channels, *spatial) intensities of one file, in the unit of its modality."""
    from pydicom.pixels import apply_modality_lut, pixel_array

    _check(dataset)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    raw = pixel_array(dataset)
    if int(dataset.get("SamplesPerPixel", 1)) == 3:
        if raw.ndim != 3:
            raise ReadError("DICOM of several colour frames")
        return np.moveaxis(raw, -1, 0)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ReadError(f"DICOM of photometric interpretation {photometric[:16] or 'unknown'}")
    if photometric == "MONOCHROME1":
        raw = _inverted(raw, dataset)
    return np.asarray(apply_modality_lut(raw, dataset), dtype=np.float64)[None]


def _inverted(raw: Any, dataset: Any) -> Any:
    if "ModalityLUTSequence" in dataset:
        raise ReadError("DICOM in MONOCHROME1 with a table of its modality")
    bits = int(dataset.BitsStored)
    top = -1 if int(dataset.get("PixelRepresentation", 0)) else (1 << bits) - 1
    return top - raw.astype(np.int64)


def _check(dataset: Any) -> None:
    if "PixelData" not in dataset and "FloatPixelData" not in dataset and "DoubleFloatPixelData" not in dataset:
        raise ReadError("DICOM file without an image")
    # Their rescaling and positions stand in groups by frame; read without those they would pass in a wrong unit.
    if "SharedFunctionalGroupsSequence" in dataset or "PerFrameFunctionalGroupsSequence" in dataset:
        raise ReadError("enhanced multi-frame DICOM is not supported; export it as one file a slice")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if int(dataset.Rows) * int(dataset.Columns) * frames * int(dataset.get("SamplesPerPixel", 1)) > MAX_VALUES:
        raise ReadError(TOO_LARGE)
    _check_decoder(dataset)


def _check_decoder(dataset: Any) -> None:
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise ReadError("DICOM in a transfer syntax that is not supported") from None
    if not decoder.is_available:
        raise ReadError(f"DICOM compressed as {syntax.name}: no decoder is installed (pip install pylibjpeg[all])")


def _series(folder: Path, orientation: str | None) -> Stored:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".") and p.name != "DICOMDIR")
    if not files:
        raise ReadError("folder without DICOM files")
    headers = [_dataset(p, pixels=False) for p in files]
    series = {str(h.get("SeriesInstanceUID", "")) for h in headers}
    if len(series) != 1:
        raise ReadError(f"folder holds {len(series)} series; one is expected")
    if len({(int(h.Rows), int(h.Columns)) for h in headers}) != 1:
        raise ReadError("series whose slices differ in size")
    if len(files) * int(headers[0].Rows) * int(headers[0].Columns) > MAX_VALUES:
        raise ReadError(TOO_LARGE)
    order, affine = _geometry(headers)
    planes = [_values(_dataset(files[i])) for i in order]
    if any(p.ndim != 3 or p.shape[0] != 1 for p in planes):
        raise ReadError("series whose slices are no gray images")
    volume = np.concatenate(planes)
    codes = orientation or "".join(_POINTS_TO[c] for c in axis_codes(affine))
    return oriented(volume, affine, codes)


def _geometry(headers: Sequence[Any]) -> tuple[Any, Any]:
    """Return the order of slices along their normal, and the affine of (slice, row, column) to RAS in mm."""
    if any(
        h.get("ImagePositionPatient") in _NO_VALUE or h.get("ImageOrientationPatient") in _NO_VALUE for h in headers
    ):
        raise ReadError("slices without a position")
    cosines = np.array([[float(v) for v in h.ImageOrientationPatient] for h in headers])
    if np.abs(cosines - cosines[0]).max() > 1e-3:
        raise ReadError("slices of several orientations")
    positions = np.array([[float(v) for v in h.ImagePositionPatient] for h in headers])
    along_row, along_column = cosines[0, :3], cosines[0, 3:]
    normal = np.cross(along_row, along_column)
    distance = positions @ normal
    order = np.argsort(distance, kind="stable")
    step = _step(distance[order], headers[0])
    if any(h.get("PixelSpacing") in _NO_VALUE for h in headers):
        raise ReadError("slices without a pixel spacing")
    rows, columns = (float(s) for s in headers[0].PixelSpacing)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = normal * step, along_column * rows, along_row * columns
    lps[:3, 3] = positions[order[0]]
    return order, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def _step(distance: Any, header: Any) -> float:
    """Return the distance between slices in mm."""
    if len(distance) == 1:
        return float(header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 1.0)
    steps = np.diff(distance)
    step = float(np.median(steps))
    if steps.min() < 1e-3:
        raise ReadError("series with two slices at one position")
    if np.abs(steps - step).max() > _EVEN * step:
        raise ReadError("series with missing or unevenly spaced slices")
    return step
