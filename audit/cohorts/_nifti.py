"""NIfTI volumes, brought to one anatomical orientation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from audit.cohorts._limits import MAX_VALUES, TOO_LARGE
from audit.cohorts._stored import Stored, axis_codes, oriented
from audit.errors import ReadError

_DAMAGED = "NIfTI file is damaged"


def read_nifti(path: Path, orientation: str | None = None) -> Stored:
    """Return a NIfTI volume with the file's own scaling applied.

    Args:
        path: A .nii or .nii.gz file.
        orientation: Direction of each axis, for example "LPS"; "RAS" where undeclared, so that all files of a cohort
            agree whatever way round they were saved.

    Returns:
        (1, i, j, k) and the spacing in mm.

    Raises:
        ReadError: Damaged, too large, not three-dimensional, or its orientation is unset or contradictory.
    """
    import nibabel as nib

    try:
        image = nib.load(path)
        affine = _affine(image)
        volume = _volume(image)
    except (ReadError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # a decoder may raise anything on bytes that are not what they claim to be
        raise ReadError(_DAMAGED) from error
    return oriented(volume, affine, orientation or "RAS")


def _volume(image: Any) -> Any:
    shape = tuple(int(s) for s in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise ReadError(f"NIfTI of {len(shape)} dimensions; one volume of 3 is expected")
    if int(np.prod(shape, dtype=object)) > MAX_VALUES:
        raise ReadError(TOO_LARGE)
    if image.get_data_dtype().kind not in "iuf":
        raise ReadError("NIfTI of colours or complex numbers")
    return np.asarray(image.dataobj, dtype=np.float32).reshape(shape)


def _affine(image: Any) -> Any:
    header = image.header
    if not hasattr(header, "get_sform"):
        raise ReadError(_DAMAGED)
    sform, scode = header.get_sform(coded=True)
    qform, qcode = header.get_qform(coded=True)
    if not scode and not qcode:
        raise ReadError("NIfTI without an orientation (neither sform nor qform is set)")
    # Two answers to which side is left cannot both be right, and readers differ in which one they believe.
    if scode and qcode and axis_codes(sform) != axis_codes(qform):
        raise ReadError("NIfTI whose sform and qform disagree on the orientation")
    return sform if scode else qform
