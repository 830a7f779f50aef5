"""The model's own maps: attention, a class map, a part of the network that was built to explain it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ImagingModel
from audit.explain._explained import Explained

if TYPE_CHECKING:
    from numpy.typing import NDArray

ATTENTION = "attention_map"
"""Method of a network that gives its own maps: from prepared images to (n, *spatial) or (n, outputs, *spatial)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnMap:
    """Maps that come with the model.

    Args:
        function: From (n, channels, *spatial) stored intensities, and from the model where it takes a second argument
            `model`, to maps (n, *spatial), or (n, outputs, *spatial) with one map an output.
        name: What it is called.
        digest: Digest of the weights that its maps are computed on, where it says so itself.
        inside: True: it is a part of the audited model.
    """

    function: Callable[..., Any]
    name: str = ATTENTION
    digest: str = ""
    inside: bool = False


def own_map_of(model: Any) -> OwnMap | None:
    """Return the map that a torch network gives by its method `attention_map`, None where it has none."""
    return None


def own_values(
    own: OwnMap, model: ImagingModel, images: NDArray[np.float32], explained: Explained,
    baseline: NDArray[np.float32], rng: np.random.Generator, *, batch: int, checks: bool,
) -> tuple[NDArray[np.float64] | None, str]:  # fmt: skip
    """Return the model's own maps, (n, *spatial), or None and why they cannot be used."""
    return None, "not here yet"
