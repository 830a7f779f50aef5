"""P13: an operating point chosen on the cases that are audited."""

from pathlib import Path

import numpy as np
import pytest

from audit import session
from audit.config import load_audit
from audit.errors import FaultsError, InputError
from audit.testing import planted, tiny_cohort


def test_a_threshold_chosen_on_the_audited_cases_is_refused(folder: Path) -> None:
    """Said openly, it ends with exit 2: the rates at such a threshold are those of the best of many."""
    path = folder / "audit.toml"
    path.write_text(path.read_text().replace("operating_point = 0.5", 'operating_point_chosen_on = "audit"'))
    with pytest.raises(FaultsError, match="makes the audit look better") as caught:
        load_audit(path)
    assert caught.value.exit_code == 2


def test_neither_is_it_taken_from_python(tmp_path: Path) -> None:
    """A loaded model and a model of one's own are refused alike, and nothing is written."""
    with pytest.raises(InputError, match="operating_point_chosen_on"):
        session.load_model(
            lambda x: x, task="binary", output="probabilities", operating_point=0.5, operating_point_chosen_on="audit"
        )
    model = planted()
    object.__setattr__(model.card, "operating_point_chosen_on", "audit")
    cohort = tiny_cohort(np.random.default_rng(1), n=40)
    with pytest.raises(InputError, match="not chosen on other cases"):
        session.run(model, cohort, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
