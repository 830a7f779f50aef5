"""DATA008 declared-format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.cohorts._stored import Stored
from audit.core import BUDGETS, InputSpec, Measurement, ProbeContext
from audit.probes.data import DeclaredFormat
from audit.testing import ArrayImages, check_probe, saved_context, small_cohort
from tests.probes.data._pictures import brains, scenes

TWELVE_BITS = InputSpec(modality="mr", unit="grey level", range=(0.0, 4095.0), size=(64, 64))


class Files:
    """Images of any size as a reader gives them, with spacing."""

    def __init__(self, images: list[Any], spacing: list[Any]) -> None:
        self.images, self.spacing = images, spacing

    def __len__(self) -> int:
        return len(self.images)

    def stored(self, index: int) -> Stored:
        """Return an image as its file holds it."""
        return Stored(self.images[index], self.spacing[index])

    def load(self, index: int) -> Any:
        """Return an image of the model's size."""
        return self.images[index][:, :16, :16]


def organs(count: int, *, seed: int = 0, side: int = 72) -> Any:
    """Planes of one layout, top and bottom, left and right unlike, 0 to 4095: a heart on one side, a liver below."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    out = np.empty((count, 1, side, side))
    for k in range(count):
        dy, dx = rng.normal(0, 0.02, 2)
        blob = [
            amount * np.exp(-(((y - cy - dy) / sy) ** 2 + ((x - cx - dx) / sx) ** 2))
            for amount, cy, cx, sy, sx in (
                (1.0, 0.45, 0.62, 0.2, 0.14),
                (0.9, 0.85, 0.3, 0.15, 0.3),
                (0.5, 0.2, 0.5, 0.1, 0.08),
            )
        ]
        out[k, 0] = sum(b * rng.uniform(0.8, 1.2) for b in blob) + rng.normal(0, 0.06, (side, side))
    return np.rint((out + 0.4).clip(0, 1.6) / 1.6 * 4095)


def audited(images: Any, spec: InputSpec = TWELVE_BITS, **options: Any) -> ProbeContext:
    """The context of a cohort of images under a declaration."""
    source = ArrayImages(array=images, broken=options.pop("broken", None)) if isinstance(images, np.ndarray) else images
    cohort = replace(small_cohort(np.arange(len(source)) % 2), images=source)
    return saved_context(np.linspace(0.1, 0.9, len(source)), cohort, card={"input": spec}, **options)


def counts(ctx: ProbeContext, metric: str = "faults") -> dict[object, Measurement]:
    """The counts of one metric by kind."""
    return {m.condition["parameter"]: m for m in DeclaredFormat().run(ctx) if m.metric == metric}


def values(found: dict[object, Measurement]) -> dict[object, float | None]:
    """Counts that are not 0."""
    return {kind: m.value for kind, m in found.items() if m.value != 0}


def test_a_healthy_cohort_is_silent() -> None:
    """Images as declared and all alike: every count is 0, those of suspicions as well."""
    ctx = audited(organs(60))
    assert values(counts(ctx)) == {}
    assert values(counts(ctx, "suspected")) == {}
    assert counts(ctx)["one value throughout"].method == "count"


PLANTED: dict[str, Callable[[Any], Any]] = {
    "outside the declared range": lambda image: image + 2000,
    "little of the declared range": lambda image: np.floor(image / 17),
    "few grey levels": lambda image: np.floor(image / 16) * 16,
    "one value throughout": lambda image: np.full_like(image, 7),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_fault_is_counted(kind: str) -> None:
    """Three images of thirty have the fault, and no other kind is found in them but what comes with it."""
    images = organs(30)
    for at in (4, 11, 29):
        images[at] = PLANTED[kind](images[at])
    found = values(counts(audited(images)))
    assert found.pop(kind) == 3
    assert set(found) <= {"few grey levels"}


TURNED: dict[str, Callable[[Any], Any]] = {
    "inverted": lambda image: 4095 - image,
    "mirrored": lambda image: image[..., ::-1],
    "upside down": lambda image: image[:, ::-1],
    "turned by 180 degrees": lambda image: image[:, ::-1, ::-1],
    "turned by 90 degrees": lambda image: np.rot90(image, -1, axes=(1, 2)),
    "turned by 270 degrees": lambda image: np.rot90(image, 1, axes=(1, 2)),
}


@pytest.mark.parametrize("kind", TURNED)
def test_an_image_that_lies_otherwise_is_suspected(kind: str) -> None:
    """Four images of sixty that were inverted, mirrored or turned are suspected of just that, or of a near turn."""
    images = organs(60)
    for at in (0, 13, 27, 59):
        images[at] = TURNED[kind](images[at])
    found = counts(audited(images), "suspected")
    assert found[kind].value == 4
    assert all(m.value == 0 for k, m in found.items() if k in ("inverted", "mirrored") and k != kind) or "turn" in kind
    assert all((m.value or 0) <= 4 for m in found.values())


def test_a_mixture_of_sizes_and_spacings_is_counted() -> None:
    """Files of another size or spacing than most, or without one, as stored and not as the model gets them."""
    images = [*organs(20)[:, :, :64, :64], *organs(3, side=80)]
    spacing = [(1.0, 1.0)] * 17 + [(1.02, 1.0), (0.5, 0.5), ()] + [(1.0, 1.0)] * 3
    found = values(counts(audited(Files(images, spacing))))
    assert found == {"another size than most": 3, "another spacing than most": 2}


def test_what_cannot_be_read_is_counted() -> None:
    """A damaged file is a fault itself, and may have any other."""
    found = counts(audited(organs(25), broken={3: "damaged"}))
    assert found["cannot be read"].value == 1
    assert (found["one value throughout"].value, found["one value throughout"].high) == (0, 1)


def test_a_sample_proves_nothing_absent() -> None:
    """Ten of thirty images looked at: the other twenty may have any fault."""
    budget = replace(BUDGETS["smoke"], image_cases=10)
    found = counts(audited(organs(30), budget=budget))["outside the declared range"]
    assert (found.value, found.low, found.high, found.n) == (0, 0, 20, 10)


def test_a_window_takes_the_place_of_the_range() -> None:
    """Values beyond a declared window are clipped by design; an image with nothing inside it is a fault."""
    spec = replace(TWELVE_BITS, window=(1000.0, 3000.0))
    images = organs(25)
    images[5] = 100 + images[5] / 100
    found = values(counts(audited(images, spec)))
    assert found["nothing inside the declared window"] == 1
    assert "outside the declared range" not in counts(audited(images, spec))


def test_without_a_declaration_there_is_nothing_to_hold_images_against() -> None:
    """An undeclared range leaves three counts without a number, and the comparison between images stays."""
    found = counts(audited(organs(25), InputSpec()))
    assert found["outside the declared range"].missing == "no range of stored values is declared"
    assert found["another size than most"].value == 0


def test_images_without_a_layout_or_symmetric_ones_are_not_suspected() -> None:
    """Random scenes share nothing; brains are mirrored at random; few images are too few. Each says so."""
    shapeless = counts(audited(scenes(40)), "suspected")
    assert all("no layout in common" in (m.missing or "") for m in shapeless.values())
    symmetric = counts(audited(brains(24)), "suspected")
    assert "too symmetric" in (symmetric["mirrored"].missing or "")
    assert symmetric["inverted"].value == 0
    few = counts(audited(organs(8)), "suspected")
    assert all("fewer than 20" in (m.missing or "") for m in few.values())


def test_volumes_are_looked_at_by_their_middle_plane() -> None:
    """A volume that is mirrored is suspected among those that are not."""
    volumes = np.repeat(organs(30)[:, :, None], 5, axis=2)
    volumes[7] = volumes[7][..., ::-1]
    assert counts(audited(volumes), "suspected")["mirrored"].value == 1


def test_the_range_behind_the_figure_is_kept() -> None:
    """Smallest and largest values, sorted so that no case can be told, beside the declared range."""
    ctx = audited(organs(25))
    list(DeclaredFormat().run(ctx))
    kept = {a.name: a for a in ctx.sink.artifacts}
    assert set(kept) == {"stored_range", "format_faults"}
    assert (np.diff(kept["stored_range"].arrays["low"]) >= 0).all()
    assert kept["stored_range"].meta["declared_high"] == 4095


@pytest.mark.realdata
def test_real_chest_xrays(chest_xrays: Path) -> None:
    """Of 2,698 chest X-rays at most 3 are suspected of anything, of 100 inverted ones 95 at least are found."""
    images = np.load(chest_xrays / "images.npz")["images"][:, None].astype(float)
    spec = InputSpec(modality="xray", unit="grey level", range=(0.0, 255.0), size=(28, 28))
    every = replace(BUDGETS["smoke"], image_cases=None)
    assert all((m.value or 0) <= 3 for m in counts(audited(images, spec, budget=every), "suspected").values())
    at = np.arange(100) * 26
    images[at] = 255 - images[at]
    found = counts(audited(images, spec, budget=every), "suspected")["inverted"].value
    assert found is not None
    assert 95 <= found <= 103


def test_it_keeps_the_protocol() -> None:
    """It completes wherever there are images."""
    assert len(check_probe(DeclaredFormat)) >= 2
