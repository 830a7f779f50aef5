"""Attacks of torchattacks that a run asks for: part of the worst of all, who won is told, and so is who refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import ProbeContext
from audit.probes.adversarial import L2Evasion, LinfEvasion
from tests.probes.adversarial.attacked import known, of, only

pytest.importorskip("torchattacks")

ASKED = ("torchattacks:FAB", "torchattacks:PIFGSM")


def asked(name: str, *, steps: int = 8) -> ProbeContext:
    """Return the context of a planted network with further attacks."""
    ctx = known(name, n=24)
    return replace(ctx, attacks=ASKED, budget=replace(ctx.budget, attack_steps=steps, attack_restarts=1))


@pytest.mark.parametrize("probe", [LinfEvasion, L2Evasion])
def test_no_number_rises_and_the_winner_is_told(probe: type[LinfEvasion] | type[L2Evasion]) -> None:
    """With further attacks no robust number is larger; the shares of all ways that ran add up to 1."""
    plain = asked("undefended")
    plain = replace(plain, attacks=())
    before = {m.condition["epsilon"]: m.value for m in of(list(probe().run(plain)), "robust_accuracy")}
    ctx = asked("undefended")
    given = list(probe().run(ctx))
    for m in of(given, "robust_accuracy"):
        assert m.value is not None
        assert m.value <= before[m.condition["epsilon"]] + 1e-9
    shares = [m.value for m in of(given, "winning_share") if m.value is not None]
    (kept,) = [a for a in ctx.sink.artifacts if a.name == "attack_winners"]
    assert kept.arrays["attack"].tolist()[-2:] == list(ASKED)
    counts = kept.arrays["overturned"]
    assert (np.diff(counts.sum(axis=0)) >= 0).all()
    assert (counts.sum(axis=0) + kept.arrays["still_right"] == counts[:, 0].sum() + kept.arrays["still_right"][0]).all()
    assert sum(shares) == pytest.approx(1.0 if shares else 0.0, abs=1e-9)


def test_a_refusal_is_a_row_with_the_reason() -> None:
    """An attack that was written for three channels gives a missing share with what the library said."""
    ctx = asked("adversarially-trained")
    given = list(LinfEvasion().run(ctx))
    row = only(given, "winning_share", attack="torchattacks:PIFGSM")
    assert row.value is None
    assert row.missing is not None
    assert "did not run" in row.missing
    assert "RuntimeError" in row.missing
    settings = next(a for a in ctx.sink.artifacts if a.name == "attack_settings")
    assert settings.meta["attacks"] == ", ".join(ASKED)


def test_what_ours_missed_counts_as_broken() -> None:
    """Where our own search has no gradient to go by, what an attack of the library breaks by asking is broken."""
    ctx = replace(known("argmax-inside", n=24), attacks=("torchattacks:Square",))
    given = list(LinfEvasion().run(ctx))
    largest = max(float(m.condition["epsilon"]) for m in of(given, "robust_accuracy"))
    plain = list(LinfEvasion().run(replace(ctx, attacks=(), rng=np.random.default_rng(0))))
    row, before = (only(g, "robust_accuracy", epsilon=largest) for g in (given, plain))
    assert row.value is not None
    assert before.value is not None
    assert row.value <= before.value
