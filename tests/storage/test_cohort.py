"""A cohort on shared storage is the cohort that it is on disk, and can name nothing else."""

import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from audit.cohorts import load_cohort, read_batches
from audit.core import Cohort, CohortSpec, InputSpec, Policy
from audit.errors import ManifestError, ReadError, StorageError
from audit.storage import Remote, join
from tests.cohorts.test_dicom import axial
from tests.storage.conftest import put

N = 6


def cells(folder: Path) -> list[str]:
    """Write one volume in each format that is read; return the cells that name them."""
    rng = np.random.default_rng(1)
    volume = rng.integers(0, 200, (N, 2, 3, 4)).astype(np.int16)
    (folder / "images").mkdir(parents=True)
    nib.save(nib.Nifti1Image(volume[0], np.eye(4)), folder / "images" / "a.nii.gz")
    np.save(folder / "images" / "all.npy", volume[:, None])
    np.savez(folder / "images" / "stored.npz", x=volume[:, None])
    np.savez_compressed(folder / "images" / "packed.npz", x=volume[:, None])
    axial(folder / "images" / "series", [0, 1], RescaleSlope="1", RescaleIntercept="0")
    frames = [Image.fromarray(plane.astype(np.uint8)) for plane in volume[5]]
    frames[0].save(folder / "images" / "f.tif", save_all=True, append_images=frames[1:])
    return ["images/a.nii.gz", "images/all.npy#[1]", "images/stored.npz#x[2]", "images/packed.npz#x[3]",
            "images/series", "./images/f.tif"]  # fmt: skip


def table(folder: Path, images: list[str]) -> None:
    lines = ["case,label,image,mask", *(f"c{i},{i % 2},{cell},{cell}" for i, cell in enumerate(images))]
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")


def copied(folder: Path, place: Remote) -> None:
    """Copy a folder to shared storage."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            put(join(place, file.relative_to(folder).as_posix()), file.read_bytes())


def loaded(manifest: str, root: Path, **more: object) -> Cohort:
    spec = CohortSpec(manifest=manifest, case="case", target=("label",), image="image", positive=("1",), **more)  # type: ignore[arg-type]
    return load_cohort(spec, root, task="binary", input=InputSpec(size=(2, 3, 4), channels=1, range=(0, 999)))


def images(cohort: Cohort, workers: int = 1) -> np.ndarray:
    parts = list(read_batches(cohort, range(len(cohort)), 4, workers))
    assert not [f for p in parts for f in p.failures.values()]
    return np.concatenate([p.images for p in parts])


@pytest.mark.parametrize("kind", ["memory", "bucket", "file"])
def test_every_format_reads_as_from_disk_and_the_digest_is_the_same(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every format reads as from disk and the digest is the same."""
    folder = tmp_path / "cohort"
    table(folder, cells(folder) if folder.mkdir() is None else [])
    here = loaded("cohort/cases.csv", tmp_path, mask="mask")
    if kind == "file":
        there = loaded(f"file://{folder}/cases.csv", tmp_path, mask="mask")
    else:
        place = join(request.getfixturevalue(kind), "study/cohort")
        copied(folder, place)
        there = loaded(f"{place}/cases.csv", tmp_path / "elsewhere", mask="mask")
    assert len(here) == len(there) == N
    assert there.digest == here.digest
    np.testing.assert_array_equal(images(there), images(here))
    np.testing.assert_array_equal(images(there, workers=2), images(here))
    assert here.masks is not None
    assert there.masks is not None
    np.testing.assert_array_equal(there.masks.load(0), here.masks.load(0))
    assert there.images.on_disk(0) == here.images.on_disk(0)  # type: ignore[union-attr]


def png(place: Remote, value: int) -> None:
    from io import BytesIO

    buffer = BytesIO()
    Image.fromarray(np.full((4, 5), value, np.uint8)).save(buffer, "PNG")
    put(place, buffer.getvalue())


def flat(manifest: str, root: Path) -> Cohort:
    spec = CohortSpec(manifest=manifest, case="case", target=("label",), image="image", positive=("1",))
    return load_cohort(spec, root, task="binary", input=InputSpec(size=(4, 5), channels=1, range=(0, 255)))


def manifest(memory: Remote, *images: str) -> str:
    lines = ["case,label,image", *(f"c{i},{1 - i % 2},{cell}" for i, cell in enumerate(images))]
    put(join(memory, "cases.csv"), "\n".join(lines).encode())
    return f"{memory}/cases.csv"


def test_references_that_leave_the_bucket_or_climb_are_set_aside(memory: Remote, tmp_path: Path) -> None:
    """References that leave the bucket or climb are set aside."""
    png(tmp_path_png := join(memory, "a.png"), 1)
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "own.png")
    inside = [f"{tmp_path_png}", "a.png", "./a.png"]
    outside = [f"{tmp_path}/own.png", f"file://{tmp_path}/own.png", "memory://another/a.png", "s3://bucket/a.png",
               "http://host/a.png", "../a.png", "x/../a.png", "simplecache::memory://bucket/a.png"]  # fmt: skip
    cohort = flat(manifest(memory, *inside, *outside), tmp_path)
    assert len(cohort) == len(inside)
    assert dict(cohort.ledger.set_aside) == {"image outside the cohort's folder": len(outside)}


