"""Where a map points, worked by hand and against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from audit.explain import chance, grid, lesions, marked, mass, peaks, region_name, thirds

PIXELS = grid((16, 16), None)


def spots(shape: tuple[int, ...], *places: tuple[tuple[int, ...], float]) -> np.ndarray:
    """Return a map of single voxels."""
    out = np.zeros(shape)
    for place, value in places:
        out[place] = value
    return out


def square(shape: tuple[int, ...], *corners: tuple[int, ...], side: int = 2) -> np.ndarray:
    """Return a mask of squares."""
    out = np.zeros(shape, bool)
    for corner in corners:
        out[tuple(slice(c, c + side) for c in corner)] = True
    return out


def test_the_hit_radius_is_three_millimetres_or_a_diagonal() -> None:
    """Known spacing: mm, at least a voxel's diagonal; unknown: a share of the side, in pixels; no axis of 1 counts."""
    assert (grid((64, 64), (1.0, 1.0)).radius, grid((64, 64), (1.0, 1.0)).unit) == (3.0, "mm")
    assert grid((64, 64), (3.1, 3.1)).radius == pytest.approx(3.1 * np.sqrt(2))
    assert grid((1, 64, 64), (9.0, 1.0, 1.0)).radius == 3.0
    assert (PIXELS.radius, PIXELS.unit) == (pytest.approx(np.sqrt(2)), "pixels")
    assert grid((200, 300), None).radius == pytest.approx(4.0)
    assert grid((64, 64), (1.0, 1.0)).words == "hit within 3 mm"


def test_peaks_come_highest_first_and_keep_their_distance() -> None:
    """Three spots are three peaks at their places; a lower one within the hit radius of a higher one is none."""
    values = spots((16, 16), ((3, 3), 1.0), ((3, 4), 0.9), ((3, 12), 3.0), ((12, 8), 2.0))
    found = peaks(values, PIXELS)
    assert found.places.tolist()[:2] == [[3, 12], [12, 8]]
    assert len(found.places) == 3
    assert (np.diff(found.heights) < 0).all()


def test_heights_do_not_depend_on_the_scale_and_negative_relevance_is_none() -> None:
    """Ten times the map has the same peaks; what speaks against the decision has none; a flat map has none."""
    values = spots((16, 16), ((3, 3), 1.0), ((12, 8), 2.0), ((8, 2), -9.0))
    one, two = peaks(values, PIXELS), peaks(1e-12 * values, PIXELS)
    assert one.places.tolist() == two.places.tolist() == [[12, 8], [3, 3]]
    assert one.heights == pytest.approx(two.heights)
    assert peaks(-np.abs(values), PIXELS).places.size == 0
    assert peaks(np.full((16, 16), 2.0), PIXELS).places.size == 0


def test_peaks_stay_in_their_region() -> None:
    """What lies outside is no peak, however high."""
    values = spots((16, 16), ((3, 3), 9.0), ((12, 8), 2.0))
    region = np.indices((16, 16))[0] > 7
    assert peaks(values, PIXELS, region).places.tolist()[0] == [12, 8]


def test_a_peak_hits_within_the_radius_in_millimetres() -> None:
    """With voxels of 5 x 1 mm and a radius of 5.1 mm, five columns away is a hit, two rows away is none."""
    on = grid((16, 16), (5.0, 1.0))
    assert on.radius == pytest.approx(np.hypot(5, 1))
    of = lesions(square((16, 16), (8, 4)), on)
    near, far = spots((16, 16), ((8, 10), 1.0)), spots((16, 16), ((6, 4), 1.0))
    assert marked(peaks(near, on), of, on).pointed
    assert not marked(peaks(far, on), of, on).pointed
    assert marked(peaks(far, on), of, on).distance == pytest.approx(10.0)


def test_lesions_are_found_before_false_marks() -> None:
    """Two lesions, the higher peak false: none found at 0 false marks, one at 1 and at 2: a third."""
    of = lesions(square((16, 16), (2, 2), (12, 12)), PIXELS)
    assert of.count == 2
    values = spots((16, 16), ((2, 12), 3.0), ((2, 2), 2.0), ((12, 3), 1.0))
    found = marked(peaks(values, PIXELS), of, PIXELS)
    assert np.isfinite(found.lesion).tolist() == [True, False]
    assert found.false.size == 2
    assert not found.pointed
    assert found.found == pytest.approx((0 + 0.5 + 0.5) / 3)


