"""What is worked out once and kept gives what working it out anew gives, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import Regions, attack_region
from audit.attacks import _regions as regions_module
from audit.attacks._kept import Kept
from audit.attacks._room import Room
from audit.attacks._square import LinfMoves


def _padded(count: int) -> Any:
    rng = np.random.default_rng(4)
    images = rng.uniform(1, 100, (count, 2, 9, 11)).astype(np.float32)
    for number in range(count):
        images[number, :, : 2 + number] = 0
    # What is as low inside of the image is no padding.
    images[:, :, 8, 5] = 0
    return images


@pytest.mark.parametrize("most", [2**24, 20])
def test_regions_are_those_of_the_images_whether_held_or_not(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows asked for again, in another order and among new ones, have the region of their image; none is mixed up."""
    monkeypatch.setattr(regions_module, "_HELD", most)
    images, regions = _padded(5), Regions("ct")
    for rows in ([0, 1], [1, 0], [4, 1, 2], [3], [0, 1, 2, 3, 4]):
        found = regions.of(np.array(rows), images[rows])
        np.testing.assert_array_equal(found, attack_region(images[rows], "ct"))
    assert not attack_region(images, "ct")[:, 0, 0].any()
    assert len(regions._held) == (5 if most > 20 else 1)


def test_kept_memory_has_the_shape_that_is_asked_for_and_never_shrinks() -> None:
    """Fewer images get a part of what more got; another name gets other memory."""
    kept = Kept()
    large, small = torch.zeros(4, 1, 3, 3), torch.zeros(2, 1, 3, 3)
    first = kept.like("a", large).fill_(1)
    part = kept.like("a", small)
    assert part.shape == small.shape
    assert part.data_ptr() == first.data_ptr() == kept.like("a", large).data_ptr()
    assert kept.like("b", large).data_ptr() != first.data_ptr()
    assert kept.like("wide", small, torch.float64).dtype == torch.float64


def test_a_window_of_a_room_is_that_part_of_the_whole() -> None:
    """Under L-infinity each value counts by itself, so a part can be brought within the size alone, to the bit."""
    rng = np.random.default_rng(1)
    x0 = rng.uniform(0, 1, (2, 12, 10)).astype(np.float32)
    region = np.ones((1, 12, 10), dtype=bool)
    for inside in (region, rng.random(region.shape) < 0.7):
        room = Room.around(x0, (0.0, 1.0), inside)
        delta = rng.normal(0, 0.02, x0.shape).astype(np.float32)
        window = (slice(None), slice(3, 9), slice(2, 7))
        np.testing.assert_array_equal(room.cut(window).within(delta[window], 0.01), room.within(delta, 0.01)[window])


def test_a_move_changes_one_window_and_adds_the_rest_anew() -> None:
    """Outside of its window a proposal is the image with its change added anew, as if the whole had been worked out."""
    x0 = np.random.default_rng(3).uniform(0, 1, (1, 16, 16)).astype(np.float32)
    room = Room.around(x0, (0.0, 1.0), np.ones((1, 16, 16), dtype=bool))
    moves, twin = (LinfMoves(room=room, epsilon=0.03, rng=np.random.default_rng(7)) for _ in range(2))
    x = moves.start()
    np.testing.assert_array_equal(x, twin.start())
    for _ in range(20):
        proposed = moves.propose(x, 0.1)
        window = (slice(None), *twin._window(0.1))
        changed = x - x0
        changed[window] = 0.03 * twin._signs((1, 1, 1))
        wanted = room.within(changed, 0.03)
        if (wanted == x).all():
            break
        np.testing.assert_array_equal(proposed, wanted)
        x = proposed
