"""The program around the simulations: what it stores, what it writes, and what it answers."""

from __future__ import annotations

import json

import pytest

from validation.statistics import __main__ as program
from validation.statistics import _page, _run
from validation.statistics._study import Accept, Study


def study(name: str = "auc/x", **more: object) -> Study:
    """Return a study that draws 0 or 1."""
    given = {
        "job": "auc", "method": "m", "scenario": "s", "repeats": 300,
        "draw": lambda rng: {"coverage": bool(rng.random() < 0.9)}, "accept": {"coverage": Accept(low=0.8)}, **more,
    }  # fmt: skip
    return Study(id=name, **given)  # type: ignore[arg-type]


def results(*studies: Study, repeats: int = 300) -> dict:
    """Return results as they are stored."""
    rows = [_run.row(s, _run.run(s, repeats=repeats), repeats, 1.0) for s in studies]
    return {"seed": 1, "block": 250, "versions": {"numpy": "2"}, "studies": rows}


def test_rows_are_merged_in_order_and_strangers_dropped(tmp_path):
    """New rows replace old ones under the same id; the order is that of the studies; unknown ones go."""
    path, known = tmp_path / "r.json", [study("auc/a"), study("auc/b")]
    _run.store(results(study("auc/b"), study("auc/gone"))["studies"], [*known, study("auc/gone")], path)
    whole = _run.store(results(study("auc/a"))["studies"], known, path)
    assert [r["id"] for r in whole["studies"]] == ["auc/a", "auc/b"]
    assert json.loads(path.read_text(encoding="utf-8")) == whole


def test_only_what_changed_is_run_again(tmp_path):
    """A study without results, or with another scenario or number of repeats, is lacking; one as stored is not."""
    path, same = tmp_path / "r.json", study("auc/a")
    assert _run.lacking([same], path) == [same]
    _run.store(results(same)["studies"], [same], path)
    assert _run.lacking([same], path) == []
    changed = [study("auc/a", scenario="another"), study("auc/a", repeats=301), study("auc/new")]
    assert _run.lacking(changed, path) == changed


def test_acceptances_follow_the_code(tmp_path):
    """A stored result is judged by the acceptance that the code has now."""
    path, before = tmp_path / "r.json", study("auc/a")
    _run.store(results(before)["studies"], [before], path)
    strict = study("auc/a", accept={"coverage": Accept(low=0.99)})
    assert _run.store([], [strict], path)["studies"][0]["accept"]["coverage"]["kept"] is False


def test_blocks_make_up_the_repeats():
    """300 repeats are a block of 250 and one of 50."""
    assert _run.run(study(), repeats=300)["coverage"]["n"] == 300


def test_processes_do_not_change_a_digit():
    """Two processes give the rows of one."""
    from validation.statistics.catalogue import studies

    chosen = [s for s in studies() if s.id.startswith("proportion/limit/")]
    one, two = ([r["quantities"] for r in _run.run_all(chosen, processes=p, share=0.03)] for p in (1, 2))
    assert one == two


def test_what_is_not_kept_is_named_in_the_page():
    """The page lists each acceptance that is not kept, deviations with their reason, and a stale deviation as such."""
    found = results(
        study("auc/a", method="Bad", accept={"coverage": Accept(low=0.99)}),
        study("auc/b", method="Known", accept={"coverage": Accept(low=0.99, deviation="so few patients")}),
        study("auc/c", method="Healed", accept={"coverage": Accept(low=0.5, deviation="once")}),
    )
    text = _page.filled("<!-- summary -->\n<!-- end -->\n<!-- table: auc -->\nold\n<!-- end -->", found)
    assert "- Bad; s: coverage" in text
    assert "**not kept**" in text
    assert "deviates: so few patients" in text
    assert "stale deviation" in text
    assert "old" not in text
    assert _page.filled(text, found) == text


def test_the_program_lists_and_answers(capsys):
    """--list names every simulation, and a trial run answers 0 where all is kept."""
    assert program.main(["--list", "--only", "proportion/limit"]) == 0
    assert capsys.readouterr().out.count("proportion/limit/") == 3
    assert program.main(["--only", "proportion/limit/70", "--share", "0.05"]) == 0
    assert "false_pass" in capsys.readouterr().out


@pytest.mark.parametrize(("accept", "kept"), [(Accept(low=0.8), 0), (Accept(low=0.999), 1)])
def test_the_answer_is_1_where_an_acceptance_is_not_kept(accept, kept, monkeypatch, capsys):
    """The exit code tells a build that a method failed."""
    one = study(accept={"coverage": accept})
    monkeypatch.setattr(program, "studies", lambda: (one,))
    row = _run.row(one, {"coverage": {"mean": 0.9, "error": 0.01, "n": 100}}, 100, 0.1)
    monkeypatch.setattr(program, "run_all", lambda *_, **__: iter([row]))
    assert program.main(["--share", "0.5"]) == kept
    assert ("NOT KEPT" in capsys.readouterr().out) == bool(kept)


def test_acceptances_in_signs():
    """An acceptance is told in signs."""
    assert [str(a) for a in (Accept(low=0.93), Accept(high=0.035), Accept(low=0.93, high=0.97))] == [
        "≥ 0.93", "≤ 0.035", "0.93 to 0.97",
    ]  # fmt: skip
