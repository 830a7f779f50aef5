"""What can be said of a policy and a cohort before anything is measured."""

from audit.execution.foreseen._acquisition import undeclared_acquisitions
from audit.execution.foreseen._unattainable import unattainable, unattainable_by_rule
from audit.execution.foreseen._warnings import warnings_before

__all__ = ["unattainable", "unattainable_by_rule", "undeclared_acquisitions", "warnings_before"]
