"""Is the model what it was declared to be, and does it stay so: checks that run in every audit."""

from audit.core import Probe
from audit.probes.setup.setup001_output_kind import OutputKind
from audit.probes.setup.setup002_not_deterministic import NotDeterministic
from audit.probes.setup.setup003_label_order import LabelOrder
from audit.probes.setup.setup004_golden_batch import GoldenBatch
from audit.probes.setup.setup005_digest_changed import DigestChanged

PROBES: tuple[type[Probe], ...] = (OutputKind, NotDeterministic, LabelOrder, GoldenBatch, DigestChanged)
__all__ = ["PROBES", "DigestChanged", "GoldenBatch", "LabelOrder", "NotDeterministic", "OutputKind"]