def test_the_mask_itself_finds_every_lesion_and_an_empty_map_none() -> None:
    """A map that is the mask scores 1 everywhere; one without a peak hits nothing and is not rewarded."""
    mask = square((16, 16), (2, 2), (12, 12))
    of = lesions(mask, PIXELS)
    perfect = marked(peaks(mask.astype(float), PIXELS), of, PIXELS)
    assert perfect.found == 1.0
    assert perfect.pointed
    assert mass(mask.astype(float), of) == 1.0
    empty = marked(peaks(np.zeros((16, 16)), PIXELS), of, PIXELS)
    assert (empty.found, empty.pointed, empty.distance) == (0.0, False, None)
    assert mass(-mask.astype(float), of) is None


def test_further_peaks_on_a_lesion_are_no_false_marks() -> None:
    """A large lesion with two peaks is one hit, with no false mark."""
    of = lesions(square((16, 16), (2, 2), side=10), PIXELS)
    found = marked(peaks(spots((16, 16), ((3, 3), 2.0), ((9, 9), 1.0)), PIXELS), of, PIXELS)
    assert found.false.size == 0
    assert found.lesion.size == 1


def test_chance_is_what_random_places_score() -> None:
    """Closed form against 20,000 places drawn evenly in the organ, within three standard errors."""
    on, rng = grid((16, 16), (1.0, 1.0)), np.random.default_rng(0)
    mask, organ = square((16, 16), (4, 4), side=3), np.indices((16, 16))[1] < 12
    of = lesions(mask, on)
    level = chance(of, on, organ)
    inside = np.argwhere(organ)
    drawn = inside[rng.integers(0, len(inside), 20000)]
    lesion = np.argwhere(mask)
    near = np.array([np.linalg.norm(lesion - place, axis=1).min() <= 3.0 for place in drawn])
    assert level.pointed == pytest.approx(near.mean(), abs=3 * np.sqrt(0.25 / 20000))
    assert level.mass == pytest.approx(mask.sum() / organ.sum())


@pytest.mark.parametrize("shape", [(16, 16), (6, 16, 16)])
def test_random_maps_score_chance(shape: tuple[int, ...]) -> None:
    """Over 300 maps of chance the pointing game and the relevance mass are at their closed forms, in 2-D and 3-D."""
    on, rng = grid(shape, (1.0,) * len(shape)), np.random.default_rng(1)
    of = lesions(square(shape, (2,) * len(shape), side=3), on)
    level, maps = chance(of, on), rng.random((300, *shape))
    pointed = np.mean([marked(peaks(values, on), of, on).pointed for values in maps])
    assert pointed == pytest.approx(level.pointed, abs=0.08)
    assert np.mean([mass(values, of) for values in maps]) == pytest.approx(level.mass, rel=0.05)


def test_relevance_is_shared_out_over_thirds() -> None:
    """Shares add up to 1 and lie where the relevance does, in images whose sides are no multiple of three."""
    shares = thirds(spots((10, 16), ((0, 15), 3.0), ((9, 0), 1.0), ((5, 5), -7.0)))
    assert shares is not None
    assert shares[0, 2] == pytest.approx(0.75)
    assert shares[2, 0] == pytest.approx(0.25)
    assert shares.sum() == pytest.approx(1.0)
    assert thirds(np.zeros((4, 4))) is None
    volume = thirds(spots((3, 9, 9), ((2, 8, 4), 1.0)))
    assert volume is not None
    assert volume[2, 2, 1] == 1.0


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ((0, 0), "top left corner"), ((2, 2), "bottom right corner"), ((0, 1), "top side"), ((1, 2), "right side"),
        ((1, 1), "centre"), ((2, 0, 0), "top left corner, last third of the slices"),
    ],
)  # fmt: skip
def test_regions_have_names(cell: tuple[int, ...], name: str) -> None:
    """Names that a reader of an image uses."""
    assert region_name(cell) == name


def test_an_empty_mask_is_no_case() -> None:
    """Nothing can be pointed at."""
    with pytest.raises(ValueError, match="empty"):
        lesions(np.zeros((4, 4)), PIXELS)
