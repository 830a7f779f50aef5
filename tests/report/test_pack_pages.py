"""The documents of a pack as a person opens and prints them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from audit.pack import Hazard, PackOptions, make_pack
from audit.pack._pdf import print_pdf
from tests.pack._make import hostile_run, unzipped
from tests.report.conftest import chromium

pytestmark = pytest.mark.browser
SHOWN = ("index", "documents/execution-records", "documents/crosswalk", "documents/model-card", "documents/cohort-flow",
         "documents/traceability", "documents/signatures")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of a run with hostile words, unzipped."""
    path = tmp_path_factory.mktemp("pack")
    hazards = (Hazard(id="H1", hazard="<b>missed</b> " + "long" * 40, rules=("sensitivity",)),)
    for name, data in unzipped(make_pack(hostile_run(path), PackOptions(hazards=hazards))).items():
        (path / "pack" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "pack" / name).write_bytes(data)
    return path / "pack"


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("width", [1440, 390])
def test_no_document_has_a_fault_that_axe_knows(browser: Any, folder: Path, name: str, width: int) -> None:
    """No violation, nothing to scroll sideways, no request and no message, on a screen and on a telephone."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    context = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    said: list[str] = []
    path = folder / f"{name}.html"
    page.on("console", lambda m: said.append(m.text))
    page.on("request", lambda r: said.append(r.url) if r.url != path.as_uri() else None)
    page.goto(path.as_uri())
    found = axe.Axe().run(page).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []
    assert wide <= width
    assert said == []


def test_all_documents_print_to_one_file(folder: Path) -> None:
    """A PDF of A4 pages, dated as the run and not as today, twice with equal bytes."""
    if chromium() is None:
        pytest.skip("no Chromium was found")
    html = (folder / "documents" / "signatures.html").read_bytes()
    one, two = (print_pdf(html, "2020-02-03T04:05:06+00:00", chromium()) for _ in range(2))
    assert one.startswith(b"%PDF-")
    assert set(re.findall(rb"\(D:(\d{14})", one)) == {b"20200203040506"}
    assert re.search(rb"/MediaBox \[0 0 59[45][.\d]* 84[12]", one)
    assert one == two
