"""The commands and their options, one file a group; nothing heavy is imported before a command needs it."""

from audit._cli.commands._about import app as about
from audit._cli.commands._auditing import app as auditing
from audit._cli.commands._evidence import app as evidence
from audit._cli.commands._reference import app as reference
from audit._cli.commands._registry import app as registry

__all__ = ["about", "auditing", "evidence", "reference", "registry"]
