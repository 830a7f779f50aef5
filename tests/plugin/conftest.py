"""A finished run for the plugin to judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verification._runs import make


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that passes; nobody changes it."""
    return make(tmp_path_factory.mktemp("plugin") / "a")
