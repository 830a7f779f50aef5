"""P101 and P102: no word of a user becomes markup, and the report loads nothing."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from audit import session
from audit.config import load_audit
from tests.session._make import write

TAG = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
BREAK = "';alert(3)//--><svg onload=alert(4)>{{7*7}}]]>&amp;"


class Elements(HTMLParser):
    """Collects elements that a hostile word would make, and everything that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.hostile: list[str] = []
        self.loads: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {k: v or "" for k, v in attrs}
        self.scripts += tag == "script"
        if any(name.startswith("on") for name in about) or about.get("src") == "x":
            self.hostile.append(tag)
        named = [about[k] for k in ("src", "srcset", "data", "action", "poster") if k in about]
        named += [about["href"]] if "href" in about and tag != "a" else []
        self.loads += [text for text in named if not text.startswith(("data:", "#"))]


def hostile_audit(folder: Path) -> Path:
    """Write an audit whose every free word is markup; return the path of audit.toml."""
    path = write(folder, n=200, sexes=("female", "male"))
    with (folder / "scores.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    renamed = {"female": TAG, "male": BREAK, "sex": TAG}
    with (folder / "scores.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([[renamed.get(cell, cell) for cell in row] for row in rows])
    tag, other = json.dumps(TAG), json.dumps(BREAK)
    text = path.read_text().replace("sex = {", f"{tag} = {{ recorded_by = {other}, unit = {tag},")
    text = text.replace('classes = ["negative", "positive"]', f"classes = [{tag}, {other}]\nname = {tag}")
    path.write_text(text.replace("[cohort]\n", f"[cohort]\nname = {tag}\nprovenance = {other}\n", 1))
    policy = (folder / "policy.toml").read_text().replace("LIMIT", "0.6").replace('"small gate"', tag)
    policy = policy.replace('rationale = "a test"', f"rationale = {tag}\nmargin_source = {other}")
    policy = policy.replace('attribute = "sex"', f"attribute = {tag}").replace('id = "gap"', f"id = {other}")
    waiver = f"[[waiver]]\nrule = {other}\nowner = {tag}\nreason = {other}\nexpires = 2999-01-01\n"
    (folder / "policy.toml").write_text(policy + waiver)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run of a hostile audit."""
    made = tmp_path_factory.mktemp("audit")
    return session.run_config(load_audit(hostile_audit(made)), out=made / "run").folder


def test_markup_in_every_name_stays_text(folder: Path, tmp_path: Path) -> None:
    """Names of model, cohort, column, level, class, policy, rule, owner and reason make no element anywhere."""
    page = Elements()
    page.feed((folder / "report.html").read_text(encoding="utf-8"))
    assert page.hostile == []
    plain = Elements()
    usual = session.run_config(load_audit(write(tmp_path, n=200)), out=tmp_path / "run").folder
    plain.feed((usual / "report.html").read_text(encoding="utf-8"))
    assert page.scripts == plain.scripts > 0
    ET.parse(folder / "junit.xml")
    json.loads((folder / "audit.sarif").read_text(encoding="utf-8"))
    assert not re.search(r"<(img|script|svg)", (folder / "summary.md").read_text(encoding="utf-8"))


def test_the_report_names_nothing_to_load(folder: Path) -> None:
    """No element and no style asks for anything but what the file itself holds."""
    html = (folder / "report.html").read_text(encoding="utf-8")
    page = Elements()
    page.feed(html)
    assert page.loads == []
    styles = "".join(re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL))
    assert styles
    assert not re.search(r"@import|url\((?![\"']?(?:data:|#))", styles)
    assert "default-src 'none'" in html
