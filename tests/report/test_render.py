"""The page as text: escaped, closed, equal by bytes, complete."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from audit.core import Evidence
from audit.report import fragment, render
from tests.report import _sample


@pytest.fixture(scope="module")
def page() -> str:
    """Return the static report of the failing sample."""
    return render(_sample.evidence(), _sample.arrays, static=True)


class _Tree(HTMLParser):
    """Counts what a reader's tools need."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[dict[str, int]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.unnamed: list[str] = []
        self.scripts = 0
        self.remote: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        a = dict(attrs)
        if "id" in a:
            self.ids.append(str(a["id"]))
        if tag == "table":
            self.tables.append({"caption": 0, "th": 0, "scope": 0})
        if tag in ("caption", "th") and self.tables:
            self.tables[-1][tag] += 1
            self.tables[-1]["scope"] += tag == "th" and "scope" in a
        if tag == "a":
            self.links.append(str(a.get("href")))
        if tag == "svg" and a.get("role") != "img" and a.get("aria-hidden") != "true":
            self.unnamed.append(str(a))
        self.scripts += tag == "script" and a.get("type") is None
        self.remote += [str(v) for k, v in attrs if k in ("src", "href", "action") and re.match(r"(\w+:)?//", str(v))]
        self.remote += [tag] if tag in ("link", "iframe", "object", "embed", "form", "base") else []


@pytest.mark.parametrize("static", [True, False])
def test_hostile_words_never_become_markup(static: bool) -> None:
    """An attribute named as a script is text in headings, tables, SVG titles and Plotly's JSON."""
    text = render(_sample.evidence(attribute=_sample.HOSTILE), _sample.arrays, static=static)
    assert _sample.HOSTILE not in text
    assert html.escape(_sample.HOSTILE) in text
    assert _Tree(text).scripts == 1
    if not static:
        specs = re.search(r'id="figures-gzip">([^/]*?)</script>', text)
        assert specs
        unpacked = gzip.decompress(base64.b85decode(specs[1])).decode()
        assert _sample.HOSTILE not in unpacked
        assert json.loads(unpacked)


def test_hostile_words_in_model_policy_and_reasons_are_text() -> None:
    """Names, notes, reasons, ledger and command are escaped, too, in the page and in the notebook's fragment."""
    made = _sample.evidence()
    bad = "\"><img src=x onerror=alert(1)>'"
    made = Evidence(
        run={**made.run, "command": bad}, model={**made.model, "name": bad, "notes": [bad], "classes": [bad, bad]},
        cohort={**made.cohort, "name": bad, "remarks": [bad], "ledger": {"read": 2, "used": 1, "set_aside": {bad: 1}}},
        policy=made.policy, results=made.results, findings=made.findings, verdict=made.verdict,
    )  # fmt: skip
    for text in (render(made, _sample.arrays, static=True), fragment(made)):
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


def test_the_policy_names_each_script_by_its_hash(page: str) -> None:
    """Nothing but the scripts of this file may run, and nothing may be fetched."""
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert re.fullmatch(
        r"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src 'sha256-[\w+/]{43}='",
        policy[1],
    )
    full = render(_sample.evidence(), _sample.arrays)
    assert len(re.findall(r"'sha256-[\w+/]{43}='", full)) == 2
    assert "unsafe-eval" not in full


def test_nothing_is_fetched(page: str) -> None:
    """No address, form or frame leads out of the file; every link leads to an id that is there, and ids are unique."""
    tree = _Tree(page)
    assert tree.remote == []
    assert set(tree.links) <= {"#" + i for i in tree.ids}
    assert len(tree.ids) == len(set(tree.ids))


def test_tables_and_pictures_can_be_read_aloud(page: str) -> None:
    """Each table has a caption and a scope on every head; each SVG has a role and a title."""
    tree = _Tree(page)
    assert len(tree.tables) > 8
    assert all(t["caption"] == 1 and t["th"] == t["scope"] > 0 for t in tree.tables)
    assert tree.unnamed == []
    assert len(re.findall(r'<svg[^>]* role="img"[^>]*><title id="[\w-]+">[^<]+</title>', page)) == page.count(
        'role="img"'
    )


