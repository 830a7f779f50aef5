"""The words, numbers and templates of the report, for other documents of the same evidence."""

from audit.report._about import attribute_facts, cohort_facts, ledger_text, methods, model_facts, reproduction, short
from audit.report._facts import attributes, cases, class_words, ledger, mapping_of, patients, phantom, words_of
from audit.report._numbers import full_text, interval_text, limit_text, number, share_text, value_text, whole
from audit.report._page import environment
from audit.report._sentence import counts_sentence, decisive, heading, lead, notes, ordered
from audit.report._words import (
    FAMILY_NAMES,
    capital,
    definition,
    listed,
    measured_name,
    metric_name,
    plural,
    where_text,
)

__all__ = [
    "FAMILY_NAMES", "attribute_facts", "attributes", "capital", "cases", "class_words", "cohort_facts",
    "counts_sentence", "decisive", "definition", "environment", "full_text", "heading", "interval_text", "lead",
    "ledger", "ledger_text", "limit_text", "listed", "mapping_of", "measured_name", "methods", "metric_name",
    "model_facts", "notes", "number", "ordered", "patients", "phantom", "plural", "reproduction", "share_text", "short",
    "value_text", "where_text", "whole", "words_of",
]  # fmt: skip
