"""Cohorts: the manifest, the readers of images, and batches of them."""

from audit.cohorts._arrays import from_arrays
from audit.cohorts._attributes import read_attribute
from audit.cohorts._batches import Batch, read_batches
from audit.cohorts._manifest import load_cohort
from audit.cohorts._patience import within
from audit.cohorts._readings import check_comparator
from audit.cohorts._source import FileSource, MaskSource
from audit.cohorts._table import Table, as_numbers, read_columns, read_table

__all__ = [
    "Batch", "FileSource", "MaskSource", "Table", "as_numbers", "check_comparator", "from_arrays", "load_cohort",
    "read_attribute", "read_batches", "read_columns", "read_table", "within",
]  # fmt: skip