def test_every_rate_is_k_of_its_own_n(page: str) -> None:
    """All cells of rates read k/n with k at most n, and the value is their quotient."""
    rows = re.findall(r"<td class=v>([\d.,]+)<td class=i[^\n]*?<td class=k>([\d,]+)/([\d,]+)<", page)
    assert len(rows) > 10
    for value, k, n in rows:
        assert int(k.replace(",", "")) <= int(n.replace(",", ""))
        assert abs(float(value) - int(k.replace(",", "")) / int(n.replace(",", ""))) < 0.02


def test_words_that_promise_too_much_are_absent(page: str) -> None:
    """The report certifies nothing, and no number reads nan or inf."""
    text = re.sub(r"<style>.*?</style>|<script.*?</script>|<[^>]+>", " ", page, flags=re.S)
    assert not re.search(r"certified|compliant", text, re.I)
    assert not re.search(r"\b(nan|NaN|inf|None|null|undefined)\b", text)


def test_every_state_is_shown_with_its_reason(page: str) -> None:
    """What did not run, crashed or did not apply is on the page with its reason, and so is what was not tested."""
    for words in (
        "the time budget was spent", "RuntimeError: a layer was reused", "no golden batch is declared",
        "no prevalence is declared",
        "3 patients with a positive case, 5 are needed", "skin tone, ethnicity",
    ):  # fmt: skip
        assert words in page


def test_arrays_that_cannot_be_used_are_named(page: str) -> None:
    """A figure whose arrays are absent or do not fit leaves a sentence in its place, and the page stands."""
    assert "Never stored: the arrays behind this figure could not be used (KeyError)" in page
    assert "A matrix that is none: the arrays behind this figure could not be used (ValueError)" in page


def test_unknown_arrays_become_a_table(page: str) -> None:
    """A third party's arrays are printed, a missing cell in words."""
    assert "Numbers of a third party: the stored numbers" in page
    assert "no number" in page
    assert "A cube of a third party: neither a figure nor a table fits these arrays" in page


@pytest.mark.parametrize("many", [0, 60])
def test_size_limits_hold(many: int) -> None:
    """Under 2.5 MB with Plotly, under 400 KB without, with sixty subgroups as well."""
    made = _sample.evidence(many=many)
    assert len(render(made, _sample.arrays).encode()) < 2_500_000
    assert len(render(made, _sample.arrays, static=True).encode()) < 400_000


def test_pictures_are_left_out_before_the_page_grows_too_large() -> None:
    """Large pictures are named instead of shown."""
    import numpy as np

    def loud(stored: object) -> dict[str, object]:
        name = getattr(stored, "name", "")
        if name in ("adversarial_examples", "attribution_examples"):
            noise = np.random.default_rng(0).integers(0, 255, (3, 512, 512)).astype(np.uint8)
            return {"images": noise, "perturbed": noise}
        return dict(_sample.arrays(stored))  # type: ignore[arg-type]

    text = render(_sample.evidence(), loud, static=True)  # type: ignore[arg-type]
    assert len(text.encode()) < 400_000
    assert "left out to keep this page small" in text


