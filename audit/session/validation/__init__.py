"""The suite's own validation on an installation: planted faults, known truths, and evidence that was tampered with."""

from audit.session.validation._run import KIND, validate

__all__ = ["KIND", "validate"]
