"""The confounding family."""

from audit.core import Probe

PROBES: tuple[type[Probe], ...] = ()
__all__ = ["PROBES"]
