"""DATA007 burned-in-text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.core import BUDGETS, Measurement, ProbeContext
from audit.probes.data import BurnedInText
from audit.probes.data._text import text_lines
from audit.testing import ArrayImages, check_probe, saved_context, small_cohort
from tests.probes.data._pictures import brains, jpeg, scenes

WORDS = "DOE JOHN 1953"
PLACES = ("top left", "top right", "bottom left", "middle")


def written(
    plane: Any, words: str = WORDS, *, size: int = 14, place: str = "top left", grey: float = 1.0, turned: bool = False
) -> Any:
    """Return a plane with words drawn on it as an overlay would, with smooth borders."""
    from PIL import Image, ImageDraw, ImageFont

    base = np.rot90(plane) if turned else plane
    font = ImageFont.load_default(size)
    mask = Image.new("L", base.shape[::-1], 0)
    pen = ImageDraw.Draw(mask)
    _, _, width, height = (int(v) for v in pen.textbbox((0, 0), words, font=font))
    columns, rows = mask.size
    corner = {
        "top left": (3, 3), "top right": (columns - width - 3, 3), "bottom left": (3, rows - height - 4),
        "middle": ((columns - width) // 2, rows // 2),
    }  # fmt: skip
    pen.text(corner[place], words, font=font, fill=255)
    alpha = np.asarray(mask) / 255
    out = base * (1 - alpha) + (base.min() + grey * np.ptp(base)) * alpha
    return np.rot90(out, -1) if turned else out


def dim(count: int, *, seed: int = 1, side: int = 160) -> Any:
    """Scenes whose grey levels leave room for a bright and for a dark overlay."""
    planes = 300 + 0.4 * scenes(count, seed=seed, side=side)[:, 0]
    planes[:, 0, 0], planes[:, -1, -1] = 0, 1000
    return planes


def audited(planes: Any, **options: Any) -> ProbeContext:
    """The context of a cohort of planes or volumes."""
    images = np.asarray(planes)[:, None]
    cohort = small_cohort(np.arange(len(images)) % 2, images=ArrayImages(array=images))
    broken = options.pop("broken", None)
    if broken:
        cohort = replace(cohort, images=ArrayImages(array=images, broken=broken))
    return saved_context(np.linspace(0.1, 0.9, len(images)), cohort, **options)


def measured(ctx: ProbeContext) -> dict[str, Measurement]:
    """The measurements by metric."""
    return {m.metric: m for m in BurnedInText().run(ctx)}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [12, 16, 24])
@pytest.mark.parametrize("grey", [0.0, 1.0], ids=["dark", "bright"])
def test_a_name_is_found_wherever_it_stands(place: str, size: int, grey: float) -> None:
    """At least eleven of twelve images with a name are found, dark or bright, small or large, in any corner."""
    planes = dim(12, side=240)
    assert sum(bool(text_lines(written(p, size=size, place=place, grey=grey))) for p in planes) >= 11


@pytest.mark.parametrize("words", ["12:45:07", "ID 448812", "ERECT 80 kV", "Smith, A."])
def test_other_words_are_found(words: str) -> None:
    """Numbers, settings and names in mixed case alike."""
    assert sum(bool(text_lines(written(p, words, size=16))) for p in dim(8)) >= 7


def test_turned_text_and_text_after_jpeg_are_found() -> None:
    """A line that runs upwards and one that was compressed are lines all the same."""
    planes = dim(10)
    assert sum(bool(text_lines(written(p, turned=True))) for p in planes) >= 9
    assert sum(bool(text_lines(jpeg(written(p, size=16)[None])[0])) for p in planes) >= 9


def test_a_line_is_found_where_it_was_drawn() -> None:
    """The box of the largest line lies on the words, upright and turned, also where a large image is reduced."""
    plane = dim(1, side=200)[0]
    line = max(text_lines(written(plane, size=20, place="bottom left")), key=lambda found: found.letters)
    assert line.letters >= 5
    assert line.top > 160
    assert line.right - line.left > 60
    turned = max(text_lines(written(plane, size=20, turned=True)), key=lambda found: found.letters)
    assert turned.bottom - turned.top > 1.8 * (turned.right - turned.left)
    assert turned.right - turned.left < 30
    large = np.kron(written(plane, size=20, place="bottom left"), np.ones((6, 6)))
    again = max(text_lines(large), key=lambda found: found.letters)
    assert again.top == pytest.approx(6 * line.top, abs=24)
    assert again.right == pytest.approx(6 * line.right, abs=24)


@pytest.mark.parametrize("kind", ["brains", "scenes", "noise", "ruler", "rings"])
def test_images_without_text_are_silent(kind: str) -> None:
    """Anatomy, clouds, noise, the ticks of a ruler and round structures are no letters."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:128, :128]
    planes: Any = {
        "brains": lambda: brains(60)[:, 0],
        "scenes": lambda: scenes(20, side=160)[:, 0],
        "noise": lambda: rng.normal(size=(8, 128, 128)),
        "ruler": lambda: [((y > 110) & (x % 8 < 2)) * 1.0 + 0.01 * rng.normal(size=y.shape)],
        "rings": lambda: [(np.abs(np.hypot(y - 64, x - c) - 30) < 2) * 1.0 for c in (40, 64, 90)],
    }[kind]()
    assert [i for i, p in enumerate(planes) if text_lines(p)] == []


