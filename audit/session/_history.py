"""What a run writes in the ledger: that it began, and how it ended."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import audit
from audit.core import Cohort, Evidence, ImagingModel, Policy
from audit.evidence import append_entry, ledger_path

if TYPE_CHECKING:
    from audit.execution import Progress, RunLog
    from audit.session._run import Options


class History:
    """The ledger's two lines of one run: a run that was stopped has the first alone, which shows.

    Args:
        model: The model.
        cohort: The cases as the manifest gives them.
        policy: The rules.
        options: Seed, profile, configuration.
        state: Digest of the model's state before the run, empty where it has none.
        selected: Codes of the probes.
        log: The run's log.
        progress: Somebody who watches.
    """

    def __init__(
        self, model: ImagingModel, cohort: Cohort, policy: Policy, options: Options, state: str,
        selected: Sequence[str], log: RunLog, progress: Progress,
    ) -> None:  # fmt: skip
        self._log, self._progress = log, progress
        self._about = {
            # Two runs at once would otherwise not know whose end is whose.
            "run": secrets.token_hex(8), "version": audit.__version__, "cohort_digest": cohort.digest,
            "model_name": model.card.name, "model_digest": model.card.digest, "state_digest": state,
            "policy_digest": policy.digest, "policy_source": policy.source, "config_digest": options.config_digest,
            "seed": options.seed, "profile": options.profile, "probes": list(selected),
        }  # fmt: skip

    def began(self) -> None:
        """Write that a run began, before it asks the model anything."""
        self._write({"event": "began"})

    def ended(self, evidence: Evidence) -> None:
        """Write what a run ended with.

        Args:
            evidence: What it found.
        """
        self._write({
            "event": "ended", "outcome": evidence.verdict.outcome,
            "used_digest": str(evidence.cohort.get("digest", "")),
            "evidence_digest": str(evidence.run.get("evidence_digest", "")),
        })  # fmt: skip

    def _write(self, more: Mapping[str, Any]) -> None:
        try:
            append_entry(ledger_path(), {**self._about, **more})
        except (OSError, RuntimeError) as error:
            # A machine without a place to write may still audit; a pack of its run then shows no history.
            text = f"the ledger of runs cannot be written: {error}"
            self._log.event("ledger", written=False, reason=type(error).__name__)
            self._progress.note(text)
