"""The report says against whom an attack is, whether it may be believed, and what stands beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.attacks import CAUSES as KNOWN
from audit.core import Estimate, Measurement, StoredArtifact
from audit.report._attacks import CAUSES, certificate, threat, winners
from audit.report._controls import control_points
from tests.report._build import artifact
from tests.report._sample import evidence as sample


def stored(name: str, **meta: object) -> StoredArtifact:
    return artifact(name, "Title", **meta)


def test_every_cause_has_its_words() -> None:
    """The report explains each cause that the attack can name, and no other."""
    assert tuple(CAUSES) == KNOWN or set(CAUSES) == set(KNOWN)


def test_a_declared_threat_model_is_said_and_a_missing_one_too() -> None:
    """Who, pixels and where are printed; without them the numbers are called stress."""
    evidence = sample()
    run = {k: v for k, v in evidence.run.items() if k != "threat_model"}
    assert threat(replace(evidence, run=run)).startswith("Stress measurement")
    declared = {"who": "an insider.", "pixels": "all", "where": "the archive"}
    said = threat(replace(evidence, run={**run, "threat_model": declared}))
    assert said == "Threat model, as declared. Who: an insider. Pixels: all. Where: the archive."


ARRAYS = {
    "value": np.array([1.0, 0.2]), "holds": np.array([True, False]), "n_cases": np.array([30, 24]),
    "n_patients": np.array([15, 12]),
}  # fmt: skip


def test_a_failed_check_is_named_with_its_cause() -> None:
    """The table has a line a check with its limit, and the sentence says what follows and why."""
    artifact = stored(
        "attack_certificate", checks="certificate_identity|certificate_gradient", must_be="1|at least 0.99",
        cause="quantised input",
    )  # fmt: skip
    table, doubt = certificate(artifact, ARRAYS)
    assert table.title == "Title: 1 of 2 checks fail"
    assert [row[1:] for row in table.rows] == [("1", "1", "holds", "30"), ("0.2", "at least 0.99", "fails", "24")]
    assert "no rule can pass" in doubt
    assert "what it broke is a fact" in doubt
    assert "Likely cause: quantised input" in doubt


def test_a_sound_attack_draws_no_sentence() -> None:
    """Where all checks hold there is a table and nothing to explain."""
    artifact = stored("attack_certificate", checks="certificate_identity|certificate_gradient", must_be="1|at least 0")
    table, doubt = certificate(artifact, {**ARRAYS, "holds": np.array([True, True])})
    assert table.title == "Title: all 2 checks hold"
    assert doubt == ""


def test_arrays_that_do_not_fit_are_refused() -> None:
    """A name without a value is a fault of the arrays, not an empty line."""
    with pytest.raises(ValueError, match="zip"):
        certificate(stored("attack_certificate", checks="certificate_identity", must_be="1"), ARRAYS)
    with pytest.raises(ValueError, match="a column for each size"):
        winners(
            stored("attack_winners"),
            {"attack": np.array(["a"]), "epsilon": np.array([1.0]), "overturned": np.zeros((2, 1))},
        )


def test_winners_are_a_line_a_size() -> None:
    """Sizes go down, ways of attacking go across."""
    table = winners(
        stored("attack_winners"),
        {
            "attack": np.array(["one step", "apgd"]),
            "epsilon": np.array([1.0, 2.0]),
            "overturned": np.array([[3, 4], [0, 5]]),
            "still_right": np.array([9, 3]),
        },
    )
    assert table.names == ("Size of the change", "One step", "Apgd", "Still right")
    assert table.rows == (("1", "3", "0", "9"), ("2", "4", "5", "3"))


def measured(metric: str, epsilon: float, attack: str, value: float, unit: str = "HU") -> Measurement:
    estimate = Estimate.counted(value, n=40, n_patients=40)
    condition = {"epsilon": epsilon, "epsilon_unit": unit, "attack": attack}
    return Measurement.of(estimate, metric=metric, level=0.95, condition=condition)


def test_controls_of_the_same_size_stand_in_the_curve() -> None:
    """A control is drawn at its size; one of another unit or size is not, and none beside another metric."""
    evidence = sample()
    attacked = [measured("robust_accuracy", e, "pgd", 0.5) for e in (1.0, 2.0, 4.0)]
    beside = (
        measured("control_accuracy", 2.0, "shuffled", 0.9), measured("control_accuracy", 2.0, "random signs", 0.8),
        measured("control_accuracy", 3.0, "shuffled", 0.7),
        measured("control_accuracy", 2.0, "shuffled", 0.6, unit="/255"),
    )  # fmt: skip
    info = replace(evidence.results[0].info, family="ADV", code="ADV006", metrics=("control_accuracy",))
    result = replace(evidence.results[0], info=info, measurements=beside, state="completed", reason="")
    with_controls = replace(evidence, results=(result,), findings=())
    series = control_points(with_controls, "ADV001", attacked, {1.0: 0.0, 2.0: 1.0, 4.0: 2.0}, 2)
    assert [(s.name, s.x, s.y, s.ink) for s in series] == [
        ("control: shuffled", (1.0,), (0.9,), 2), ("control: random signs", (1.0,), (0.8,), 3),
    ]  # fmt: skip
    other = [replace(m, metric="robust_auc") for m in attacked]
    assert control_points(with_controls, "ADV001", other, {2.0: 1.0}, 2) == ()
    assert control_points(with_controls, "ADV002", attacked, {2.0: 1.0}, 2) == ()
