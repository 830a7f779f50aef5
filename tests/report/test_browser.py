"""The report as a person opens it: from disk, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
SCREENS = ((1440, 900), (390, 844))


@contextmanager
def opened(browser: Any, path: Path, *, size: tuple[int, int] = (1440, 900), **options: Any) -> Iterator[Any]:
    """Yield a page with the report, and forbid any message on the console and any request but the file itself."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text))
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on(
        "request", lambda r: said.append(r.url) if r.url != path.as_uri() and not r.url.startswith("data:") else None
    )
    page.goto(path.as_uri())
    yield page
    context.close()
    assert said == []


def drawn(page: Any) -> None:
    """Scroll through the page until Plotly has drawn every figure."""
    for top in range(0, page.evaluate("document.documentElement.scrollHeight"), 600):
        page.evaluate(f"scrollTo(0, {top})")
        page.wait_for_timeout(30)
    page.wait_for_function(
        "document.querySelectorAll('.drawing').length === document.querySelectorAll('.drawing.is-live').length",
        timeout=60_000,
    )


@pytest.mark.parametrize("size", SCREENS)
@pytest.mark.parametrize("name", ["fail", "hostile", "open", "pass", "waived", "empty"])
def test_the_first_screen_holds_the_whole_verdict(browser: Any, pages: dict[str, Path], name: str, size: Any) -> None:
    """Word, sentence, counts, three findings, ledger and remarks end above the lower edge of the first screen."""
    with opened(browser, pages[name + "-static"], size=size) as page:
        boxes = page.evaluate(
            "[...document.querySelectorAll('#verdict, #verdict *')].filter(e => e.checkVisibility())"
            ".map(e => e.getBoundingClientRect()).map(b => [b.left, b.right, b.bottom])"
        )
        assert len(boxes) > 4
        assert max(b[2] for b in boxes) <= size[1]
        assert min(b[0] for b in boxes) >= 0
        assert max(b[1] for b in boxes) <= size[0]


@pytest.mark.parametrize("size", [*SCREENS, (360, 740)])
@pytest.mark.parametrize("name", ["many", "saved", "hostile", "empty"])
def test_nothing_scrolls_sideways(browser: Any, pages: dict[str, Path], name: str, size: Any) -> None:
    """At desktop and phone widths the page is as wide as the window, and so is all that is in it, details open."""
    with opened(browser, pages[name + "-static"], size=size) as page:
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        wide = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => e.checkVisibility() && !e.closest('svg') "
            "&& !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1)"
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        assert wide == []
        if size[0] < 760:
            inside = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
            assert page.evaluate(inside) == 0


def test_text_is_the_same_with_scripts_off(browser: Any, pages: dict[str, Path]) -> None:
    """Nobody without scripts misses a word, and none is added by scripts."""
    texts = []
    for on in (True, False):
        with opened(browser, pages["fail"], java_script_enabled=on) as page:
            if on:
                drawn(page)
            texts.append(page.inner_text("body"))
    assert texts[0] == texts[1]
    assert len(texts[0]) > 5000


def test_plotly_draws_every_figure_under_the_policy(browser: Any, pages: dict[str, Path]) -> None:
    """The inflated script matches its hash, every figure is live, and none of them overlaps its caption."""
    with opened(browser, pages["hostile"]) as page:
        drawn(page)
        figures = page.locator(".drawing").count()
        assert figures > 10
        assert page.locator(".drawing .js-plotly-plot .main-svg").count() >= figures
        heights = page.evaluate(
            "[...document.querySelectorAll('.drawing')].map(d => [d.getBoundingClientRect().height, "
            "d.querySelector('.live').shadowRoot.querySelector('.main-svg').getBoundingClientRect().height])"
        )
        assert all(abs(a - b) <= 1 for a, b in heights)


