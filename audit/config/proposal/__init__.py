"""A first audit.toml and policy.toml from a look at a manifest and a model; every guess is marked as one."""

from audit.config.proposal._propose import Proposal, propose
from audit.config.proposal._saved import Offered, offered_columns, propose_policy, protected_attribute

__all__ = ["Offered", "Proposal", "offered_columns", "propose", "propose_policy", "protected_attribute"]
