"""DATA002 near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from audit.core import BUDGETS, Cohort, Measurement, OtherSplit, ProbeContext
from audit.errors import ReadError
from audit.probes.data import NearDuplicates
from audit.probes.data._alike import aligned_likeness, find_alike, mirrors
from audit.probes.data._fingerprint import fingerprints, hash_bits, magnified, resized, thumbnail
from audit.probes.data._stream import Looked
from audit.testing import check_probe, other_split, saved_context, small_cohort
from tests.probes.data._pictures import EXPORTS, TURNED, brains, scenes

WITHIN = "within the cohort"


@dataclass(frozen=True)
class Pictures:
    """Images of any sizes; None cannot be read."""

    given: Sequence[Any]

    def __len__(self) -> int:
        return len(self.given)

    def load(self, index: int) -> Any:
        """Return one image; see `audit.core.ImageSource`."""
        if self.given[index] is None:
            raise ReadError("damaged")
        return np.asarray(self.given[index])


def cohort(pictures: Sequence[Any], *, patients: Any = None, others: tuple[OtherSplit, ...] = ()) -> Cohort:
    """A cohort of pictures, each another patient where nothing else is said."""
    n = len(pictures)
    made = small_cohort(np.arange(n) % 2, patients=np.arange(n) if patients is None else patients, others=others)
    return replace(made, images=Pictures(pictures))


def audited(pictures: Sequence[Any], **options: Any) -> ProbeContext:
    """The context of a cohort of pictures."""
    budget = options.pop("budget", BUDGETS["smoke"])
    return saved_context(np.linspace(0.1, 0.9, len(pictures)), cohort(pictures, **options), budget=budget)


def pairs(ctx: ProbeContext, split: str = WITHIN) -> dict[object, Measurement]:
    """The pairs by kind of one comparison."""
    return {
        m.condition["parameter"]: m
        for m in NearDuplicates().run(ctx)
        if m.metric == "pairs" and m.condition["stratum"] == split
    }


def values(found: dict[object, Measurement]) -> dict[object, float | None]:
    """The counts alone."""
    return {kind: m.value for kind, m in found.items()}


@pytest.mark.parametrize("make", [brains, scenes], ids=["brains", "scenes"])
def test_different_patients_are_silent(make: Any) -> None:
    """Two hundred phantoms of one organ, alike as they are, hold no pair; nor do two hundred scenes."""
    found = pairs(audited(list(make(200)), budget=BUDGETS["standard"]))
    assert values(found) == {"identical": 0, "near-duplicate": 0, "mirrored or inverted": 0}
    assert found["near-duplicate"].method == "count"
    assert found["near-duplicate"].n == found["near-duplicate"].n_patients == 200


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("make", [brains, scenes], ids=["brains", "scenes"])
def test_a_study_exported_again_is_found(make: Any, export: str) -> None:
    """Each of six patients who come a second time under another name is found, and nobody else."""
    pictures = list(make(40))
    again = [EXPORTS[export](picture) for picture in pictures[:6]]
    found = pairs(audited(pictures + again))
    assert values(found) == {"identical": 0, "near-duplicate": 6, "mirrored or inverted": 0}


@pytest.mark.parametrize("turn", TURNED)
def test_a_mirrored_or_inverted_copy_is_found_in_another_split(turn: str) -> None:
    """A training image that is the mirror image or the negative of one of the audit is counted under its split."""
    pictures = list(brains(30))
    theirs = replace(other_split(range(100, 104)), images=Pictures([TURNED[turn](p) * 2.0 for p in pictures[3:7]]))
    found = pairs(audited(pictures, others=(theirs,)), "train")
    assert values(found) == {"identical": 0, "near-duplicate": 0, "mirrored or inverted": 4}


def test_equal_content_is_told_apart() -> None:
    """A file that was copied as it is counts as identical, of whatever type its numbers are, and once."""
    pictures = list(np.rint(scenes(8)).astype(np.uint16))
    found = pairs(audited([*pictures, pictures[2].astype(np.float64)]))
    assert values(found) == {"identical": 1, "near-duplicate": 0, "mirrored or inverted": 0}


def test_two_pictures_of_one_patient_are_no_pair() -> None:
    """Repeated images of one patient are his own; under two names they are a pair."""
    pictures = list(scenes(6))
    pictures.append(pictures[0] * 2)
    same = np.array([0, 1, 2, 3, 4, 5, 0])
    assert pairs(audited(pictures, patients=same))["near-duplicate"].value == 0
    assert pairs(audited(pictures))["near-duplicate"].value == 1


def test_volumes_are_compared_in_three_dimensions() -> None:
    """A volume that was cut by a plane and rescaled is found among volumes of other patients."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(3)
    noise = rng.normal(size=(8, 1, 40, 48, 44))
    volumes = [gaussian_filter(v, (0, 2, 2, 2)) + 2 * gaussian_filter(v, (0, 6, 6, 6)) for v in noise]
    again = 900 + 250 * volumes[5][:, :-1]
    assert values(pairs(audited([*volumes, again]))) == {"identical": 0, "near-duplicate": 1, "mirrored or inverted": 0}


