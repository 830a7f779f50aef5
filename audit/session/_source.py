"""Whether the text on where a threshold comes from names the very cases that are audited."""

from __future__ import annotations

import re

_KINDS = r"(?:set|sets|cohort|cohorts|case|cases|data|dataset|split|sample|patients|images|manifest)"
# Words that no other set than the audited one can have.
_ALWAYS = re.compile(
    rf"\b(?:audit|audited)[ -]{_KINDS}\b|\b(?:this|these|same|present|current)[ -]{_KINDS}\b|\bmanifest\b"
)
# A test set may be another one than that of the audit.
_USUALLY = re.compile(rf"\btest(?:ing)?[ -]?{_KINDS}\b")
_ELSEWHERE = frozenset({
    "train", "training", "val", "validation", "tune", "tuning", "development", "dev", "calibration", "external",
    "other", "another", "earlier", "previous", "separate", "independent", "different",
})  # fmt: skip
# "not on the test set", "chosen before the audit set was opened", "patients who are not in this cohort".
_DENIED = re.compile(
    r"\b(?:not|never|no|none|without|before|nor|outside|apart|other than|disjoint|independent(?:ly)?|separate)\b"
    r"(?:(?!\bbut\b)[^.;:,]){0,40}$"
)


def names_audited(text: str, cohort: str, *, elsewhere: bool) -> bool:
    """Tell whether a threshold is said to come from the audited cases.

    Args:
        text: `operating_point_source`.
        cohort: The cohort's name, by default that of its manifest.
        elsewhere: Whether `operating_point_chosen_on` says that it was chosen on other cases.
    """
    said = " ".join(text.casefold().replace("_", " ").split())
    if _named(_ALWAYS, said):
        return True
    name = " ".join(cohort.casefold().replace("_", " ").split())
    other = set(re.findall(r"[a-z]+", said)) & _ELSEWHERE - set(re.findall(r"[a-z]+", name))
    if elsewhere or other:
        return False
    own = re.compile(rf"\b{re.escape(name)}\b(?:\.(?:csv|parquet))?") if len(name) > 2 else None
    return _named(_USUALLY, said) or (own is not None and _named(own, said))


def _named(pattern: re.Pattern[str], said: str) -> bool:
    return any(not _DENIED.search(said[: found.start()]) for found in pattern.finditer(said))
