"""One check of the suite, and the audit that most checks carry out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Limit, Policy, Rule, Scalar, Waiver

if TYPE_CHECKING:
    from audit.session._run import Run

PROBES = "PERF001,FAIR001,CONF001,CAL001,SHIFT001,DATA003"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What must hold, and how it is found out.

    Args:
        requirement: What the suite must do.
        check: What is carried out.
        expected: What must come out.
        run: From an empty folder to whether it held and what came out.
    """

    requirement: str
    check: str
    expected: str
    run: Callable[[Path], tuple[bool, str]]


def rules() -> tuple[Rule, ...]:
    """Return rules that the healthy planted model meets with room, and each faulty one breaks."""
    sex, scanner = {"attribute": "sex"}, {"attribute": "scanner"}
    return (
        _rule("ranks", "PERF001", "auc", Limit(min=0.75)),
        _rule("leans-on-sex", "CONF001", "confounder_cost", Limit(max=0.02), sex),
        _rule("leans-on-scanner", "CONF001", "confounder_cost", Limit(max=0.02), scanner),
        _rule("misses-a-sex", "FAIR001", "sensitivity_gap", Limit(min=-0.15), sex),
        _rule("deaf-on-a-scanner", "SHIFT001", "auc_gap", Limit(min=-0.1), scanner),
        _rule("calibrated", "CAL001", "slope", Limit(min=0.7, max=1.4)),
    )


def _rule(name: str, probe: str, metric: str, limit: Limit, where: Mapping[str, Scalar] | None = None) -> Rule:
    return Rule(
        id=name, probe=probe, metric=metric, limit=limit, where=where or {}, margin_source="construction",
        rationale="met by construction by a model that reads the lesion alone",
    )  # fmt: skip


_RULES = rules()


def policy(*, rules: tuple[Rule, ...] | None = None, waivers: tuple[Waiver, ...] = ()) -> Policy:
    """Return rules, by default those of this module, as a policy."""
    allowed = ("SETUP004", "DATA010")
    return Policy(name="validation", rules=rules or _RULES, waivers=waivers, allow_not_applicable=allowed)


def audited(fault: str, folder: Path, *, rules_of: Policy | None = None, probes: str = PROBES, seed: int = 1) -> Run:
    """Return the audit of a planted model on a cohort of 1,600 drawn cases.

    Args:
        fault: "healthy" or a planted fault.
        folder: Where the run goes.
        rules_of: Another policy.
        probes: What is selected.
        seed: Seed of the run.
    """
    from audit.session import run
    from audit.testing import planted, tiny_cohort

    cohort = tiny_cohort(np.random.default_rng(3), n=1600, p_male=(0.35, 0.65), p_scanner_a=(0.35, 0.65))
    return run(
        planted(fault),
        cohort,
        policy=rules_of or policy(),
        probes=probes,
        profile="smoke",
        seed=seed,
        out=folder / "run",
    )
