"""What stands beside an attack: changes of the same size, or of the scanner's own, that were not aimed at anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from audit.attacks._ladder import attack_region, stored_step
from audit.attacks._room import Room
from audit.core import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHUFFLED, SIGNS, OWN_NOISE = "shuffled", "random signs", "noise of the cohort"
CONTROLS: tuple[str, ...] = (SHUFFLED, SIGNS, OWN_NOISE)


def controls(
    image: NDArray[np.float32], worst: NDArray[np.float32], spec: InputSpec, *, size: float, noise_sd: float | None,
    rng: np.random.Generator,
) -> Mapping[str, NDArray[np.float32]]:  # fmt: skip
    """Return an image under changes that were not aimed at the answer.

    Args:
        image: (channels, *spatial) stored intensities.
        worst: The same under attack.
        spec: What the model receives: valid range and modality.
        size: What the attack was allowed to change a value by, in stored units.
        noise_sd: Noise of the cohort in stored units; None: that control is left out.
        rng: Draws places, signs and noise.

    Returns:
        `shuffled`: the change of the attack, its pixels moved to random places of the region that may be attacked, the
        channels of a pixel together. `random signs`: plus or minus the size in every value of the region. `noise of the
        cohort`: Gaussian noise, in whole stored steps where stored intensities are integers. All are clipped to the
        valid range, so the first two are nowhere larger than the size. A control that would change nothing is left out:
        the image as it is says nothing of changes.
    """
    region = attack_region(image[None], spec.modality)[0]
    step = stored_step(image[None], spec.span)
    room = Room.around(image, spec.range, region, step=step)
    delta = (worst - image).reshape(len(image), -1)
    inside = np.flatnonzero(region)
    moved = delta.copy()
    moved[:, inside] = delta[:, rng.permutation(inside)]
    signs = size * rng.choice(np.array([-1.0, 1.0]), size=image.shape)
    made = {SHUFFLED: room.within(moved.reshape(image.shape), size), SIGNS: room.within(signs, size)}
    if noise_sd is not None:
        noise = rng.normal(0.0, noise_sd, size=image.shape)
        made[OWN_NOISE] = room.within(np.round(noise) if step else noise, spec.span)
    return {name: changed for name, changed in made.items() if room.size_of(changed) > 0}
