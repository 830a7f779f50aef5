"""The page of the results: every figure in it comes from them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

PARTS = ("workers", "ray_nodes", "memory", "sequential", "overhead")
Row = tuple[str, str, str]


def written(found: dict[str, Any]) -> str:
    """Return the page."""
    rows: list[Row] = []
    for name in PARTS:
        rows += _rows(name, found["parts"].get(name, {"absent": "not measured"}))
    lines = ["| what | measured | remark |", "| --- | --- | --- |", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join([*_head(found), *lines, "", *_how(found)]) + "\n"


def _head(found: dict[str, Any]) -> list[str]:
    about = [p["about"] for p in found["parts"].values() if "about" in p]
    said = [
        "# Scale", "",
        f"Written by `make bench-scale`, imaging-audit {found.get('version', '')}: every figure was measured by that "
        "command on one machine without a GPU.",
    ]  # fmt: skip
    if about:
        cores, loads = about[0]["cores"], [a["load"] for a in about]
        said.append(
            f"It has {cores} cores. The load over the last quarter of an hour was {min(loads):.1f} to "
            f"{max(loads):.1f} at the end of a part; above {cores}, other work took part of the cores, and rates and "
            "wall times are worse than they need be. Seconds of a core, sizes and shares do not depend on it."
        )
        said.append(f"Commits: {', '.join(dict.fromkeys(a['commit'] for a in about))}; Python {about[0]['python']}.")
    return [*said, ""]


def _rows(name: str, part: dict[str, Any]) -> list[Row]:
    if "absent" in part:
        return [(name.replace("_", " "), "not measured", str(part["absent"]).replace("|", "/"))]
    module = f"benchmarks.scale.{name}"
    own = importlib.import_module(module) if importlib.util.find_spec(module) else None
    if own is not None and hasattr(own, "table"):
        return [tuple(row) for row in own.table(part["found"])]
    return TABLES[name](part["found"])


def _sequential(found: dict[str, Any]) -> list[Row]:
    rows = []
    for one in found["at"]:
        side = "above" if one["distance"] > 0 else "below"
        rows.append((
            f"patients saved, truth {abs(one['distance']):g} {side} the limit",
            f"{100 * one['saved']:.0f} %",
            f"{one['cohorts']} cohorts of {found['patients']} patients; right verdict in {100 * one['settled']:.0f} %, "
            f"{100 * one['fixed']:.0f} % after all patients under a rule that is not sequential, wrong in "
            f"{100 * one['wrong']:.1f} %",
        ))  # fmt: skip
    both = found["false_pass"], found["false_fail"]
    rows.append((
        "wrong verdicts where the truth is the limit", " and ".join(f"{100 * e:.1f} %" for e in both),
        f"false PASS and false FAIL in {found['cohorts_at_limit']} cohorts; at most 2.5 % each is promised, "
        f"Monte-Carlo error {100 * found['error']:.1f} %",
    ))  # fmt: skip
    return rows


TABLES = {"sequential": _sequential}


def _how(found: dict[str, Any]) -> list[str]:
    return [
        "## How",
        "",
        *_throughput(found),
        "- Memory: `audit.testing.generated_cohort`, whose 24 × 24 images are drawn when they are read; a site of 60 "
        "levels, sex, age, a device, two readers, repeats. Profile standard. Each number of cases has a process of its "
        "own, whose largest resident size over its whole life is given.",
        "- Patients saved: simulated cohorts through the real stop and the real judge.",
        "",
        "A single part is measured again by `make bench-scale BENCH_ARGS=memory`.",
    ]


def _throughput(found: dict[str, Any]) -> list[str]:
    """Return what the throughput was measured on, as it was when it was measured."""
    works = [found["parts"].get(name, {}).get("found") for name in ("workers", "ray_nodes")]
    each = dict.fromkeys((one["profile"], one["probes"].replace(",", ", ")) for one in works if one)
    on = " and ".join(f"{probes} on the {profile} demo" for profile, probes in each)
    if not on:
        return []
    return [
        f"- Throughput: attacks {on}, nothing kept from an earlier run; images passed forward and backward through "
        "the network, over the wall time of the whole audit with its report. Audits with one and with two take turns."
    ]