def test_a_foreign_script_does_not_run(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    """The policy in the file stops a script that is not one of ours."""
    path = tmp_path / "changed.html"
    path.write_text(pages["empty-static"].read_text().replace("</main>", "<script>window.ran = 1</script></main>"))
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("window.ran") is None
    page.close()


@pytest.mark.parametrize(
    ("scheme", "size", "names"),
    [
        ("light", SCREENS[0], ("fail-static", "open-static", "empty-static")),
        ("dark", SCREENS[0], ("fail",)),
        ("light", SCREENS[1], ("many-static", "saved-static")),
        ("dark", SCREENS[1], ("fail-static", "waived-static")),
    ],
)
def test_axe_finds_no_violation(
    browser: Any, pages: dict[str, Path], scheme: str, size: Any, names: tuple[str, ...]
) -> None:
    """axe-core, A, AA and best practice: none, in light and dark, with and without Plotly, details open."""
    import axe_playwright_python

    source = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    for name in names:
        with opened(browser, pages[name], size=size, color_scheme=scheme, bypass_csp=True) as page:
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            if "static" not in name:
                drawn(page)
            page.evaluate("scrollTo(0, 0)")
            page.evaluate(source)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            assert [(v["id"], v["nodes"][0]["html"][:120]) for v in found] == []


def test_filters_work_without_scripts(browser: Any, pages: dict[str, Path]) -> None:
    """A status picked by radio button leaves only its own rules, and all are back afterwards."""
    with opened(browser, pages["fail-static"], java_script_enabled=False) as page:
        total = page.locator(".strip:visible").count()
        page.locator("label[for=show-fail]").click()
        assert page.locator(".strip:visible").count() == page.locator(".strip.in-fail").count() < total
        page.locator("label[for=show-all]").click()
        assert page.locator(".strip:visible").count() == total


def test_definitions_show_on_hover_and_on_focus(browser: Any, pages: dict[str, Path]) -> None:
    """A term tells what it means to a mouse and to a keyboard, inside the window."""
    with opened(browser, pages["fail-static"], size=(390, 844)) as page:
        term = page.locator("#PERF001 .term").first
        meaning = term.locator(".meaning")
        assert not meaning.is_visible()
        term.focus()
        assert meaning.is_visible()
        box = meaning.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        page.locator("h1").click()
        assert not meaning.is_visible()
        term.hover()
        assert meaning.is_visible()


def test_keyboard_reaches_the_verdict_first(browser: Any, pages: dict[str, Path]) -> None:
    """The first tab stop is the skip link, it becomes visible, and it leads to the verdict."""
    with opened(browser, pages["fail-static"]) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#verdict"


def test_the_command_can_be_copied(browser: Any, pages: dict[str, Path]) -> None:
    """The button puts the command on the clipboard and says so."""
    with opened(browser, pages["fail-static"], permissions=["clipboard-read", "clipboard-write"]) as page:
        page.locator(".copy").click()
        page.wait_for_function("document.getElementById('copied').textContent === 'Copied'")
        assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#command")


@pytest.mark.parametrize("name", ["fail", "fail-static", "pass"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_prints_on_a_dozen_pages(browser: Any, pages: dict[str, Path], name: str, scheme: str) -> None:
    """On A4 the report takes 12 pages at most, on white paper whatever the screen's scheme."""
    with opened(browser, pages[name], color_scheme=scheme) as page:
        data = page.pdf(prefer_css_page_size=True, print_background=True)
        assert 2 <= len(re.findall(rb"/Type\s*/Page[^s]", data)) <= 12
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator(".strip:visible").count() == page.locator(".strip").count()
        assert page.locator("nav:visible").count() == 0


def test_printing_opens_and_closes_details(browser: Any, pages: dict[str, Path]) -> None:
    """What is folded on the screen is on the paper, and folded again afterwards."""
    with opened(browser, pages["fail-static"]) as page:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0


def test_reasons_of_what_was_not_tested_open_and_are_printed(browser: Any, pages: dict[str, Path]) -> None:
    """Without scripts a click shows the probes; paper has the reasons and the probes."""
    with opened(browser, pages["saved-static"], java_script_enabled=False) as page:
        probes, reasons = page.locator(".why li"), page.locator(".why > summary")
        assert page.locator(".why li:visible").count() == 0
        reasons.first.click()
        assert page.locator(".why li:visible").count() == 8
        page.emulate_media(media="print")
        assert page.locator(".why > summary:visible").count() == reasons.count() == 3
        assert page.locator(".why li:visible").count() == probes.count() == 11


def test_it_is_readable_within_a_second(browser: Any, pages: dict[str, Path]) -> None:
    """The verdict is laid out before Plotly is inflated, in under a second."""
    with opened(browser, pages["fail"]) as page:
        page.wait_for_load_state("load")
        timing = "performance.getEntriesByType('navigation')[0].domInteractive"
        assert page.evaluate(timing) < 1000


def test_failing_rules_stand_on_the_first_two_screens(browser: Any, pages: dict[str, Path]) -> None:
    """With sixty subgroups every failing rule is still no more than two screens down."""
    with opened(browser, pages["many-static"]) as page:
        tops = page.evaluate("[...document.querySelectorAll('.strip.in-fail')].map(e => e.getBoundingClientRect().top)")
        assert tops
        assert max(tops) <= 2 * 900
