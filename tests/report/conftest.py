"""One headless Chromium for all tests of the report, and the pages that they open."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.report import render
from tests.report import _sample

ARGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
MAKERS = {
    "fail": _sample.evidence,
    "many": lambda: _sample.evidence(many=60),
    "hostile": lambda: _sample.evidence(attribute=_sample.HOSTILE),
    "open": lambda: _sample.undecided(patients=False),
    "pass": lambda: _sample.passing(phantom=False),
    "waived": lambda: _sample.passing(also=("gap-by-sex",), waive=("gap-by-sex",)),
    "empty": _sample.empty,
    "saved": _sample.saved,
}


def chromium() -> str | None:
    """Return the path of Chromium, None where there is none."""
    return os.environ.get("AUDIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Yield headless Chromium; absent, the tests skip, or fail where AUDIT_REQUIRE_BROWSER is 1."""
    path = chromium()
    if path is None:
        if os.environ.get("AUDIT_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium was found, and AUDIT_REQUIRE_BROWSER=1 forbids skipping the browser tests")
        pytest.skip("no Chromium was found")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(ARGS))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the files of a report of each kind, with Plotly and without it."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name, make in MAKERS.items():
        evidence = make()
        for kind, static in (("", False), ("-static", True)):
            path = folder / f"{name}{kind}.html"
            path.write_text(render(evidence, _sample.arrays, static=static), encoding="utf-8")
            found[name + kind] = path
    return found
