"""A report is held against the one that its evidence gives; nothing that runs, hides or draws is passed over."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import audit
from audit.cli import main
from audit.core import Artifact, plain
from audit.evidence import DATED, FEW, held_loader, loader, pack_artifact, read_run, write_artifact
from audit.pack import read_pack
from audit.report import render
from audit.verification import _report
from audit.verification._report import SAYS, compare_report
from tests.verification._runs import copy, made_to_fit
from tests.verification.test_content import rewrite


@pytest.fixture(scope="module")
def evidence(run):
    """The evidence of the run, with one picture in it."""
    return read_run(run)


@pytest.fixture(scope="module")
def page(run, evidence):
    """The bytes of its report."""
    return (run / "report.html").read_bytes()


def fault(run, evidence, page):
    return compare_report(evidence, loader(run), page).fault


def packed(text):
    return base64.b85encode(gzip.compress(text, 9, mtime=0))


def unpacked(page, name):
    found = re.search(rb'id="%s-gzip">([^\n/]*)</script>' % name, page)
    return gzip.decompress(base64.b85decode(found[1])), found.span(1)


def with_packed(page, name, data):
    _, (start, end) = unpacked(page, name)
    return page[:start] + data + page[end:]


def with_script(page, name, change):
    """Change a packed script and the policy that allows it."""
    text, _ = unpacked(page, name)
    before, after = (base64.b64encode(hashlib.sha256(t).digest()) for t in (text, change(text)))
    return with_packed(page, name, packed(change(text))).replace(before, after)


def own_script(page):
    """Add a script, and its digest to the page's policy."""
    code = b"document.title = 'PASS'"
    digest = base64.b64encode(hashlib.sha256(code).digest())
    page = page.replace(b"; script-src ", b"; script-src 'sha256-" + digest + b"' ", 1)
    return page.replace(b"</body>", b"<script>" + code + b"</script></body>", 1)


def other_number(page):
    text, _ = unpacked(page, b"figures")
    found = re.sub(rb'"x":\[-?[\d.]+', b'"x":[0.5', text, count=1)
    assert found != text
    return with_packed(page, b"figures", packed(found))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.replace(b"PASS", b"PAST"), SAYS),
        (lambda p: p.replace(b"</style>", b".FAIL{display:none}</style>", 1), "style"),
        (lambda p: p.replace(b"</head>", b"<style>.FAIL{display:none}</style></head>", 1), "style"),
        (lambda p: p.replace(b"</head>", b'<link rel="stylesheet" href="x.css"></head>', 1), "other files"),
        (own_script, "policy on what may run"),
        (lambda p: p.replace(b'"use strict";', b'"use strict";alert(1);', 1), "script"),
        (lambda p: re.sub(rb"script-src [^\"]+", b"script-src 'unsafe-inline'", p, count=1), "policy on what may run"),
        (lambda p: re.sub(rb'(?s)(<svg class="pic.*?<text[^>]*>)[^<]+', rb"\1all fine", p, count=1), "drawing"),
        (lambda p: re.sub(rb'(?s)(<svg class="pic.*?x1?=")[\d.]+%', rb"\g<1>1.5%", p, count=1), "drawing"),
        (lambda p: p.replace(b'<svg class="pic', b'<svg onload="alert(1)" class="pic', 1), "drawing"),
        (lambda p: p.replace(b"</svg>", b"<foreignObject>PASS</foreignObject></svg>", 1), "drawing"),
        (other_number, "interactive figures"),
        (lambda p: with_packed(p, b"figures", packed(unpacked(p, b"figures")[0]) + b"00000"), "interactive figures"),
        (lambda p: with_script(p, b"plotly", lambda t: t + b";alert(1)"), "policy on what may run"),
        (lambda p: p.replace(b"<main>", b'<main onclick="alert(1)">', 1), SAYS),
        (lambda p: p + b"<script src=x></script>", ""),
        (lambda p: p[:-400], ""),
    ],
)  # fmt: skip
def test_whatever_is_another_is_named(run, evidence, page, change, words):
    """A rule that hides, a script, a drawing, a number behind it, the page's own policy; to the byte."""
    forged = change(page)
    assert forged != page
    found = fault(run, evidence, forged)
    assert found
    assert words in found


def test_a_report_that_nobody_touched_is_the_same(run, evidence, page):
    """And so is one that another library packed: the text is the same."""
    assert compare_report(evidence, loader(run), page) == _report.Compared()
    other = page
    for name in (b"figures", b"plotly"):
        text, _ = unpacked(page, name)
        other = with_packed(other, name, base64.b85encode(gzip.compress(text, 1, mtime=0)))
    assert other != page
    assert compare_report(evidence, loader(run), other) == _report.Compared()


