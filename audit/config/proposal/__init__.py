"""A first audit.toml and policy.toml from a look at a manifest and a model; every guess is marked as one."""

from audit.config.proposal._propose import Proposal, propose

__all__ = ["Proposal", "propose"]
