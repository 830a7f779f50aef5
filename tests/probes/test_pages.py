"""The docs have one page a probe, and it says what the docstring says."""

import importlib.util
from pathlib import Path

import pytest

from audit.core import ProbeInfo
from audit.errors import PluginError
from audit.probes import PROBES
from audit.probes._pages import ACCESS_WORDS, FAMILY_TITLES, HEADINGS, page, pages, sections

ROOT = Path(__file__).parents[2]


def builder():
    """Return the script that writes the pages."""
    spec = importlib.util.spec_from_file_location("build_probe_pages", ROOT / "docs" / "build_probe_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_in_the_docs_agree_with_the_catalogue():
    """Every probe has its page as its docstring is now, and no page is left of one that is gone."""
    assert builder().stale() == [], "run python docs/build_probe_pages.py"


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.info.code)
def test_every_page_has_all_headings_and_metrics(probe):
    """No section is empty, every metric is named, and the link of the report leads here."""
    text = page(probe)
    assert all(f"\n## {heading}\n" in text for heading in HEADINGS)
    assert all(f"`{metric}`" in text for metric in probe.info.metrics)
    assert probe.info.doc_url == f"probes/{probe.info.code}.md"


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.info.code)
def test_the_file_is_named_after_the_code(probe):
    """The code names the file, so that a finding leads to the source."""
    name = probe.__module__.rsplit(".", 1)[-1]
    assert name == f"{probe.info.code.lower()}_{probe.info.name.replace('-', '_')}"


def test_stale_pages_are_found_and_rewritten(tmp_path):
    """An edited, an absent and an orphaned page are all named, and writing settles them."""
    module = builder()
    module.write(tmp_path)
    assert module.stale(tmp_path) == []
    (tmp_path / "PERF001.md").write_text("edited", encoding="utf-8")
    (tmp_path / "index.md").unlink()
    (tmp_path / "GONE001.md").write_text("orphan", encoding="utf-8")
    assert module.stale(tmp_path) == ["GONE001.md", "PERF001.md", "index.md"]
    module.write(tmp_path)
    assert module.stale(tmp_path) == []


def test_a_docstring_without_its_headings_is_refused():
    """A missing section is an error that names it, never an empty page."""

    class Bare(PROBES[0]):
        """A sentence.

        What it measures:
            Something.
        """

    with pytest.raises(PluginError, match="docstring") as caught:
        sections(Bare)
    assert "Known problems" in str(caught.value)


def test_words_for_every_family_and_access():
    """No family and no access is without its words."""
    from audit.core import FAMILIES, Access

    assert set(FAMILY_TITLES) == set(FAMILIES)
    assert set(ACCESS_WORDS) == {a.name for a in Access}


def test_index_lists_every_probe_once():
    """The index links every page."""
    text = pages(PROBES)["index.md"]
    assert all(text.count(f"({p.info.code}.md)") == 1 for p in PROBES)


def test_a_pipe_does_not_break_the_table():
    """A pipe in a sentence of the catalogue is escaped."""

    class Piped(PROBES[0]):
        __doc__ = PROBES[0].__doc__
        info = ProbeInfo(
            code="DATA990", name="piped", family="DATA", tasks=("binary",), metrics=("x",), title="t",
            question="a | b?", method="m", limits="l",
        )  # fmt: skip

    assert "a \\| b?" in page(Piped)
