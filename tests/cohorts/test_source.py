"""Whether an image fits the model, and batches of images."""

import errno
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from audit.cohorts import FileSource, from_arrays, load_cohort, read_batches
from audit.cohorts._fit import fit, resized, with_channels
from audit.cohorts._preflight import readable
from audit.cohorts._references import resolve
from audit.core import AttributeSpec, Cohort, InputSpec
from audit.errors import InputError, ReadError, StorageError
from tests.cohorts.conftest import Write, gray, save_png, spec

RGB = InputSpec(size=(4, 5), channels=3, range=(0, 255))


@pytest.mark.parametrize(
    "shape, expected",
    [((4, 5), (1, 4, 5)), ((1, 4, 5), (1, 4, 5)), ((4, 5, 1), (1, 4, 5))],
)
def test_the_channel_axis_is_found(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """An array without channel axis gets one; channels that stand last come first."""
    assert with_channels(np.zeros(shape), gray()).shape == expected


def test_channels_that_could_be_either_are_told_by_the_size() -> None:
    """Where the first and the last axis both are as long as the channels, the declared size decides."""
    wide = InputSpec(size=(3, 7), channels=3)
    assert with_channels(np.zeros((3, 7, 3)), wide).shape == (3, 3, 7)
    tall = InputSpec(size=(7, 3), channels=3)
    assert with_channels(np.zeros((3, 7, 3)), tall).shape == (3, 7, 3)


@pytest.mark.parametrize(
    "image, words",
    [
        (np.zeros((1, 4, 5)), "wrong channels: expected 3, got 1"),
        (np.zeros((3, 2, 4, 5)), "wrong number of dimensions: expected 2, got 3"),
        (np.zeros((3, 5, 4)), "wrong size: expected 4 x 5, got 5 x 4"),
        (np.full((3, 4, 5), np.nan), "NaN or infinite"),
        (np.full((3, 4, 5), np.inf), "NaN or infinite"),
        (np.full((3, 4, 5), 1e300), "NaN or infinite"),
        (np.zeros((3, 4, 5), complex), "no real numbers"),
        (np.zeros((3, 4, 5), "U3"), "no real numbers"),
        (np.zeros((3, 0, 5)), "without any value"),
    ],
)
def test_what_does_not_fit_is_refused(image: np.ndarray, words: str) -> None:
    """Channels, dimensions, size and finiteness are checked; the reason says expected and got."""
    with pytest.raises(ReadError, match=words):
        fit(image, RGB)


def test_values_are_stored_intensities() -> None:
    """Nothing is scaled: 16-bit values come through exactly, as float32."""
    values = np.arange(60).reshape(3, 4, 5).astype(np.uint16) * 1000
    out = fit(values, RGB)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, values)


def test_resize_agrees_with_pillow() -> None:
    """Growing and shrinking agree with Pillow's bilinear filter within 1e-3 grey levels (its float mode)."""
    from PIL import Image

    image = np.random.default_rng(1).uniform(0, 255, (24, 40)).astype(np.float32)
    for size in [(48, 60), (9, 13), (24, 13)]:
        theirs = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(resized(image[None], size)[0], theirs, atol=1e-3)


def test_resize_only_where_it_is_declared() -> None:
    """With resize the image is brought to size; a mask takes nearest values and invents none."""
    wanted = InputSpec(size=(2, 2), channels=1, resize="bilinear")
    assert fit(np.ones((1, 4, 4)), wanted).tolist() == [[[1, 1], [1, 1]]]
    mask = np.zeros((1, 5, 5))
    mask[0, :2] = 4
    assert set(np.unique(fit(mask, wanted, nearest=True))) <= {0, 4}


@pytest.mark.parametrize("cell", ["../../etc/passwd", "../x.png", "a/../../x.png", "../../../x.npz#k[0]"])
def test_a_path_may_not_climb_out(tmp_path: Path, cell: str) -> None:
    """A relative path that leaves the cohort's folder is refused before anything is looked up."""
    with pytest.raises(ReadError, match="outside the cohort's folder"):
        resolve(cell, folder=tmp_path / "c", root=tmp_path / "c")


