"""A comparison as it may be shared: without attributes that have a level of few patients."""

from __future__ import annotations

from dataclasses import replace

from audit.core import Comparison, Finding, Measurement


def without_small_cells(found: Comparison, least: int) -> Comparison:
    """Return a comparison without every attribute of which one level has fewer patients than `least`.

    A whole attribute goes, since a level that is left out alone can be had by subtraction.

    Args:
        found: The comparison.
        least: Fewest patients of a cell that is shared; 0 shares everything.
    """
    if least < 1:
        return found
    small = {name for d in found.differences if d.measurement.n_patients < least for name in d.measurement.subgroup}
    shown = tuple(d for d in found.differences if not small & set(d.measurement.subgroup))
    findings = tuple(_finding(f, found.decisive(f), small, least) for f in found.findings)
    return replace(found, differences=shown, findings=findings)


def _finding(f: Finding, m: Measurement | None, small: set[str], least: int) -> Finding:
    if m is None or not small & set(m.subgroup):
        return f
    words = f.metric.replace("_", " ")
    text = f"{words[:1].upper()}{words[1:]}: a level of fewer than {least} patients, not shared; required {f.limit}"
    return replace(f, headline=text, decisive=None, patients_needed=None, settled_distance=None, lacking="")
