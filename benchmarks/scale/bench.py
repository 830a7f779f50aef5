"""Measures how an audit grows: with workers, with cases, with patients that need not be looked at.

`make bench-scale` calls this. Every part is a file of its own with `measure() -> dict` and, where it has rows for the
one table, `table(found)`. A part that is absent or fails is named as such; what was measured before stays where one
part alone is measured again.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks._driver import ROOT, commit, machine, told
from benchmarks.scale import page

RESULTS = Path(__file__).parent / "results.json"
PAGE = ROOT / "docs" / "benchmarks-scale.md"


def measure(parts: list[str]) -> dict[str, Any]:
    """Return what each part found, with the machine that it ran on, or why it could not be measured."""
    out: dict[str, Any] = {}
    for name in parts:
        module = f"benchmarks.scale.{name}"
        if importlib.util.find_spec(module) is None:
            out[name] = {"absent": "this part is not there"}
            continue
        began, at = time.perf_counter(), commit("audit")
        told(name)
        try:
            found = importlib.import_module(module).measure()
        except Exception as error:  # noqa: BLE001 - a part that fails must not lose what the others measured
            out[name] = {"absent": f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]}
            continue
        about = {"commit": at, "seconds": time.perf_counter() - began, **machine()}
        out[name] = {"found": found, "about": about}
    return out


def main() -> None:
    """Measure, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"what to measure, all by default: {', '.join(page.PARTS)}")
    parser.add_argument("--page", action="store_true", help="write the page from the results that are there")
    given = parser.parse_args()
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"parts": {}}
    found = before
    if not given.page:
        parts = {**before["parts"], **measure(given.parts or list(page.PARTS))}
        found = {"parts": {k: parts[k] for k in page.PARTS if k in parts}, "version": version("imaging-audit")}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = page.written(found)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