def test_images_with_text_are_counted() -> None:
    """Six of thirty images hold a name: a count, a share with the exact interval, and nothing unread."""
    planes = [written(p) if i < 6 else p for i, p in enumerate(dim(30))]
    found = measured(audited(planes))
    assert (found["faults"].value, found["faults"].method, found["faults"].n) == (6, "count", 30)
    assert (found["share"].k, found["share"].n) == (6, 30)
    assert found["share"].low is not None
    assert found["share"].low == pytest.approx(0.0771, abs=2e-3)
    assert found["unreadable"].value == 0


def test_a_healthy_cohort_is_silent() -> None:
    """No name in any image: a count of 0."""
    found = measured(audited(dim(20)))
    assert (found["faults"].value, found["faults"].method) == (0, "count")


def test_text_on_some_planes_of_a_volume_is_found() -> None:
    """A name on every plane of a volume of twelve counts as one image."""
    volumes = np.stack([np.repeat(p[None], 12, axis=0) for p in dim(6)])
    volumes[2] = np.stack([written(p) for p in volumes[2]])
    found = measured(audited(volumes))
    assert found["faults"].value == 1


def test_a_sample_and_a_damaged_image_prove_nothing_absent() -> None:
    """Images that nobody read may all hold text."""
    budget = replace(BUDGETS["smoke"], image_cases=5)
    found = measured(audited(dim(20), budget=budget))["faults"]
    assert (found.value, found.low, found.high, found.n) == (0, 0, 15, 5)
    broken = measured(audited(dim(20), broken={3: "damaged"}))
    assert (broken["faults"].value, broken["faults"].high) == (0, 1)
    assert broken["unreadable"].value == 1


def test_large_images_count_as_several() -> None:
    """The budget is in pixels: of 512 x 512 an eighth as many images are looked at as of 181 x 181."""
    budget = replace(BUDGETS["smoke"], image_cases=16)
    assert measured(audited(np.zeros((20, 512, 512)), budget=budget))["faults"].n == 2
    assert measured(audited(np.zeros((20, 64, 64)), budget=budget))["faults"].n == 16


def test_where_the_text_stands_is_kept() -> None:
    """A map of places without content, and pictures as pixels."""
    planes = [written(p, place="bottom left") if i < 4 else p for i, p in enumerate(dim(8))]
    ctx = audited(planes)
    list(BurnedInText().run(ctx))
    kept = {a.name: a for a in ctx.sink.artifacts}
    places = kept["text_places"].arrays["images"]
    assert places[:16].sum() == 0
    assert places[26:].max() == 4
    assert not kept["text_places"].pixels
    assert kept["text_examples"].pixels
    assert kept["text_examples"].arrays["images"].shape == (4, 128, 128)


@pytest.mark.realdata
def test_real_images_without_text_are_silent(skin_lesions: Path, chest_xrays: Path) -> None:
    """At most one in a thousand of 2,992 skin lesions, with hair and rulers, and of 2,698 chest X-rays is flagged."""
    for folder in (skin_lesions, chest_xrays):
        images = np.load(folder / "images.npz")["images"]
        grey = images.mean(axis=-1) if images.ndim == 4 else images
        assert np.mean([bool(text_lines(plane)) for plane in grey]) <= 0.001


def test_it_keeps_the_protocol() -> None:
    """It completes wherever there are images."""
    assert len(check_probe(BurnedInText)) >= 2
