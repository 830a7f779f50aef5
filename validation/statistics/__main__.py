"""Simulates every method and writes results.json and the tables of docs/statistics.md.

Usage: python -m validation.statistics [--only PREFIX ...] [--processes N] [--share X] [--missing] [--page] [--list]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from validation.statistics._page import write
from validation.statistics._run import lacking, run_all, store
from validation.statistics.catalogue import studies


def main(arguments: list[str]) -> int:
    """Run what is asked for; 1 where an acceptance is not kept."""
    parser = argparse.ArgumentParser(prog="python -m validation.statistics", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[""], help="ids that begin with one of these")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="share of the repeats; other than 1 nothing is stored")
    parser.add_argument("--missing", action="store_true", help="run only what has no stored results yet")
    parser.add_argument("--page", action="store_true", help="write the page from the stored results and run nothing")
    parser.add_argument("--list", action="store_true", help="list the simulations and run nothing")
    asked = parser.parse_args(arguments)
    chosen = [s for s in studies() if s.id.startswith(tuple(asked.only))]
    if asked.missing:
        chosen = lacking(chosen)
    if asked.list:
        print("\n".join(f"{s.id}\t{s.repeats}\t{s.method}\t{s.scenario}" for s in chosen))
        return 0
    sound = True
    if not asked.page:
        for row in run_all(chosen, processes=asked.processes, share=asked.share):
            sound = sound and _sound(row)
            told = ", ".join(f"{k} {v['mean']} ({v['error']})" for k, v in row["quantities"].items())
            print(f"{'' if _sound(row) else 'NOT KEPT '}{row['id']} ({row['seconds']} s): {told}", flush=True)
            if asked.share == 1:
                store([row], studies())
    if asked.share != 1:
        return 0 if sound else 1
    results = store([], studies())
    write(results)
    return 0 if all(map(_sound, results["studies"])) else 1


def _sound(row: Mapping[str, Any]) -> bool:
    """Tell whether every acceptance of a row is as it is said to be: kept, or a known deviation that deviates."""
    return all(a["kept"] != bool(a["deviation"]) for a in row["accept"].values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
