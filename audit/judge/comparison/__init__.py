"""Candidate and baseline on the same cases, from stored predictions alone."""

from audit.judge.comparison._compare import PAIRED, compare, together
from audit.judge.comparison._pair import Side, why_not_paired
from audit.judge.comparison._small import without_small_cells

__all__ = ["PAIRED", "Side", "compare", "together", "why_not_paired", "without_small_cells"]
