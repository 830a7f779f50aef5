"""Runs of a baseline, of a better and of a worse candidate on the same cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verification._runs import MARGINS, make


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baseline."""
    return make(tmp_path_factory.mktemp("compare") / "base", n=600, margins=MARGINS)


@pytest.fixture(scope="session")
def better(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate with less noise."""
    return make(tmp_path_factory.mktemp("compare") / "better", n=600, noise=0.8, seed=1, margins=MARGINS)


@pytest.fixture(scope="session")
def worse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate with much more noise."""
    return make(tmp_path_factory.mktemp("compare") / "worse", n=600, noise=2.2, seed=1, margins=MARGINS)
