"""A cohort of brain planes that holds its metadata only and renders a plane when asked."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms._composition import Case
from audit.reference.phantoms._parameters import BrainKnobs, PlaneParameters, sample_parameters
from audit.reference.phantoms._render import Plane, render


class BrainSlices:
    """Planes of brain MRI with planted lesions, one a patient.

    A plane depends on the seed, its position in the cohort and its case alone, so cases can be read in any order and
    by several workers.

    Args:
        cases: Label, sex and protocol of each case.
        seed: Entropy of the cohort, for example `(1, 2)`.
        knobs: Settings of the phantom.
    """

    def __init__(self, cases: Sequence[Case], *, seed: Sequence[int], knobs: BrainKnobs | None = None) -> None:
        self.cases = tuple(cases)
        self.seed = tuple(int(part) for part in seed)
        self.knobs = knobs or BrainKnobs()

    def __len__(self) -> int:
        return len(self.cases)

    def parameters(self, index: int) -> PlaneParameters:
        """What was drawn for a case; cheap, nothing is rendered."""
        case = self.cases[index]
        rng = np.random.default_rng([*self.seed, index])
        return sample_parameters(rng, label=case.label, sex=case.sex, protocol=case.protocol, knobs=self.knobs)

    def plane(self, index: int) -> Plane:
        """Image and masks of a case."""
        return render(self.parameters(index), knobs=self.knobs)

    def image(self, index: int) -> NDArray[np.float32]:
        """Stored grey levels of a case, (1, size, size), 0 to 4095."""
        return self.plane(index).image.astype(np.float32)[None]

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Planted lesions of a case, (size, size)."""
        return self.plane(index).lesions