def test_flat_and_damaged_images_are_counted_and_not_compared() -> None:
    """Black images are no copies of each other; a damaged one may be a copy of any."""
    pictures = [*scenes(5), np.zeros((1, 96, 96)), np.zeros((1, 96, 96))]
    counts = {
        m.condition["parameter"]: m for m in NearDuplicates().run(audited(pictures)) if m.metric == "not_compared"
    }
    assert {k: m.value for k, m in counts.items()} == {"cannot be read": 0, "one value throughout": 2}
    found = pairs(audited(pictures))
    assert (found["identical"].value, found["identical"].high, found["identical"].n) == (0, 0, 5)
    pair = pairs(audited([*pictures, None]))["near-duplicate"]
    assert (pair.value, pair.high) == (0, 5)


def test_a_sample_proves_nothing_absent() -> None:
    """Four of ten images looked at: 6 pairs of 45 are known, and the other 39 may all be copies."""
    budget = replace(BUDGETS["smoke"], image_cases=4)
    pair = pairs(audited(list(scenes(10)), budget=budget))["near-duplicate"]
    assert (pair.value, pair.low, pair.high, pair.n) == (0, 0, 39, 4)
    theirs = replace(other_split(range(5)), images=Pictures(list(scenes(5, seed=2))))
    between = pairs(audited(list(scenes(10)), budget=budget, others=(theirs,)), "train")["near-duplicate"]
    assert (between.value, between.high) == (0, 10 * 5 - 4 * 4)


def test_nothing_to_compare_has_no_number() -> None:
    """A cohort of black images, and a split of volumes beside planes, are not assessed."""
    black = pairs(audited([np.zeros((1, 8, 8))] * 6))
    assert all("no image holds anything" in (m.missing or "") for m in black.values())
    volumes = replace(other_split([50]), images=Pictures([np.random.default_rng(0).normal(size=(1, 8, 8, 8))]))
    beside = pairs(audited(list(scenes(6)), others=(volumes,)), "train")
    assert all("dimensions" in (m.missing or "") for m in beside.values())


def test_the_hash_is_the_published_one() -> None:
    """At most 4 of 64 bits differ from imagehash 4.3.2, whose median includes the mean grey."""
    y, x = np.mgrid[:32, :32]
    image = (
        np.round(127 + 60 * np.sin(x / 5.3 + 0.4) + 50 * np.cos(y / 3.7 * 1.1 + x / 9)).clip(0, 255).astype(np.uint8)
    )
    published = np.array([int(bit) for bit in f"{0xEA6C3E6AC1BCC429:064b}"])
    assert int(((hash_bits(image[None])[0] > 0) != published).sum()) <= 4


