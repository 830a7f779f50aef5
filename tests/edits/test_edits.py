"""Edits: sampled first and applied then, nothing is the identity, range and depth hold, lengths are in mm."""

import json
from dataclasses import replace

import numpy as np
import pytest

from audit.core import InputSpec
from audit.edits import (
    MARKERS,
    TELLTALES,
    Grid,
    Ground,
    Telltale,
    Texture,
    expected,
    grid_of,
    inserted,
    marks,
    sample_fill,
    sample_insertions,
    sample_markers,
    seamless,
    sham,
    spots_of,
    stored,
    texture_of,
    tissue,
)
from tests.probes.confounding import pictures as p

SPAN = (0.0, 255.0)
MM = Grid(spacing=(1.0, 1.0), unit="mm")


def lesion(seed=0, count=2):
    """Return an image (1, 24, 24) and the mask of its lesions."""
    image, mask, _ = p.picture(np.random.default_rng(seed), count)
    return image[None].astype(np.float32), mask


def test_lengths_are_in_mm_where_the_spacing_is_known():
    """The cohort's spacing counts, then the model's, and pixels elsewhere are called pixels."""
    cohort, card = p.cohort_of(n=2), p.healthy().card
    assert grid_of(cohort, card, 2) == Grid(spacing=(1.0, 1.0), unit="mm")
    bare = replace(cohort, spacing_mm=None)
    assert grid_of(bare, card, 2) == Grid(spacing=(1.0, 1.0), unit="pixels")
    own = replace(card, input=InputSpec(spacing_mm=(0.5, 2.0)))
    assert grid_of(bare, own, 2) == Grid(spacing=(0.5, 2.0), unit="mm")


@pytest.mark.parametrize("spacing, steps", [((1.0, 1.0), (2, 2)), ((0.5, 2.0), (4, 1)), ((5.0, 5.0), (1, 1))])
def test_a_dilation_reaches_as_far_in_mm_on_any_grid(spacing, steps):
    """Two mm are two pixels of 1 mm, four of 0.5 mm, and one of 5 mm, since an edge reaches into its neighbour."""
    mask = np.zeros((21, 21), dtype=bool)
    mask[10, 10] = True
    wide = Grid(spacing=spacing, unit="mm").dilated(mask, 2.0)
    rows, columns = np.nonzero(wide)
    assert (rows.max() - 10, columns.max() - 10) == steps
    assert np.array_equal(Grid(spacing=spacing, unit="mm").dilated(mask, 0.0), mask)


def test_nothing_to_do_is_the_image_bit_for_bit():
    """An empty region, no insertion, a strength of 0: the identity."""
    image, mask = lesion()
    rng = np.random.default_rng(0)
    nothing = np.zeros_like(mask)
    assert np.array_equal(sample_fill(image, nothing, nothing, rng, grid=MM, span=SPAN).apply(image), image)
    assert np.array_equal(inserted(image, (), grid=MM, span=SPAN), image)
    for marker in sample_markers(tuple(MARKERS), (24, 24), MM, rng, colour=False):
        assert np.array_equal(replace(marker, strength=0.0).apply(image, MM, display=SPAN, span=SPAN), image)
    for kind in TELLTALES:
        assert np.array_equal(Telltale(kind=kind, strength=0.0).apply(image, display=SPAN, span=SPAN), image)
    assert np.array_equal(sham(image, image, 1, span=SPAN), image)


def test_edits_keep_depth_and_range():
    """Whole numbers stay whole, nothing leaves the range, and what was not edited is untouched."""
    image, mask = lesion(1)
    rng = np.random.default_rng(1)
    region = MM.dilated(mask, 2.0)
    filled = sample_fill(image, region, np.zeros_like(mask), rng, grid=MM, span=SPAN).apply(image)
    assert np.array_equal(filled[0][~region], image[0][~region])
    changed = [filled]
    changed += [m.apply(image, MM, display=SPAN, span=SPAN)
                for m in sample_markers(tuple(MARKERS), (24, 24), MM, rng, colour=False)]  # fmt: skip
    changed += [Telltale(kind=k).apply(image, display=SPAN, span=SPAN) for k in TELLTALES]
    for one in changed:
        assert np.array_equal(one, np.rint(one))
        assert one.min() >= 0
        assert one.max() <= 255
    assert np.array_equal(stored(image + 0.4, image, SPAN), image)
    wide = stored(np.full_like(image, 400.0), image, SPAN)
    assert wide.max() == 255


