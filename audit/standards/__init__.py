"""Regulations, standards and guidelines clause by clause: versioned data that the crosswalk is made of."""

from audit.standards._load import Clause, Standard, load_standards, standard_names

__all__ = ["Clause", "Standard", "load_standards", "standard_names"]
