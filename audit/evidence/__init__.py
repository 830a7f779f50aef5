"""Evidence: written once, sealed, read with distrust; and the formats that other programs read."""

from audit.evidence._cards import card_of, use_of
from audit.evidence._codec import (
    evidence_digest,
    from_plain,
    policy_to_plain,
    result_from_plain,
    result_to_plain,
    to_plain,
)
from audit.evidence._folder import (
    DATED,
    EVIDENCE,
    FEW,
    FILES,
    SUMS,
    Arrays,
    LeftOutError,
    check_seal,
    held_loader,
    loader,
    pack_artifact,
    read_run,
    seal,
    store_artifact,
    write_artifact,
    write_atomically,
    write_evidence,
)
from audit.evidence._github import github_annotations
from audit.evidence._junit import junit
from audit.evidence._ledger import LEDGER_VARIABLE, Ledger, append_entry, ledger_path, read_ledger
from audit.evidence._moments import Moments, moment, run_moments
from audit.evidence._predictions import write_predictions
from audit.evidence._profile import TimeTable, overhead, time_table
from audit.evidence._pseudonyms import Plain, Pseudonyms, load_pseudonyms
from audit.evidence._sarif import sarif
from audit.evidence._schema import evidence_schema
from audit.evidence._stored import read_predictions
from audit.evidence._summary import summary
from audit.evidence._suppress import SUPPRESSED, mask, names_one, not_shared_headline, suppress, withheld

__all__ = [
    "DATED", "EVIDENCE", "FEW", "FILES", "LEDGER_VARIABLE", "SUMS", "SUPPRESSED", "Arrays", "Ledger", "LeftOutError",
    "Moments", "Plain", "Pseudonyms", "TimeTable", "append_entry", "card_of", "check_seal", "evidence_digest",
    "evidence_schema", "from_plain",
    "github_annotations", "held_loader", "junit", "ledger_path", "load_pseudonyms", "loader", "mask", "moment",
    "names_one", "not_shared_headline", "overhead", "pack_artifact", "policy_to_plain", "read_ledger",
    "read_predictions", "read_run", "result_from_plain", "result_to_plain", "run_moments", "sarif", "seal",
    "store_artifact", "summary", "suppress", "time_table", "to_plain", "use_of", "withheld", "write_artifact",
    "write_atomically", "write_evidence", "write_predictions",
]  # fmt: skip
