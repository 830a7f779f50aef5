"""Who works in a run, as the user asks for it."""

import pytest

from audit.errors import InputError
from audit.execution import InProcess
from audit.session._workers import Workers


def test_this_machine_is_the_default() -> None:
    """No executor of the caller's own: the run makes its processes."""
    with Workers().opened() as executor:
        assert executor is None


def test_an_executor_of_the_callers_own_is_used_and_left_open() -> None:
    """Whoever opened it closes it."""
    own = InProcess()
    with Workers(executor=own).opened() as executor:
        assert executor is own


def test_another_word_is_refused() -> None:
    """With the words that there are."""
    with pytest.raises(InputError) as caught:
        Workers(executor="dask")  # type: ignore[arg-type]
    assert caught.value.expected == "local or ray"


def test_an_address_without_ray_is_refused() -> None:
    """Else somebody believes that a cluster did the work."""
    with pytest.raises(InputError, match="an address is of a Ray cluster"):
        Workers(address="head:6379")
