"""One check of the suite, and the audit that most checks carry out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Limit, Policy, Rule

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
    why = {"rationale": "met by construction by a model that reads the lesion alone", "margin_source": "construction"}
    return (
        Rule(id="ranks", probe="PERF001", metric="auc", limit=Limit(min=0.75), **why),
        Rule(id="leans-on-sex", probe="CONF001", metric="confounder_cost", limit=Limit(max=0.02),
             where={"attribute": "sex"}, **why),
        Rule(id="leans-on-scanner", probe="CONF001", metric="confounder_cost", limit=Limit(max=0.02),
             where={"attribute": "scanner"}, **why),
        Rule(id="misses-a-sex", probe="FAIR001", metric="sensitivity_gap", limit=Limit(min=-0.15),
             where={"attribute": "sex"}, **why),
        Rule(id="deaf-on-a-scanner", probe="SHIFT001", metric="auc_gap", limit=Limit(min=-0.1),
             where={"attribute": "scanner"}, **why),
        Rule(id="calibrated", probe="CAL001", metric="slope", limit=Limit(min=0.7, max=1.4), **why),
    )  # fmt: skip


def policy(**more: object) -> Policy:
    """Return these rules as a policy."""
    return Policy(**{"name": "validation", "rules": rules(), "allow_not_applicable": ("SETUP004", "DATA010"), **more})  # type: ignore[arg-type]


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
