"""A stopwatch whose parts add up to the whole, and that costs nothing where it does not run."""

from __future__ import annotations

import threading

import pytest

from audit.core.clock import KINDS, Clock, Spent, part, passed, running, started, timed


class Hand:
    """A hand of a clock that is moved by the test."""

    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


@pytest.fixture
def hand():
    return Hand()


@pytest.fixture
def clock(hand):
    return Clock(now=hand)


def test_time_is_charged_to_what_holds_the_clock(clock, hand):
    """Of 10 s in a part 2 are reading and 3 a pass inside the rest; each second is charged once."""
    with clock.part("ADV001"):
        hand.at += 4
        with timed("reading"):
            hand.at += 2
        depth = clock.enter("forward")
        hand.at += 3
        clock.leave(depth, forwards=32)
        hand.at += 1
    spent = clock.parts["ADV001"]
    assert spent.seconds == {"reading": 2.0, "forward": 3.0, "backward": 0.0, "training": 0.0, "rest": 5.0}
    assert (spent.total, spent.passes, spent.forwards) == (10.0, 3.0, 32)


def test_a_pass_inside_a_pass_is_one_pass(clock, hand):
    """A gradient that answers the model again, tile by tile, stays a gradient, and its images are counted once."""
    with clock.part("x"):
        outer = clock.enter("backward")
        inner = clock.enter("forward")
        hand.at += 1
        clock.leave(inner, forwards=8)
        hand.at += 1
        clock.leave(outer, backwards=8)
    spent = clock.parts["x"]
    assert (spent.seconds["backward"], spent.seconds["forward"]) == (2.0, 0.0)
    assert (spent.forwards, spent.backwards) == (0, 8)


def test_passes_of_a_training_belong_to_it(clock, hand):
    """The network that learns is not the one under audit."""
    with clock.part("x"), timed("training"):
        depth = clock.enter("forward")
        hand.at += 1
        clock.leave(depth, forwards=8)
        clock.claim(1.0, forwards=8)
    assert (clock.parts["x"].seconds["training"], clock.parts["x"].forwards) == (1.0, 0)


def test_a_network_that_nobody_watches_says_itself_what_it_passes(clock, hand):
    """Its time and its images are those of a forward pass; without a clock nothing happens."""
    with clock.part("x"), passed(7):
        hand.at += 2
    with passed(7):
        hand.at += 2
    assert (clock.parts["x"].seconds["forward"], clock.parts["x"].forwards) == (2.0, 7)


def test_what_nobody_saw_from_inside_is_claimed_afterwards(clock, hand):
    """The time of a model that is a function moves from the rest of the probe to its forward passes."""
    with clock.part("x"):
        hand.at += 5
        clock.claim(2.0, forwards=4)
    assert clock.parts["x"].seconds["forward"] == 2.0
    assert clock.parts["x"].seconds["rest"] == 3.0
    assert clock.parts["x"].forwards == 4


def test_a_crash_leaves_nothing_open(clock, hand):
    """A pass that was never ended ends with its part, and the next part starts clean."""

    def crash():
        with clock.part("x"):
            clock.enter("forward")
            hand.at += 1
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        crash()
    hand.at += 50
    with clock.part("y"):
        hand.at += 2
    assert clock.parts["x"].total == 1.0
    assert clock.parts["y"].seconds["rest"] == 2.0


def test_outside_of_a_part_nothing_is_charged(clock, hand):
    """Neither `enter` nor `claim` finds anybody to charge."""
    depth = clock.enter("forward")
    hand.at += 1
    clock.leave(depth, forwards=3)
    clock.claim(1.0, forwards=3)
    assert (depth, clock.parts, clock.forwards) == (-1, {}, 0)


def test_a_second_visit_adds_to_the_first(clock, hand):
    """Shards of one probe add up."""
    for _ in range(2):
        with clock.part("x"):
            hand.at += 1
    assert clock.parts["x"].total == 2.0


def test_clocks_of_workers_add_up(clock, hand):
    """Seconds and counts of two workers are summed, probe by probe."""
    others = []
    for count in (3, 5):
        other = Clock(now=hand)
        with other.part("x"):
            depth = other.enter("forward")
            hand.at += count
            other.leave(depth, forwards=count)
        others.append(other.to_plain())
    for plain in others:
        clock.merge(plain)
    assert clock.parts == {"x": Spent(seconds={**dict.fromkeys(KINDS, 0.0), "forward": 8.0}, forwards=8)}


def test_no_clock_runs_unless_one_is_started(clock):
    """Off by default: nothing is noted, and threads beside the one that is timed note nothing either."""
    with timed("reading"), part("x", None):
        assert running() is None
    seen = []
    with started(clock):
        thread = threading.Thread(target=lambda: seen.append(running()))
        thread.start()
        thread.join()
        assert running() is clock
    assert seen == [None]
    assert running() is None
