"""Rules to findings, findings to verdict: pure functions of the evidence, without a model, a cohort or torch."""

from audit.judge._decide import decide
from audit.judge._judge import judge
from audit.judge._match import epsilon_value
from audit.judge._words import figures, headline, interval, metric_words, place

__all__ = ["decide", "epsilon_value", "figures", "headline", "interval", "judge", "metric_words", "place"]
