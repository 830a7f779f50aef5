"""Whatever a file holds, reading it gives typed content or faults, never another exception."""

from __future__ import annotations

import copy
import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.config import load_audit, policy_from
from audit.config.proposal._audit_text import key, quoted
from audit.errors import FaultsError
from tests.config.conftest import AUDIT, POLICY
from tests.config.test_load_policy import leaves

scalars = st.one_of(
    st.text(max_size=8), st.integers(-3, 400), st.floats(), st.booleans(), st.dates(), st.datetimes(), st.times()
)
values = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.text(max_size=5), scalars, max_size=2))


def written(value: Any) -> str:
    """Return a value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(k)} = {written(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(written(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dt.date, dt.datetime, dt.time)):
        return value.isoformat()
    return quoted(value) if isinstance(value, str) else repr(value)


def spoilt(raw: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """Return the content with one value, table or key replaced by anything."""
    raw = copy.deepcopy(raw)
    paths = leaves(raw)
    path = data.draw(st.sampled_from(paths))
    path = path[: data.draw(st.integers(1, len(path)))]
    here: Any = raw
    for part in path[:-1]:
        here = here[part]
    if data.draw(st.booleans()) and isinstance(here, dict):
        here[data.draw(st.text(max_size=6))] = here.pop(path[-1])
    else:
        here[path[-1]] = data.draw(values)
    return raw


def check_message(error: FaultsError) -> None:
    """Check that a message keeps its form."""
    for fault in error.faults:
        assert len(str(fault).splitlines()) <= 3
        assert str(fault).replace("\n", "").isprintable()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_policy(data: st.DataObject) -> None:
    """A policy with anything in any place is read or refused with faults."""
    try:
        policy_from(spoilt(tomllib.loads(POLICY), data))
    except FaultsError as error:
        check_message(error)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_audit(folder: Path, data: st.DataObject) -> None:
    """An audit.toml with anything in any place is read or refused with faults."""
    text = "\n".join(f"{key(k)} = {written(v)}" for k, v in spoilt(tomllib.loads(AUDIT), data).items())
    (folder / "any.toml").write_text(text, encoding="utf-8")
    try:
        load_audit(folder / "any.toml")
    except FaultsError as error:
        check_message(error)


@pytest.mark.parametrize(
    "text", ["", "a = 1", "model = 1\ncohort = 2", "[[model]]\n[[cohort]]", "rule = 1\nwaiver = 2"]
)
def test_next_to_nothing(folder: Path, text: str) -> None:
    """Files with nothing, or with tables of another shape, are refused with faults."""
    (folder / "any.toml").write_text(text)
    with pytest.raises(FaultsError):
        load_audit(folder / "any.toml")


@pytest.mark.parametrize("name", ["\\u0000a", "x" * 5000, "a/" * 3000, ".", "scores.csv/x", "con:\\u001b[2J"])
@pytest.mark.parametrize("where", ['manifest = "scores.csv"', 'policy = "policy.toml"', 'path = "scores.csv"'])
def test_paths_that_are_none(folder: Path, where: str, name: str) -> None:
    """A name with a null byte, one too long, a folder: each is a path where no file is."""
    text = AUDIT.replace(where, where.split("=")[0] + f'= "{name}"')
    (folder / "any.toml").write_text(text)
    with pytest.raises(FaultsError) as caught:
        load_audit(folder / "any.toml")
    check_message(caught.value)