def test_an_absolute_path_says_openly_where_it_points(tmp_path: Path) -> None:
    """Absolute paths to images are taken; what is no image format is refused by its name alone."""
    assert resolve("/data/a.png", folder=tmp_path, root=tmp_path).path == Path("/data/a.png")
    with pytest.raises(ReadError, match=r"format \.conf is not supported"):
        resolve("/etc/host.conf", folder=tmp_path, root=tmp_path)


def test_a_pipe_is_never_opened(tmp_path: Path, write_csv: Write) -> None:
    """A named pipe in place of an image, which would be waited on for ever, counts as not found."""
    import os

    os.mkfifo(tmp_path / "a.png")
    save_png(tmp_path / "b.png", np.zeros((4, 5), np.uint8))
    write_csv([["file", "label"], ["a.png", "1"], ["b.png", "0"]])
    cohort = load_cohort(spec(), tmp_path, task="binary", input=gray())
    assert cohort.ledger.set_aside == {"image file not found": 1}
    pipe = FileSource(references=np.array(["a.png"]), folder=tmp_path, root=tmp_path, input=gray())
    with pytest.raises(ReadError, match="not found"):
        pipe.load(0)


def small(tmp_path: Path, write_csv: Write, count: int = 11) -> Cohort:
    """A cohort of `count` images, of which the fourth is damaged and the sixth has NaN."""
    rows = []
    for i in range(count):
        if i == 3:
            (tmp_path / "3.png").write_bytes(b"x")
            name = "3.png"
        elif i == 5:
            np.save(tmp_path / "5.npy", np.full((4, 5), np.nan))
            name = "5.npy"
        else:
            name = save_png(tmp_path / f"{i}.png", np.full((4, 5), i, np.uint8)).name
        rows.append([name, str(i % 2)])
    write_csv([["file", "label"], *rows])
    return load_cohort(spec(), tmp_path, task="binary", input=gray())


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_account_for_every_case(tmp_path: Path, write_csv: Write, workers: int) -> None:
    """Each case is read or has its reason, in the order asked for, whatever the number of workers."""
    cohort = small(tmp_path, write_csv)
    order = [10, 3, 0, 5, 7, 1, 2]
    batches = list(read_batches(cohort, order, 3, workers))
    assert [b.kept.tolist() for b in batches] == [[10, 0], [7, 1], [2]]
    assert [b.images[:, 0, 0, 0].tolist() for b in batches] == [[10, 0], [7, 1], [2]]
    reasons = {k: v for b in batches for k, v in b.failures.items()}
    assert set(reasons) == {3, 5}
    assert reasons[5] == "image with NaN or infinite values"
    assert not any(str(tmp_path) in r for r in reasons.values())


def test_a_batch_of_failures_is_empty(tmp_path: Path, write_csv: Write) -> None:
    """Where no image of a batch can be read there is an empty array and a reason for each case."""
    (batch,) = read_batches(small(tmp_path, write_csv), [3, 5], 8)
    assert batch.images.shape == (0,)
    assert set(batch.failures) == {3, 5}


def test_a_file_of_the_same_size_and_time_is_still_another(tmp_path: Path, write_csv: Write) -> None:
    """An unpacked archive sets the time of a file's content back; the mark of a source changes all the same."""
    images = small(tmp_path, write_csv).images
    assert isinstance(images, FileSource)
    before, path = images.mark(), tmp_path / "5.npy"
    assert images.mark() == before
    about, data = path.stat(), path.read_bytes()
    time.sleep(0.02)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (about.st_size, about.st_mtime_ns)
    assert images.mark() != before


def test_reading_can_be_left_early(tmp_path: Path, write_csv: Write) -> None:
    """A reader that stops after one batch leaves no thread behind."""
    import threading

    before = threading.active_count()
    stream = read_batches(small(tmp_path, write_csv), range(11), 2, 2)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_source_can_be_sent_to_a_worker(tmp_path: Path, write_csv: Write) -> None:
    """A copy of the source by pickle reads the same image."""
    cohort = small(tmp_path, write_csv)
    copy = pickle.loads(pickle.dumps(cohort.images))
    assert cohort.images is not None
    np.testing.assert_array_equal(copy.load(7), cohort.images.load(7))


