"""P06: answers that are no number must not make what is left look good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import audit
from audit import session
from audit.config import load_audit
from audit.core import Access, InputSpec, Limit, ModelCard, Policy, Rule
from audit.testing import ArrayImages, FunctionModel, planted, small_cohort, tiny_cohort
from tests.session._make import write

POLICY = Policy(
    name="gate", rules=(Rule(id="found", probe="PERF001", metric="sensitivity", limit=Limit(min=0.5)),)
)  # fmt: skip


def silent_when_in_doubt(fill: float) -> FunctionModel:
    """Return the healthy model with another answer wherever it would narrowly miss."""
    healthy = planted()

    def answer(images: np.ndarray) -> np.ndarray:
        logit = healthy.predict(images)
        return np.where((logit < 0) & (logit > -0.5), fill, logit)

    return FunctionModel(card=healthy.card, answer=answer)


@pytest.mark.parametrize("fill", [np.nan, np.inf, -np.inf])
def test_a_model_without_a_number_for_the_hard_cases_cannot_pass(tmp_path: Path, fill: float) -> None:
    """NaN where it would narrowly miss raises the sensitivity of the rest; the set-up has a fault, so no PASS."""
    cohort = tiny_cohort(np.random.default_rng(3), n=300)
    numbers = {}
    for name, model in (("healthy", planted()), ("silent", silent_when_in_doubt(fill))):
        made = audit.run(model, cohort, policy=POLICY, probes="PERF001", profile="smoke", out=tmp_path / name)
        numbers[name] = next(m for m in made.result("PERF001").measurements if m.metric == "sensitivity").value
        assert made.verdict.outcome == {"healthy": "PASS", "silent": "INCONCLUSIVE"}[name]
    assert "SETUP001 found 1 fault of the set-up: some outputs are no finite number." in made.verdict.reasons
    assert numbers["silent"] > numbers["healthy"] + 0.05


@pytest.mark.parametrize("kept, outcome", [(0.97, "PASS"), (0.9, "INCONCLUSIVE")])
def test_saved_scores_that_lack_a_tenth_of_the_cases_cannot_pass(tmp_path: Path, kept: float, outcome: str) -> None:
    """A few damaged rows of a file of scores are set aside and counted; a tenth of them bars PASS."""
    scores = np.random.default_rng(0).uniform(0, 1, 600)
    labels = np.random.default_rng(0).integers(0, 2, 600)
    path = write(tmp_path, scores=np.clip(0.45 * scores + 0.5 * labels, 0, 1))
    rows = (tmp_path / "scores.csv").read_text().splitlines()
    # The model's file lacks rows of the manifest, which keeps them all.
    (tmp_path / "cases.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "scores.csv").write_text("\n".join(rows[: 1 + round(600 * kept)]) + "\n")
    path.write_text(path.read_text().replace('manifest = "scores.csv"', 'manifest = "cases.csv"'))
    made = session.run_config(load_audit(path), out=tmp_path / "run")
    assert made.cohort["ledger"]["set_aside"] == {"no saved prediction for this case": 600 - round(600 * kept)}
    assert made.verdict.outcome == outcome


@pytest.mark.parametrize("answer, fault", [(np.nan, "some outputs are no finite number"), (1.0, "")])
def test_masks_without_a_number_for_the_small_lesions_cannot_pass(tmp_path: Path, answer: float, fault: str) -> None:
    """The masks that are no number are set aside, so only the ledger knows of them; the control is not blamed."""
    rng, n = np.random.default_rng(0), 60
    images, masks = rng.normal(0, 0.2, (n, 1, 8, 8)).astype(np.float32), np.zeros((n, 1, 8, 8), np.float32)
    for i in range(n):
        side = 1 + i % 4
        images[i, 0, 2 : 2 + side, 2 : 2 + side] += 2
        masks[i, 0, 2 : 2 + side, 2 : 2 + side] = 1
    card = ModelCard(
        name="m", kind="callable", task="segmentation", output="mask_logits", access=Access.QUERY, digest="d",
        input=InputSpec(size=(8, 8), range=(-4, 4)),
    )  # fmt: skip

    def predict(x: np.ndarray) -> np.ndarray:
        small = (x[:, 0] > 1).sum(axis=(1, 2)) < 2
        return 4 * (x - 1.0) * np.where(small, answer, 1.0)[:, None, None, None]

    cohort = small_cohort(
        np.zeros(n), classes=(), images=ArrayImages(array=images), masks=ArrayImages(array=masks), patients=np.arange(n)
    )
    policy = Policy(name="gate", rules=(Rule(id="overlap", probe="PERF001", metric="dice", limit=Limit(min=0.6)),))
    model = FunctionModel(card=card, answer=predict)
    made = audit.run(model, cohort, policy=policy, probes="PERF001", profile="smoke", out=tmp_path / "run")
    reasons = (f"SETUP001 found 1 fault of the set-up: {fault}.",) if fault else ()
    # The share that is lost bars PASS as well.
    assert made.verdict.reasons[:1] == reasons
    assert made.verdict.outcome == ("INCONCLUSIVE" if fault else "PASS")
