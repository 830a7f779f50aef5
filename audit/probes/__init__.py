"""The probes that come with the suite, one file a probe; each family lists its own in `PROBES`."""

from audit.core import Probe
from audit.probes import (
    adversarial,
    calibration,
    confounding,
    data,
    explanation,
    fairness,
    performance,
    setup,
    shift,
)
from audit.probes._catalogue import Catalogue, FailedPlugin, catalogue
from audit.probes._pages import page, sections

PROBES: tuple[type[Probe], ...] = (
    *data.PROBES,
    *setup.PROBES,
    *performance.PROBES,
    *calibration.PROBES,
    *fairness.PROBES,
    *confounding.PROBES,
    *adversarial.PROBES,
    *explanation.PROBES,
    *shift.PROBES,
)
__all__ = ["PROBES", "Catalogue", "FailedPlugin", "catalogue", "page", "sections"]
