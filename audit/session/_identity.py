"""What a run is of, as one digest: a finished run of the same need not be made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import audit
from audit.core import Cohort, ImagingModel, Policy, digest
from audit.evidence import policy_to_plain
from audit.execution import Basis, mark_or_once

if TYPE_CHECKING:
    from audit.session._run import Options

# What a run rests on beside model, cohort, policy and the fields of audit.toml, which have digests of their own.
_BESIDE = (
    "intended_use", "golden", "golden_tolerance", "layer", "monitor", "fairlearn_metrics", "attacks", "surrogates",
    "threat_model", "envelope", "explain", "training", "show_pixels", "show_ids",
)  # fmt: skip


def identity_of(
    basis: Basis, model: ImagingModel, state: str, cohort: Cohort, policy: Policy, options: Options,
    selected: tuple[str, ...],
) -> str:  # fmt: skip
    """Return the digest of what is asked for, down to the code and the files that it rests on.

    Args:
        basis: What the model's answers rest on.
        model: The model.
        state: Digest of its state.
        cohort: The cases as the manifest gives them.
        policy: The rules.
        options: Seed, profile, and what is declared beside the model.
        selected: Codes of the probes.
    """
    beside = [getattr(options, name) for name in _BESIDE]
    return digest([
        audit.__version__, basis.answers, model.card.digest, state, cohort.digest, policy_to_plain(policy),
        options.config_digest, options.seed, options.profile, selected, options.min_cell, mark_or_once(beside),
    ])  # fmt: skip