def test_text_that_gunzip_passes_over_is_not_passed_over():
    """A browser reads on behind an element's end where its text holds the start of a script."""
    text = b'{"a":1}'
    data = gzip.compress(text, 9, mtime=0)
    words = base64.b85decode(b"000<!--<script>00000")
    # Ten bytes of header and two of length: the field begins at a whole number of groups of four.
    data = data[:3] + b"\x04" + data[4:10] + struct.pack("<H", len(words)) + words + data[10:]
    forged = base64.b85encode(data)
    assert b"<script" in forged
    assert gzip.decompress(base64.b85decode(forged)) == text
    assert not _report._same_text(packed(text), forged)
    assert _report._same_text(packed(text), base64.b85encode(gzip.compress(text, 1, mtime=0)))
    assert not _report._same_text(packed(text), b"\x00" + packed(text))


def test_the_script_of_another_plotly_is_said_not_to_be_compared(run, evidence, page):
    """Only where the run names another version, and then everything else is held all the same."""
    forged = with_script(page, b"plotly", lambda t: t + b";alert(1)")
    assert fault(run, evidence, forged)
    machine = {**evidence.run["machine"], "packages": {**evidence.run["machine"]["packages"], "plotly": "0.1<b>"}}
    other = replace(evidence, run={**evidence.run, "machine": machine})
    made = render(other, loader(run)).encode()
    found = compare_report(other, loader(run), with_script(made, b"plotly", lambda t: t + b";alert(1)"))
    assert found.fault == ""
    assert "Plotly 0.1b, here is" in found.unseen
    hides = with_script(made, b"plotly", lambda t: t + b";alert(1)").replace(b"</style>", b".FAIL{}</style>", 1)
    assert "style" in compare_report(other, loader(run), hides).fault


def png(pixels, level=6, chunk=b""):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=level)
    data = buffer.getvalue()
    if chunk:
        piece = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        data = data[:33] + piece + data[33:]
    return base64.b64encode(data)


def test_pictures_are_compared_by_their_pixels():
    """Other packing is no change; a pixel, a size, bytes behind the end, or a part that changes how it looks is one."""
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    other = pixels.copy()
    other[2, 3] += 1
    assert _report._same_picture(png(pixels), png(pixels, level=0))
    assert not _report._same_picture(png(pixels), png(other))
    assert not _report._same_picture(png(pixels), png(pixels[:5]))
    assert not _report._same_picture(png(pixels), png(pixels, chunk=b"gAMA" + struct.pack(">I", 1)))
    assert not _report._same_picture(png(pixels), base64.b64encode(base64.b64decode(png(pixels)) + b"more"))
    assert not _report._same_picture(png(pixels), b"AAAA")
    assert not _report._same_picture(png(pixels), b'"onerror="')


def test_a_figure_that_a_copy_leaves_out_is_said_to_be(run, evidence):
    """With the reason that the copy has, whether or not the arrays are at hand."""
    stored, _ = pack_artifact(Artifact(name="roc_curve", title="A curve", arrays={"x": np.arange(3.0)}))
    first, *rest = evidence.results
    more = replace(evidence, results=(replace(first, artifacts=(*first.artifacts, stored)), *rest))
    files = {p.relative_to(run).as_posix(): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    dated = render(more, held_loader(files, {stored.file: DATED}))
    assert "Figures left out of this copy, since they hold dates: A curve." in dated
    few = render(more, held_loader(files, {stored.file: FEW}))
    assert "are not shared: A curve." in few
    assert json.dumps("A curve")[1:-1] in render(more, held_loader(files))
    assert compare_report(more, held_loader(files, {stored.file: DATED}), dated.encode()).fault == ""
    assert compare_report(more, held_loader(files), dated.encode()).fault


def test_a_pack_leaves_out_a_figure_that_holds_dates_and_the_report_does_too(run, tmp_path):
    """Its report is written again without it, from what the pack holds, and the pack is intact."""
    folder = copy(run, tmp_path / "run")
    days = Artifact(name="days_seen", title="Days seen", arrays={"day": np.array(["2025-01-02"]), "n": np.array([240])})
    stored, data = pack_artifact(days)
    write_artifact(folder, stored.file, data)

    def more(values):
        # Of a probe whose figures are not made again: one that predictions do not give would be a fault of its own.
        asked = next(r for r in values["results"] if r["probe"] == "SETUP001")
        asked["artifacts"].append({**plain(stored), "columns": list(stored.columns)})

    rewrite(folder, more)
    made_to_fit(folder)
    path = tmp_path / "pack.zip"
    assert main(["pack", str(folder), "--out", str(path)]) == 0
    files = read_pack(path).files
    assert stored.file not in {name.removeprefix("run/") for name in files}
    assert b"since they hold dates: Days seen" in files["run/report.html"]
    assert [str(f) for f in audit.verify(path).faults] == []
