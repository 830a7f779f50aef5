"""DICOM files and series."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless, generate_uid

from audit.cohorts import load_cohort, read_batches
from audit.cohorts._dicom import read_dicom
from audit.core import InputSpec
from audit.errors import ReadError
from tests.cohorts.conftest import Write, spec

SERIES = generate_uid()


def dicom(path: Path, values: np.ndarray, **tags: object) -> Path:
    """Write one uncompressed 16-bit image."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = tags.pop("syntax", ExplicitVRLittleEndian)
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID = "Doe^Jane", "MRN-4711"
    data.Modality, data.SeriesInstanceUID = "CT", SERIES
    data.Rows, data.Columns = values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = int(values.dtype.kind == "i")
    data.PixelData = values.astype(values.dtype.newbyteorder("<")).tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def axial(folder: Path, positions: list[float], names: list[str] | None = None, **tags: object) -> Path:
    """Write an axial series whose slice at z holds the value 10 z everywhere but for a mark in one corner."""
    for i, z in enumerate(positions):
        values = np.full((3, 4), round(10 * z), np.int16)
        values[0, 0] = 999
        name = names[i] if names else f"{i:03d}.dcm"
        more = {"ImagePositionPatient": [0, 0, z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                "PixelSpacing": [0.5, 0.7], "SliceThickness": 2, **tags}  # fmt: skip
        dicom(folder / name, values, **more)
    return folder


def test_slope_and_intercept_give_hounsfield_units(tmp_path: Path) -> None:
    """Stored values become slope x value + intercept."""
    values = np.array([[0, 1024], [2048, 4095]], np.uint16)
    path = dicom(tmp_path / "a.dcm", values, RescaleSlope="2", RescaleIntercept="-1024", PixelSpacing=[0.5, 0.25])
    read = read_dicom(path)
    assert read.values.tolist() == [[[-1024, 1024], [3072, 7166]]]
    assert read.spacing == (0.5, 0.25)


@pytest.mark.parametrize("dtype, bits, expected", [(np.uint16, 12, [4095, 4085, 0]), (np.int16, 16, [-1, -11, -4096])])
def test_monochrome1_is_inverted(tmp_path: Path, dtype: type, bits: int, expected: list[int]) -> None:
    """Where 0 means white the values are turned round within their stored bits, before they are rescaled."""
    values = np.array([[0, 10, 4095]], dtype)
    more = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": bits, "HighBit": bits - 1}
    assert read_dicom(dicom(tmp_path / "a.dcm", values, **more)).values.tolist() == [[expected]]
    scaled = dicom(tmp_path / "b.dcm", values, RescaleSlope="2", RescaleIntercept="5", **more)
    assert read_dicom(scaled).values.tolist() == [[[2 * e + 5 for e in expected]]]


def test_colour_has_its_channels_first(tmp_path: Path) -> None:
    """An RGB file gives (3, h, w)."""
    values = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    more = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsAllocated": 8,
            "BitsStored": 8, "HighBit": 7, "Rows": 2, "Columns": 3}  # fmt: skip
    padded = values.tobytes()
    path = dicom(tmp_path / "a.dcm", values, PixelData=padded, **more)
    np.testing.assert_array_equal(read_dicom(path).values, np.moveaxis(values, -1, 0))


def test_a_series_is_sorted_by_position_not_by_name(tmp_path: Path) -> None:
    """Files in a shuffled order give slices from inferior to superior, with the spacing of their positions."""
    folder = axial(tmp_path / "s", [4, 0, 6, 2], names=["a.dcm", "z.dcm", "b", "1.2.3.4"])
    read = read_dicom(folder)
    assert read.values.shape == (1, 4, 3, 4)
    assert read.values[0, :, 1, 1].tolist() == [0, 20, 40, 60]
    assert read.spacing == pytest.approx((2, 0.5, 0.7))
    assert (read.values[0, :, 0, 0] == 999).all()