def test_batches_need_images() -> None:
    """A cohort of saved predictions has nothing to read, and batches need a size."""
    cohort = from_arrays(None, np.array([0, 1]), task="binary")
    with pytest.raises(InputError, match="no images"):
        next(read_batches(cohort, [0], 4))
    with pytest.raises(ValueError, match="1 or more"):
        next(read_batches(from_arrays(np.zeros((1, 1, 2, 2)), np.array([0]), task="binary"), [0], 0))


def test_a_cohort_of_arrays() -> None:
    """Arrays become a cohort with levels, patients, bins and a digest that follows the pixels."""
    images = np.zeros((4, 6, 6), np.uint8)
    age = AttributeSpec(name="age", role="protected", bins=(0, 50, 100))

    def cohort(pixels: np.ndarray) -> Cohort:
        return from_arrays(
            pixels, np.array([0, 1, 1, 0]), np.array([7, 7, 9, 9]), {"sex": (["F", None, "M", "F"], "protected"),
            "age": (np.array([20, 50, np.nan, 70]), age), "site": ([1, 2, 1, 2], "confounder", "differs")},
            task="binary", masks=images > 0, phantom=True,
        )  # fmt: skip

    one = cohort(images)
    assert one.images is not None
    assert one.masks is not None
    assert one.images.load(0).shape == one.masks.load(0).shape == (1, 6, 6)
    assert one.patient_ids.tolist() == ["7", "9"]
    assert one.attributes["sex"].levels.tolist() == ["F", "(missing)", "M", "F"]
    assert one.attributes["age"].levels.tolist() == ["[0, 50)", "[50, 100]", "(missing)", "[50, 100]"]
    assert one.attributes["site"].spec.reason == "differs"
    assert one.digest == cohort(images.copy()).digest
    assert one.digest != cohort(images + 1).digest
    assert one.phantom


@pytest.mark.parametrize(
    "targets, task",
    [([0, 2], "binary"), ([0.5, 1], "binary"), ([np.nan, 1], "regression"), ([[0], [2]], "multilabel"), ([], "binary"),
     ([0, 3], "multiclass")],
)  # fmt: skip
def test_targets_of_arrays_are_checked(targets: object, task: str) -> None:
    """A target that is no class, no flag or no finite number is an input error."""
    with pytest.raises(InputError):
        from_arrays(None, np.array(targets), task=task, classes=("a", "b", "c") if task == "multiclass" else ())  # type: ignore[arg-type]


def test_lengths_and_ids_of_arrays_are_checked() -> None:
    """Arrays of another length than the targets, and ids that repeat, are input errors."""
    with pytest.raises(InputError, match="patients: another length"):
        from_arrays(None, np.array([0, 1]), np.array([1]), task="binary")
    with pytest.raises(InputError, match="sex: another length"):
        from_arrays(None, np.array([0, 1]), attributes={"sex": (["F"], "protected")}, task="binary")
    with pytest.raises(InputError, match="ids repeat"):
        from_arrays(None, np.array([0, 1]), task="binary", case_ids=["a", "a"])


def masks(tmp_path: Path, write_csv: Write, cell: str, **more: object) -> Cohort:
    """A cohort of one image with a mask."""
    save_png(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    write_csv([["file", "label", "mask"], ["a.png", "1", cell]])
    return load_cohort(spec(mask="mask", **more), tmp_path, task="binary", input=gray())


def test_masks_that_cannot_be_trusted_are_refused(tmp_path: Path, write_csv: Write) -> None:
    """An empty cell, a lossy format, a coloured mask and another size each have their reason; the case stays."""
    from PIL import Image

    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "m.jpg")
    coloured = np.zeros((4, 5, 3), np.uint8)
    coloured[1, 1, 0] = 255
    save_png(tmp_path / "c.png", coloured)
    save_png(tmp_path / "s.png", np.zeros((9, 9), np.uint8))
    for cell, words in [("", "no mask"), ("m.jpg", "lossy"), ("c.png", "wrong channels"), ("s.png", "wrong size")]:
        cohort = masks(tmp_path, write_csv, cell)
        assert cohort.masks is not None
        assert len(cohort) == len(cohort.masks) == 1
        with pytest.raises(ReadError, match=words):
            cohort.masks.load(0)