def test_a_fill_takes_the_lesion_out_and_can_be_replayed():
    """What was brighter by 60 is within one noise SD of its surroundings, twice the same; its parameters are JSON."""
    image, mask = lesion(2)
    region = MM.dilated(mask, 1.0)
    fill = sample_fill(image, region, np.zeros_like(mask), np.random.default_rng(2), grid=MM, span=SPAN)
    once = fill.apply(image)
    assert np.array_equal(once, fill.apply(image))
    assert abs(once[0][mask].mean() - p.LEVEL) < 3 * p.NOISE / 3
    assert once[0][region].std() == pytest.approx(p.NOISE, rel=0.5)
    rows = json.loads(json.dumps(fill.parameters()))
    assert {row["unit"] for row in rows} == {"mm"}
    assert sum(row["volume"] for row in rows) == region.sum()


def test_a_region_without_anything_around_it_is_its_own_mean():
    """An image that is masked as a whole cannot be filled from anywhere, and does not fail."""
    image, mask = lesion(3)
    everything = np.ones_like(mask)
    filled = sample_fill(image, everything, ~everything, np.random.default_rng(0), grid=MM, span=SPAN).apply(image)
    assert np.allclose(filled, np.rint(image.mean()), atol=1)


def test_conditioning_is_kriging():
    """The expected values are those of simple kriging with a level of large variance, solved by hand, to 1e-9."""
    texture = Texture(noise=1.0, detail=2.0, reach=1.5, spacing=(1.0, 2.0))
    values = np.random.default_rng(4).normal(size=(1, 5, 5))
    region = np.zeros((5, 5), dtype=bool)
    region[2, 2:4] = True
    found = expected(values, region, np.ones((5, 5), bool), texture)
    known, inside = np.argwhere(~region), np.argwhere(region)

    def covariance(a, b):
        apart = np.hypot(a[0] - b[0], 2 * (a[1] - b[1]))
        return 4 * 3.0 + 2 * np.exp(-apart / 1.5)

    own = np.array([[covariance(a, b) + (a == b).all() for b in known] for a in known])
    cross = np.array([[covariance(a, b) for b in known] for a in inside])
    wanted = cross @ np.linalg.solve(own, values[0][~region])
    np.testing.assert_allclose(found[0], wanted, atol=1e-9)


