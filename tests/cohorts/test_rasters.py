"""PNG, JPEG and TIFF."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit.cohorts._raster import read_raster
from audit.errors import ReadError
from tests.cohorts.conftest import save_png

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    """Stored values of a 16-bit gray file come back unscaled."""
    values = RNG.integers(0, 65536, (6, 7)).astype(np.uint16)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(read_raster(path), values[None])


def test_colour_has_its_channels_first(tmp_path: Path) -> None:
    """RGB values come as (3, h, w), exactly."""
    values = RNG.integers(0, 256, (6, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read_raster(save_png(tmp_path / "a.png", values)), np.moveaxis(values, -1, 0))


def test_jpeg_is_read_and_its_orientation_applied(tmp_path: Path) -> None:
    """A photo marked as taken sideways is turned upright."""
    values = np.zeros((16, 32), np.uint8)
    values[:, :8] = 250
    image = Image.fromarray(values)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", quality=95, exif=exif)
    turned = read_raster(tmp_path / "a.jpg")
    assert turned.shape == (1, 32, 16)
    assert turned[0, :8].mean() > 200
    assert turned[0, 8:].mean() < 50


def test_palette_and_one_bit(tmp_path: Path) -> None:
    """Palette indices are looked up; one bit is 0 and 255."""
    colours = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)[np.array([[0, 1], [1, 0]])]
    Image.fromarray(colours).quantize(2).save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_raster(tmp_path / "p.png"), np.moveaxis(colours, -1, 0))
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "b.png")
    assert read_raster(tmp_path / "b.png").tolist() == [[[255, 0]]]


def test_alpha_is_dropped_only_where_it_is_opaque(tmp_path: Path) -> None:
    """What is behind transparent pixels is not what was looked at, so such an image is refused."""
    values = RNG.integers(0, 256, (4, 4, 4)).astype(np.uint8)
    values[..., 3] = 255
    opaque = read_raster(save_png(tmp_path / "a.png", values))
    np.testing.assert_array_equal(opaque, np.moveaxis(values[..., :3], -1, 0))
    values[0, 0, 3] = 254
    with pytest.raises(ReadError, match="transparent"):
        read_raster(save_png(tmp_path / "b.png", values))


def test_frames_of_a_tiff_are_a_volume(tmp_path: Path) -> None:
    """Frames become the first spatial axis, in their order."""
    frames = [Image.fromarray(np.full((3, 4), 1000 * i, np.uint16)) for i in range(5)]
    frames[0].save(tmp_path / "v.tif", save_all=True, append_images=frames[1:])
    volume = read_raster(tmp_path / "v.tif")
    assert volume.shape == (1, 5, 3, 4)
    assert volume[0, :, 0, 0].tolist() == [0, 1000, 2000, 3000, 4000]


def sixteen_bit_colour(path: Path) -> Path:
    """Write a 16-bit RGB PNG of one pixel by hand; Pillow cannot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    data = zlib.compress(b"\x00" + struct.pack(">HHH", 1, 300, 65535))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def test_depth_is_never_cut_in_silence(tmp_path: Path) -> None:
    """A 16-bit colour file, which the decoder would cut to 8 bits, is refused."""
    with pytest.raises(ReadError, match="16-bit colour"):
        read_raster(sixteen_bit_colour(tmp_path / "a.png"))


def test_damage_is_a_reason(tmp_path: Path) -> None:
    """Files cut short, empty or of another kind are refused without a word of their path."""
    whole = save_png(tmp_path / "a.png", RNG.integers(0, 256, (64, 64)).astype(np.uint8)).read_bytes()
    for name, content in [("cut.png", whole[:900]), ("empty.png", b""), ("text.jpg", b"not an image"),
                          ("short.png", whole[:20])]:  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReadError, match="damaged") as caught:
            read_raster(tmp_path / name)
        assert str(tmp_path) not in str(caught.value)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of more pixels than the limit is refused by its header."""
    path = save_png(tmp_path / "a.png", np.zeros((64, 64), np.uint8))
    monkeypatch.setattr("audit.cohorts._raster.MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(ReadError, match="too large"):
        read_raster(path)


def test_a_header_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    """A file of a few bytes that says it is 60000 x 60000 gives the reason, not an allocation."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\x00" * 100))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b""))
    with pytest.raises(ReadError, match="too large"):
        read_raster(tmp_path / "a.png")


def test_an_animation_is_no_volume(tmp_path: Path) -> None:
    """An animated PNG is refused; its frames are not planes."""
    frames = [Image.fromarray(np.full((4, 4), 60 * i, np.uint8)) for i in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(ReadError, match="animated"):
        read_raster(tmp_path / "a.png")


def test_print_colours_become_rgb(tmp_path: Path) -> None:
    """A CMYK JPEG gives three channels."""
    Image.new("CMYK", (8, 6), (0, 0, 0, 0)).save(tmp_path / "a.jpg", quality=95)
    read = read_raster(tmp_path / "a.jpg")
    assert read.shape == (3, 6, 8)
    assert read.min() > 250


def test_frames_that_are_no_volume(tmp_path: Path) -> None:
    """A TIFF of colour frames, or of frames of several sizes, is refused."""
    colour = [Image.new("RGB", (4, 4)) for _ in range(2)]
    colour[0].save(tmp_path / "c.tif", save_all=True, append_images=colour[1:])
    with pytest.raises(ReadError, match="colour frames"):
        read_raster(tmp_path / "c.tif")
    sizes = [Image.new("L", (4, 4)), Image.new("L", (5, 5))]
    sizes[0].save(tmp_path / "s.tif", save_all=True, append_images=sizes[1:])
    with pytest.raises(ReadError, match="differ in size"):
        read_raster(tmp_path / "s.tif")


def test_measured_values_in_a_tiff(tmp_path: Path) -> None:
    """A TIFF of 32-bit floats comes back exactly, negative values among them."""
    values = RNG.normal(size=(5, 6)).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_raster(tmp_path / "a.tif"), values[None])