def test_a_prone_series_is_turned_to_the_patient(tmp_path: Path) -> None:
    """Rows and columns are flipped to point to the patient's posterior and left, whichever way he lay."""
    folder = axial(tmp_path / "s", [0, 2, 4], ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
    volume = read_dicom(folder).values[0]
    assert (volume[:, -1, -1] == 999).all()
    assert volume[:, 1, 1].tolist() == [0, 20, 40]


def test_a_declared_orientation_permutes_the_axes(tmp_path: Path) -> None:
    """RAS: the first axis points right, the last one up; the spacing goes with its axis."""
    read = read_dicom(axial(tmp_path / "s", [0, 2, 4]), "RAS")
    assert read.values.shape == (1, 4, 3, 3)
    assert read.spacing == pytest.approx((0.7, 0.5, 2))
    assert (read.values[0, -1, -1, :] == 999).all()
    assert read.values[0, 1, 1, :].tolist() == [0, 20, 40]


@pytest.mark.parametrize(
    "positions, words",
    [([0, 2, 4, 8], "missing or unevenly"), ([0, 2, 2, 4], "two slices at one position")],
)
def test_gaps_and_doubles_are_refused(tmp_path: Path, positions: list[float], words: str) -> None:
    """A series with a slice missing or twice is no volume."""
    with pytest.raises(ReadError, match=words):
        read_dicom(axial(tmp_path / "s", positions))


def test_folders_that_are_not_one_series(tmp_path: Path) -> None:
    """Several series, several orientations, slices without position and foreign files each have their reason."""
    dicom(axial(tmp_path / "two", [0, 2]) / "x.dcm", np.zeros((3, 4), np.int16), SeriesInstanceUID=generate_uid())
    with pytest.raises(ReadError, match="2 series"):
        read_dicom(tmp_path / "two")
    axial(tmp_path / "mixed", [0, 2])
    axial(tmp_path / "mixed", [4], names=["x.dcm"], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    with pytest.raises(ReadError, match="several orientations"):
        read_dicom(tmp_path / "mixed")
    dicom(tmp_path / "bare" / "a.dcm", np.zeros((3, 4), np.int16))
    with pytest.raises(ReadError, match="without a position"):
        read_dicom(tmp_path / "bare")
    (axial(tmp_path / "foreign", [0, 2]) / "notes.txt").write_text("hello" * 100)
    with pytest.raises(ReadError, match="not DICOM"):
        read_dicom(tmp_path / "foreign")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="without DICOM files"):
        read_dicom(tmp_path / "empty")


def test_damage_is_a_reason(tmp_path: Path) -> None:
    """A file cut short at any place gives a reason without its path or its patient."""
    whole = dicom(tmp_path / "a.dcm", np.arange(4096, dtype=np.uint16).reshape(64, 64)).read_bytes()
    for share in (0.02, 0.05, 0.3, 0.7, 0.99):
        (tmp_path / "cut.dcm").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ReadError) as caught:
            read_dicom(tmp_path / "cut.dcm")
        assert str(tmp_path) not in str(caught.value)
        assert "MRN" not in str(caught.value)


def test_a_missing_decoder_is_named(tmp_path: Path) -> None:
    """A compressed file that nothing installed can decode says which compression it is."""
    from pydicom.pixels import get_decoder

    if get_decoder(JPEGLSLossless).is_available:
        pytest.skip("a JPEG-LS decoder is installed")
    path = dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint16))
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = JPEGLSLossless
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + b"\0" * 64])
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    with pytest.raises(ReadError, match=r"JPEG-LS.*no decoder is installed"):
        read_dicom(tmp_path / "b.dcm")


def test_run_length_compression_is_read(tmp_path: Path) -> None:
    """RLE needs no further package."""
    values = np.arange(16, dtype=np.uint16).reshape(4, 4) // 3
    data = pydicom.dcmread(dicom(tmp_path / "a.dcm", values))
    data.compress(RLELossless)
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read_dicom(tmp_path / "b.dcm").values[0], values)