def test_what_is_put_in_varies_as_what_was_there():
    """Over many draws of a correlated field, the filled pixel has the variance that it had before, within 20 %."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(5)
    region = np.zeros((9, 9), dtype=bool)
    region[3:6, 3:6] = True
    before, after = [], []
    for _ in range(300):
        fields = [3.5 * gaussian_filter(rng.normal(size=(1, 25, 25)), (0, 1, 1))[:, 8:17, 8:17] for _ in range(2)]
        target, donor = (f + 0.3 * rng.normal(size=(1, 9, 9)) for f in fields)
        texture = Texture(noise=0.09, detail=1.0, reach=1.5, spacing=(1.0, 1.0))
        before.append(target[0][region])
        after.append(seamless(target, donor, region, np.ones((9, 9), bool), texture)[0])
    assert np.var(after) == pytest.approx(np.var(before), rel=0.2)


def test_texture_of_white_noise_is_noise():
    """Pixels that share nothing give a detail of at most a fifth of the variance."""
    image = np.random.default_rng(6).normal(100, 5, (1, 64, 64))
    texture = texture_of(image, np.ones((64, 64), bool), (1.0, 1.0))
    assert texture.noise + texture.detail == pytest.approx(25, rel=0.2)
    assert texture.noise > 4 * texture.detail


@pytest.mark.parametrize("sides", [(24, 24), (9, 20, 20)])
def test_a_lesion_is_put_in_with_its_own_contrast_and_its_sham_without(sides):
    """In two and in three axes the mean inside the inserted mask rises by the lesion's contrast, to 20 %; the sham's by
    less than a tenth of it."""
    rng = np.random.default_rng(7)
    grid = Grid(spacing=(1.0,) * len(sides), unit="mm")
    image = np.rint(p.LEVEL + rng.normal(0, p.NOISE, (1, *sides))).astype(np.float32)
    mask = np.zeros(sides, dtype=bool)
    mask[tuple(slice(s // 2 - 1, s // 2 + 2) for s in sides)] = True
    source = image + p.CONTRAST * mask
    nothing, everywhere = np.zeros(sides, bool), np.ones(sides, bool)
    spots = spots_of(source, mask, nothing, everywhere, 3, rng, grid=grid, edge=1.0)
    assert len(spots) == 1
    assert spots[0].volume == mask.sum()
    other = np.rint(p.LEVEL + 10 + rng.normal(0, p.NOISE, (1, *sides))).astype(np.float32)
    ground = Ground(image=other, allowed=everywhere, tissue=everywhere)
    drawn = sample_insertions(ground, spots, 1, rng, grid=grid, gap=2.0)
    (core,) = marks(drawn, sides)
    true, plain = (inserted(other, drawn, grid=grid, span=SPAN, sham=s) for s in (False, True))
    assert (true - other)[0][core].mean() == pytest.approx(p.CONTRAST, rel=0.2)
    assert abs((plain - other)[0][core].mean()) < 0.1 * p.CONTRAST
    assert json.loads(json.dumps(drawn[0].parameters(grid)))["source"] == 3


def test_insertions_stay_where_they_may_be():
    """No spot leaves the allowed tissue, touches another, or the plane that it must avoid."""
    image, mask = lesion(8, 1)
    rng = np.random.default_rng(8)
    spots = spots_of(image, mask, np.zeros_like(mask), np.ones_like(mask), 0, rng, grid=MM, edge=1.0)
    allowed = np.zeros_like(mask)
    allowed[2:, 2:] = True
    allowed &= ~MM.dilated(mask, 3.0)
    line = np.zeros_like(mask)
    line[12] = True
    ground = Ground(image=image, allowed=allowed, tissue=np.ones_like(mask))
    drawn = sample_insertions(ground, spots * 3, 3, rng, grid=MM, gap=1.0, without=line)
    found = marks(drawn, mask.shape)
    assert found
    assert all(not (m & ~allowed).any() and not (m & line).any() for m in found)
    assert sum(m.astype(int) for m in found).max() == 1


def test_a_sham_has_the_energy_of_its_edit_at_the_same_pixels():
    """The root of the summed squares is that of the marker within 5 %, and no other pixel changes."""
    image, _ = lesion(9)
    for marker in sample_markers(("corner patch", "chest tube"), (24, 24), MM, np.random.default_rng(9), colour=False):
        edited = marker.apply(image, MM, display=SPAN, span=SPAN)
        noisy = sham(image, edited, 4, span=(-1e6, 1e6))
        energy = [float(np.sqrt(((x.astype(float) - image) ** 2).sum())) for x in (edited, noisy)]
        assert energy[1] == pytest.approx(energy[0], rel=0.05)
        assert not ((noisy != image) & (edited == image)).any()


def test_a_dark_frame_is_no_tissue_and_a_photo_is_all_tissue():
    """Most of the frame at the bottom of the range is background; an image without such a frame has none."""
    image = np.zeros((1, 20, 20))
    image[0, 5:15, 5:15] = 100 + np.arange(100).reshape(10, 10) / 10
    assert tissue(image).sum() == 100
    assert tissue(image + 1000 * np.random.default_rng(0).random((1, 20, 20))).all()