def test_a_mask_saved_as_grey_rgb_is_a_mask(tmp_path: Path, write_csv: Write) -> None:
    """Three equal channels are one."""
    values = np.zeros((4, 5, 3), np.uint8)
    values[2, 3] = 255
    save_png(tmp_path / "m.png", values)
    cohort = masks(tmp_path, write_csv, "m.png")
    assert cohort.masks is not None
    assert np.argwhere(cohort.masks.load(0)).tolist() == [[0, 2, 3]]


def test_a_segmentation_of_several_classes_keeps_its_indices(tmp_path: Path, write_csv: Write) -> None:
    """With more than two classes a mask holds class indices, which stay as they are."""
    save_png(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    save_png(tmp_path / "m.png", (np.arange(20) % 4).astype(np.uint8).reshape(4, 5))
    write_csv([["file", "mask"], ["a.png", "m.png"]])
    declared = spec(target=("mask",))
    cohort = load_cohort(declared, tmp_path, task="segmentation", classes=("none", "a", "b", "c"), input=gray())
    assert cohort.masks is not None
    assert sorted(set(cohort.masks.load(0).ravel().tolist())) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "spacing, shape, resize, words",
    [
        ((2.0, 2.0), (4, 5), None, None),
        ((2.01, 2.0), (4, 5), None, None),
        ((2.03, 2.0), (4, 5), None, "wrong spacing: expected 2 x 2 mm, got 2.03 x 2 mm"),
        ((), (4, 5), None, "unknown spacing"),
        ((1.0, 1.0), (8, 10), "bilinear", None),
        ((1.0, 1.0), (4, 5), "bilinear", "wrong spacing"),
    ],
)
def test_spacing_is_that_of_the_grid_the_model_sees(
    spacing: tuple[float, ...], shape: tuple[int, int], resize: str | None, words: str | None
) -> None:
    """A grid is compared after it was brought to size: twice as many pixels of half the spacing are right."""
    wanted = InputSpec(size=(4, 5), spacing_mm=(2.0, 2.0), resize=resize)
    image = np.zeros((1, *shape))
    if words is None:
        assert fit(image, wanted, spacing=spacing).shape == (1, 4, 5)
        return
    with pytest.raises(ReadError, match=words):
        fit(image, wanted, spacing=spacing)


def test_arrays_whose_axes_do_not_fit() -> None:
    """An array of too many axes, or without an axis of the declared channels, is refused; a volume needs no size."""
    with pytest.raises(ReadError, match="wrong number of dimensions"):
        with_channels(np.zeros((2, 2, 4, 5)), gray())
    with pytest.raises(ReadError, match="wrong channels"):
        with_channels(np.zeros((2, 4, 5)), gray())
    assert with_channels(np.zeros((6, 4, 5)), InputSpec(channels=1)).shape == (1, 6, 4, 5)


@pytest.mark.parametrize(("trouble", "expected"), [
    (OSError(errno.ESTALE, "x"), StorageError), (OSError(errno.EMFILE, "x"), StorageError),
    (TimeoutError(errno.ETIMEDOUT, "x"), StorageError), (MemoryError(), StorageError),
    (OSError(errno.EIO, "x"), ReadError), (ValueError("x"), ReadError),
])  # fmt: skip
def test_a_fault_of_the_machine_ends_the_run_and_one_of_the_file_is_a_reason(
    trouble: Exception, expected: type[Exception], tmp_path: Path, write_csv: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network disk that has gone, or a lack of memory, must not thin out a cohort as if its files were damaged."""
    from PIL import Image

    cohort = small(tmp_path, write_csv)
    assert cohort.images is not None

    def fail(*given: object, **more: object) -> None:
        raise trouble

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(expected) as caught:
        cohort.images.load(0)
    assert type(caught.value) is expected
    assert str(tmp_path) not in str(caught.value)


def test_a_disk_that_has_gone_is_not_a_file_that_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before reading as well: else every case would be set aside as not found."""

    def gone(self: Path) -> bool:
        raise OSError(errno.ESTALE, "x")

    monkeypatch.setattr(Path, "is_file", gone)
    with pytest.raises(StorageError, match="not its own"):
        readable(tmp_path / "a.png")