def test_what_would_pass_in_a_wrong_unit_is_refused(tmp_path: Path) -> None:
    """Enhanced files keep their rescaling by frame, palettes hold no intensities: both are refused."""
    values = np.zeros((2, 3, 4), np.uint16)
    groups = [pydicom.Dataset()]
    path = dicom(tmp_path / "a.dcm", values, NumberOfFrames=2, SharedFunctionalGroupsSequence=groups)
    with pytest.raises(ReadError, match="enhanced"):
        read_dicom(path)
    path = dicom(tmp_path / "b.dcm", values[0], PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(ReadError, match="PALETTE COLOR"):
        read_dicom(path)


def test_a_file_without_image(tmp_path: Path) -> None:
    """A DICOM object without pixels is no image."""
    data = pydicom.dcmread(dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint16)))
    del data.PixelData
    data.save_as(tmp_path / "b.dcm")
    with pytest.raises(ReadError, match="without an image"):
        read_dicom(tmp_path / "b.dcm")


def test_a_size_beyond_the_limit_is_refused_by_its_header(tmp_path: Path) -> None:
    """A file of a few bytes that says it is huge is refused before anything is decoded."""
    path = dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint16), Rows=65535, Columns=65535)
    with pytest.raises(ReadError, match="too large"):
        read_dicom(path)


def test_in_a_cohort_the_spacing_is_checked(tmp_path: Path, write_csv: Write) -> None:
    """Of three volumes the one of another slice distance is set aside, with expected and got."""
    axial(tmp_path / "one", [0, 2, 4])
    axial(tmp_path / "two", [0, 3, 6])
    axial(tmp_path / "three", [0, 2.01, 4.02])
    write_csv([["file", "label"], ["one", "1"], ["two", "0"], ["three", "1"], ["four", "1"]])
    wanted = InputSpec(size=(3, 3, 4), spacing_mm=(2.0, 0.5, 0.7))
    cohort = load_cohort(spec(), tmp_path, task="binary", input=wanted)
    assert cohort.ledger.set_aside == {"image file not found": 1}
    (batch,) = read_batches(cohort, range(3), 4)
    assert batch.kept.tolist() == [0, 2]
    assert batch.images.shape == (2, 1, 3, 3, 4)
    assert batch.failures == {1: "wrong spacing: expected 2 x 0.5 x 0.7 mm, got 3 x 0.5 x 0.7 mm"}


def test_more_that_is_no_series(tmp_path: Path) -> None:
    """Slices of two sizes, without a pixel spacing, or in colour are no volume."""
    axial(tmp_path / "sizes", [0, 2])
    dicom(tmp_path / "sizes" / "x.dcm", np.zeros((5, 5), np.int16))
    with pytest.raises(ReadError, match="differ in size"):
        read_dicom(tmp_path / "sizes")
    with pytest.raises(ReadError, match="pixel spacing"):
        read_dicom(axial(tmp_path / "bare", [0, 2], PixelSpacing=None))
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsAllocated": 8,
              "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}  # fmt: skip
    axial(tmp_path / "colour", [0, 2], PixelData=bytes(36), **colour)
    with pytest.raises(ReadError, match="no gray images"):
        read_dicom(tmp_path / "colour")


def test_a_series_of_one_slice(tmp_path: Path) -> None:
    """A folder of one file is a volume of one slice, as thick as the file says."""
    read = read_dicom(axial(tmp_path / "s", [7]))
    assert read.values.shape == (1, 1, 3, 4)
    assert read.spacing == pytest.approx((2, 0.5, 0.7))


def test_frames_of_a_plain_file_are_a_volume_of_unknown_spacing(tmp_path: Path) -> None:
    """A multi-frame file gives (1, frames, h, w); what lies between its frames it does not say."""
    values = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    read = read_dicom(dicom(tmp_path / "a.dcm", values, NumberOfFrames=2, PixelSpacing=[1, 1]))
    np.testing.assert_array_equal(read.values[0], values)
    assert read.spacing == ()


def test_transfer_syntaxes_that_hold_no_image_are_named(tmp_path: Path) -> None:
    """A syntax for video is refused by name, before anything is decoded."""
    data = pydicom.dcmread(dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint16)))
    data.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    data.PixelData = pydicom.encaps.encapsulate([b"\0" * 64])
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    with pytest.raises(ReadError, match="not supported"):
        read_dicom(tmp_path / "b.dcm")
