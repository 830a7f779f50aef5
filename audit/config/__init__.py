"""audit.toml and policy.toml to typed objects; every fault of a file is named at once."""

from audit.config._check import check_columns, check_policy, columns_of
from audit.config._load import AUDIT_SECTIONS, load_audit, load_policy, policy_from, schema
from audit.config._population import population_faults
from audit.config._types import AuditConfig

__all__ = [
    "AUDIT_SECTIONS",
    "AuditConfig",
    "check_columns",
    "check_policy",
    "columns_of",
    "load_audit",
    "load_policy",
    "policy_from",
    "population_faults",
    "schema",
]
