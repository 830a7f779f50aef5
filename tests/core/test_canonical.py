"""Canonical JSON."""

from __future__ import annotations

import datetime as dt
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.core import Access, Estimate, canonical_json, digest, plain

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_json_round_trips_without_loss(value):
    """Writing and reading gives the same value, to the last bit of a float."""
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), st.integers(), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_equal_values_have_equal_digests(mapping, random):
    """The order of keys does not change the digest, a changed value does."""
    items = list(mapping.items())
    random.shuffle(items)
    assert digest(dict(items)) == digest(mapping)
    key = items[0][0]
    assert digest({**mapping, key: mapping[key] + 1}) != digest(mapping)


def test_a_digest_is_that_of_the_text():
    """The digest is the sha256 of the compact text with sorted keys."""
    assert canonical_json({"b": (1, 2.5), "a": "ä"}) == '{"a":"ä","b":[1,2.5]}'
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_other_types_have_one_plain_form():
    """Dataclasses, enumerations, sets, dates and numpy scalars become plain JSON types."""
    assert plain({1: np.float64(0.5), "e": Access.QUERY}) == {"1": 0.5, "e": "QUERY"}
    assert plain(frozenset({"b", "a"})) == ["a", "b"]
    assert plain(dt.date(2026, 3, 1)) == "2026-03-01"
    assert plain(np.int64(3)) == 3
    assert type(plain(np.bool_(True))) is bool
    assert plain(Estimate.counted(2, n=3, n_patients=3))["method"] == "count"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1.0, math.nan], {"a": np.float64("nan")}])
def test_a_number_that_is_not_finite_has_no_json(value):
    """NaN and infinity are refused, never written as null or NaN."""
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


def test_an_unknown_type_has_no_json():
    """An object without a plain form is an error, never its repr."""
    with pytest.raises(TypeError, match="object"):
        canonical_json({"a": object()})
