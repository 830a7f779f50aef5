"""Packages without which a reference model can be neither run nor made."""

from importlib.util import find_spec

from audit.errors import MissingExtraError


def needs(package: str, extra: str) -> None:
    """Check that a package is installed, without importing it.

    Args:
        package: Import name.
        extra: The extra of this distribution that brings it.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec(package) is None:
        raise MissingExtraError(package, extra)