def test_two_processes_write_the_same_bytes() -> None:
    """No random id, no order of a set, no clock: equal evidence gives an equal file."""
    code = (
        "import hashlib; from audit.report import render; from tests.report import _sample as s; "
        "print(hashlib.sha256(render(s.evidence(many=20), s.arrays).encode()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=root, env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}, text=True,
            capture_output=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(seen) == 1


def test_rendering_loads_no_model_library() -> None:
    """The report needs the evidence alone: torch, captum and onnxruntime stay unloaded, and so do probes."""
    code = (
        "import sys, dataclasses; from audit.report import render; from audit.core import Evidence, Policy, Verdict; "
        "render(Evidence(policy=Policy(), verdict=Verdict(outcome='INCONCLUSIVE')), dict, static=True); "
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'captum', 'onnxruntime')"
        " or m.startswith('audit.probes')])"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_filters_count_the_rules(page: str) -> None:
    """The labels of the filters add up to the number of rules."""
    counts = [int(n) for n in re.findall(r'class="pick">[\w ]+ <b>(\d+)</b>', page)]
    assert counts[0] == sum(counts[1:]) == page.count('<li class="strip ')


def test_a_phantom_says_so_and_a_real_cohort_does_not() -> None:
    """Numbers of simulated images carry the word beside them."""
    assert render(_sample.evidence(), _sample.arrays, static=True).count(">phantom<") > 15
    assert "phantom" not in re.sub(
        r"<style>.*?</style>|Phantom images|phantom images", "", render(_sample.passing(phantom=False),
        _sample.arrays, static=True), flags=re.S
    )  # fmt: skip


def test_undeclared_patients_are_told_on_the_first_screen() -> None:
    """Without a patient column the verdict's section says what that means."""
    text = render(_sample.undecided(patients=False), _sample.arrays, static=True)
    verdict = text[text.index('id="verdict"') : text.index('id="rules"')]
    assert "Patients are not declared" in verdict
    assert "14 set aside" in verdict


def test_the_fragment_is_small_and_has_no_script() -> None:
    """A notebook gets verdict and rules, without script, style sheet or picture."""
    text = fragment(_sample.evidence())
    assert len(text) < 20_000
    assert "<script" not in text
    assert "Do not release: the model leans on sex and protocol" in text
    assert text.count("<tr") == 16


def test_sixty_subgroups_are_all_in_the_table_the_worst_first() -> None:
    """The picture shows the furthest twenty and says so; the table shows twelve at once and leaves none out."""
    text = render(_sample.evidence(many=60), _sample.arrays)
    part = text[text.index('id="FAIR001"') : text.index("</article>", text.index('id="FAIR001"'))]
    assert all(f">hospital {i:02d}<" in part for i in range(60))
    assert "furthest from the middle of 60; all are in evidence.json" in part
    assert "The worst 12 of 60; all are below this table" in part
    first = part[part.index("by hospital</span>") if "by hospital</span>" in part else part.index("by hospital;") :]
    values = [abs(float(v.replace("−", "-"))) for v in re.findall(r"<td class=v>([−\d.]+)", first)[:12]]
    assert values == sorted(values, reverse=True)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_of_text_and_marks_stand_out(page: str) -> None:
    """Text has a contrast of 4.5 or more on each ground it stands on, marks of figures 3 or more, light and dark."""
    light = re.search(r":root \{(.*?)\n\}", page, re.S)
    dark = re.search(r"prefers-color-scheme: dark\) \{\s*:root \{(.*?)\n  \}", page, re.S)
    assert light
    assert dark
    for block in (light[1], dark[1]):
        c = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for text in ("ink", "soft", "faint", "accent", "fail", "open", "pass", "none"):
            for ground in ("paper", "card"):
                assert _contrast(c[text], c[ground]) >= 4.5, (text, ground)
        for tone in ("fail", "open", "pass", "none"):
            assert _contrast(c[tone], c[f"{tone}-wash"]) >= 4.5, tone
        for ink in ("c1", "c2", "c3", "c4", "plain"):
            assert _contrast(c[ink], c["card"]) >= 3


def test_the_hash_in_the_policy_is_that_of_the_script(page: str) -> None:
    """The sha256 of the inline script, byte by byte, is the one that the policy allows."""
    import base64

    script = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(script) == 1
    assert base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode() in page


def test_what_a_full_page_leaves_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the limit is lower, rows, metrics and figures give way, and the page says where they are."""
    from audit.report import _page

    whole = render(_sample.evidence(many=60), _sample.arrays, static=True)
    monkeypatch.setattr(_page, "_MOST_STATIC", 150_000)
    less = render(_sample.evidence(many=60), _sample.arrays, static=True)
    assert len(less.encode()) < 150_000 < len(whole.encode())
    assert re.search(r"The worst \d+ of 60; all are in evidence.json", less)
    assert less.count('<li class="strip ') == whole.count('<li class="strip ')
