"""What the gate writes on a version of a model, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.models import Registered, registry_errors

VERDICT_TAG, EVIDENCE_TAG = "audit.verdict", "audit.evidence_digest"
MODEL_TAG, RUN_TAG = "audit.model_digest", "audit.run"
FILES_TAG, REASON_TAG = "audit.files_digest", "audit.reason"
TAGS = (VERDICT_TAG, EVIDENCE_TAG, MODEL_TAG, RUN_TAG, FILES_TAG, REASON_TAG)
_LONGEST = 1000


def read_tags(registry: Any, version: Registered) -> Mapping[str, str]:
    """Return the gate's tags of a version."""
    with registry_errors(version.uri):
        held = registry.get_model_version(version.name, version.version).tags
    return {k: str(v) for k, v in held.items() if k in TAGS}


def clear_tags(registry: Any, version: Registered) -> None:
    """Take the gate's tags off a version, the verdict first: half of them must not look like a whole verdict."""
    held = read_tags(registry, version)
    with registry_errors(version.uri):
        for name in TAGS:
            if name in held:
                registry.delete_model_version_tag(version.name, version.version, name)


def write_tags(registry: Any, version: Registered, values: Mapping[str, str]) -> None:
    """Write tags in place of all that the gate wrote before, the verdict last."""
    clear_tags(registry, version)
    with registry_errors(version.uri):
        for name in reversed(TAGS):
            if values.get(name):
                registry.set_model_version_tag(version.name, version.version, name, values[name][:_LONGEST])
