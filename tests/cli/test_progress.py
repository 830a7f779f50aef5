"""Progress on a terminal and elsewhere."""

import io

import pytest

from audit._cli import progress
from audit._cli.progress import LiveProgress, PlainProgress, duration, left


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal every step leaves one line on stderr, none on stdout."""
    with PlainProgress() as shown:
        shown.start("PERF001", "Headline", 0, 2)
        shown.advance(1, 10)
        shown.finish("PERF001", "not_applicable")
        shown.note("be aware")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "[1/2] PERF001 Headline: not applicable, 0.0 s\nbe aware\n"


def test_a_long_step_speaks_before_its_end(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of more than 15 seconds says how far it is and about how long it will take."""
    clock = iter([0.0, 0.0, 0.0, 20.0, 20.0, 21.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    shown = PlainProgress()
    shown.start("ADV001", "Attack", 1, 2)
    shown.advance(10, 40)
    assert capsys.readouterr().err == "[2/2] ADV001 Attack: 10/40, about 60 s left\n"


def test_live_progress_draws_names_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a title with markup or escape sequences is drawn as text."""
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    with LiveProgress() as shown:
        shown.start("X", "[red]a\x1b[2J", 0, 1)
        shown.advance(1, 4)
        shown.finish("X", "completed")
    assert "[red]a" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


def test_time_left_is_not_guessed_too_early() -> None:
    """Before two seconds have gone, or anything is done, there is no estimate."""
    assert left(1.0, 5, 10) == left(60.0, 0, 10) == "time left not known yet"
    assert left(10.0, 5, 10) == "about 10 s left"
    assert (duration(0.04), duration(59), duration(600), duration(7200)) == ("0.0 s", "59 s", "10 min", "2.0 h")
