"""What was not tested is told by reason where it is much, and nothing of it is lost."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from audit.report import render
from audit.report._untested import Untested, untested
from tests.report._build import arrays
from tests.report._sample import saved


def told(found: Untested) -> list[str]:
    return [e.what for g in found.groups for e in g.entries] + [e.what for e in found.entries]


def test_many_are_told_by_reason_and_each_once() -> None:
    """The reason of most comes first, in the plural; what is alone stands with its reason; counts add up."""
    made = saved()
    found = untested(made, {"ADV001"})
    assert [(g.count, g.text) for g in found.groups] == [
        ("8", "need answers to new images, which this model does not give"),
        ("2", "were not selected, and no rule asks for them"),
        ("1 other", "each for a reason of its own"),
    ]
    assert found.sentence.endswith("on this model and cohort, 1 ended in an error, 11 gave none:")
    assert sorted(told(found)) == sorted(n.what for n in made.not_tested)
    assert [e.anchor for e in found.groups[0].entries] == ["ADV001", *[""] * 7]


def test_what_crashed_and_what_no_probe_asks_is_never_folded() -> None:
    """A probe that ended in an error could have been a result, and the limits of the suite hold for every run."""
    assert [e.what for e in untested(saved(), ()).entries] == ["A crash", "use by readers"]


def test_few_are_a_list() -> None:
    """Six are read at a glance, without anything to open."""
    made = saved()
    few = replace(made, not_tested=(*made.not_tested[:6], made.not_tested[-1]))
    assert untested(few, ()) == replace(untested(few, ()), sentence="", groups=())
    assert told(untested(few, ())) == [n.what for n in few.not_tested]
    assert untested(replace(made, not_tested=made.not_tested[:7]), ()).groups


def test_the_page_says_every_reason_without_a_script() -> None:
    """Folded in an element of HTML that opens by itself, closed at first; each name stands there once."""
    page = render(saved(), arrays, static=True)
    section = re.search(r'<section id="untested".*?</section>', page, re.S)
    assert section is not None
    assert section[0].count('<details class="why">') == 3
    assert "<details open" not in section[0]
    text = unescape(re.sub(r"<[^>]+>", "", section[0]))
    for n in saved().not_tested:
        assert text.count(n.what) == 1, n.what
    assert "Comparators (PERF005): no comparator is declared" in text
    assert "8 need answers to new images" in text
    assert "A crash" in text
