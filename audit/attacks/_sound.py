"""Checks of an attack that has no full certificate, and what is left of a number where one does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of an attack.

    Args:
        value: What it gave.
        holds: Whether the attack passes it.
        n: Cases that it looked at.
        n_patients: Patients among them.
    """

    value: float
    holds: bool
    n: int
    n_patients: int

    @classmethod
    def of(cls, value: float, *, holds: bool, patients: NDArray[Any]) -> Check:
        """Return a check on cases of the patients (n,)."""
        return cls(value=float(value), holds=bool(holds), n=patients.size, n_patients=int(np.unique(patients).size))


@dataclass(frozen=True, kw_only=True)
class Checks:
    """The checks of one attack by metric name.

    Args:
        found: By name, in the order of the report.
        doubt: Why nothing that stands may be believed even where every check holds, or "".
    """

    found: Mapping[str, Check] = field(default_factory=dict)
    doubt: str = ""

    @property
    def failed(self) -> tuple[str, ...]:
        """The checks that do not hold."""
        return tuple(name for name, check in self.found.items() if not check.holds)

    def estimate(self, name: str) -> Estimate:
        """Return one check as a fact of this cohort."""
        check = self.found[name]
        return Estimate.counted(check.value, n=check.n, n_patients=check.n_patients)

    def bound(self, estimate: Estimate, *, of_success: bool = False) -> Estimate:
        """Return a share or size as far as the attack supports it; see `opened`."""
        return opened(estimate, self.failed, of_success=of_success, doubt=self.doubt)


def opened(
    estimate: Estimate, failed: Sequence[str], *, of_success: bool = False, cause: str = "", doubt: str = ""
) -> Estimate:  # fmt: skip
    """Return an estimate whose side that only a working attack supports is open.

    What an attack did not break, a better one may: where the attack is in doubt, nothing is known on the lower side of
    a robust share, AUC or size, which opens to 0. A success is a fact whatever the checks say, so the other side stays.

    Args:
        estimate: A robust share, AUC or size, or a share of successes.
        failed: Checks that do not hold; with none, and no doubt, the estimate is returned as it is.
        of_success: A share of successes, which is a lower bound: its upper side opens to 1.
        cause: The likely reason, where it is known.
        doubt: What leaves the attack in doubt whatever its checks say, or "".
    """
    if not (failed or doubt) or estimate.value is None:
        return estimate
    side = "lower" if of_success else "upper"
    checks = f"{', '.join(failed)}{f'; likely cause: {cause}' if cause else ''}"
    why = [doubt] if doubt else []
    why += [f"the attack's certificate failed ({checks})"] if failed else []
    return replace(
        estimate,
        curve=tuple((p, low, 1.0) if of_success else (p, 0.0, high) for p, low, high in estimate.curve),
        method=f"{estimate.method}; {side} bound only, {'; '.join(why)}",
    )