def test_what_is_absent_is_set_aside_with_its_reason(memory: Remote, tmp_path: Path) -> None:
    """What is absent is set aside with its reason."""
    png(join(memory, "a.png"), 1)
    cohort = flat(manifest(memory, "a.png", "b.png"), tmp_path)
    assert dict(cohort.ledger.set_aside) == {"image file not found": 1}


def test_a_table_of_this_machine_may_name_images_on_shared_storage(memory: Remote, tmp_path: Path) -> None:
    """A table of this machine may name images on shared storage."""
    png(join(memory, "a.png"), 7)
    (tmp_path / "cases.csv").write_text(f"case,label,image\nc0,1,{memory}/a.png\n")
    assert images(flat("cases.csv", tmp_path)).max() == 7


def test_an_image_that_goes_between_preflight_and_use_is_a_reason(memory: Remote, tmp_path: Path) -> None:
    """An image that goes between preflight and use is a reason."""
    png(join(memory, "a.png"), 1)
    png(join(memory, "b.png"), 1)
    cohort = flat(manifest(memory, "a.png", "b.png"), tmp_path)
    system, path = memory.filesystem()
    system.rm(f"{path}/b.png")
    (batch,) = read_batches(cohort, [0, 1], 2)
    assert dict(batch.failures) == {1: "image file not found"}


def test_a_store_that_fails_ends_the_reading_and_loses_no_case_silently(
    memory: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails ends the reading and loses no case silently."""
    import fsspec

    png(join(memory, "a.png"), 1)
    cohort = flat(manifest(memory, "a.png"), tmp_path)

    def fail(*_: object, **__: object) -> bytes:
        raise TimeoutError("https://key:secret@storage.example")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", fail)
    with pytest.raises(StorageError, match="reading a file failed") as caught:
        list(read_batches(cohort, [0], 1))
    assert "secret" not in str(caught.value)
    assert not isinstance(caught.value, ReadError)


@pytest.mark.parametrize("trouble", [PermissionError("key-id-17 has expired"), "slow"])
def test_a_store_that_refuses_or_never_answers_ends_the_reading(
    memory: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: PermissionError | str
) -> None:
    """Credentials that expire in the middle say nothing of a case, and a network that hangs does not either."""
    import fsspec

    png(join(memory, "a.png"), 1)
    cohort = flat(manifest(memory, "a.png"), tmp_path)

    def fail(self: object, path: str, **more: object) -> bytes:
        if isinstance(trouble, str):
            time.sleep(1)
            return b""
        raise trouble

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", fail)
    source = replace(cohort.images, seconds=0.05)  # type: ignore[type-var]
    with pytest.raises(StorageError) as caught:
        source.load(0)
    assert ("key-id" in str(caught.value), "a.png" in str(caught.value)) == (False, False)


def test_an_image_above_the_limit_is_a_reason(memory: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one on disk that holds too many values."""
    from audit.cohorts import _source

    png(join(memory, "a.png"), 1)
    cohort = flat(manifest(memory, "a.png"), tmp_path)
    monkeypatch.setattr(_source, "_MOST_BYTES", 20)
    (batch,) = read_batches(cohort, [0], 1)
    assert dict(batch.failures) == {0: "image is too large to be read"}


def test_a_store_that_fails_in_a_probe_ends_the_run_and_is_no_result_of_the_probe(
    memory: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an error of the network would be kept as the probe's own, and found again by every later run."""
    import fsspec

    from audit.session import load_model
    from audit.session._run import Options, audit_model

    for i in range(8):
        png(join(memory, f"{i}.png"), 20 * i)
    cohort = flat(manifest(memory, *(f"{i}.png" for i in range(8))), tmp_path)
    kind, calls = type(fsspec.filesystem("memory")), []
    read = kind.cat_file

    def fails_later(*given: object, **named: object) -> bytes:
        calls.append(given)
        if len(calls) > 8:
            raise TimeoutError("no answer")
        return read(*given, **named)  # type: ignore[return-value]

    model = load_model(
        lambda images: np.full((len(images), 1), 0.25), task="binary", output="probabilities", classes=["no", "yes"],
        operating_point=0.5, input={"size": [4, 5], "channels": 1, "range": [0, 255]},
    )  # fmt: skip
    monkeypatch.setattr(kind, "cat_file", fails_later)
    options = Options(profile="smoke", out=tmp_path / "run", probes="SETUP002,DATA008")
    with pytest.raises(StorageError, match="reading a file failed"):
        audit_model(model, cohort, Policy(name="none"), options)
    assert not (tmp_path / "run").exists()


def test_the_mark_of_images_changes_with_their_content_alone(memory: Remote, tmp_path: Path) -> None:
    """The mark of images changes with their content alone."""
    png(join(memory, "a.png"), 1)
    cohort = flat(manifest(memory, "a.png"), tmp_path)
    before = cohort.images.mark()  # type: ignore[union-attr]
    assert flat(f"{memory}/cases.csv", tmp_path).images.mark() == before  # type: ignore[union-attr]
    png(join(memory, "a.png"), 2)
    assert cohort.images.mark() != before  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["none.csv", "folder.csv"])
def test_a_manifest_that_is_not_there_is_said_so(memory: Remote, tmp_path: Path, name: str) -> None:
    """A manifest that is not there is said so."""
    put(join(memory, "folder.csv/x"), b"1")
    with pytest.raises(ManifestError, match="no such file"):
        flat(f"{memory}/{name}", tmp_path)
