"""A cohort of any size whose images are drawn when they are read, and a network that reads their lesions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.core import (
    Attribute,
    AttributeSpec,
    Cohort,
    Comparator,
    ComparatorValues,
    InputSpec,
    Ledger,
    ModelSpec,
    digest,
)
from audit.errors import ReadError
from audit.testing._modules import undrawn

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 24
CELL = 4
"""Side of a lesion in pixels; it lies on one of four cells apart from each other."""
SITES = 60
_INNER = ((1, 1), (1, 4), (4, 1), (4, 4))
_LEVEL, _NOISE, _CONTRAST, _SPREAD = 0.4, 0.03, 0.1, 0.06
_UNREADABLE = 1999
_SLOPE = _CONTRAST / _SPREAD**2
_AGES = (0.0, 40.0, 55.0, 70.0, 120.0)
_AGE_LEVELS = ("[0, 40)", "[40, 55)", "[55, 70)", "[70, 120]")


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratedImages:
    """Images, or the masks of their lesions, each drawn from its number alone when it is read.

    Args:
        labels: (n,) int8, 1 where there is a lesion.
        sites: (n,) int16, where the case comes from: a faint stripe tells.
        seed: Seed of the pixels.
        what: Images, lesions, or what looks like one.
    """

    labels: NDArray[np.int8]
    sites: NDArray[np.int16]
    seed: int
    what: Literal["image", "lesion", "distractor"] = "image"

    def __len__(self) -> int:
        return len(self.labels)

    def load(self, index: int) -> NDArray[Any]:
        """Return one image (1, 24, 24) float32 within [0, 1], or one mask of the same shape.

        Raises:
            ReadError: One image of two thousand is broken.
        """
        if index % (_UNREADABLE + 1) == _UNREADABLE:
            raise ReadError("the file is cut short")
        rng = np.random.default_rng([self.seed, index])
        place, other = rng.permutation(len(_INNER))[:2]
        bright = _CONTRAST * int(self.labels[index]) + _SPREAD * rng.normal()
        if self.what != "image":
            return self._mask(index, int(place), int(other))
        image = _LEVEL + _NOISE * rng.normal(size=(1, SIDE, SIDE))
        image[0, *_cell(int(place))] += bright
        image[0, -1] += 0.002 * (int(self.sites[index]) % 8)
        return np.clip(image, 0, 1).astype(np.float32)

    def _mask(self, index: int, place: int, other: int) -> NDArray[np.uint8]:
        mask = np.zeros((1, SIDE, SIDE), dtype=np.uint8)
        if self.what == "distractor":
            mask[0, *_cell(other)] = 1
        elif self.labels[index]:
            mask[0, *_cell(place)] = 1
        return mask


def generated_cohort(n: int, *, seed: int = 0, sites: int = SITES) -> Cohort:
    """Return a cohort of which no image is held in memory.

    Half of the patients are positive, patients have one to three cases, one image of two thousand cannot be read. There
    are a site of many levels (protected and protocol), sex and age (protected), a device (confounder, goes with the
    label a little), a scan and its repeat of some patients, a severity, a covariate, two raters, and another reader.

    Args:
        n: Cases.
        seed: Draws everything.
        sites: Levels of the site.
    """
    rng = np.random.default_rng(seed)
    owner = _owners(rng, n)
    patients = int(owner[-1]) + 1
    label = rng.integers(0, 2, patients, dtype=np.int8)
    site = rng.integers(0, sites, patients).astype(np.int16)
    device = rng.random(patients) < np.where(label == 1, 0.6, 0.4)
    images = GeneratedImages(labels=label[owner], sites=site[owner], seed=seed)
    age = np.clip(rng.normal(58, 15, patients), 18, 95).round(1)
    severity = np.where(label == 1, rng.integers(1, 4, patients), 0).astype(np.float64)
    texts = {
        "site": _Column(np.array([f"site-{i:02d}" for i in range(sites)]), site, "protected", ("protocol",)),
        "sex": _Column(np.array(["female", "male"]), rng.integers(0, 2, patients), "protected"),
        "age": _Column(np.array(_AGE_LEVELS), np.searchsorted(_AGES[1:-1], age, side="right"), "protected"),
        "device": _Column(
            np.array(["A", "B"]), device.astype(np.int64), "confounder", reason="B stands where the ill go"
        ),
        "severity": _Column(np.array(["0", "1", "2", "3"]), severity.astype(np.int64), "severity"),
        "ward": _Column(np.array(["in", "out"]), rng.integers(0, 2, patients), "covariate"),
    }
    numbers = {"age": age, "severity": severity}
    attributes = {k: c.attribute(k, owner, numbers.get(k)) for k, c in texts.items()}
    readings = {f"reader-{r}": _reading(rng, label[owner]) for r in (1, 2)}
    for name, values in readings.items():
        spec = AttributeSpec(name=name, role="rater")
        attributes[name] = Attribute(spec=spec, levels=np.where(values == 1, "positive", "negative"), numbers=None)
    attributes["examination"] = _repeats(rng, owner)
    return Cohort(
        name="generated", case_ids=_named("c", n), patients=owner, patient_ids=_named("p", patients),
        patient_declared=True, targets=label[owner].astype(np.int64), attributes=attributes, images=images,
        masks=GeneratedImages(labels=images.labels, sites=images.sites, seed=seed, what="lesion"),
        distractors={"vessel": GeneratedImages(labels=images.labels, sites=images.sites, seed=seed, what="distractor")},
        ledger=Ledger(read=n, used=n), classes=("negative", "positive"), raters=readings, phantom=True,
        comparators={"radiologist": _radiologist(rng, label[owner])}, ungradable=rng.random(n) < 0.01,
        digest=digest(["generated", n, seed, sites]), spacing_mm=(1.0, 1.0),
    )  # fmt: skip


def generated_network() -> Any:
    """Return a network for `generated_cohort` that reads the cells that may hold a lesion, as `audit.models` loads one.

    Returns:
        A new `audit.models.TorchModel` with access to gradients.

    Raises:
        MissingExtraError: torch is not installed.
    """
    import torch
    from torch import nn

    from audit.models import from_module

    with undrawn():
        net = nn.Sequential(
            nn.Conv2d(1, 4, CELL, stride=CELL), nn.Tanh(), nn.Flatten(), nn.Linear(4 * (SIDE // CELL) ** 2, 1)
        )
    gain = 2.0
    shades = torch.tensor([1.0, 0.5, -0.5, 0.25])
    net[0].weight.data = (gain * shades / CELL**2).view(4, 1, 1, 1).expand(4, 1, CELL, CELL).clone()
    net[0].bias.data = -gain * shades * _LEVEL
    weights = torch.zeros(1, 4, SIDE // CELL, SIDE // CELL)
    for row, column in _INNER:
        weights[0, 0, row, column] = _SLOPE / gain
    net[3].weight.data = weights.flatten(1)
    net[3].bias.data = torch.tensor([-_SLOPE * _CONTRAST / 2])
    taken = InputSpec(modality="xray", size=(SIDE, SIDE), unit="grey level", scale=False, spacing_mm=(1.0, 1.0))
    spec = ModelSpec(
        kind="torch", name="generated", task="binary", output="logits", classes=("negative", "positive"), input=taken,
        operating_point=0.5, operating_point_source="chosen beforehand",
    )  # fmt: skip
    return from_module(net.eval(), spec, phantom=True)


@dataclass(frozen=True, kw_only=False, eq=False)
class _Column:
    names: NDArray[np.str_]
    codes: NDArray[Any]
    role: Any
    also: tuple[Any, ...] = ()
    reason: str = ""

    def attribute(self, name: str, owner: NDArray[np.int64], numbers: NDArray[np.float64] | None) -> Attribute:
        bins = _AGES if name == "age" else ()
        spec = AttributeSpec(name=name, role=self.role, also=self.also, reason=self.reason, bins=bins)
        values = None if numbers is None else numbers[owner]
        return Attribute(spec=spec, levels=self.names[self.codes[owner]], numbers=values)


def _cell(place: int) -> tuple[slice, slice]:
    row, column = _INNER[place]
    return slice(row * CELL, (row + 1) * CELL), slice(column * CELL, (column + 1) * CELL)


def _owners(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Return (n,) the patient of each case, one to three cases a patient."""
    cases = rng.integers(1, 4, n)
    return np.repeat(np.arange(n), cases)[:n].astype(np.int64)


def _named(prefix: str, n: int) -> NDArray[np.str_]:
    return np.char.mod(f"{prefix}%06d", np.arange(n))


def _reading(rng: np.random.Generator, label: NDArray[np.int8]) -> NDArray[np.float64]:
    wrong = rng.random(len(label)) < 0.12
    return np.where(wrong, 1 - label, label).astype(np.float64)


def _repeats(rng: np.random.Generator, owner: NDArray[np.int64]) -> Attribute:
    """Return the name of each repeated examination; of every tenth patient all cases are one."""
    repeated = rng.random(int(owner[-1]) + 1) < 0.1
    names = np.where(repeated[owner], np.char.mod("r%06d", owner), "(missing)")
    return Attribute(spec=AttributeSpec(name="examination", role="repeat"), levels=names)


def _radiologist(rng: np.random.Generator, label: NDArray[np.int8]) -> ComparatorValues:
    values = 1 / (1 + np.exp(-(1.5 * (2.0 * label - 1) + rng.normal(size=len(label)))))
    spec = Comparator(name="radiologist", column="radiologist", output="probabilities", operating_point=0.5)
    return ComparatorValues(spec=spec, values=values)
