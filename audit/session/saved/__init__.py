"""Saved predictions to an audit, from nothing but a table and the names of its columns."""

from audit.session.saved._asked import Asked
from audit.session.saved._read import Understood, understand
from audit.session.saved._scores import Scored, score_table, scores

__all__ = ["Asked", "Scored", "Understood", "score_table", "scores", "understand"]
