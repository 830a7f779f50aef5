"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

# A time limit an example makes tests fail on a busy machine, and random examples make them fail on a lucky day only.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def own_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the runs of tests, and of what tests share, out of the ledger of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIT_LEDGER_FILE", str(tmp_path_factory.getbasetemp() / "ledger.jsonl"))
        yield
