"""How each emphysema grader is trained: chosen on validation patients, the same trials for each.

The one that learns from presence is trained as its twin is, so that the labels alone set them apart.
"""

from __future__ import annotations

from audit.reference.systems.emphysema._fit import Settings

RATES = (5e-3, 2e-2)
TUNED_WITH = ("none", "group")
TUNED_ON = 100
"""Development patients of a trial."""
SETTINGS = {
    "gapnet-rms": Settings(net="gap", loss="rms", norm="group", rate=2e-2),
    "gapnet": Settings(net="gap", loss="lpi", norm="group", rate=5e-3),
    "proportionnet": Settings(net="proportion", loss="lpi", norm="group", rate=2e-2),
    "proportionnet-presence": Settings(net="proportion", loss="presence", norm="group", rate=2e-2),
}
SHIPPED_SIZE = 700
SHIPPED_STEPS = 900
"""Three times those of a cell of the grid, for every network alike."""