def test_a_thumbnail_does_not_depend_on_unit_or_depth() -> None:
    """HU, 12-bit grey levels and colour with equal channels give the same small copy, to a grey level."""
    image = scenes(1)[0]
    plain = thumbnail(image).astype(int)
    assert plain.shape == (64, 64)
    assert plain.min() == 0
    assert plain.max() == 255
    for other in (image - 1024, np.rint(image * 4).astype(np.uint16), np.repeat(image, 3, axis=0)):
        assert np.abs(thumbnail(other).astype(int) - plain).max() <= 1


def test_resizing_keeps_means_and_lines() -> None:
    """A line stays a line, and halving takes means: 1 and 3 give about 2."""
    line = np.arange(20.0)[None].repeat(20, axis=0)
    assert resized(line, (10, 10))[:, 2:-2] == pytest.approx(np.arange(4.5, 15, 2)[None].repeat(10, axis=0), abs=1e-4)
    assert resized(np.tile([1.0, 3.0], 8)[None], (1, 8))[0, 1:-1] == pytest.approx(np.full(6, 2.0))
    line = line[None].astype(np.float32)
    assert magnified(line, 1.25)[0, 10] == pytest.approx(9.5 + (np.arange(20) - 9.5) / 1.25, abs=1e-4)


def test_likeness_is_that_of_the_best_alignment() -> None:
    """A picture is like itself to 1, moved by three pixels nearly so, its negative by the opposite, another not."""
    small = np.stack([thumbnail(p) for p in scenes(2)]).astype(np.float32)
    moved = np.roll(small[0], (3, -2), axis=(0, 1))
    a = np.stack([small[0]] * 4)
    likeness = aligned_likeness(a, np.stack([small[0], moved, 255 - small[0], small[1]]))
    assert likeness[0] == pytest.approx(1, abs=1e-5)
    assert likeness[1] > 0.95
    assert likeness[2] == pytest.approx(-1, abs=1e-5)
    assert abs(likeness[3]) < 0.6


def test_every_mirror_image_is_tried() -> None:
    """A plane has four variants, a volume four."""
    assert mirrors(2) == ((), (1,), (2,), (1, 2))
    assert mirrors(3) == ((), (1,), (2,), (3,))


def test_examples_are_kept_as_pixels() -> None:
    """The pairs behind the figure are image content, which is stored for phantoms or on request only."""
    pictures = list(brains(12))
    ctx = audited([*pictures, pictures[4] * 3.0])
    list(NearDuplicates().run(ctx))
    kept = {a.name: a for a in ctx.sink.artifacts}
    assert kept["near_duplicate_pairs"].pixels
    assert kept["near_duplicate_pairs"].arrays["first"].shape == (1, 64, 64)
    assert not kept["near_duplicates"].pixels
    assert kept["near_duplicates"].arrays["pairs"].tolist() == [0, 1, 0]


def test_tiny_pictures_are_compared_by_content_alone() -> None:
    """At 8 x 8 every two pictures are alike: equal ones are counted, and of the rest there is no number."""
    tiny = list(scenes(6, side=8))
    found = pairs(audited([*tiny, tiny[1] * 1.0]))
    assert (found["identical"].value, found["identical"].method) == (1, "count")
    assert "too little detail" in (found["near-duplicate"].missing or "")
    mixed = pairs(audited([*scenes(5), *tiny]))["near-duplicate"]
    assert (mixed.value, mixed.high, mixed.n) == (0, 11 * 10 / 2 - 5 * 4 / 2, 5)


def test_a_found_pair_is_named_by_its_positions() -> None:
    """The search gives positions of both pictures, each pair once, the lower one first."""
    pictures = [*scenes(5), scenes(5)[1] * 2]
    prints = fingerprints(Looked(case=i, values=p) for i, p in enumerate(pictures))
    alike = find_alike(prints, None, np.arange(6))
    assert list(zip(alike.first.tolist(), alike.second.tolist(), strict=True)) == [(1, 5)]
    assert alike.unaligned == 0


def test_it_keeps_the_protocol() -> None:
    """It completes wherever there are images."""
    assert len(check_probe(NearDuplicates)) >= 2
